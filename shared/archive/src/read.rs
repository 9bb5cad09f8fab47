//! Reading a file, some rows at a time.

use std::borrow::Cow;

use bytes::Bytes;
use domain::{ClickId, LinkId, RecordedClick, WorkspaceId};
use lake::{Line, LineError};
use parquet::column::reader::ColumnReader;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, FileReader, Length, SerializedFileReader};

use crate::columns::{BOT, COLUMNS, ID, LINK, WORKSPACE};
use crate::{Of, VERSION, VERSION_KEY};

/// So many rows are read at once: what they need besides the file is some megabytes.
const BATCH: usize = 4_096;

/// What a file's rows are sorted by.
pub(crate) type Key = (WorkspaceId, LinkId, ClickId);

pub(crate) fn key_of(it: &RecordedClick) -> Key {
    (it.click.workspace, it.click.link, it.click.id)
}

/// Why a file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It is no Parquet, or a part of it is damaged.
    #[error("it is no sound file of Parquet: {0}")]
    Parquet(#[from] ParquetError),
    /// It is of a version that is not known here, or of somebody else.
    #[error("it does not say that it is of version {VERSION} or the one before")]
    Version,
    /// A column is missing, or is another than it should be.
    #[error("its column `{0}` is not as it should be")]
    Column(&'static str),
    /// A row is no click.
    #[error("a row is no click: {0}")]
    Row(#[from] LineError),
    /// Rows are not in their order, so clicks could be missed.
    #[error("its rows are not in order")]
    Order,
    /// It made the reader panic.
    #[error("reading it ended in a panic")]
    Panic,
}

/// A file, opened.
pub(crate) struct File<R: ChunkReader + 'static> {
    reader: SerializedFileReader<R>,
    /// Where each of our columns is in the file.
    places: Vec<Option<usize>>,
}

impl<R: ChunkReader + 'static> File<R> {
    pub(crate) fn open(source: R) -> Result<Self, FileError> {
        let reader = SerializedFileReader::new(source)?;
        let metadata = reader.metadata().file_metadata();
        let pairs = metadata.key_value_metadata().into_iter().flatten();
        let version = pairs.filter(|pair| pair.key == VERSION_KEY).find_map(|pair| {
            let version = pair.value.as_deref()?;
            version.parse::<u32>().ok()
        });
        match version {
            Some(version) if (VERSION - 1..=VERSION).contains(&version) => {}
            Some(_) | None => return Err(FileError::Version),
        }
        let theirs = metadata.schema_descr().columns();
        let mut places = Vec::new();
        for column in &COLUMNS {
            let place = theirs.iter().position(|it| it.name() == column.name);
            let sound = match place.map(|place| &theirs[place]) {
                Some(it) => {
                    it.physical_type() == column.kind.physical()
                        && it.max_rep_level() == 0
                        && it.max_def_level() == i16::from(!column.required)
                }
                // An older version has fewer of them.
                None => !column.required,
            };
            if !sound {
                return Err(FileError::Column(column.name));
            }
            places.push(place);
        }
        Ok(Self { reader, places })
    }

    pub(crate) fn groups(&self) -> usize {
        self.reader.num_row_groups()
    }

    /// Whether a group can have clicks of this link or workspace, by what it says of its values.
    pub(crate) fn may_hold(&self, group: usize, of: Of) -> bool {
        let within = |column: usize, value: String| {
            let Some(place) = self.places[column] else { return true };
            let chunk = self.reader.metadata().row_group(group).column(place);
            let Some(statistics) = chunk.statistics() else { return true };
            let least = statistics.min_bytes_opt().is_none_or(|it| it <= value.as_bytes());
            least && statistics.max_bytes_opt().is_none_or(|it| value.as_bytes() <= it)
        };
        match of {
            Of::Link(workspace, link) => {
                within(WORKSPACE, workspace.to_string()) && within(LINK, link.to_string())
            }
            Of::Workspace(workspace) => within(WORKSPACE, workspace.to_string()),
        }
    }

    fn open_group(&self, group: usize, columns: &[usize]) -> Result<Rows, FileError> {
        let group = self.reader.get_row_group(group)?;
        let left = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
        let mut cells = Vec::new();
        for (at, column) in COLUMNS.iter().enumerate() {
            let reader = match self.places[at].filter(|_| columns.contains(&at)) {
                Some(place) => Some(group.get_column_reader(place)?),
                None => None,
            };
            let (name, required) = (column.name, column.required);
            let (levels, texts, numbers) = (Vec::new(), Vec::new(), Vec::new());
            cells.push(Cells { reader, name, required, levels, texts, numbers, row: 0, value: 0 });
        }
        Ok(Rows { cells, left })
    }

    /// The clicks of a group.
    pub(crate) fn clicks(&self, group: usize) -> Result<Clicks, FileError> {
        let all: Vec<usize> = (0..COLUMNS.len()).collect();
        self.open_group(group, &all).map(Clicks)
    }

    /// Whose clicks are in a group, and which are of programs.
    pub(crate) fn keys(&self, group: usize) -> Result<Keys, FileError> {
        self.open_group(group, &[ID, WORKSPACE, LINK, BOT]).map(Keys)
    }
}

