//! The rows of a link, and the values that they stand for.

use domain::{
    Definition, Destination, Domain, Link, LinkId, RedirectStatus, Route, Slug, Tag, Title,
    WorkspaceId,
};
use jiff::Timestamp;

use crate::keys;
use crate::row::{BadRow, Item, Read, Write, row};

/// A link's whole definition.
pub(super) fn link(link: &Link) -> Item {
    let definition = &link.definition;
    let mut item = row(&keys::link(link.workspace, link.id));
    item.set("domain", link.domain.as_str());
    item.set("slug", link.slug.as_str());
    item.set("aliases", texts(&link.aliases, Slug::as_str));
    item.set_some("title", definition.title.as_ref().map(Title::as_str));
    item.set("tags", texts(&definition.tags, Tag::as_str));
    item.set("updated_at", link.updated_at.to_string());
    item.set("rev", link.revision);
    item.set("click_shards", u64::from(link.click_shards));
    item.set_some("max_clicks", definition.max_clicks);
    shared(&mut item, &Route::of(link));
    item
}

/// What the redirect needs: a row for each slug of the link.
pub(super) fn slug(link: &Link, slug: &Slug) -> Item {
    let route = Route::of(link);
    let mut item = row(&keys::slug(link.domain.as_str(), slug.as_str()));
    item.set("link_id", link.id.to_string());
    item.set("workspace", link.workspace.to_string());
    item.set("limited", route.limited);
    item.set("click_shards", u64::from(route.click_shards));
    shared(&mut item, &route);
    if *slug == link.slug {
        // Only the slug itself is searched by prefix, so a link is found once.
        item.set(keys::SLUG_OF, keys::links(link.workspace));
        item.set(keys::SLUG, slug.as_str());
    }
    item
}

/// A slug that leads nowhere any more, and that only its workspace may use again.
pub(super) fn tombstone(workspace: WorkspaceId, domain: &Domain, slug: &Slug) -> Item {
    let mut item = row(&keys::slug(domain.as_str(), slug.as_str()));
    // No `link_id`: that is what makes it a tombstone.
    item.set("workspace", workspace.to_string());
    item
}

/// A tag of a link.
pub(super) fn tag(link: &Link, tag: &Tag) -> Item {
    let mut item = row(&keys::tag(link.workspace, tag.as_str(), link.id));
    item.set("link_id", link.id.to_string());
    item.set(keys::SLUG_OF, keys::tagged(link.workspace, tag.as_str()));
    item.set(keys::SLUG, link.slug.as_str());
    item
}

/// What verifying and purging need of a link that is gone.
pub(super) fn deleted(link: &Link, now: Timestamp) -> Item {
    let mut item = row(&keys::deleted_link(link.workspace, link.id));
    item.set("domain", link.domain.as_str());
    item.set("slugs", texts(link.slugs(), Slug::as_str));
    item.set("click_shards", u64::from(link.click_shards));
    item.set("deleted_at", now.to_string());
    item
}

/// What the link's row and its slugs' rows both say.
fn shared(item: &mut Item, route: &Route) {
    item.set("url", route.url.as_str());
    item.set("status", u64::from(route.status.code()));
    item.set("forward_query", route.forward_query);
    item.set_some("starts_at", route.starts_at.map(|at| at.to_string()));
    item.set_some("expires_at", route.expires_at.map(|at| at.to_string()));
    item.set_some("fallback_url", route.fallback_url.as_ref().map(Destination::as_str));
}

fn texts<'a, T: 'a>(
    items: impl IntoIterator<Item = &'a T>,
    text: impl Fn(&T) -> &str,
) -> Vec<String> {
    items.into_iter().map(|item| text(item).to_owned()).collect()
}

/// Reads a link's row.
pub(super) fn read_link(item: &Item) -> Result<Link, BadRow> {
    let slug = |text: &str| Slug::of_path(text).ok();
    Ok(Link {
        id: item.parse(keys::SK, keys::parse_link)?,
        workspace: item.parse(keys::PK, keys::parse_links)?,
        domain: item.parse("domain", |text| Some(Domain::stored(text)))?,
        slug: item.parse("slug", slug)?,
        aliases: item.list("aliases", slug)?,
        definition: Definition {
            url: destination(item, "url")?.ok_or_else(|| BadRow::new(item, "url"))?,
            redirect_status: status(item)?,
            title: item.text("title").and_then(|text| Title::parse(text).ok()),
            tags: item.list("tags", |text| Tag::parse(text).ok())?,
            starts_at: item.parse_some("starts_at", time)?,
            expires_at: item.parse_some("expires_at", time)?,
            fallback_url: destination(item, "fallback_url")?,
            max_clicks: item.number("max_clicks")?,
            forward_query: item.is_set("forward_query"),
        },
        updated_at: item.parse("updated_at", time)?,
        revision: item.number("rev")?.ok_or_else(|| BadRow::new(item, "rev"))?,
        click_shards: item.number("click_shards")?.unwrap_or(1),
    })
}

/// What a slug's row says.
pub(super) enum SlugRow {
    Route(Box<Route>),
    Deleted,
}

/// Reads a slug's row.
pub(super) fn read_slug(item: &Item) -> Result<SlugRow, BadRow> {
    if !item.contains_key("link_id") {
        return Ok(SlugRow::Deleted);
    }
    Ok(SlugRow::Route(Box::new(Route {
        link: item.parse("link_id", |text| LinkId::parse(text).ok())?,
        workspace: item.parse("workspace", |text| WorkspaceId::parse(text).ok())?,
        url: destination(item, "url")?.ok_or_else(|| BadRow::new(item, "url"))?,
        status: status(item)?,
        starts_at: item.parse_some("starts_at", time)?,
        expires_at: item.parse_some("expires_at", time)?,
        fallback_url: destination(item, "fallback_url")?,
        limited: item.is_set("limited"),
        forward_query: item.is_set("forward_query"),
        click_shards: item.number("click_shards")?.unwrap_or(1),
    })))
}

fn status(item: &Item) -> Result<RedirectStatus, BadRow> {
    item.number("status")?.and_then(RedirectStatus::of).ok_or_else(|| BadRow::new(item, "status"))
}

fn destination(item: &Item, name: &'static str) -> Result<Option<Destination>, BadRow> {
    item.parse_some(name, |text| Some(Destination::stored(text)))
}

fn time(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}
