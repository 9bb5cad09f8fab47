//! `replay`: puts clicks on the queue again that a redirect could not send.
//!
//! Such a click is a line in the redirect's log, whole. It is counted once however often it is sent,
//! so a file may be replayed twice, and may hold clicks that did arrive.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use domain::{Click, ClickId, Day, Retention};
use jiff::Timestamp;
use queue::ClickMessage;
use serde_json::{Deserializer, Map, Value};

/// The field of a log line that holds a lost click.
const LOST_CLICK: &str = "lost_click";

/// How deep a log line may be wrapped into JSON: an export, a list, an event, a message, the line.
const DEEPEST: usize = 12;

/// How many clicks SQS takes at once.
const AT_ONCE: usize = 10;

/// How often it is asked to take what it has not taken.
const TRIES: u32 = 5;

/// How many faults are told one by one; all are counted.
const SHOWN: usize = 20;

/// The lost clicks of some logs.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// As they were logged, by their ids: each once.
    clicks: BTreeMap<ClickId, String>,
    /// How many stood there more than once.
    copies: usize,
    /// What looks like a lost click and is none, with its place.
    unreadable: Vec<String>,
}

impl Found {
    /// Takes in the clicks of a log: lines of JSON, lines with something before the JSON, what
    /// `aws logs` answers, or all of these wrapped into `{"message": …}`.
    pub(crate) fn read(&mut self, name: &str, text: &str) {
        let whole: Result<Vec<Value>, _> = Deserializer::from_str(text).into_iter().collect();
        if let Ok(values) = whole {
            for (at, value) in values.iter().enumerate() {
                self.walk(value, 0, &|| format!("{name}, value {}", at + 1));
            }
            return;
        }
        for (at, line) in text.lines().enumerate() {
            self.line(line, 0, &|| format!("{name}, line {}", at + 1));
        }
    }

    /// A line of a log: nothing, or JSON with a time or the name of a stream before it.
    fn line(&mut self, line: &str, depth: usize, place: &dyn Fn() -> String) {
        if depth == DEEPEST {
            return;
        }
        let begins = line.find(['{', '[']);
        let value = begins.and_then(|at| {
            let rest = &line[at..];
            serde_json::from_str(rest).ok().or_else(|| {
                // `[ERROR] {…}`: what comes first need not be JSON.
                serde_json::from_str(&rest[rest.find('{')?..]).ok()
            })
        });
        match value {
            Some(value) => self.walk(&value, depth + 1, place),
            None if line.contains(LOST_CLICK) => {
                self.unreadable.push(format!("{}: it is not JSON, or not all of it", place()));
            }
            None => {}
        }
    }

    fn walk(&mut self, value: &Value, depth: usize, place: &dyn Fn() -> String) {
        match value {
            Value::Object(fields) if fields.contains_key(LOST_CLICK) => {
                let lost = &fields[LOST_CLICK];
                match lost.as_str() {
                    Some(text) => self.click(text, place),
                    None => self.click(&lost.to_string(), place),
                }
            }
            Value::Object(fields) if is_click(fields) => self.click(&value.to_string(), place),
            Value::Object(fields) if depth < DEEPEST => {
                for inner in fields.values() {
                    self.walk(inner, depth + 1, place);
                }
            }
            Value::Array(items) if depth < DEEPEST => {
                for item in items {
                    self.walk(item, depth + 1, place);
                }
            }
            Value::String(text) if text.contains(LOST_CLICK) || text.contains("\"clk_") => {
                self.line(text, depth, place);
            }
            Value::Object(_)
            | Value::Array(_)
            | Value::String(_)
            | Value::Number(_)
            | Value::Bool(_)
            | Value::Null => {}
        }
    }

    fn click(&mut self, text: &str, place: &dyn Fn() -> String) {
        let message = serde_json::from_str::<ClickMessage>(text).map_err(|error| error.to_string());
        let click = message.and_then(|it| Click::try_from(it).map_err(|error| error.to_string()));
        match click {
            Ok(click) if self.clicks.contains_key(&click.id) => self.copies += 1,
            Ok(click) => _ = self.clicks.insert(click.id, text.to_owned()),
            Err(error) => self.unreadable.push(format!("{}: no click: {error}", place())),
        }
    }
}

