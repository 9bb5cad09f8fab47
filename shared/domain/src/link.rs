//! A link: what its owner says of it, and what must hold between the parts.

use std::collections::BTreeSet;

use jiff::Timestamp;
use unicode_normalization::UnicodeNormalization;

use crate::{Destination, Domain, LinkId, Slug, Tag, WorkspaceId};

/// The most tags of one link.
pub const MAX_TAGS: usize = 20;

/// The most aliases of one link.
pub const MAX_ALIASES: usize = 20;

/// The largest click limit.
pub const MAX_CLICKS_LIMIT: u64 = 1_000_000_000;

/// The status of a redirect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RedirectStatus {
    /// 301: the method may change.
    MovedPermanently,
    /// 302: the default, since a link can change.
    #[default]
    Found,
    /// 307: the method stays.
    TemporaryRedirect,
    /// 308: the method stays.
    PermanentRedirect,
}

impl RedirectStatus {
    /// The status of this number.
    pub const fn of(code: u64) -> Option<Self> {
        match code {
            301 => Some(Self::MovedPermanently),
            302 => Some(Self::Found),
            307 => Some(Self::TemporaryRedirect),
            308 => Some(Self::PermanentRedirect),
            _ => None,
        }
    }

    /// The number.
    pub const fn code(self) -> u16 {
        match self {
            Self::MovedPermanently => 301,
            Self::Found => 302,
            Self::TemporaryRedirect => 307,
            Self::PermanentRedirect => 308,
        }
    }
}

/// A title: 1 to 256 characters without control characters, NFC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Title(String);

/// Why a string is not a [`Title`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TitleError {
    /// Nothing was given.
    #[error("a title needs at least one character; leave it out, or say `null`")]
    Empty,
    /// More than 256 characters.
    #[error("a title has at most 256 characters")]
    TooLong,
    /// A control character.
    #[error("a title has no control characters")]
    BadCharacter,
}

impl Title {
    /// Parses a title, and normalises it to NFC.
    pub fn parse(text: &str) -> Result<Self, TitleError> {
        if text.trim().is_empty() {
            return Err(TitleError::Empty);
        }
        let title: String = text.nfc().take(257).collect();
        if 256 < title.chars().count() {
            return Err(TitleError::TooLong);
        }
        if title.chars().any(char::is_control) {
            return Err(TitleError::BadCharacter);
        }
        Ok(Self(title))
    }

    /// The title as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What the owner says of a link, besides its slugs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// Where it leads.
    pub url: Destination,
    /// How it redirects.
    pub redirect_status: RedirectStatus,
    /// A name for people.
    pub title: Option<Title>,
    /// In the order given.
    pub tags: Vec<Tag>,
    /// Not before this moment.
    pub starts_at: Option<Timestamp>,
    /// Not from this moment on.
    pub expires_at: Option<Timestamp>,
    /// Where it leads when it is not there: before, after, or used up.
    pub fallback_url: Option<Destination>,
    /// How often it may be followed.
    pub max_clicks: Option<u64>,
    /// Whether the query of the request is added to the destination's.
    pub forward_query: bool,
}

/// What cannot hold between parts that are each fine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionError {
    /// It would end before it starts.
    #[error("`expires_at` must be later than `starts_at`")]
    EndsBeforeStart,
    /// It would be gone at once.
    #[error("`expires_at` must be in the future")]
    Expired,
    /// A number of clicks that is not from 1 to a billion.
    #[error("`max_clicks` is from 1 to 1000000000")]
    ClickLimit,
    /// A slug that stands twice among the slug and its aliases.
    #[error("an alias differs from the slug and from the other aliases")]
    AliasTwice,
    /// More aliases than a link can have.
    #[error("a link has at most 20 aliases")]
    TooManyAliases,
    /// More tags than a link can have.
    #[error("a link has at most 20 tags")]
    TooManyTags,
    /// A tag that stands twice.
    #[error("each tag stands once")]
    TagTwice,
}

impl DefinitionError {
    /// The field that is to be changed.
    pub const fn field(self) -> &'static str {
        match self {
            Self::EndsBeforeStart | Self::Expired => "expires_at",
            Self::ClickLimit => "max_clicks",
            Self::AliasTwice | Self::TooManyAliases => "aliases",
            Self::TooManyTags | Self::TagTwice => "tags",
        }
    }
}

/// A link, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its id, for ever; its time is the link's `created_at`.
    pub id: LinkId,
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// The domain of all its slugs.
    pub domain: Domain,
    /// Its slug.
    pub slug: Slug,
    /// Other slugs that lead to it.
    pub aliases: Vec<Slug>,
    /// What its owner says of it.
    pub definition: Definition,
    /// When it was last edited.
    pub updated_at: Timestamp,
    /// Counts the edits; what the `ETag` says.
    pub revision: u64,
    /// Into how many partitions its clicks are spread: grows with its heat, and never shrinks.
    pub click_shards: u16,
}

