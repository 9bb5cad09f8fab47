//! A link's fields as the API takes them: JSON in, the domain's types out.

use domain::{
    Definition, DefinitionError, Destination, Domain, HostRules, LinkChange, MAX_ALIASES,
    MAX_CLICKS_LIMIT, MAX_TAGS, RedirectStatus, Slug, Tag, Title,
};
use jiff::Timestamp;
use lambda::input::{Fields, boolean, number, text};
use lambda::{Problem, Request};
use serde_json::Value;

/// What a request to create a link says.
#[derive(Debug)]
pub struct NewLink {
    /// The slug; a random one if absent.
    pub slug: Option<Slug>,
    /// The domain; the default one if absent.
    pub domain: Domain,
    /// More slugs.
    pub aliases: Vec<Slug>,
    /// All the rest.
    pub definition: Definition,
}

impl NewLink {
    /// Reads the body of a request. `null` is as good as absent here, except for a list.
    pub fn read(request: &Request, rules: &HostRules) -> Result<Self, Problem> {
        let mut fields = Fields::of(request)?;
        let url = fields.required("url", |value| destination(value, rules));
        let slug = fields.optional("slug", slug);
        let domain = fields.optional("domain", |value| domain(value, rules));
        let aliases = fields.list("aliases", MAX_ALIASES, Slug::parse);
        let title = fields.optional("title", text(Title::parse));
        let tags = fields.list("tags", MAX_TAGS, Tag::parse);
        let redirect_status = fields.optional("redirect_status", status);
        let starts_at = fields.optional("starts_at", time);
        let expires_at = fields.optional("expires_at", time);
        let fallback_url = fields.optional("fallback_url", |value| destination(value, rules));
        let max_clicks = fields.optional("max_clicks", click_limit);
        let forward_query = fields.optional("forward_query", boolean);
        let url = fields.finish(url)?;
        Ok(Self {
            slug,
            domain: domain.unwrap_or_else(|| rules.origins.default_domain().clone()),
            aliases: aliases.unwrap_or_default(),
            definition: Definition {
                url,
                redirect_status: redirect_status.unwrap_or_default(),
                title,
                tags: tags.unwrap_or_default(),
                starts_at,
                expires_at,
                fallback_url,
                max_clicks,
                forward_query: forward_query.unwrap_or_default(),
            },
        })
    }
}

/// Reads the body of a request to edit a link: a JSON Merge Patch (RFC 7386), so a field that is
/// missing stays as it is, and `null` takes away what can be absent. A list is never absent: `[]` empties it.
pub fn link_change(request: &Request, rules: &HostRules) -> Result<LinkChange, Problem> {
    let mut fields = Fields::of(request)?;
    let change = LinkChange {
        url: fields.change("url", |value| destination(value, rules)),
        slug: fields.change("slug", slug),
        aliases: fields.list("aliases", MAX_ALIASES, Slug::parse),
        redirect_status: fields.change("redirect_status", status),
        title: fields.nullable("title", text(Title::parse)),
        tags: fields.list("tags", MAX_TAGS, Tag::parse),
        starts_at: fields.nullable("starts_at", time),
        expires_at: fields.nullable("expires_at", time),
        fallback_url: fields.nullable("fallback_url", |value| destination(value, rules)),
        max_clicks: fields.nullable("max_clicks", click_limit),
        forward_query: fields.change("forward_query", boolean),
    };
    fields.finish(Some(change))
}

fn destination(value: &Value, rules: &HostRules) -> Result<Destination, String> {
    text(|url| Destination::parse(url, rules))(value)
}

fn slug(value: &Value) -> Result<Slug, String> {
    text(Slug::parse)(value)
}

fn domain(value: &Value, rules: &HostRules) -> Result<Domain, String> {
    let find = |name: &str| {
        rules.origins.find(name).cloned().ok_or("this is not a domain of this service")
    };
    text(find)(value)
}

fn status(value: &Value) -> Result<RedirectStatus, &'static str> {
    value.as_u64().and_then(RedirectStatus::of).ok_or("this must be 301, 302, 307 or 308")
}

fn click_limit(value: &Value) -> Result<u64, String> {
    let max = number(value)?;
    let limits = 1..=MAX_CLICKS_LIMIT;
    if limits.contains(&max) { Ok(max) } else { Err(DefinitionError::ClickLimit.to_string()) }
}

fn time(value: &Value) -> Result<Timestamp, String> {
    let parse =
        |text: &str| text.parse().map_err(|_| "this must be a time such as `2026-11-22T10:00:00Z`");
    text(parse)(value)
}
