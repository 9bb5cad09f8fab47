//! Pages of links: newest first, of a tag, or by a prefix of the slug. Never a scan.

use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{Link, LinkId, Slug, Tag, WorkspaceId};
use serde::{Deserialize, Serialize};

use super::item::read_link;
use super::{LinkStore, ReadLinkError};
use crate::keys;
use crate::row::{BadRow, Item, Read, Write};
use crate::unavailable::Unavailable;

/// Which links a page is of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only those with this tag.
    pub tag: Option<Tag>,
    /// Only those whose slug begins so. They are sorted by slug, the others newest first.
    pub prefix: Option<String>,
}

impl Filter {
    /// Whether it lists the rows of slugs, and not those of links or tags.
    fn is_of_slugs(&self) -> bool {
        self.prefix.is_some() && self.tag.is_none()
    }
}

/// A place in a list: where the next page begins. Opaque to clients, and bound to its filter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// The version of this format.
    v: u8,
    /// The filter that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    /// The last link that was shown.
    link: String,
    /// Its place in the index by slug, where that is what is listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    slug: Option<String>,
    /// The domain of that place, where no tag names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    domain: Option<String>,
}

/// A text that is no cursor of this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not a cursor of this list; take `next` from an answer with the same filters")]
pub struct CursorError;

/// A page of links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkPage {
    /// The links, in the list's order.
    pub links: Vec<Link>,
    /// Where the next page begins, if there is one.
    pub next: Option<Cursor>,
}

/// The format of cursors.
const VERSION: u8 = 1;

impl Cursor {
    /// Reads a cursor that a client sends back with this filter.
    pub fn parse(text: &str, filter: &Filter) -> Result<Self, CursorError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorError)?;
        let cursor: Self = serde_json::from_slice(&bytes).map_err(|_| CursorError)?;
        let fits = cursor.v == VERSION
            && cursor.tag.as_deref() == filter.tag.as_ref().map(Tag::as_str)
            && cursor.prefix == filter.prefix
            && cursor.slug.is_some() == filter.prefix.is_some()
            && cursor.domain.is_some() == filter.is_of_slugs()
            && cursor.slug.as_ref().is_none_or(|slug| Slug::of_path(slug).is_ok())
            // DynamoDB refuses to begin at a place outside of what it is asked for.
            && cursor.slug.iter().zip(&filter.prefix).all(|(slug, prefix)| slug.starts_with(prefix))
            // What DynamoDB would not take as a key is no place.
            && cursor.domain.as_ref().is_none_or(|name| (1..=255).contains(&name.len()))
            && LinkId::parse(&cursor.link).is_ok();
        if fits { Ok(cursor) } else { Err(CursorError) }
    }

    /// The cursor as clients get it.
    pub fn to_text(&self) -> String {
        let json = serde_json::to_vec(self).unwrap_or_default();
        URL_SAFE_NO_PAD.encode(json)
    }

    /// The place of a row.
    fn after(row: &Item, filter: &Filter) -> Result<Self, BadRow> {
        let slug = filter.prefix.as_ref().map(|_| row.parse(keys::SLUG, |s| Some(s.to_owned())));
        let slug = slug.transpose()?;
        let domain = match &slug {
            Some(slug) if filter.is_of_slugs() => {
                Some(row.parse(keys::PK, |pk| keys::parse_slug(pk, slug).map(str::to_owned))?)
            }
            Some(_) | None => None,
        };
        Ok(Self {
            v: VERSION,
            tag: filter.tag.as_ref().map(|tag| tag.as_str().to_owned()),
            prefix: filter.prefix.clone(),
            link: link_of(row)?.to_string(),
            slug,
            domain,
        })
    }

    /// The row's key, as the table or the index wants it to go on from there.
    fn start_key(&self, workspace: WorkspaceId, filter: &Filter) -> Option<Item> {
        let link = LinkId::parse(&self.link).ok()?;
        let key = match (&filter.tag, &self.slug, &self.domain) {
            (Some(tag), _, _) => keys::tag(workspace, tag.as_str(), link),
            (None, Some(slug), Some(domain)) => keys::slug(domain, slug),
            (None, _, _) => keys::link(workspace, link),
        };
        let mut item = key.attributes();
        if let Some(slug) = &self.slug {
            item.set(keys::SLUG_OF, partition(workspace, filter));
            item.set(keys::SLUG, slug.as_str());
        }
        Some(item)
    }
}