/// Whether these are the fields of a click's own message.
fn is_click(fields: &Map<String, Value>) -> bool {
    ["v", "id", "link", "workspace"].iter().all(|name| fields.contains_key(*name))
}

/// What became of the clicks.
#[derive(Debug, Default)]
pub(crate) struct Report {
    found: usize,
    copies: usize,
    sent: usize,
    /// Those that nobody can count any more.
    too_old: Vec<(ClickId, Retention)>,
    unreadable: Vec<String>,
    /// Those that the queue did not take, and why.
    refused: Vec<(ClickId, String)>,
}

/// Sends these clicks. Those beyond the retention are refused: whether they were counted can no
/// longer be told, so they could count twice.
pub(crate) async fn replay(
    client: &Client,
    queue_url: &str,
    found: Found,
    now: Timestamp,
    retention: Retention,
) -> Report {
    let Found { clicks, copies, unreadable } = found;
    let mut report = Report { found: clicks.len(), copies, unreadable, ..Report::default() };
    let (kept, old): (Vec<_>, Vec<_>) =
        clicks.into_iter().partition(|(id, _)| retention.keeps(Day::of(id.at()), now));
    report.too_old = old.into_iter().map(|(id, _)| (id, retention)).collect();
    for part in kept.chunks(AT_ONCE) {
        let refused = send(client, queue_url, part.to_vec()).await;
        report.sent += part.len() - refused.len();
        report.refused.extend(refused);
    }
    report
}

/// Sends at most ten clicks, and says which the queue does not take.
async fn send(
    client: &Client,
    queue_url: &str,
    mut left: Vec<(ClickId, String)>,
) -> Vec<(ClickId, String)> {
    let mut why = BTreeMap::new();
    for tries in 0..TRIES {
        if 0 < tries {
            tokio::time::sleep(Duration::from_millis(200) * 2_u32.pow(tries)).await;
        }
        let entries = left.iter().map(|(id, body)| {
            let entry = SendMessageBatchRequestEntry::builder().id(id.ulid()).message_body(body);
            entry.build().expect("id and body are set")
        });
        let call = client.send_message_batch().queue_url(queue_url);
        match call.set_entries(Some(entries.collect())).send().await {
            Err(error) => {
                let error = lambda::Chain(&error).to_string();
                why = left.iter().map(|(id, _)| (*id, error.clone())).collect();
            }
            Ok(answer) => {
                let failed: BTreeMap<&str, &str> = answer
                    .failed()
                    .iter()
                    .map(|entry| (entry.id(), entry.message().unwrap_or_else(|| entry.code())))
                    .collect();
                why = left
                    .iter()
                    .filter_map(|(id, _)| {
                        Some((*id, (*failed.get(id.ulid().as_str())?).to_owned()))
                    })
                    .collect();
                left.retain(|(id, _)| why.contains_key(id));
            }
        }
        if left.is_empty() {
            break;
        }
    }
    why.into_iter().collect()
}

