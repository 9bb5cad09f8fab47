#![doc = include_str!("../README.md")]

#[cfg(test)]
mod tests;

use domain::filter::Filter;
use domain::{ClickId, Device, Link, LinkId, RecordedClick, Scope};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use lambda::input::Params;
use lambda::{Body, Boot, EnvError, Fault, Problem, Request, Response, StatusCode, auth};
use serde::Serialize;
use store::ledger::{ClickCursor, ReadError};
use store::{LedgerStore, LinkStore};

/// How many clicks are looked at for a page at most, where not each of them is wanted: less than a
/// megabyte and a half.
const MAX_ROWS: usize = 2_000;

/// How many are read at once for that.
const ROWS_AT_ONCE: usize = 500;

/// What the handler works with.
#[derive(Debug, Clone)]
pub struct App {
    links: LinkStore,
    ledger: LedgerStore,
}

/// Builds the [`App`], once per process.
pub async fn load(boot: Boot) -> Result<App, EnvError> {
    let links = boot.env.required("LINKS_TABLE")?;
    Ok(App {
        ledger: LedgerStore::new(&boot.aws, boot.env.required("CLICKS_TABLE")?, &links),
        links: LinkStore::new(&boot.aws, links),
    })
}

/// Answers with a page of a link's clicks, newest first.
pub async fn handle(app: App, request: Request) -> Result<Response<Body>, Problem> {
    let caller = auth::caller(&request)?.require(Scope::StatsRead)?;
    let id = api::id_of(&request)?;
    let asked = Asked::read(&request, id)?;
    let link = api::found(&app.links, caller.workspace()?, &request).await?;
    let (clicks, next) = asked.page(&app.ledger, &link).await.map_err(api::unread)?;
    let page = Page {
        items: clicks.into_iter().map(Click::from).collect(),
        next: next.map(|next| next.to_text()),
    };
    lambda::json(StatusCode::OK, &page)
}

/// Which clicks are asked for.
struct Asked {
    limit: usize,
    cursor: Option<ClickCursor>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    filter: Filter,
}

impl Asked {
    fn read(request: &Request, link: LinkId) -> Result<Self, Problem> {
        let mut params = Params::of(request);
        let limit = params.limit();
        let cursor = params.optional("cursor", |text| ClickCursor::parse(text, link));
        let clock = params.optional("tz", stats::zone).unwrap_or(TimeZone::UTC);
        let from = params.optional("from", |text| stats::moment(text, &clock));
        let to = params.optional("to", |text| stats::moment(text, &clock));
        let filter = stats::filter(&mut params, &stats::of_links());
        params.finish()?;
        if from.zip(to).is_some_and(|(from, to)| to <= from) {
            let fault = Fault::parameter("from", "`from` must be before `to`");
            return Err(Problem::invalid(vec![fault]));
        }
        Ok(Self { limit, cursor, from, to, filter })
    }

    /// The newest clicks that are asked for, and where the next page begins.
    ///
    /// Where most clicks are left out, the page ends after [`MAX_ROWS`] of them, and the next one
    /// goes on there.
    async fn page(
        self,
        ledger: &LedgerStore,
        link: &Link,
    ) -> Result<(Vec<RecordedClick>, Option<ClickCursor>), ReadError> {
        let all_are_wanted = self.filter.is_empty();
        let at_once = if all_are_wanted { self.limit } else { ROWS_AT_ONCE };
        let mut cursor = self.begin(link.id);
        let (mut clicks, mut looked_at) = (Vec::new(), 0);
        loop {
            let page =
                ledger.page_of_clicks(link.id, link.click_shards, cursor.as_ref(), at_once).await?;
            let is_last = page.next.is_none();
            for click in page.clicks {
                let id = click.click.id;
                if self.from.is_some_and(|from| id.at() < from) {
                    return Ok((clicks, None));
                }
                if clicks.len() == self.limit {
                    // There is one more at least that has been looked at.
                    return Ok((clicks, cursor));
                }
                looked_at += 1;
                cursor = Some(ClickCursor::after(link.id, id));
                if self.filter.admits(&click) {
                    clicks.push(click);
                }
            }
            if is_last {
                return Ok((clicks, None));
            }
            if clicks.len() == self.limit || MAX_ROWS <= looked_at {
                return Ok((clicks, cursor));
            }
        }
    }

    /// The place before the first click of the page.
    fn begin(&self, link: LinkId) -> Option<ClickCursor> {
        // No id is of a time before 1970, and no click either.
        let to = self.to.map(|to| ClickId::new(to.max(Timestamp::UNIX_EPOCH), 0));
        match (&self.cursor, to) {
            (Some(cursor), Some(to)) if cursor.click().is_none_or(|click| to <= click) => {
                Some(ClickCursor::after(link, to))
            }
            (Some(cursor), _) => Some(cursor.clone()),
            (None, to) => to.map(|to| ClickCursor::after(link, to)),
        }
    }
}

#[derive(Serialize)]
struct Page {
    items: Vec<Click>,
    next: Option<String>,
}

/// A click. What is unknown is `null`.
#[derive(Serialize)]
struct Click {
    id: String,
    at: String,
    slug: String,
    domain: String,
    status: u16,
    destination: Option<String>,
    referrer: Option<String>,
    referrer_url: Option<String>,
    user_agent: Option<String>,
    browser: Option<String>,
    os: Option<String>,
    device: Option<&'static str>,
    bot: Option<String>,
    bot_why: Option<&'static str>,
    language: Option<String>,
    country: Option<String>,
    region: Option<String>,
    city: Option<String>,
    utm: Utm,
    asked_utm: Utm,
    visitor: Option<String>,
}

#[derive(Serialize)]
struct Utm {
    source: Option<String>,
    medium: Option<String>,
    campaign: Option<String>,
    term: Option<String>,
    content: Option<String>,
}

impl From<domain::Utm> for Utm {
    fn from(utm: domain::Utm) -> Self {
        let domain::Utm { source, medium, campaign, term, content } = utm;
        Self { source, medium, campaign, term, content }
    }
}

impl From<RecordedClick> for Click {
    fn from(RecordedClick { click, agent, bot }: RecordedClick) -> Self {
        let (bot, bot_why) = bot.map(|bot| (bot.name, bot.why.as_str())).unzip();
        Self {
            id: click.id.to_string(),
            at: click.id.at().to_string(),
            slug: click.slug,
            domain: click.domain,
            status: click.status,
            destination: click.destination,
            referrer: click.referrer,
            referrer_url: click.referrer_url,
            user_agent: click.user_agent,
            browser: agent.browser,
            os: agent.os,
            device: agent.device.map(Device::as_str),
            bot,
            bot_why,
            language: click.language,
            country: click.place.country,
            region: click.place.region,
            city: click.place.city,
            utm: click.utm.into(),
            asked_utm: click.asked_utm.into(),
            visitor: click.visitor.map(|visitor| visitor.to_string()),
        }
    }
}
