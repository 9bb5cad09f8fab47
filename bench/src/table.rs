//! Tables on the screen, and the same in a file.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use lambda::Clock;
use serde_json::{Value, json};

/// The folder of this crate.
pub(crate) fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Prints a line.
pub(crate) fn say(line: &str) {
    // Nobody is told that nobody listens.
    let _ = writeln!(io::stdout(), "{line}");
}

/// Rows of figures under their names.
#[derive(Debug)]
pub(crate) struct Table {
    title: String,
    columns: Vec<&'static str>,
    rows: Vec<Vec<Value>>,
}

impl Table {
    /// An empty table.
    pub(crate) fn new(title: impl Into<String>, columns: &[&'static str]) -> Self {
        Self { title: title.into(), columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row, one value for each column.
    pub(crate) fn row(&mut self, values: Vec<Value>) {
        self.rows.push(values);
    }

    /// Its rows, each value with its column.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Vec<(&'static str, &Value)>> {
        self.rows.iter().map(|row| self.columns.iter().copied().zip(row).collect())
    }

    /// Prints it, in Markdown, so that it can be pasted.
    pub(crate) fn print(&self) {
        let cells: Vec<Vec<String>> =
            self.rows.iter().map(|row| row.iter().map(shown).collect()).collect();
        let width = |at: usize| {
            let widest = cells.iter().map(|row| row.get(at).map_or(0, String::len)).max();
            widest.unwrap_or(0).max(self.columns[at].len())
        };
        let line = |row: &[String]| {
            let cell = |(at, text): (usize, &String)| match at {
                0 => format!(" {text:<0$} |", width(at)),
                _ => format!(" {text:>0$} |", width(at)),
            };
            format!("|{}", row.iter().enumerate().map(cell).collect::<String>())
        };
        say(&format!("\n{}\n", self.title));
        let names: Vec<String> = self.columns.iter().map(|name| (*name).to_owned()).collect();
        say(&line(&names));
        let dashes =
            |at: usize| format!("{}{}", "-".repeat(width(at) - 1), if at == 0 { "-" } else { ":" });
        say(&line(&(0..self.columns.len()).map(dashes).collect::<Vec<_>>()));
        for row in &cells {
            say(&line(row));
        }
    }

    fn json(&self) -> Value {
        let row = |row: &Vec<Value>| -> Value {
            let named = self.columns.iter().zip(row);
            named
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect::<serde_json::Map<_, _>>()
                .into()
        };
        let rows: Vec<_> = self.rows.iter().map(row).collect();
        json!({ "title": self.title, "columns": self.columns, "rows": rows })
    }
}

/// A value as people read it.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => match (number.as_u64(), number.as_f64()) {
            (Some(whole), _) => grouped(whole),
            // Cents, and whole numbers that came as others.
            (None, Some(part)) if (part * 100.0 - (part * 100.0).round()).abs() < 1e-6 => {
                let text = format!("{part:.2}");
                match text.strip_suffix(".00").and_then(|whole| whole.parse().ok()) {
                    Some(whole) => grouped(whole),
                    None => text,
                }
            }
            (None, Some(part)) if part.abs() < 10.0 => format!("{part:.3}"),
            (None, Some(part)) => format!("{part:.1}"),
            (None, None) => number.to_string(),
        },
        Value::Null => "–".to_owned(),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if 0 < at && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Prints tables, and writes them to `results/<what>.json` with where they were measured.
pub(crate) fn publish(what: &str, tables: &[Table]) -> anyhow::Result<()> {
    for table in tables {
        table.print();
    }
    let results = json!({
        "machine": machine(),
        "date": Clock::system().now().strftime("%F").to_string(),
        "tables": tables.iter().map(Table::json).collect::<Vec<_>>(),
    });
    let path: PathBuf = here().join("results").join(format!("{what}.json"));
    let folder = path.parent().context("a file is in a folder")?;
    std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let text = serde_json::to_string_pretty(&results)?;
    std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    say(&format!("\nOn {}; also in {}", machine(), path.display()));
    Ok(())
}

/// What it was measured on.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let about = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = about.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    format!("{cores} cores of {}", model.unwrap_or("an unknown model"))
}
