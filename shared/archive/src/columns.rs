//! The columns of the files: what each is called, what it is in Parquet and in Athena, and what of a
//! click it holds.

use std::borrow::Cow;
use std::sync::Arc;

use domain::{Click, RecordedClick};
use parquet::basic::{LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::errors::ParquetError;
use parquet::schema::types::{Type, TypePtr};

/// What kind of values a column has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Int32,
    Int64,
    /// Milliseconds since 1970, in UTC.
    Time,
}

/// A value of a click.
#[derive(Debug)]
pub(crate) enum Value<'a> {
    Unknown,
    Text(Cow<'a, str>),
    Number(i64),
}

/// A column.
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// Whether every click has it.
    pub(crate) required: bool,
    /// Whether values come again and again.
    pub(crate) repeats: bool,
    pub(crate) of: fn(&RecordedClick) -> Value<'_>,
}

impl Kind {
    pub(crate) fn physical(self) -> Physical {
        match self {
            Self::Text => Physical::BYTE_ARRAY,
            Self::Int32 => Physical::INT32,
            Self::Int64 | Self::Time => Physical::INT64,
        }
    }

    /// What Athena calls it.
    fn in_athena(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Int32 => "int",
            Self::Int64 => "bigint",
            Self::Time => "timestamp",
        }
    }

    fn logical(self) -> Option<LogicalType> {
        match self {
            Self::Text => Some(LogicalType::String),
            Self::Int32 | Self::Int64 => None,
            Self::Time => Some(LogicalType::timestamp(true, TimeUnit::MILLIS)),
        }
    }
}

const fn column(
    name: &'static str,
    kind: Kind,
    required: bool,
    of: fn(&RecordedClick) -> Value<'_>,
) -> Column {
    Column { name, kind, required, repeats: true, of }
}

/// A text that every click has.
const fn text(name: &'static str, of: fn(&RecordedClick) -> Value<'_>) -> Column {
    column(name, Kind::Text, true, of)
}

/// A text that may be unknown.
const fn maybe(name: &'static str, of: fn(&RecordedClick) -> Value<'_>) -> Column {
    column(name, Kind::Text, false, of)
}

fn known(text: &Option<String>) -> Value<'_> {
    text.as_deref().map_or(Value::Unknown, |text| Value::Text(Cow::Borrowed(text)))
}

fn named(name: Option<&str>) -> Value<'_> {
    name.map_or(Value::Unknown, |name| Value::Text(Cow::Borrowed(name)))
}

fn made(text: String) -> Value<'static> {
    Value::Text(Cow::Owned(text))
}

/// Where these columns are in [`COLUMNS`].
pub(crate) const ID: usize = 0;
pub(crate) const WORKSPACE: usize = 2;
pub(crate) const LINK: usize = 3;
pub(crate) const BOT: usize = 16;

/// All columns, in the order of the fields of [`lake::Line`]. A new one goes to the end, is not
/// required, and raises the version of the files.
pub(crate) static COLUMNS: [Column; 35] = [
    Column { repeats: false, ..text("id", |it| made(it.click.id.to_string())) },
    Column {
        repeats: false,
        ..column("at", Kind::Time, true, |it| Value::Number(it.click.id.at().as_millisecond()))
    },
    text("workspace", |it| made(it.click.workspace.to_string())),
    text("link", |it| made(it.click.link.to_string())),
    text("domain", |it| named(Some(&it.click.domain))),
    text("slug", |it| named(Some(&it.click.slug))),
    column("shard", Kind::Int32, true, |it| Value::Number(it.click.shard.into())),
    text("method", |_| named(Some(Click::METHOD))),
    column("status", Kind::Int32, true, |it| Value::Number(it.click.status.into())),
    maybe("destination", |it| known(&it.click.destination)),
    maybe("referrer", |it| known(&it.click.referrer)),
    maybe("referrer_url", |it| known(&it.click.referrer_url)),
    maybe("user_agent", |it| known(&it.click.user_agent)),
    maybe("browser", |it| known(&it.agent.browser)),
    maybe("os", |it| known(&it.agent.os)),
    maybe("device", |it| named(it.agent.device.map(|device| device.as_str()))),
    maybe("bot", |it| named(it.bot.as_ref().map(|bot| bot.name.as_str()))),
    maybe("bot_why", |it| named(it.bot.as_ref().map(|bot| bot.why.as_str()))),
    maybe("purpose", |it| named(it.click.purpose.map(|purpose| purpose.as_str()))),
    maybe("language", |it| known(&it.click.language)),
    maybe("country", |it| known(&it.click.place.country)),
    maybe("region", |it| known(&it.click.place.region)),
    maybe("city", |it| known(&it.click.place.city)),
    column("network", Kind::Int64, false, |it| {
        it.click.network.map_or(Value::Unknown, |number| Value::Number(number.into()))
    }),
    maybe("utm_source", |it| known(&it.click.utm.source)),
    maybe("utm_medium", |it| known(&it.click.utm.medium)),
    maybe("utm_campaign", |it| known(&it.click.utm.campaign)),
    maybe("utm_term", |it| known(&it.click.utm.term)),
    maybe("utm_content", |it| known(&it.click.utm.content)),
    maybe("asked_utm_source", |it| known(&it.click.asked_utm.source)),
    maybe("asked_utm_medium", |it| known(&it.click.asked_utm.medium)),
    maybe("asked_utm_campaign", |it| known(&it.click.asked_utm.campaign)),
    maybe("asked_utm_term", |it| known(&it.click.asked_utm.term)),
    maybe("asked_utm_content", |it| known(&it.click.asked_utm.content)),
    maybe("visitor", |it| it.click.visitor.map_or(Value::Unknown, |id| made(id.to_string()))),
];

/// The names of all columns and what Athena calls their types.
pub fn columns() -> impl Iterator<Item = (&'static str, &'static str)> {
    COLUMNS.iter().map(|column| (column.name, column.kind.in_athena()))
}

/// What these columns are as a schema of Parquet.
pub(crate) fn schema(columns: &[Column]) -> Result<TypePtr, ParquetError> {
    let field = |column: &Column| {
        let repetition = if column.required { Repetition::REQUIRED } else { Repetition::OPTIONAL };
        Type::primitive_type_builder(column.name, column.kind.physical())
            .with_repetition(repetition)
            .with_logical_type(column.kind.logical())
            .build()
            .map(Arc::new)
    };
    let fields = columns.iter().map(field).collect::<Result<_, _>>()?;
    Type::group_type_builder("click").with_fields(fields).build().map(Arc::new)
}
