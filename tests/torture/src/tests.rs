//! Runs at a small size, and runs that must fail.

use crate::run::kill_everywhere;
use crate::weather::Mistake;
use crate::{Plan, Report, run};

async fn torture(plan: Plan) -> Report {
    let report = run(plan, &|_| ()).await;
    println!("{report}");
    report
}

#[tokio::test]
async fn whatever_happens_every_answer_is_counted_once() {
    let report = torture(Plan::small(1)).await;
    assert!(report.is_exact(), "{report}");
    // A run in which nothing goes wrong proves nothing.
    for figure in [
        "batches that were killed",
        "messages that were handed over twice",
        "messages that came a day late, or later",
        "calls: throttled",
        "calls: lost an answer",
        "calls: met another transaction",
        "calls: met a service that is away",
    ] {
        assert!(0 < report.figures.get(figure).copied().unwrap_or(0), "no {figure}: {report}");
    }
}

#[tokio::test]
async fn a_worker_may_be_killed_wherever_it_waits() {
    let (killed, report) = kill_everywhere(1).await;
    println!("{killed} kills\n{report}");
    // Before and after: the raw batch, the counts, a transaction.
    assert!(6 <= killed, "{killed}");
    assert!(report.is_exact(), "{report}");
}

#[tokio::test]
async fn the_same_seed_is_the_same_run() {
    let (one, two) = (torture(Plan::tiny(3)).await, torture(Plan::tiny(3)).await);
    assert_eq!(one.figures, two.figures);
    assert_ne!(one.figures, torture(Plan::tiny(4)).await.figures);
}

/// What is found of a program that makes a mistake.
async fn found(mistake: Mistake) -> String {
    let report = torture(Plan { mistake: Some(mistake), ..Plan::tiny(2) }).await;
    assert!(!report.is_exact(), "{mistake:?} was not found: {report}");
    report.findings.join("\n")
}

#[tokio::test]
async fn a_recorder_that_counts_a_click_twice_is_found() {
    let found = found(Mistake::ForgetsThatAClickIsThere).await;
    assert!(found.contains("the recorded clicks are"), "{found}");
}

#[tokio::test]
async fn a_recorder_that_overwrites_what_another_counted_is_found() {
    let found = found(Mistake::ForgetsThatACountHasMoved).await;
    assert!(found.contains("the recorded clicks are"), "{found}");
}

#[tokio::test]
async fn a_recorder_that_acknowledges_what_it_has_not_written_is_found() {
    let found = found(Mistake::SkipsATransaction(15)).await;
    assert!(found.contains("clicks were answered, there are"), "{found}");
}
