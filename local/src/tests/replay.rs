//! Lost clicks on a whole platform.

use domain::{Click, ClickId, LinkId, Retention};
use jiff::SignedDuration;
use lambda::Clock;
use queue::ClickMessage;
use serde_json::json;
use store::ledger::Subject;
use store::{AccountStore, LedgerStore, LinkStore};

use crate::replay::{Found, replay};
use crate::settings::{CLICKS_QUEUE, TABLES};
use crate::verify::{Verdict, verify};
use crate::{Data, Options, Platform};

/// A line as the redirect logs it when the queue cannot be reached.
fn line(click: &Click) -> String {
    let lost = serde_json::to_string(&ClickMessage::from(click)).unwrap();
    json!({ "level": "ERROR", "message": "the click was not sent", "lost_click": lost }).to_string()
}

#[tokio::test]
async fn a_lost_click_is_counted_once_however_often_it_is_replayed() {
    let options = Options { poll: false, ..Options::new(Data::Memory) };
    let platform = Platform::start(options).await.unwrap();
    let (aws, now) = (platform.aws(), Clock::system().now());
    let workspace = AccountStore::new(&aws, TABLES.accounts).workspaces().await.unwrap()[0];
    let link = domain::Link { id: LinkId::new(now, 1), workspace, ..testkit::link("lost") };
    let links = LinkStore::new(&aws, TABLES.links);
    links.create(&link, &store::Journal::none()).await.unwrap();
    let at = |age: i64, number| {
        let id = ClickId::new(now - SignedDuration::from_hours(24 * age), number);
        Click { link: link.id, workspace, ..testkit::click(id) }
    };
    // Of three clicks one stands there twice, and one is too old to be told from a copy.
    let log = [&at(0, 1), &at(0, 1), &at(5, 2), &at(120, 3)].map(line).join("\n");

    let client = aws_sdk_sqs::Client::new(&aws);
    let queue = client.get_queue_url().queue_name(CLICKS_QUEUE).send().await.unwrap();
    let queue = queue.queue_url.unwrap();
    for times in 1..=2 {
        let mut found = Found::default();
        found.read("log", &log);
        let report = replay(&client, &queue, found, now, Retention::DEFAULT).await;
        let text = report.to_string();
        let end = "Found 3 lost clicks and 1 copies; sent 2, refused 1 as too old, \
                   could not send 0, could not read 0.";
        assert!(text.ends_with(end), "{text}");
        assert!(text.contains("too old: the click `clk_"), "{text}");
        assert_eq!(report.exit_code(), 3);
        platform.work_off().await.unwrap();
        let ledger = LedgerStore::new(&aws, TABLES.clicks, TABLES.links);
        let counted = ledger.totals(Subject::Link(link.id)).await.unwrap();
        assert_eq!(counted.total(), 2, "replayed {times} times");
    }
    let report = verify(&aws, now, Retention::DEFAULT).await.unwrap();
    assert_eq!(report.verdict(), Verdict::Exact, "{report}");

    // A queue that is not there takes nothing, and says so.
    let mut found = Found::default();
    found.read("log", &line(&at(0, 4)));
    let report = replay(&client, &format!("{queue}-none"), found, now, Retention::DEFAULT).await;
    assert_eq!(report.exit_code(), 1);
    assert!(report.to_string().contains("not sent: the click `clk_"), "{report}");
    platform.stop().await;
}
