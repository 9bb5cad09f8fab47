//! The only place that formats a key. `ARCHITECTURE.md` lists what is asked of which.
//!
//! Parts are joined by `#`, which no part can hold: ids and numbers are plain, and a domain or a
//! slug has no `#`. A tag may have one; it stands at the end of its part and the link id, which
//! has a fixed length, is a part of its own.

use std::collections::HashMap;
use std::fmt::Display;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    AuditId, ClickId, Day, Email, InvitationId, KeyId, LinkId, OutsideIdentity, SecretHash,
    SessionId, TokenId, UserId, WorkspaceId,
};

use crate::ledger::Subject;

/// The hash key's attribute, in all tables.
pub(crate) const PK: &str = "pk";
/// The range key's attribute, in all tables.
pub(crate) const SK: &str = "sk";

/// The key of one row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) pk: String,
    pub(crate) sk: String,
}

impl Key {
    fn new(pk: String, sk: impl Into<String>) -> Self {
        Self { pk, sk: sk.into() }
    }

    /// The key as the attributes of a row.
    pub(crate) fn attributes(&self) -> HashMap<String, AttributeValue> {
        HashMap::from([
            (PK.to_owned(), AttributeValue::S(self.pk.clone())),
            (SK.to_owned(), AttributeValue::S(self.sk.clone())),
        ])
    }
}

// --- Links table ------------------------------------------------------------------------------

/// The partition of a workspace's links. Their ids sort by time.
pub(crate) fn links(workspace: WorkspaceId) -> String {
    format!("W#{workspace}")
}

/// The workspace in the partition key of its links.
pub(crate) fn parse_links(pk: &str) -> Option<WorkspaceId> {
    WorkspaceId::parse(pk.strip_prefix("W#")?).ok()
}

/// What the sort keys of links, deleted links and tags begin with.
pub(crate) const LINKS: &str = "L#";

/// The link in the sort key of a link, a deleted link or a tag.
pub(crate) fn parse_link(sk: &str) -> Option<LinkId> {
    LinkId::parse(sk.strip_prefix(LINKS)?).ok()
}

/// The index in which slugs are searched by prefix: of a workspace, or of a tag in it.
pub(crate) const BY_SLUG: &str = "by-slug";
/// The index's hash key: [`links`] or [`tagged`].
pub(crate) const SLUG_OF: &str = "slug_of";
/// The index's range key.
pub(crate) const SLUG: &str = "slug";

/// A link's whole definition.
pub(crate) fn link(workspace: WorkspaceId, link: LinkId) -> Key {
    Key::new(links(workspace), format!("L#{link}"))
}

/// The partition of a workspace's deleted links.
pub(crate) fn deleted_links(workspace: WorkspaceId) -> String {
    format!("X#{workspace}")
}

/// What is still to be known of a deleted link.
pub(crate) fn deleted_link(workspace: WorkspaceId, link: LinkId) -> Key {
    Key::new(deleted_links(workspace), format!("L#{link}"))
}

/// All that the redirect needs of a link, or the tombstone of a slug.
pub(crate) fn slug(domain: &str, slug: &str) -> Key {
    Key::new(format!("S#{domain}#{slug}"), "S")
}

/// The domain in the partition key of a slug.
pub(crate) fn parse_slug<'a>(pk: &'a str, slug: &str) -> Option<&'a str> {
    pk.strip_prefix("S#")?.strip_suffix(slug)?.strip_suffix('#')
}

/// The partition of a workspace's links with a tag.
pub(crate) fn tagged(workspace: WorkspaceId, tag: &str) -> String {
    format!("T#{workspace}#{tag}")
}

/// A tag of a link.
pub(crate) fn tag(workspace: WorkspaceId, tag: &str, link: LinkId) -> Key {
    Key::new(tagged(workspace, tag), format!("L#{link}"))
}

/// A link's click limit, and how much of it is used.
pub(crate) fn limit(link: LinkId) -> Key {
    Key::new(format!("M#{link}"), "M")
}

// --- Salts table ------------------------------------------------------------------------------

/// The salt of a day: the whole key.
pub(crate) fn salt(day: Day) -> String {
    day.to_string()
}

// --- Clicks table -----------------------------------------------------------------------------

/// A partition of a link's clicks. Their ids sort by time.
pub(crate) fn clicks(link: LinkId, shard: u16) -> String {
    format!("C#{link}#{shard}")
}

/// Whose clicks a partition holds, and which of them.
pub(crate) fn parse_clicks(pk: &str) -> Option<(LinkId, u16)> {
    let (link, shard) = pk.strip_prefix("C#")?.split_once('#')?;
    Some((LinkId::parse(link).ok()?, shard.parse().ok()?))
}

/// A click.
pub(crate) fn click(link: LinkId, shard: u16, id: ClickId) -> Key {
    Key::new(clicks(link, shard), id.ulid())
}

/// The partition of a domain's orphans.
pub(crate) fn orphans(domain: &str) -> String {
    format!("O#{domain}")
}

/// Requests for what is not there, as one message told of them.
pub(crate) fn orphan(domain: &str, id: ClickId) -> Key {
    Key::new(orphans(domain), id.ulid())
}

