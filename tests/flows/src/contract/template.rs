//! `template.yaml`: it is what is listed elsewhere, and nothing else.

use std::fs;

use crate::repository::{exists, read, root};
use crate::template;

/// How to write it anew.
const ANEW: &str = "UPDATE=1 cargo test -p flows template";

#[expect(clippy::disallowed_methods, reason = "a test reads how it was called")]
fn shall_write() -> bool {
    std::env::var("UPDATE").is_ok_and(|value| value == "1")
}

#[tokio::test]
async fn the_sam_template_is_what_is_listed_elsewhere() {
    let wanted = template::render().await;
    if shall_write() {
        fs::write(root().join("template.yaml"), wanted).expect("the template can be written");
        return;
    }
    assert!(exists("template.yaml"), "template.yaml is missing: {ANEW}");
    let found = read("template.yaml");
    let mut pairs = (1..).zip(wanted.lines().zip(found.lines()));
    if let Some((number, (wanted, found))) = pairs.find(|(_, (wanted, found))| wanted != found) {
        panic!(
            "template.yaml:{number} is `{}` and should be `{}`: {ANEW}",
            found.trim(),
            wanted.trim()
        );
    }
    let (wanted, found) = (wanted.lines().count(), found.lines().count());
    assert_eq!(found, wanted, "template.yaml ends too early or too late: {ANEW}");
}