impl Report {
    /// 0: all were sent; 1: something was not; 3: all were but those that are too old.
    pub(crate) fn exit_code(&self) -> u8 {
        match (self.unreadable.is_empty() && self.refused.is_empty(), self.too_old.is_empty()) {
            (false, _) => 1,
            // 2 is said for a wrong command line.
            (true, false) => 3,
            (true, true) => 0,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (found, copies, sent) = (self.found, self.copies, self.sent);
        for (id, retention) in self.too_old.iter().take(SHOWN) {
            writeln!(
                f,
                "too old: the click `{id}` is of {}, and clicks are kept for {retention}: whether \
                 it was counted can no longer be told",
                id.at()
            )?;
        }
        for fault in self.unreadable.iter().take(SHOWN) {
            writeln!(f, "unreadable: {fault}")?;
        }
        for (id, why) in self.refused.iter().take(SHOWN) {
            writeln!(f, "not sent: the click `{id}`: {why}")?;
        }
        for (faults, what) in [
            (self.too_old.len(), "too old"),
            (self.unreadable.len(), "unreadable"),
            (self.refused.len(), "not sent"),
        ] {
            if SHOWN < faults {
                writeln!(f, "{what}: {} more", faults - SHOWN)?;
            }
        }
        write!(
            f,
            "Found {found} lost clicks and {copies} copies; sent {sent}, refused {} as too old, \
             could not send {}, could not read {}.",
            self.too_old.len(),
            self.refused.len(),
            self.unreadable.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "clk_01KAHXZ1MM0000000000000000";

    fn message(id: &str) -> String {
        json!({
            "v": 1, "id": id, "link": "lnk_01M6DQS9M08V7Q2K4N6T9W3X5Y",
            "workspace": "wrk_01K9Z0000000000000000000AA", "domain": "go.example.com",
            "slug": "spring", "shard": 0, "status": 302,
        })
        .to_string()
    }

    /// A line as the redirect logs it.
    fn line(id: &str) -> String {
        json!({
            "level": "ERROR", "message": format!("the click `{id}` was not sent"),
            "lost_click": message(id), "error": "sending",
        })
        .to_string()
    }

    fn found(text: &str) -> Found {
        let mut found = Found::default();
        found.read("log", text);
        found
    }

    #[test]
    fn a_lost_click_is_found_in_whatever_it_is_wrapped() {
        let line = line(ID);
        let other = r#"{"level":"INFO","message":"redirected"}"#;
        let wrapped = json!({ "timestamp": 1_795_183_407_412_i64, "message": line });
        let insights = json!({"results": [[{"field": "@message", "value": line}]], "status": "x"});
        for text in [
            line.clone(),
            format!("{other}\n{line}\n\n{other}\n"),
            message(ID),
            format!("2026-11-22T09:08:07.654Z {line}\nSTART RequestId: 8 [x] {{\n"),
            format!("2026-11-22T09:08:07.654Z 2026/11/22/[$LATEST]ab {line}\n"),
            wrapped.to_string(),
            format!("{wrapped}\n{other}"),
            serde_json::to_string_pretty(&json!({ "events": [wrapped, {"message": "START"}] }))
                .unwrap(),
            json!([line, other]).to_string(),
            insights.to_string(),
            json!({ "lost_click": serde_json::from_str::<Value>(&message(ID)).unwrap() })
                .to_string(),
        ] {
            let found = found(&text);
            let ids: Vec<_> = found.clicks.keys().map(ClickId::to_string).collect();
            assert_eq!(ids, [ID], "{text}");
            assert!(found.unreadable.is_empty() && found.copies == 0, "{text}: {found:?}");
        }
    }

    #[test]
    fn copies_are_sent_once_and_what_is_no_click_is_named() {
        let text = format!("{0}\n{0}\n{1}", line(ID), line("clk_01KAHXZ1MM0000000000000001"));
        let twice = found(&text);
        assert_eq!((twice.clicks.len(), twice.copies), (2, 1));
        let broken = found(&format!("{}\n{{\"lost_click\":\"{{}}\"}}", line(ID)));
        assert_eq!(broken.clicks.len(), 1);
        assert!(broken.unreadable[0].starts_with("log, value 2: no click"), "{broken:?}");
        let cut = found(&format!("INIT\n{}\n", &line(ID)[..150]));
        assert_eq!(cut.unreadable, ["log, line 2: it is not JSON, or not all of it"]);
        let newer = found(&line(ID).replace("\\\"v\\\":1", "\\\"v\\\":99"));
        assert_eq!(newer.clicks.len(), 0);
        assert!(newer.unreadable[0].contains("version 99"), "{newer:?}");
        assert!(found("").clicks.is_empty());
    }

    #[test]
    fn the_exit_status_says_what_is_left_to_do() {
        let report = |too_old: usize, unreadable: usize| Report {
            too_old: vec![(ClickId::parse(ID).unwrap(), Retention::DEFAULT); too_old],
            unreadable: vec!["x".to_owned(); unreadable],
            ..Report::default()
        };
        let codes = [(0, 0), (2, 0), (0, 1), (1, 1)].map(|(a, b)| report(a, b).exit_code());
        assert_eq!(codes, [0, 3, 1, 1]);
        let text = report(25, 0).to_string();
        assert!(text.contains("too old: 5 more") && text.contains("refused 25"), "{text}");
    }
}
