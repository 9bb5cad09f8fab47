//! Puts the last results into `docs/performance.md`: tables between their marks, and charts.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use crate::chart::{Series, bars, lines};
use crate::table::{here, say, shown};

/// What a chart shows of a table.
enum Shape {
    /// A bar for each of these columns.
    Bars { log: bool, values: &'static [&'static str] },
    /// A line for each of these columns over another one.
    Columns { log: bool, x: &'static str, values: &'static [&'static str], y: &'static str },
    /// A line for each value of the first column.
    Groups { log: bool, x: &'static str, value: &'static str },
}

struct Chart {
    file: &'static str,
    title: &'static str,
    /// Which results, and which table of them.
    of: (&'static str, usize),
    /// The columns that name a bar.
    labels: &'static [&'static str],
    shape: Shape,
}

const CHARTS: &[Chart] = &[
    Chart {
        file: "cold",
        title: "A cold start with 14.5 % of a CPU: init and first answer, ms (logarithmic)",
        of: ("lambda", 2),
        labels: &["function"],
        shape: Shape::Bars {
            log: true,
            values: &["both, 14.5 % of 20 ms", "both, 14.5 % of 100 ms"],
        },
    },
    Chart {
        file: "warm",
        title: "CPU of a warm redirect with its click, µs",
        of: ("lambda", 3),
        labels: &["function"],
        shape: Shape::Bars {
            log: false,
            values: &["hit CPU µs to the answer", "hit CPU µs in all"],
        },
    },
    Chart {
        file: "write-units",
        title: "Write units for each click",
        of: ("ledger", 1),
        labels: &["clicks on", "the day so far"],
        shape: Shape::Bars { log: false, values: &["write units per click"] },
    },
    Chart {
        file: "hot-link",
        title: "A model: clicks/s on one hot link, by workers",
        of: ("ledger", 2),
        labels: &[],
        shape: Shape::Columns {
            log: false,
            x: "workers",
            values: &["clicks/s", "clicks/s with one shard"],
            y: "clicks/s",
        },
    },
    Chart {
        file: "floor",
        title: "Redirects/s at 64 connections",
        of: ("http", 1),
        labels: &["server"],
        shape: Shape::Bars { log: false, values: &["redirects/s"] },
    },
    Chart {
        file: "most",
        title: "Answers/s of local at 64 connections",
        of: ("http", 2),
        labels: &["what"],
        shape: Shape::Bars { log: false, values: &["answered/s"] },
    },
    Chart {
        file: "latency",
        title: "p99 of local at rising rates, from when a request was due",
        of: ("http", 3),
        labels: &[],
        shape: Shape::Groups { log: true, x: "answered/s", value: "p99 ms" },
    },
    Chart {
        file: "scale",
        title: "p50 by the number of links",
        of: ("scale", 1),
        labels: &[],
        shape: Shape::Groups { log: true, x: "links", value: "p50 ms" },
    },
    Chart {
        file: "stats",
        title: "A year of statistics with all dimensions: p50 in ms",
        of: ("stats", 1),
        labels: &["clicks of the link", "shards"],
        shape: Shape::Bars { log: true, values: &["cold ms", "p50 ms after a click", "p50 ms"] },
    },
    Chart {
        file: "cost",
        title: "One million clicks, in US dollars (us-east-1)",
        of: ("cost", 1),
        labels: &["what"],
        shape: Shape::Bars { log: false, values: &["one by one", "in crowds"] },
    },
];

/// The results of a command.
struct Results {
    line: String,
    tables: Vec<Rows>,
}

struct Rows {
    columns: Vec<String>,
    rows: Vec<BTreeMap<String, Value>>,
}

impl Rows {
    fn text(&self, row: usize, column: &str) -> String {
        self.rows[row].get(column).map_or_else(String::new, shown)
    }

    fn number(&self, row: usize, column: &str) -> anyhow::Result<f64> {
        let value = self.rows[row].get(column).and_then(Value::as_f64);
        value.with_context(|| format!("the column `{column}` has no number in row {row}"))
    }

