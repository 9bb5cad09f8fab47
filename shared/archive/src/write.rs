//! Writing a file.

use std::sync::Arc;

use domain::RecordedClick;
use parquet::basic::Compression;
use parquet::column::writer::ColumnWriter;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::ColumnPath;

use crate::columns::{COLUMNS, Column, ID, LINK, Value, WORKSPACE, schema};
use crate::{VERSION, VERSION_KEY};

/// How many rows a group has. A link's clicks are beside each other, so most groups can be left out
/// by the least and the greatest link that they say they have.
pub(crate) const GROUP: usize = 50_000;

/// A file in the making. Rows are put in their order.
pub(crate) struct Writer {
    inner: SerializedFileWriter<Vec<u8>>,
    columns: &'static [Column],
    rows: Vec<RecordedClick>,
    group: usize,
}

impl Writer {
    pub(crate) fn new() -> Result<Self, ParquetError> {
        Self::of(&COLUMNS, VERSION, GROUP)
    }

    /// With so many columns, as another version would have them, and so many rows in a group.
    pub(crate) fn of(
        columns: &'static [Column],
        version: u32,
        group: usize,
    ) -> Result<Self, ParquetError> {
        let text = |key: &str, value: String| KeyValue::new(key.to_owned(), value);
        let sorted = [WORKSPACE, LINK, ID].map(|column| SortingColumn {
            column_idx: i32::try_from(column).unwrap_or(0),
            descending: false,
            nulls_first: false,
        });
        let mut properties = WriterProperties::builder()
            .set_created_by("signpost".to_owned())
            .set_compression(Compression::SNAPPY)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_offset_index_disabled(true)
            .set_max_row_group_row_count(Some(group))
            .set_sorting_columns(Some(sorted.to_vec()))
            .set_key_value_metadata(Some(vec![text(VERSION_KEY, version.to_string())]));
        for column in columns.iter().filter(|column| !column.repeats) {
            properties =
                properties.set_column_dictionary_enabled(ColumnPath::from(column.name), false);
        }
        let inner =
            SerializedFileWriter::new(Vec::new(), schema(columns)?, Arc::new(properties.build()))?;
        Ok(Self { inner, columns, rows: Vec::new(), group })
    }

    /// Adds a row, and says whether a group was written, which takes a while.
    pub(crate) fn push(&mut self, click: RecordedClick) -> Result<bool, ParquetError> {
        self.rows.push(click);
        let full = self.group <= self.rows.len();
        if full {
            self.write()?;
        }
        Ok(full)
    }

    pub(crate) fn finish(mut self) -> Result<Vec<u8>, ParquetError> {
        if !self.rows.is_empty() {
            self.write()?;
        }
        self.inner.into_inner()
    }

    /// Writes a group.
    fn write(&mut self) -> Result<(), ParquetError> {
        let mut group = self.inner.next_row_group()?;
        for column in self.columns {
            let Some(writer) = group.next_column()? else {
                return Err(ParquetError::General("there are too few columns".to_owned()));
            };
            write_column(writer, column, &self.rows)?;
        }
        group.close()?;
        self.rows.clear();
        Ok(())
    }
}

fn write_column(
    mut writer: SerializedColumnWriter<'_>,
    column: &Column,
    rows: &[RecordedClick],
) -> Result<(), ParquetError> {
    let values = || rows.iter().map(column.of);
    match writer.untyped() {
        ColumnWriter::ByteArrayColumnWriter(_) => {
            put::<ByteArrayType>(&mut writer, column, values(), |value| match value {
                Value::Text(text) => Some(ByteArray::from(text.into_owned().into_bytes())),
                Value::Number(_) | Value::Unknown => None,
            })?;
        }
        ColumnWriter::Int32ColumnWriter(_) => {
            put::<Int32Type>(&mut writer, column, values(), |value| match value {
                Value::Number(number) => i32::try_from(number).ok(),
                Value::Text(_) | Value::Unknown => None,
            })?;
        }
        ColumnWriter::Int64ColumnWriter(_) => {
            put::<Int64Type>(&mut writer, column, values(), |value| match value {
                Value::Number(number) => Some(number),
                Value::Text(_) | Value::Unknown => None,
            })?;
        }
        ColumnWriter::BoolColumnWriter(_)
        | ColumnWriter::Int96ColumnWriter(_)
        | ColumnWriter::FloatColumnWriter(_)
        | ColumnWriter::DoubleColumnWriter(_)
        | ColumnWriter::FixedLenByteArrayColumnWriter(_) => {
            return Err(ParquetError::General("no column is of this type".to_owned()));
        }
    }
    writer.close()
}

fn put<'a, T: DataType>(
    writer: &mut SerializedColumnWriter<'_>,
    column: &Column,
    rows: impl Iterator<Item = Value<'a>>,
    value_of: impl Fn(Value<'a>) -> Option<T::T>,
) -> Result<(), ParquetError> {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    for row in rows {
        let value = value_of(row);
        levels.push(i16::from(value.is_some()));
        values.extend(value);
    }
    let levels = (!column.required).then_some(levels.as_slice());
    writer.typed::<T>().write_batch(&values, levels, None).map(drop)
}