/// An edit: what is `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkChange {
    /// A new destination.
    pub url: Option<Destination>,
    /// A new slug; the old one becomes an alias.
    pub slug: Option<Slug>,
    /// All aliases from now on.
    pub aliases: Option<Vec<Slug>>,
    /// A new status.
    pub redirect_status: Option<RedirectStatus>,
    /// A new title, or none.
    pub title: Option<Option<Title>>,
    /// All tags from now on.
    pub tags: Option<Vec<Tag>>,
    /// A new start, or none.
    pub starts_at: Option<Option<Timestamp>>,
    /// A new end, or none.
    pub expires_at: Option<Option<Timestamp>>,
    /// A new fallback, or none.
    pub fallback_url: Option<Option<Destination>>,
    /// A new limit, or none.
    pub max_clicks: Option<Option<u64>>,
    /// Whether to add the query.
    pub forward_query: Option<bool>,
}

impl Link {
    /// When it was created.
    pub fn created_at(&self) -> Timestamp {
        self.id.at()
    }

    /// Its slug and its aliases.
    pub fn slugs(&self) -> impl Iterator<Item = &Slug> {
        std::iter::once(&self.slug).chain(&self.aliases)
    }

    /// The fields of which its owner says something else than of an older version: only the revision
    /// and its time may differ where there are none.
    pub fn changed_since(&self, old: &Self) -> Vec<&'static str> {
        let (new, was) = (&self.definition, &old.definition);
        // Taken apart, so that a new field is not forgotten here.
        let Definition {
            url,
            redirect_status,
            title,
            tags,
            starts_at,
            expires_at,
            fallback_url,
            max_clicks,
            forward_query,
        } = new;
        let fields = [
            ("slug", self.slug != old.slug),
            ("aliases", self.aliases != old.aliases),
            ("url", *url != was.url),
            ("redirect_status", *redirect_status != was.redirect_status),
            ("title", *title != was.title),
            ("tags", *tags != was.tags),
            ("starts_at", *starts_at != was.starts_at),
            ("expires_at", *expires_at != was.expires_at),
            ("fallback_url", *fallback_url != was.fallback_url),
            ("max_clicks", *max_clicks != was.max_clicks),
            ("forward_query", *forward_query != was.forward_query),
        ];
        fields.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name).collect()
    }

    /// Everything that does not hold between its parts at `now`; empty when all is well.
    pub fn faults(&self, now: Timestamp) -> Vec<DefinitionError> {
        let mut faults = self.lasting_faults();
        if self.definition.expires_at.is_some_and(|end| end <= now) {
            faults.push(DefinitionError::Expired);
        }
        faults
    }

    /// The link after an edit at `now`, or everything that would not hold.
    ///
    /// An end that has passed is a fault only where the edit sets it: an expired link can be given
    /// a new title.
    pub fn edited(&self, change: LinkChange, now: Timestamp) -> Result<Self, Vec<DefinitionError>> {
        let sets_past_end = change.expires_at.flatten().is_some_and(|end| end <= now);
        let old = self.definition.clone();
        let definition = Definition {
            url: change.url.unwrap_or(old.url),
            redirect_status: change.redirect_status.unwrap_or(old.redirect_status),
            title: change.title.unwrap_or(old.title),
            tags: change.tags.unwrap_or(old.tags),
            starts_at: change.starts_at.unwrap_or(old.starts_at),
            expires_at: change.expires_at.unwrap_or(old.expires_at),
            fallback_url: change.fallback_url.unwrap_or(old.fallback_url),
            max_clicks: change.max_clicks.unwrap_or(old.max_clicks),
            forward_query: change.forward_query.unwrap_or(old.forward_query),
        };
        let keeps_aliases = change.aliases.is_none();
        let mut aliases = change.aliases.unwrap_or_else(|| self.aliases.clone());
        let slug = change.slug.unwrap_or_else(|| self.slug.clone());
        if slug != self.slug {
            // An alias that becomes the slug is no alias any more, and the old slug keeps working.
            if keeps_aliases {
                aliases.retain(|alias| *alias != slug);
            }
            if !aliases.contains(&self.slug) {
                aliases.push(self.slug.clone());
            }
        }
        let edited = Self {
            slug,
            aliases,
            definition,
            updated_at: to_millisecond(now),
            revision: self.revision + 1,
            ..self.clone()
        };
        let mut faults = edited.lasting_faults();
        if sets_past_end {
            faults.push(DefinitionError::Expired);
        }
        if faults.is_empty() { Ok(edited) } else { Err(faults) }
    }

    /// The faults that do not depend on the time.
    fn lasting_faults(&self) -> Vec<DefinitionError> {
        let definition = &self.definition;
        let mut faults = Vec::new();
        if let (Some(start), Some(end)) = (definition.starts_at, definition.expires_at)
            && end <= start
        {
            faults.push(DefinitionError::EndsBeforeStart);
        }
        if definition.max_clicks.is_some_and(|max| !(1..=MAX_CLICKS_LIMIT).contains(&max)) {
            faults.push(DefinitionError::ClickLimit);
        }
        if MAX_ALIASES < self.aliases.len() {
            faults.push(DefinitionError::TooManyAliases);
        }
        if MAX_TAGS < definition.tags.len() {
            faults.push(DefinitionError::TooManyTags);
        }
        if has_doubles(self.slugs()) {
            faults.push(DefinitionError::AliasTwice);
        }
        if has_doubles(&definition.tags) {
            faults.push(DefinitionError::TagTwice);
        }
        faults
    }
}