/// The partition of the counts of a domain's orphans.
pub(crate) fn orphan_rollups(domain: &str) -> String {
    format!("R#orphans#{domain}")
}

/// One shard of the count of a domain's orphans of a day.
pub(crate) fn orphan_day(domain: &str, day: Day, shard: u8) -> Key {
    Key::new(orphan_rollups(domain), format!("D#{day}#{shard:02}"))
}

/// The partition of a subject's rollups.
pub(crate) fn rollups(subject: Subject) -> String {
    format!("R#{subject}")
}

/// What all totals of a subject begin with.
pub(crate) const TOTALS: &str = "T#";

/// One shard of a subject's rollup of all time. Shard 0 also says how many shards there are.
pub(crate) fn total(subject: Subject, shard: u8) -> Key {
    Key::new(rollups(subject), format!("{TOTALS}{shard:02}"))
}

/// One shard of a subject's rollup of a day.
pub(crate) fn day(subject: Subject, day: Day, shard: u8) -> Key {
    Key::new(rollups(subject), format!("D#{day}#{shard:02}"))
}

/// The sort keys between which all shards of these days lie, both days included.
pub(crate) fn days_between(first: Day, last: Day) -> (String, String) {
    // `~` sorts behind every digit.
    (format!("D#{first}#"), format!("D#{last}#~"))
}

/// One shard of what a workspace keeps of a day of links that were purged: their counts, which say
/// nothing of anybody. With them its counts still are what its clicks and these add up to.
pub(crate) fn purged_day(workspace: WorkspaceId, day: Day, shard: u8) -> Key {
    Key::new(rollups(Subject::Workspace(workspace)), format!("P#{day}#{shard:02}"))
}

/// The partition of the orders to purge something.
pub(crate) const PURGES: &str = "P";

/// The order to purge a link or a workspace.
pub(crate) fn purge(of: impl Display) -> Key {
    Key::new(PURGES.to_owned(), of.to_string())
}

/// What the sort key of a rollup says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RollupKey {
    /// A shard of the rollup of a day.
    Day(Day, u8),
    /// A shard of the rollup of all time.
    Total(u8),
    /// A shard of what is kept of a day of links that were purged.
    Purged(Day, u8),
}

/// Reads the sort key of a rollup.
pub(crate) fn parse_rollup(sk: &str) -> Option<RollupKey> {
    let (kind, rest) = sk.split_once('#')?;
    match kind {
        "D" | "P" => {
            let (day, shard) = rest.split_once('#')?;
            let (day, shard) = (Day::parse(day).ok()?, shard.parse().ok()?);
            Some(if kind == "D" {
                RollupKey::Day(day, shard)
            } else {
                RollupKey::Purged(day, shard)
            })
        }
        "T" => Some(RollupKey::Total(rest.parse().ok()?)),
        _ => None,
    }
}

// --- Accounts table ---------------------------------------------------------------------------

/// An API key.
pub(crate) fn key(id: KeyId) -> Key {
    Key::new(format!("K#{id}"), "K")
}

/// The API key in its own partition key.
pub(crate) fn parse_key(pk: &str) -> Option<KeyId> {
    KeyId::parse(pk.strip_prefix("K#")?).ok()
}

/// What the sort keys of a workspace's API keys begin with.
pub(crate) const KEYS: &str = "K#";

/// That a workspace has an API key.
pub(crate) fn key_of(workspace: WorkspaceId, id: KeyId) -> Key {
    Key::new(of_workspace(workspace), format!("{KEYS}{id}"))
}

/// The API key in its sort key in the list.
pub(crate) fn parse_key_of(sk: &str) -> Option<KeyId> {
    KeyId::parse(sk.strip_prefix(KEYS)?).ok()
}

/// The partition of the list of workspaces.
pub(crate) const WORKSPACES: &str = "W";

/// A workspace.
pub(crate) fn workspace(id: WorkspaceId) -> Key {
    Key::new(WORKSPACES.to_owned(), id.to_string())
}

/// The partition of all that belongs to a workspace.
pub(crate) fn of_workspace(id: WorkspaceId) -> String {
    format!("W#{id}")
}

/// The workspace in the partition key of what belongs to it.
pub(crate) fn parse_of_workspace(pk: &str) -> Option<WorkspaceId> {
    WorkspaceId::parse(pk.strip_prefix("W#")?).ok()
}

/// What the sort keys of a workspace's members begin with.
pub(crate) const MEMBERS: &str = "U#";

/// A member, as the workspace lists them.
pub(crate) fn member(workspace: WorkspaceId, user: UserId) -> Key {
    Key::new(of_workspace(workspace), format!("{MEMBERS}{user}"))
}

/// The person in the sort key of a member.
pub(crate) fn parse_member(sk: &str) -> Option<UserId> {
    UserId::parse(sk.strip_prefix(MEMBERS)?).ok()
}

/// What the sort keys of a workspace's invitations begin with.
pub(crate) const INVITATIONS: &str = "I#";

