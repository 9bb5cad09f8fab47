//! Many links in a folder's store, made of one that the API has made.
//!
//! The rows of that link and of its counts are copied, each time with another id and slug. They go to
//! the store's file by its own import, in large transactions, while nobody else has it open.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, ensure};
use domain::LinkId;
use dynoxide::types::{AttributeValue, Item};
use dynoxide::{Database, ImportOptions};
use jiff::{SignedDuration, Timestamp};

/// How many links go into one transaction.
const AT_ONCE: u64 = 5_000;

/// The link that is copied.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    pub(crate) id: String,
    pub(crate) slug: String,
}

/// The slug of the link of a number: eight letters and digits, in no order.
pub(crate) fn slug(number: u64) -> String {
    const LETTERS: &[u8; 32] = b"23456789abcdefghijkmnpqrstuvwxyz";
    // An odd factor: each number has a slug of its own.
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) & 0xff_ffff_ffff;
    let letter =
        |at: u32| char::from(LETTERS[usize::try_from(mixed >> (5 * at) & 31).unwrap_or(0)]);
    (0..8).rev().map(letter).collect()
}

/// The id of the link of a number: a second after the one before.
pub(crate) fn id(number: u64, begin: Timestamp) -> LinkId {
    let seconds = SignedDuration::from_secs(i64::try_from(number).unwrap_or(0));
    LinkId::new(begin + seconds, u128::from(number) << 32 | 7)
}

/// Adds the links of these numbers.
pub(crate) fn fill(
    folder: &Path,
    model: &Model,
    begin: Timestamp,
    numbers: std::ops::Range<u64>,
) -> anyhow::Result<()> {
    let path = folder.join("dynamodb.sqlite");
    let database = Database::new(path.to_str().context("the folder's name is UTF-8")?)?;
    let mut models = Vec::new();
    for table in ["links", "clicks"] {
        models.push((table, rows(&database, table, model)?));
    }
    database.enable_bulk_loading()?;
    let mut first = numbers.start;
    while first < numbers.end {
        let last = (first + AT_ONCE).min(numbers.end);
        for (table, rows) in &models {
            let copies = (first..last).flat_map(|number| {
                let (id, slug) = (id(number, begin).to_string(), slug(number));
                rows.iter().map(move |row| copied(row, model, &id, &slug))
            });
            database.import_items(table, copies.collect(), ImportOptions::default())?;
        }
        first = last;
    }
    database.disable_bulk_loading()?;
    Ok(())
}

/// The rows of a table whose key names the link.
fn rows(database: &Database, table: &str, model: &Model) -> anyhow::Result<Vec<Item>> {
    let mut rows = Vec::new();
    let mut start: Option<serde_json::Value> = None;
    loop {
        let mut request = serde_json::json!({ "TableName": table });
        if let Some(start) = &start {
            request["ExclusiveStartKey"] = start.clone();
        }
        let page = database.scan(serde_json::from_value(request)?)?;
        for item in page.items.into_iter().flatten() {
            let is_its = |name: &str| match item.get(name) {
                Some(AttributeValue::S(text)) => {
                    text.contains(&model.id) || text.ends_with(&format!("#{}", model.slug))
                }
                _ => false,
            };
            if is_its("pk") || is_its("sk") {
                rows.push(item);
            }
        }
        match page.last_evaluated_key {
            Some(key) => start = Some(serde_json::to_value(key)?),
            None => break,
        }
    }
    ensure!(!rows.is_empty(), "the link `{}` has no row in `{table}`", model.slug);
    Ok(rows)
}

fn copied(row: &Item, model: &Model, id: &str, slug: &str) -> Item {
    let text = |text: &String| text.replace(&model.id, id).replace(&model.slug, slug);
    let value = |value: &AttributeValue| {
        if let AttributeValue::S(it) = value { AttributeValue::S(text(it)) } else { value.clone() }
    };
    row.iter().map(|(name, it)| (name.clone(), value(it))).collect::<HashMap<_, _>>()
}
