//! Where the template has the settings of functions from: its own resources, or its parameters.

use std::fmt::Write as _;

use super::pascal;
use crate::repository::read;

/// What a function finds under this name; nothing where the template has none for it.
pub(crate) fn value(name: &str) -> Option<String> {
    let value = match name {
        "LINKS_TABLE" => "!Ref LinksTable".to_owned(),
        "CLICKS_TABLE" => "!Ref ClicksTable".to_owned(),
        "ACCOUNTS_TABLE" => "!Ref AccountsTable".to_owned(),
        "SALTS_TABLE" => "!Ref SaltsTable".to_owned(),
        "CLICKS_QUEUE_URL" => "!Ref ClicksQueue".to_owned(),
        "PURGES_QUEUE_URL" => "!Ref PurgesQueue".to_owned(),
        "RAW_BUCKET" => "!Ref RawClicks".to_owned(),
        "TOKEN_KEYS" => "!Sub kms:${TokenKey}".to_owned(),
        // There is no CloudFront here that could add it.
        "ORIGIN_SECRET" => return None,
        _ => format!("!Ref {}", pascal(name)),
    };
    Some(value)
}

/// A setting as `.env.example` shows it.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) name: String,
    pub(crate) value: String,
    /// The lines of comment above it.
    pub(crate) says: Vec<String>,
}

/// All settings that `.env.example` shows, in its order.
pub(crate) fn shown() -> Vec<Shown> {
    let (mut shown, mut says) = (Vec::new(), Vec::new());
    for line in read(".env.example").lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            // A heading is no comment on what follows.
            if !comment.starts_with("---") {
                says.push(comment.to_owned());
            }
        } else if let Some((name, value)) = line.split_once('=') {
            let (name, value) = (name.to_owned(), value.to_owned());
            shown.push(Shown { name, value, says: std::mem::take(&mut says) });
        } else {
            says.clear();
        }
    }
    shown
}

/// The parameters: a setting each, for those that are not resources of the template.
pub(super) fn parameters() -> String {
    shown().iter().filter(|setting| is_parameter(&setting.name)).map(parameter).collect()
}

fn is_parameter(name: &str) -> bool {
    value(name).is_some_and(|value| value == format!("!Ref {}", pascal(name)))
        && !name.ends_with("_TABLE")
}

fn parameter(setting: &Shown) -> String {
    let Shown { name, value, says } = setting;
    let mut page = format!("  {}:\n    Type: String\n", pascal(name));
    match name.as_str() {
        // Nobody else can say.
        "ORIGINS" => page.push_str("    AllowedPattern: https?://[^/,]+(,https?://[^/,]+)*\n"),
        _ => {
            let _ = writeln!(page, "    Default: \"{value}\"");
        }
    }
    let allowed: &[&str] = match name.as_str() {
        "SIGNUP" => &["open", "invite", "closed"],
        "CLICK_SEND" => &["after", "before"],
        "OIDC_TRUST_EMAIL" => &["true", "false"],
        _ => &[],
    };
    if !allowed.is_empty() {
        let quoted: Vec<_> = allowed.iter().map(|value| format!("\"{value}\"")).collect();
        let _ = writeln!(page, "    AllowedValues: [{}]", quoted.join(", "));
    }
    if name.ends_with("_SECRET") {
        page.push_str("    NoEcho: true\n");
    }
    page.push_str("    Description: >-\n");
    for line in says {
        let _ = writeln!(page, "      {line}");
    }
    page + "\n"
}