    fn markdown(&self) -> String {
        let is_number =
            |name: &String| self.rows.iter().any(|row| row.get(name).is_some_and(Value::is_number));
        let mut text = format!("| {} |\n|", self.columns.join(" | "));
        for name in &self.columns {
            text.push_str(if is_number(name) { " ---: |" } else { " --- |" });
        }
        for row in 0..self.rows.len() {
            let cells: Vec<_> = self.columns.iter().map(|name| self.text(row, name)).collect();
            text.push_str(&format!("\n| {} |", cells.join(" | ")));
        }
        text + "\n"
    }
}

fn read(what: &str) -> anyhow::Result<Option<Results>> {
    let path = here().join("results").join(format!("{what}.json"));
    let Ok(text) = fs::read_to_string(&path) else { return Ok(None) };
    let value: Value =
        serde_json::from_str(&text).with_context(|| format!("reading {}", path.display()))?;
    let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let mut tables = Vec::new();
    for table in value["tables"].as_array().context("results have tables")? {
        let columns = serde_json::from_value(table["columns"].clone())
            .with_context(|| format!("{} is of an older bench", path.display()))?;
        tables.push(Rows { columns, rows: serde_json::from_value(table["rows"].clone())? });
    }
    Ok(Some(Results { line: format!("{}, {}", text("machine"), text("date")), tables }))
}

pub(crate) fn run() -> anyhow::Result<()> {
    let docs = here().join("../docs");
    let page = docs.join("performance.md");
    let old = fs::read_to_string(&page).context("reading docs/performance.md")?;
    let new = filled(&old, read)?;
    fs::write(&page, new)?;
    say("wrote docs/performance.md");
    fs::create_dir_all(docs.join("performance"))?;
    for chart in CHARTS {
        let (what, number) = chart.of;
        let Some(results) = read(what)? else { continue };
        let table = results.tables.get(number - 1).context("a chart has a table")?;
        let svg = drawn(chart, table).with_context(|| format!("drawing {}", chart.file))?;
        let path: PathBuf = docs.join("performance").join(format!("{}.svg", chart.file));
        fs::write(&path, svg)?;
        say(&format!("wrote docs/performance/{}.svg", chart.file));
    }
    Ok(())
}

