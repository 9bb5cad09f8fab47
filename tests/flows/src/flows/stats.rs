//! Statistics of what really happened: from the redirect over the queue and the worker to every
//! way of asking, each compared with counting by hand.

use serde_json::{Value, json};
use testkit::{Answer, event};

use crate::repository::{list, text};
use crate::service::{BROWSER, PREVIEW, Service};

/// One request: slug, language, a person's browser or a program, how often.
type Follow = (&'static str, &'static str, &'static str, usize);

/// What people and programs do here. `sprnig` is a mistake of somebody's.
const FOLLOWS: [Follow; 7] = [
    ("spring", "de-AT", BROWSER, 3),
    ("spring", "en", BROWSER, 2),
    ("spring", "de", PREVIEW, 4),
    ("autumn", "de", BROWSER, 5),
    ("autumn", "fr", PREVIEW, 1),
    ("fruehling", "en", BROWSER, 1),
    ("sprnig", "de", BROWSER, 2),
];

/// How many of the follows are wanted.
fn count(is_wanted: impl Fn(&Follow) -> bool) -> usize {
    FOLLOWS.iter().filter(|follow| is_wanted(follow)).map(|(.., times)| times).sum()
}

/// Two links that were followed, and the ids of both.
async fn followed() -> (Service, String, String) {
    let service = Service::start().await;
    let spring = json!({
        "url": "https://example.com/",
        "slug": "spring",
        "aliases": ["fruehling"],
    });
    let spring = service.create(spring).await;
    let autumn = service.create(json!({ "url": "https://example.com/", "slug": "autumn" })).await;
    for (slug, language, user_agent, times) in FOLLOWS {
        for _ in 0..times {
            let follow = event("redirect/minimal")
                .path("slug", slug)
                .header("user-agent", user_agent)
                .header("accept-language", language);
            let answer = service.send("redirect", follow).await;
            assert_eq!(answer.status, if slug == "sprnig" { 404 } else { 302 });
        }
    }
    service.record().await;
    (service, text(&spring["id"]).to_owned(), text(&autumn["id"]).to_owned())
}

async fn ask(service: &Service, function: &str, query: &str) -> Answer {
    service.send(function, event(&format!("{function}/minimal")).query(query)).await
}

fn clicks(answer: &Answer) -> usize {
    assert_eq!(answer.status, 200, "{answer:?}");
    usize::try_from(answer.json()["totals"]["clicks"].as_u64().unwrap()).unwrap()
}

/// What stands in a breakdown.
fn values(body: &Value, dimension: &str) -> Vec<(String, usize)> {
    let values = list(&body["breakdown"][dimension]).iter();
    let clicks = |value: &Value| usize::try_from(value["clicks"].as_u64().unwrap()).unwrap();
    values.map(|value| (text(&value["value"]).to_owned(), clicks(value))).collect()
}

#[tokio::test]
async fn every_way_of_asking_counts_what_was_done() {
    let (service, spring, autumn) = followed().await;
    let of_spring = |slug: &str| ["spring", "fruehling"].contains(&slug);

    // A link, whole and by dimension.
    let answer = service.stats(&spring, "dimensions=slug,language,bot").await;
    assert_eq!(clicks(&answer), count(|it| of_spring(it.0)));
    let body = answer.json();
    assert_eq!(values(&body, "slug"), [("spring".to_owned(), 9), ("fruehling".to_owned(), 1)]);
    assert_eq!(values(&body, "language"), [("de".to_owned(), 7), ("en".to_owned(), 3)]);
    assert_eq!(values(&body, "bot")[0], ("(unknown)".to_owned(), 6));

    // Filters, from counts and click by click.
    for (filter, expected) in [
        ("bot:false", count(|it| of_spring(it.0) && it.2 == BROWSER)),
        ("language:de", count(|it| of_spring(it.0) && it.1.starts_with("de"))),
        ("language:de|fr,bot:false", count(|it| of_spring(it.0) && it.1 == "de-AT")),
        ("language:de,slug:spring,browser:Firefox", 3),
        ("language:en,slug:fruehling", 1),
        ("country:DE", 0),
        ("country:(unknown)", 10),
    ] {
        let filter = filter.replace('|', "%7C");
        let answer = service.stats(&spring, &format!("filter={filter}")).await;
        assert_eq!(clicks(&answer), expected, "{filter}");
        // The list of clicks is of the same opinion.
        let page = service.clicks(&spring, &format!("filter={filter}&limit=100")).await.json();
        assert_eq!(list(&page["items"]).len(), expected, "{filter}");
    }

    // The workspace, and its top links.
    let answer = ask(&service, "workspace-stats", "dimensions=link&compare=previous").await;
    assert_eq!(clicks(&answer), count(|it| it.0 != "sprnig"));
    assert_eq!(values(&answer.json(), "link"), [(spring.clone(), 10), (autumn.clone(), 6)]);
    let answer = ask(&service, "workspace-stats", "filter=slug:autumn,language:de").await;
    assert_eq!(clicks(&answer), 5);
    let answer = ask(&service, "workspace-stats", "filter=link:none").await;
    assert_eq!(answer.status, 400);

    // What led nowhere.
    let answer = ask(&service, "orphan-stats", "dimensions=slug").await;
    assert_eq!(clicks(&answer), count(|it| it.0 == "sprnig"));
    assert_eq!(values(&answer.json(), "slug"), [("sprnig".to_owned(), 2)]);

    // On every clock and at every pace it is the same.
    for zone in ["UTC", "Asia/Kolkata", "Australia/Lord_Howe", "America/St_Johns"] {
        for interval in ["hour", "day", "week", "month"] {
            let query = format!("tz={zone}&interval={interval}&filter=bot:false");
            let answer = service.stats(&spring, &query).await;
            assert_eq!(clicks(&answer), 6, "{query}");
            let points = answer.json()["series"].clone();
            let sum: u64 = list(&points).iter().map(|it| it["clicks"].as_u64().unwrap()).sum();
            assert_eq!(sum, 6, "{query}");
        }
    }
}

#[tokio::test]
async fn a_table_is_what_the_answer_in_json_is() {
    let (service, spring, _) = followed().await;
    let ask = |accept: &'static str| {
        event("link-stats/minimal")
            .path("id", &spring)
            .query("dimensions=slug,language")
            .header("accept", accept)
    };
    let json = service.send("link-stats", ask("application/json")).await.json();
    let csv = service.send("link-stats", ask("text/csv")).await;
    let mut lines = vec!["dimension,value,clicks,human,bot".to_owned()];
    for dimension in ["slug", "language"] {
        for it in list(&json["breakdown"][dimension]) {
            let value = text(&it["value"]);
            let [clicks, human, bot] = ["clicks", "human", "bot"].map(|name| it[name].clone());
            lines.push(format!("{dimension},{value},{clicks},{human},{bot}"));
        }
    }
    assert_eq!(csv.text.lines().collect::<Vec<_>>(), lines);
}