/// The moment as ids know it, so that `created_at` and `updated_at` compare.
fn to_millisecond(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

fn has_doubles<'a, T: Ord + 'a>(items: impl IntoIterator<Item = &'a T>) -> bool {
    let mut seen = BTreeSet::new();
    items.into_iter().any(|item| !seen.insert(item))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HostRules, Origins};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn slug(text: &str) -> Slug {
        Slug::parse(text).unwrap()
    }

    fn link() -> Link {
        let rules = HostRules::new(Origins::parse("https://go.example.com").unwrap(), "");
        let now = at("2026-11-22T10:00:00Z");
        Link {
            id: LinkId::new(now, 1),
            workspace: WorkspaceId::new(now, 2),
            domain: rules.origins.default_domain().clone(),
            slug: slug("old"),
            aliases: vec![slug("also")],
            definition: Definition {
                url: Destination::parse("https://example.com", &rules).unwrap(),
                redirect_status: RedirectStatus::default(),
                title: None,
                tags: Vec::new(),
                starts_at: None,
                expires_at: None,
                fallback_url: None,
                max_clicks: None,
                forward_query: false,
            },
            updated_at: now,
            revision: 1,
            click_shards: 1,
        }
    }

    const NOW: &str = "2026-11-23T00:00:00Z";

    #[test]
    fn a_new_slug_keeps_the_old_one_as_an_alias() {
        let change = LinkChange { slug: Some(slug("new")), ..LinkChange::default() };
        let edited = link().edited(change, at(NOW)).unwrap();
        assert_eq!(edited.slug, slug("new"));
        assert_eq!(edited.aliases, [slug("also"), slug("old")]);
        assert_eq!(edited.revision, 2);
    }

    #[test]
    fn an_alias_can_become_the_slug() {
        let change = LinkChange { slug: Some(slug("also")), ..LinkChange::default() };
        let edited = link().edited(change, at(NOW)).unwrap();
        assert_eq!(edited.aliases, [slug("old")]);
    }

    #[test]
    fn an_edit_without_content_changes_the_revision_only() {
        let edited = link().edited(LinkChange::default(), at(NOW)).unwrap();
        assert!(edited.changed_since(&link()).is_empty());
        assert_eq!(edited.revision, 2);
        let other = LinkChange {
            forward_query: Some(true),
            title: Some(Title::parse("New").ok()),
            ..LinkChange::default()
        };
        let edited = link().edited(other, at(NOW)).unwrap();
        assert_eq!(edited.changed_since(&link()), ["title", "forward_query"]);
    }

    #[test]
    fn all_faults_are_found_at_once() {
        let change = LinkChange {
            starts_at: Some(Some(at("2027-01-02T00:00:00Z"))),
            expires_at: Some(Some(at("2026-01-01T00:00:00Z"))),
            max_clicks: Some(Some(0)),
            aliases: Some(vec![slug("x"), slug("x")]),
            ..LinkChange::default()
        };
        let faults = link().edited(change, at(NOW)).unwrap_err();
        use DefinitionError::*;
        assert_eq!(faults, [EndsBeforeStart, ClickLimit, AliasTwice, Expired]);
    }

    #[test]
    fn an_expired_link_can_still_be_given_a_title() {
        let mut old = link();
        old.definition.expires_at = Some(at("2026-11-22T12:00:00Z"));
        let change = LinkChange { title: Some(Title::parse("New").ok()), ..LinkChange::default() };
        assert!(old.edited(change, at(NOW)).is_ok());
        assert_eq!(old.faults(at(NOW)), [DefinitionError::Expired]);
    }
}
