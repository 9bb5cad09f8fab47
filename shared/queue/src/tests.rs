//! What is on the queue.

use serde_json::json;

use super::*;

/// A message of before there was more than the user agent.
fn message() -> ClickMessage {
    serde_json::from_str(
        r#"{"v":1,"id":"clk_01KAHXZ1MM0000000000000000","link":"lnk_01M6DQS9M08V7Q2K4N6T9W3X5Y",
            "workspace":"wrk_01K9Z0000000000000000000AA","domain":"go.example.com",
            "slug":"spring","shard":3,"status":302,"user_agent":"curl/8"}"#,
    )
    .unwrap()
}

fn full() -> ClickMessage {
    let text = |text: &str| Some(text.to_owned());
    let utm = |source| UtmMessage {
        source: text(source),
        medium: text("email"),
        campaign: text("spring"),
        term: text("shoes"),
        content: text("top"),
    };
    ClickMessage {
        v: 2,
        referrer: text("news.example.org"),
        destination: text("https://example.com/spring"),
        referrer_url: text("https://news.example.org/"),
        language: text("de-AT"),
        purpose: text("prefetch"),
        country: text("DE"),
        region: text("BE"),
        city: text("Berlin"),
        network: Some(64_500),
        utm: utm("newsletter"),
        asked_utm: utm("poster"),
        visitor: text("00000000000000ff"),
        ..message()
    }
}

#[test]
fn a_message_is_a_click_and_back() {
    let click = Click::try_from(full()).unwrap();
    assert_eq!(ClickMessage::from(&click), full());
    assert_eq!((click.shard, click.purpose), (3, Some(Purpose::Prefetch)));
    let text = serde_json::to_string(&full()).unwrap();
    assert_eq!(serde_json::from_str::<ClickMessage>(&text).unwrap(), full());
}

#[test]
fn a_message_of_before_is_a_click_of_which_less_is_known() {
    let click = Click::try_from(message()).unwrap();
    assert_eq!(ClickMessage::from(&click), ClickMessage { v: 2, ..message() });
    let text = serde_json::to_string(&ClickMessage::from(&click)).unwrap();
    assert!(!text.contains("null") && !text.contains("utm"), "{text}");
}

#[test]
fn an_orphan_is_told_from_a_click_by_its_kind() {
    let orphan = Orphan {
        id: ClickId::parse("clk_01KAHXZ1MM0000000000000000").unwrap(),
        domain: "go.example.com".to_owned(),
        slug: "sprong".to_owned(),
        count: 3,
    };
    let text = serde_json::to_string(&OrphanMessage::from(&orphan)).unwrap();
    let parse = |text: &str| serde_json::from_str::<LedgerMessage>(text).unwrap();
    assert_eq!(Seen::try_from(parse(&text)), Ok(Seen::Orphan(orphan)));
    let click = serde_json::to_string(&full()).unwrap();
    let expected = Click::try_from(full()).unwrap();
    assert_eq!(Seen::try_from(parse(&click)), Ok(Seen::Click(Box::new(expected))));

    let other = text.replace("orphan", "other");
    let error = Seen::try_from(parse(&other)).unwrap_err();
    assert_eq!(error, MessageError::Kind("other".to_owned()));
    for newer in [text.replace("\"v\":2", "\"v\":3"), text.replace("\"v\":2", "\"v\":1")] {
        assert!(matches!(Seen::try_from(parse(&newer)), Err(MessageError::Version(_))));
    }
    assert!(serde_json::from_str::<LedgerMessage>(r#"{"kind":"orphan"}"#).is_err());
}

#[test]
fn several_clicks_share_a_message_and_it_is_all_of_them_or_none() {
    let (one, other) = (full(), message());
    let text = |several: &Value| several.to_string();
    let parse = |text: &str| serde_json::from_str::<LedgerMessages>(text);
    let clicks = parse(&text(&json!([one, other]))).unwrap().0;
    let expected = [one.clone(), other].map(|click| LedgerMessage::Click(Box::new(click)));
    assert_eq!(clicks, expected);
    assert_eq!(parse(&text(&json!(one))).unwrap().0, expected[..1]);
    for nonsense in ["[]", "[[]]", "7", &text(&json!([one, {"v": 2}]))] {
        assert!(parse(nonsense).is_err(), "{nonsense}");
    }
}

#[test]
fn unknown_versions_and_bad_ids_are_no_clicks() {
    for v in [0, 3] {
        let other = ClickMessage { v, ..message() };
        assert_eq!(Click::try_from(other), Err(MessageError::Version(v)));
    }
    let far = ClickMessage { shard: 64, ..message() };
    assert_eq!(Click::try_from(far), Err(MessageError::Shard(64)));
    let bad = ClickMessage { link: "lnk_1".to_owned(), ..message() };
    assert_eq!(Click::try_from(bad), Err(MessageError::Id("link")));
}