/// An invitation.
pub(crate) fn invitation(workspace: WorkspaceId, id: InvitationId) -> Key {
    Key::new(of_workspace(workspace), format!("{INVITATIONS}{id}"))
}

/// The invitation in its sort key.
pub(crate) fn parse_invitation(sk: &str) -> Option<InvitationId> {
    InvitationId::parse(sk.strip_prefix(INVITATIONS)?).ok()
}

/// Which workspace an invitation is to: its token does not say.
pub(crate) fn invitation_place(id: InvitationId) -> Key {
    Key::new(format!("I#{id}"), "I")
}

/// The partition of all that belongs to a person.
pub(crate) fn of_user(id: UserId) -> String {
    format!("U#{id}")
}

/// The person in the partition key of what belongs to them.
pub(crate) fn parse_of_user(pk: &str) -> Option<UserId> {
    UserId::parse(pk.strip_prefix("U#")?).ok()
}

/// A person.
pub(crate) fn user(id: UserId) -> Key {
    Key::new(of_user(id), "U")
}

/// What the sort keys of a person's memberships begin with.
pub(crate) const MEMBERSHIPS: &str = "W#";

/// A membership, as the person lists it.
pub(crate) fn membership(user: UserId, workspace: WorkspaceId) -> Key {
    Key::new(of_user(user), format!("{MEMBERSHIPS}{workspace}"))
}

/// The workspace in the sort key of a membership.
pub(crate) fn parse_membership(sk: &str) -> Option<WorkspaceId> {
    WorkspaceId::parse(sk.strip_prefix(MEMBERSHIPS)?).ok()
}

/// Whose an e-mail address is. The address itself stands in no key: keys reach logs.
pub(crate) fn email(email: &Email) -> Key {
    Key::new(format!("E#{}", email.hash()), "E")
}

/// Whose an account at the identity provider is.
pub(crate) fn identity(identity: &OutsideIdentity) -> Key {
    Key::new(format!("O#{identity}"), "O")
}

/// A sign-in under way, or the code that one ended with, by the hash of its secret.
pub(crate) fn sign_in(secret: &SecretHash) -> Key {
    Key::new(format!("X#{}", secret.to_hex()), "X")
}

/// The partition of the audit log of a workspace, or of a person's own.
pub(crate) fn audits(of: impl Display) -> String {
    format!("A#{of}")
}

/// What the sort keys of the audit log begin with.
pub(crate) const AUDITS: &str = "aud_";

/// An entry of the audit log of a workspace, or of a person's own. They sort by time.
pub(crate) fn audit(of: impl Display, id: AuditId) -> Key {
    Key::new(audits(of), id.to_string())
}

/// The kept answer to a request with an idempotency key, by what that key leads to.
pub(crate) fn answer(id: &str) -> Key {
    Key::new(format!("R#{id}"), "R")
}

/// A sign-in of a person, and its refresh tokens.
pub(crate) fn session(id: SessionId) -> Key {
    Key::new(format!("F#{id}"), "F")
}

/// The sign-in in its partition key.
pub(crate) fn parse_session(pk: &str) -> Option<SessionId> {
    SessionId::parse(pk.strip_prefix("F#")?).ok()
}

/// An access token that was made worthless before its time.
pub(crate) fn revoked_token(id: TokenId) -> Key {
    Key::new(format!("J#{id}"), "J")
}

/// Guesses at the password of an account, or from an address, by their hash.
pub(crate) fn attempts(hash: &str) -> Key {
    Key::new(format!("T#{hash}"), "T")
}

/// A token bucket: of a principal, or of the hash of an address.
pub(crate) fn bucket(of: &str) -> Key {
    Key::new(format!("B#{of}"), "B")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn all_shards_of_a_range_of_days_lie_between_its_ends() {
        let day = |text| Day::parse(text).unwrap();
        let subject = Subject::Link(LinkId::new(Timestamp::UNIX_EPOCH, 1));
        let (low, high) = days_between(day("20260301"), day("20260302"));
        let inside = |d, shard| {
            let sk = super::day(subject, day(d), shard).sk;
            low <= sk && sk <= high
        };
        assert!(inside("20260301", 0) && inside("20260302", 63));
        assert!(!inside("20260228", 63) && !inside("20260303", 0));
        assert!(high.as_str() < TOTALS);
    }

    #[test]
    fn the_sort_keys_of_rollups_read_back() {
        let subject = Subject::Workspace(WorkspaceId::new(Timestamp::UNIX_EPOCH, 1));
        let date = Day::parse("20260301").unwrap();
        assert_eq!(parse_rollup(&day(subject, date, 7).sk), Some(RollupKey::Day(date, 7)));
        assert_eq!(parse_rollup(&total(subject, 63).sk), Some(RollupKey::Total(63)));
        let workspace = WorkspaceId::new(Timestamp::UNIX_EPOCH, 1);
        let purged = purged_day(workspace, date, 7);
        assert_eq!(parse_rollup(&purged.sk), Some(RollupKey::Purged(date, 7)));
        assert_eq!(purged.pk, rollups(subject));
        assert_eq!(parse_rollup("D#2026#0"), None);
        assert_eq!(parse_rollup("X#1"), None);
    }
}