/// Rows of a group, batch by batch.
struct Rows {
    cells: Vec<Cells>,
    left: usize,
}

/// The values of a column, of the rows of a batch.
struct Cells {
    reader: Option<ColumnReader>,
    name: &'static str,
    required: bool,
    levels: Vec<i16>,
    texts: Vec<ByteArray>,
    numbers: Vec<i64>,
    /// Which row is next, and which of the values, of which unknown ones have none.
    row: usize,
    value: usize,
}

impl Rows {
    /// Reads the next rows, and answers how many there are.
    fn next(&mut self) -> Result<usize, FileError> {
        let count = self.left.min(BATCH);
        for cells in &mut self.cells {
            cells.read(count)?;
        }
        self.left -= count;
        Ok(count)
    }
}

impl Cells {
    fn read(&mut self, count: usize) -> Result<(), FileError> {
        (self.row, self.value) = (0, 0);
        self.levels.clear();
        self.texts.clear();
        self.numbers.clear();
        let levels = Some(&mut self.levels);
        let (rows, _, _) = match &mut self.reader {
            None => return Ok(()),
            Some(ColumnReader::ByteArrayColumnReader(reader)) => {
                reader.read_records(count, levels, None, &mut self.texts)?
            }
            Some(ColumnReader::Int64ColumnReader(reader)) => {
                reader.read_records(count, levels, None, &mut self.numbers)?
            }
            Some(ColumnReader::Int32ColumnReader(reader)) => {
                let mut numbers = Vec::new();
                let read = reader.read_records(count, levels, None, &mut numbers)?;
                self.numbers.extend(numbers.into_iter().map(i64::from));
                read
            }
            Some(
                ColumnReader::BoolColumnReader(_)
                | ColumnReader::Int96ColumnReader(_)
                | ColumnReader::FloatColumnReader(_)
                | ColumnReader::DoubleColumnReader(_)
                | ColumnReader::FixedLenByteArrayColumnReader(_),
            ) => return Err(FileError::Column(self.name)),
        };
        if rows == count { Ok(()) } else { Err(FileError::Column(self.name)) }
    }

    /// Goes on to the next row; the place of its value, if it has one.
    fn step(&mut self) -> Option<usize> {
        let known = self.reader.is_some()
            && (self.required || self.levels.get(self.row).is_some_and(|level| *level == 1));
        self.row += 1;
        let place = self.value;
        self.value += usize::from(known);
        known.then_some(place)
    }

    fn text(&mut self) -> Result<Option<Cow<'_, str>>, FileError> {
        let Some(place) = self.step() else { return Ok(None) };
        let text = self.texts.get(place).and_then(|text| text.as_utf8().ok());
        text.map(|text| Some(Cow::Borrowed(text))).ok_or(FileError::Column(self.name))
    }

    fn some(&mut self) -> Result<Cow<'_, str>, FileError> {
        let name = self.name;
        self.text()?.ok_or(FileError::Column(name))
    }

    fn number<T: TryFrom<i64>>(&mut self) -> Result<Option<T>, FileError> {
        let Some(place) = self.step() else { return Ok(None) };
        let number = self.numbers.get(place).and_then(|number| T::try_from(*number).ok());
        number.map(Some).ok_or(FileError::Column(self.name))
    }
}