/// The page with the tables of `read` between their marks: `<!-- bench: ledger 1 -->` and
/// `<!-- end -->`. What has no results stays as it is.
fn filled(
    page: &str,
    read: impl Fn(&str) -> anyhow::Result<Option<Results>>,
) -> anyhow::Result<String> {
    const END: &str = "<!-- end -->";
    let mut text = String::new();
    let mut rest = page;
    while let Some(at) = rest.find("<!-- bench: ") {
        let (before, mark) = rest.split_at(at);
        let (mark, after) = mark.split_once('\n').context("a mark is a line")?;
        let (inside, after) = after.split_once(END).with_context(|| format!("`{mark}` ends"))?;
        let name = mark.trim_start_matches("<!-- bench: ").trim_end_matches(" -->");
        let (what, number) = name.split_once(' ').with_context(|| format!("`{mark}` counts"))?;
        let number: usize = number.parse()?;
        text.push_str(&format!("{before}{mark}\n"));
        match read(what)? {
            Some(results) => {
                let Some(table) = number.checked_sub(1).and_then(|at| results.tables.get(at))
                else {
                    bail!("there is no table for `{mark}`");
                };
                text.push_str(&format!("\n{}\n{}.\n\n", table.markdown(), results.line));
            }
            None => text.push_str(inside),
        }
        text.push_str(END);
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}

fn drawn(chart: &Chart, table: &Rows) -> anyhow::Result<String> {
    let numbers = |column: &&str| -> anyhow::Result<Vec<f64>> {
        (0..table.rows.len()).map(|row| table.number(row, column)).collect()
    };
    Ok(match &chart.shape {
        Shape::Bars { log, values } => {
            // What was not measured has no bar.
            let has = |row: &usize| values.iter().all(|name| table.number(*row, name).is_ok());
            let shown: Vec<usize> = (0..table.rows.len()).filter(has).collect();
            ensure!(!shown.is_empty(), "no row has {values:?}");
            let label = |row: &usize| {
                let parts = chart.labels.iter().map(|column| match *column {
                    "shards" if table.text(*row, column) == "1" => "1 shard".to_owned(),
                    "shards" => format!("{} shards", table.text(*row, column)),
                    "clicks of the link" => format!("{} clicks", table.text(*row, column)),
                    column => table.text(*row, column),
                });
                parts.collect::<Vec<_>>().join(", ")
            };
            let labels: Vec<_> = shown.iter().map(label).collect();
            let series = |column: &&str| -> anyhow::Result<_> {
                let values = shown.iter().map(|row| table.number(*row, column));
                Ok(Series { name: (*column).to_owned(), values: values.collect::<Result<_, _>>()? })
            };
            let series = values.iter().map(series).collect::<anyhow::Result<Vec<_>>>()?;
            bars(chart.title, &labels, &series, *log)
        }
        Shape::Columns { log, x, values, y } => {
            let of_x = numbers(x)?;
            let series = |column: &&str| -> anyhow::Result<_> {
                let values = of_x.iter().copied().zip(numbers(column)?).collect();
                Ok(Series { name: (*column).to_owned(), values })
            };
            let series = values.iter().map(series).collect::<anyhow::Result<Vec<_>>>()?;
            lines(chart.title, [x, y], &series, *log)
        }
        Shape::Groups { log, x, value } => {
            let by = table.columns.first().context("a table has columns")?;
            let mut series: Vec<Series<(f64, f64)>> = Vec::new();
            for row in 0..table.rows.len() {
                let name = table.text(row, by);
                let point = (table.number(row, x)?, table.number(row, value)?);
                match series.iter_mut().find(|series| series.name == name) {
                    Some(series) => series.values.push(point),
                    None => series.push(Series { name, values: vec![point] }),
                }
            }
            lines(chart.title, [x, value], &series, *log)
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn results() -> Results {
        let rows = serde_json::from_value(json!([{ "clicks on": "a link", "units": 2188 }]));
        let columns = vec!["clicks on".to_owned(), "units".to_owned()];
        let tables = vec![Rows { columns, rows: rows.unwrap() }];
        Results { line: "2 cores, 2026-11-23".to_owned(), tables }
    }

    #[test]
    fn what_is_between_the_marks_is_written_anew_and_nothing_else() {
        let page = "before\n<!-- bench: a 1 -->\nold\n<!-- end -->\nbetween\n\
                    <!-- bench: b 1 -->\nkept\n<!-- end -->\nafter\n";
        let new = filled(page, |what| Ok((what == "a").then(results))).unwrap();
        assert_eq!(
            new,
            "before\n<!-- bench: a 1 -->\n\n| clicks on | units |\n| --- | ---: |\n| a link | 2,188 |\n\n\
             2 cores, 2026-11-23.\n\n<!-- end -->\nbetween\n<!-- bench: b 1 -->\nkept\n<!-- end -->\nafter\n"
        );
        let again = filled(&new, |what| Ok((what == "a").then(results))).unwrap();
        assert_eq!(again, new);
    }

    #[test]
    fn a_table_that_is_not_there_is_an_error() {
        let page = "<!-- bench: a 2 -->\n<!-- end -->\n";
        assert!(filled(page, |_| Ok(Some(results()))).is_err());
    }

    #[test]
    fn each_chart_that_was_drawn_is_on_the_page() {
        let docs = here().join("../docs");
        let page = fs::read_to_string(docs.join("performance.md")).unwrap();
        let drawn = fs::read_dir(docs.join("performance")).unwrap();
        let mut drawn: Vec<_> = drawn.map(|file| file.unwrap().file_name()).collect();
        drawn.retain(|name| !page.contains(&format!("](performance/{})", name.display())));
        assert!(drawn.is_empty(), "{drawn:?}");
    }
}
