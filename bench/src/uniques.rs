//! How far the count of visitors is off.

use domain::Visitor;
use domain::visitors::Visitors;
use serde_json::json;
use torture::chance::Chance;

use crate::table::{Table, publish};

/// How often each number is counted, with other visitors each time.
const SEEDS: u32 = 50;

pub(crate) fn run() -> anyhow::Result<()> {
    let mut table = Table::new(
        format!("The count of visitors of a day, over {SEEDS} seeds"),
        &["visitors", "mean error %", "standard error %", "worst error %", "within 2 %"],
    );
    for count in [100_u32, 1_000, 10_000, 100_000, 1_000_000] {
        let mut errors = Vec::new();
        for seed in 0..SEEDS {
            let mut chance = Chance::new(u64::from(seed) << 32 | u64::from(count));
            let mut visitors = Visitors::default();
            for _ in 0..count {
                visitors.add(Visitor::new(chance.bits()));
            }
            let counted = f64::from(u32::try_from(visitors.estimate())?);
            errors.push((counted / f64::from(count) - 1.0) * 100.0);
        }
        let mean = errors.iter().sum::<f64>() / f64::from(SEEDS);
        let square = errors.iter().map(|error| error * error).sum::<f64>() / f64::from(SEEDS);
        let worst = errors.iter().fold(0.0_f64, |worst, error| worst.max(error.abs()));
        let within = errors.iter().filter(|error| error.abs() < 2.000_1).count();
        table.row(vec![
            json!(count),
            json!(mean),
            json!(square.sqrt()),
            json!(worst),
            json!(format!("{within} of {SEEDS}")),
        ]);
    }
    publish("uniques", &[table])
}