/// The partition in which a filter's rows are, in the table or in the index.
fn partition(workspace: WorkspaceId, filter: &Filter) -> String {
    match &filter.tag {
        Some(tag) => keys::tagged(workspace, tag.as_str()),
        None => keys::links(workspace),
    }
}

fn link_of(row: &Item) -> Result<LinkId, BadRow> {
    match row.text("link_id") {
        Some(_) => row.parse("link_id", |text| LinkId::parse(text).ok()),
        None => row.parse(keys::SK, keys::parse_link),
    }
}

impl LinkStore {
    /// A page of at most `limit` (1 to 100) links of a workspace.
    ///
    /// One `Query`, and with a filter one `BatchGetItem`, however many links there are. A link that
    /// was deleted a moment ago may be missing from a page, which is then shorter.
    pub async fn page(
        &self,
        workspace: WorkspaceId,
        filter: &Filter,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Result<LinkPage, ReadLinkError> {
        // One more than is shown says whether there is a next page.
        let (mut rows, cut_off) = self.rows(workspace, filter, cursor, limit + 1).await?;
        let more = cut_off || limit < rows.len();
        rows.truncate(limit);
        let last = rows.last().filter(|_| more);
        let next = last.map(|row| Cursor::after(row, filter)).transpose()?;
        let links = if *filter == Filter::default() {
            rows.iter().map(read_link).collect::<Result<_, _>>()?
        } else {
            let ids: Vec<_> = rows.iter().map(link_of).collect::<Result<_, _>>()?;
            self.find_all(workspace, &ids).await?
        };
        Ok(LinkPage { links, next })
    }

    /// So many rows of a list, or fewer where it ends, or where an answer is full: DynamoDB stops
    /// at 1 MB. Whether it stopped before the list's end is said, too.
    async fn rows(
        &self,
        workspace: WorkspaceId,
        filter: &Filter,
        cursor: Option<&Cursor>,
        count: usize,
    ) -> Result<(Vec<Item>, bool), Unavailable> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .expression_attribute_values(":p", AttributeValue::S(partition(workspace, filter)))
            .set_exclusive_start_key(cursor.and_then(|cursor| cursor.start_key(workspace, filter)))
            .limit(i32::try_from(count).unwrap_or(i32::MAX));
        let query = match &filter.prefix {
            // Ids sort by time.
            None => query
                .key_condition_expression("pk = :p AND begins_with(sk, :l)")
                .expression_attribute_values(":l", AttributeValue::S(keys::LINKS.to_owned()))
                .scan_index_forward(false)
                .consistent_read(true),
            Some(prefix) => query
                .index_name(keys::BY_SLUG)
                .key_condition_expression("slug_of = :p AND begins_with(slug, :q)")
                .expression_attribute_values(":q", AttributeValue::S(prefix.clone())),
        };
        let answer = query
            .send()
            .await
            .map_err(|error| Unavailable::new(format!("listing links of `{workspace}`"), error))?;
        let cut_off = answer.last_evaluated_key.is_some();
        Ok((answer.items.unwrap_or_default(), cut_off))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_belongs_to_its_list() {
        let filter = |prefix: Option<&str>| Filter { tag: None, prefix: prefix.map(str::to_owned) };
        let link = crate::links::tests::link(1);
        let plain =
            Cursor::after(&crate::links::item::link(&link), &filter(None)).unwrap().to_text();
        assert!(Cursor::parse(&plain, &filter(None)).is_ok());
        assert_eq!(Cursor::parse(&plain, &filter(Some("a"))), Err(CursorError));
        let row = crate::links::item::slug(&link, &link.slug);
        let found = Cursor::after(&row, &filter(Some("s"))).unwrap().to_text();
        assert!(Cursor::parse(&found, &filter(Some("s"))).is_ok());
        assert_eq!(Cursor::parse(&found, &filter(Some("s1"))), Err(CursorError));
        assert_eq!(Cursor::parse(&found, &filter(None)), Err(CursorError));
        for text in ["", "!", "e30", "bnVsbA", &plain[1..], &format!("{plain}AA")] {
            assert_eq!(Cursor::parse(text, &filter(None)), Err(CursorError), "{text}");
        }
    }
}