/// The clicks of a group.
pub(crate) struct Clicks(Rows);

impl Clicks {
    /// The next of them; none at the end.
    pub(crate) fn next(&mut self) -> Result<Vec<RecordedClick>, FileError> {
        let count = self.0.next()?;
        (0..count).map(|_| click(&mut self.0.cells)).collect()
    }
}

/// Whose clicks are in a group.
pub(crate) struct Keys(Rows);

impl Keys {
    /// The next of them, and whether it was a program; none at the end.
    pub(crate) fn next(&mut self) -> Result<Vec<(Key, bool)>, FileError> {
        let count = self.0.next()?;
        let cells = &mut self.0.cells;
        let mut keys = Vec::with_capacity(count);
        for _ in 0..count {
            let workspace = WorkspaceId::parse(&cells[WORKSPACE].some()?);
            let link = LinkId::parse(&cells[LINK].some()?);
            let id = ClickId::parse(&cells[ID].some()?);
            let key = (
                workspace.map_err(|_| LineError::Value("workspace"))?,
                link.map_err(|_| LineError::Value("link"))?,
                id.map_err(|_| LineError::Value("id"))?,
            );
            keys.push((key, cells[BOT].step().is_some()));
        }
        Ok(keys)
    }
}

/// The click of the next row. Fields are taken in the order of the columns.
fn click(cells: &mut [Cells]) -> Result<RecordedClick, FileError> {
    let mut cells = cells.iter_mut();
    let mut next = || cells.next().ok_or(FileError::Column("visitor"));
    let line = Line {
        v: 1,
        id: next()?.some()?,
        at: {
            next()?.step();
            Cow::Borrowed("")
        },
        workspace: next()?.some()?,
        link: next()?.some()?,
        domain: next()?.some()?,
        slug: next()?.some()?,
        shard: next()?.number()?.unwrap_or_default(),
        method: next()?.some()?,
        status: next()?.number()?.unwrap_or_default(),
        destination: next()?.text()?,
        referrer: next()?.text()?,
        referrer_url: next()?.text()?,
        user_agent: next()?.text()?,
        browser: next()?.text()?,
        os: next()?.text()?,
        device: next()?.text()?,
        bot: next()?.text()?,
        bot_why: next()?.text()?,
        purpose: next()?.text()?,
        language: next()?.text()?,
        country: next()?.text()?,
        region: next()?.text()?,
        city: next()?.text()?,
        network: next()?.number()?,
        utm_source: next()?.text()?,
        utm_medium: next()?.text()?,
        utm_campaign: next()?.text()?,
        utm_term: next()?.text()?,
        utm_content: next()?.text()?,
        asked_utm_source: next()?.text()?,
        asked_utm_medium: next()?.text()?,
        asked_utm_campaign: next()?.text()?,
        asked_utm_term: next()?.text()?,
        asked_utm_content: next()?.text()?,
        visitor: next()?.text()?,
    };
    Ok(RecordedClick::try_from(line)?)
}

/// The end of a file, which says what is in it.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) size: u64,
    pub(crate) bytes: Bytes,
}

impl Length for End {
    fn len(&self) -> u64 {
        self.size
    }
}

impl ChunkReader for End {
    type T = std::io::Cursor<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        let have = u64::try_from(self.bytes.len()).unwrap_or(u64::MAX);
        let length = usize::try_from(self.size.saturating_sub(start)).unwrap_or(usize::MAX);
        if self.size.saturating_sub(start) > have {
            return Err(ParquetError::NeedMoreData(length));
        }
        self.get_bytes(start, length).map(std::io::Cursor::new)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let have = u64::try_from(self.bytes.len()).unwrap_or(u64::MAX);
        let begin = start.checked_sub(self.size.saturating_sub(have));
        let begin = begin.and_then(|begin| usize::try_from(begin).ok());
        let range = begin.and_then(|begin| Some(begin..begin.checked_add(length)?));
        match range.filter(|range| range.end <= self.bytes.len()) {
            Some(range) => Ok(self.bytes.slice(range)),
            None => Err(ParquetError::NeedMoreData(length)),
        }
    }
}
