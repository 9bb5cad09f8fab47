//! What it costs in AWS: `scripts/cost` works it out, from counted calls and dated prices.

use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::table::{Table, here, publish};

pub(crate) fn run() -> anyhow::Result<()> {
    let root = here().join("..");
    let mut script = Command::new("python3");
    let output = script.current_dir(&root).args(["scripts/cost", "--json"]).output();
    let output = output.context("starting Python 3")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout)?;
    let region = said["region"].as_str().context("prices are of a region")?;
    let mut million = Table::new(
        format!("One million redirects with counting, in US dollars, {region}"),
        &["what", "one by one", "in crowds"],
    );
    for row in said["million"].as_array().context("there is a million")? {
        million.row(vec![row["what"].clone(), row["one by one"].clone(), row["in crowds"].clone()]);
    }
    let mut months = Table::new(
        format!("A month, in US dollars, {region}"),
        &["clicks", "how they come", "with AWS's allowances", "with these used up"],
    );
    for row in said["months"].as_array().context("there are months")? {
        months.row(vec![
            json!(row["clicks"]),
            row["profile"].clone(),
            row["with allowances"].clone(),
            row["without"].clone(),
        ]);
    }
    publish("cost", &[million, months])
}
