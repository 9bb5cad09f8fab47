//! Whatever happens, in whatever order: the ledger is exact.

use proptest::collection::vec;
use proptest::prelude::*;
use testkit::probe::{Fault, On};

use super::*;

/// What may go wrong, and at which call.
fn fault() -> impl Strategy<Value = (usize, usize, Fault)> {
    let fault = prop_oneof![
        Just(Fault::THROTTLED),
        Just(Fault::Error { status: 500, code: "InternalServerError" }),
        Just(Fault::Unreachable),
        Just(Fault::LostAnswer),
        Just(Fault::TornAnswer),
        Just(Fault::StopBefore),
        Just(Fault::StopAfter),
        Just(Fault::cancel("TransactionConflict", |item| item.pk.starts_with("R#"))),
        Just(Fault::cancel("ThrottlingError", |item| item.action == "Put")),
    ];
    (0_usize..30, 1_usize..4, fault)
}

/// A delivery: from where to where in the list of clicks, and whether backwards.
fn delivery() -> impl Strategy<Value = (usize, usize, bool)> {
    (0_usize..300, 1_usize..250, any::<bool>())
}

proptest! {
    // Each case is some hundred calls; the seed changes with every run.
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_ledger_is_exact(
        links in 1_u32..12,
        days in 1_u32..4,
        click_shards in 1_u16..4,
        rounds in vec(vec(delivery(), 1..4), 1..5),
        faults in vec(fault(), 0..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let fixture = Fixture::new().await;
            let mut clicks = clicks(300, links, days);
            for new in &mut clicks {
                new.click.shard = Click::shard_of(new.click.id, click_shards);
            }
            for (after, times, fault) in faults {
                let transactions = matches!(fault, Fault::Cancel(_));
                let on = if transactions { On::operation("TransactWriteItems") } else { On::any() };
                fixture.probe.inject(on.after(after).times(times), fault);
            }
            for round in rounds {
                // The workers of a round run at the same time, and are killed together.
                let work = round.into_iter().map(|(from, count, backwards)| {
                    let mut batch = clicks[from..(from + count).min(clicks.len())].to_vec();
                    if backwards {
                        batch.reverse();
                    }
                    let (ledger, how) = (fixture.ledger.clone(), fixture.how());
                    async move { ledger.record(&batch, how).await }
                });
                let work = futures_util::future::join_all(work);
                tokio::select! {
                    _ = work => {}
                    () = fixture.probe.stopped() => {}
                }
            }
            // At last everything is delivered once more, as the queue would.
            fixture.probe.heal();
            fixture.recorded(&clicks).await;
            fixture.assert_exact(&clicks).await;
        });
    }
}
