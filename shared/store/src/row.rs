//! Writing and reading the attributes of a row.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

use crate::keys::{Key, PK, SK};

/// The attributes of a row.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// The version of the rows' format, in the attribute `n` of each.
pub(crate) const FORMAT: u64 = 1;

/// A row that does not hold what it should: a bug, or somebody else's write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the row `{pk}` / `{sk}` has no valid `{attribute}`")]
pub struct BadRow {
    pk: String,
    sk: String,
    attribute: &'static str,
}

impl BadRow {
    /// This attribute of this row is not as it should be.
    pub(crate) fn new(item: &Item, attribute: &'static str) -> Self {
        let part = |name| item.text(name).unwrap_or("?").to_owned();
        Self { pk: part(PK), sk: part(SK), attribute }
    }
}

/// A row with its key and the format's version.
pub(crate) fn row(key: &Key) -> Item {
    let mut item = key.attributes();
    item.set("n", FORMAT);
    item
}

/// Setting attributes.
pub(crate) trait Write {
    /// Sets an attribute.
    fn set(&mut self, name: &str, value: impl Value);

    /// Sets an attribute where there is something to set.
    fn set_some(&mut self, name: &str, value: Option<impl Value>) {
        if let Some(value) = value {
            self.set(name, value);
        }
    }
}

impl Write for Item {
    fn set(&mut self, name: &str, value: impl Value) {
        self.insert(name.to_owned(), value.attribute());
    }
}

/// What an attribute can be made of.
pub(crate) trait Value {
    /// The attribute.
    fn attribute(self) -> AttributeValue;
}

impl Value for &str {
    fn attribute(self) -> AttributeValue {
        AttributeValue::S(self.to_owned())
    }
}

impl Value for String {
    fn attribute(self) -> AttributeValue {
        AttributeValue::S(self)
    }
}

impl Value for u64 {
    fn attribute(self) -> AttributeValue {
        AttributeValue::N(self.to_string())
    }
}

impl Value for bool {
    fn attribute(self) -> AttributeValue {
        AttributeValue::Bool(self)
    }
}

impl Value for Vec<String> {
    fn attribute(self) -> AttributeValue {
        AttributeValue::L(self.into_iter().map(AttributeValue::S).collect())
    }
}

impl Value for Blob {
    fn attribute(self) -> AttributeValue {
        AttributeValue::B(self)
    }
}

impl Value for BTreeMap<String, String> {
    fn attribute(self) -> AttributeValue {
        let texts = self.into_iter().map(|(name, text)| (name, AttributeValue::S(text)));
        AttributeValue::M(texts.collect())
    }
}

/// A moment since 1970, in whatever unit, as an attribute's value: before 1970 nothing happened.
pub(crate) fn moment(since_1970: i64) -> u64 {
    u64::try_from(since_1970).unwrap_or(0)
}

/// Reading attributes.
pub(crate) trait Read {
    /// A string, if there is one.
    fn text(&self, name: &str) -> Option<&str>;

    /// A string that must be there, parsed.
    fn parse<T>(
        &self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, BadRow>;

    /// A string that may be missing, parsed.
    fn parse_some<T>(
        &self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, BadRow>;

    /// A number that may be missing.
    fn number<T: FromStr>(&self, name: &'static str) -> Result<Option<T>, BadRow>;

    /// A list of strings, each parsed; none if there is no list.
    fn list<T>(
        &self,
        name: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Vec<T>, BadRow>;

    /// Bytes that must be there.
    fn bytes(&self, name: &'static str) -> Result<Vec<u8>, BadRow>;

    /// Strings by their names; none if there is no map.
    fn texts(&self, name: &'static str) -> Result<BTreeMap<String, String>, BadRow>;

    /// Whether a truth value is there and true.
    fn is_set(&self, name: &str) -> bool;
}

impl Read for Item {
    fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_s().ok().map(String::as_str)
    }

    fn parse<T>(
        &self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, BadRow> {
        self.text(name).and_then(parse).ok_or_else(|| BadRow::new(self, name))
    }

    fn parse_some<T>(
        &self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, BadRow> {
        match self.get(name) {
            None => Ok(None),
            Some(_) => self.parse(name, parse).map(Some),
        }
    }

    fn number<T: FromStr>(&self, name: &'static str) -> Result<Option<T>, BadRow> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = value.as_n().ok().and_then(|digits| digits.parse().ok());
        number.map(Some).ok_or_else(|| BadRow::new(self, name))
    }

    fn list<T>(
        &self,
        name: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Vec<T>, BadRow> {
        let Some(value) = self.get(name) else { return Ok(Vec::new()) };
        let items = value.as_l().map_err(|_| BadRow::new(self, name))?;
        let parsed = |item: &AttributeValue| item.as_s().ok().and_then(|text| parse(text));
        items.iter().map(parsed).collect::<Option<_>>().ok_or_else(|| BadRow::new(self, name))
    }

    fn bytes(&self, name: &'static str) -> Result<Vec<u8>, BadRow> {
        let bytes = self.get(name).and_then(|value| value.as_b().ok());
        bytes.map(|blob| blob.as_ref().to_vec()).ok_or_else(|| BadRow::new(self, name))
    }

    fn texts(&self, name: &'static str) -> Result<BTreeMap<String, String>, BadRow> {
        let Some(value) = self.get(name) else { return Ok(BTreeMap::new()) };
        let map = value.as_m().map_err(|_| BadRow::new(self, name))?;
        let text = |(key, value): (&String, &AttributeValue)| {
            Some((key.clone(), value.as_s().ok()?.clone()))
        };
        map.iter().map(text).collect::<Option<_>>().ok_or_else(|| BadRow::new(self, name))
    }

    fn is_set(&self, name: &str) -> bool {
        self.get(name).and_then(|value| value.as_bool().ok()).copied().unwrap_or(false)
    }
}
