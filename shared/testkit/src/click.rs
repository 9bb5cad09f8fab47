//! Clicks on the events' link.

use domain::{
    Agent, BotLabel, BotWhy, Click, ClickId, Device, LinkId, Place, Purpose, RecordedClick, Utm,
    Visitor, WorkspaceId,
};

use crate::world::{SPRING, WORKSPACE};

/// A click on the events' link, of which nothing is known that need not be. Tests change what they
/// are about: `Click { shard: 3, ..testkit::click(id) }`.
pub fn click(id: ClickId) -> Click {
    Click {
        id,
        link: LinkId::parse(SPRING).expect("this is an id"),
        workspace: WorkspaceId::parse(WORKSPACE).expect("this is an id"),
        domain: "go.example.com".to_owned(),
        slug: "spring".to_owned(),
        shard: 0,
        status: 302,
        destination: None,
        referrer: None,
        referrer_url: None,
        user_agent: None,
        language: None,
        purpose: None,
        place: Place::default(),
        network: None,
        utm: Utm::default(),
        asked_utm: Utm::default(),
        visitor: None,
    }
}

/// The click of a person, of whose client nothing is known.
pub fn by_somebody(click: Click) -> RecordedClick {
    RecordedClick { click, agent: Agent::default(), bot: None }
}

/// The click of a program with this name, known by its user agent.
pub fn by_bot(click: Click, name: &str) -> RecordedClick {
    let label = BotLabel { name: name.to_owned(), why: BotWhy::UserAgent };
    RecordedClick { bot: Some(label), ..by_somebody(click) }
}

/// The click of a bot if there is a name, else of a person.
pub fn by(click: Click, bot: Option<&str>) -> RecordedClick {
    match bot {
        Some(name) => by_bot(click, name),
        None => by_somebody(click),
    }
}

/// A click of which everything is known.
pub fn full_click(id: ClickId) -> RecordedClick {
    let text = |text: &str| Some(text.to_owned());
    let utm = |[source, medium, campaign, term, content]: [&str; 5]| Utm {
        source: text(source),
        medium: text(medium),
        campaign: text(campaign),
        term: text(term),
        content: text(content),
    };
    let click = Click {
        shard: 3,
        destination: text("https://example.com/spring"),
        referrer: text("news.example.org"),
        referrer_url: text("https://news.example.org/"),
        user_agent: text("Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"),
        language: text("de-AT"),
        purpose: Some(Purpose::Prefetch),
        place: Place { country: text("DE"), region: text("BE"), city: text("Berlin") },
        network: Some(64_500),
        utm: utm(["newsletter", "email", "spring", "shoes", "top"]),
        asked_utm: utm(["poster", "print", "summer", "boots", "bottom"]),
        visitor: Some(Visitor::new(255)),
        ..click(id)
    };
    RecordedClick {
        click,
        agent: Agent { browser: text("Firefox"), os: text("Linux"), device: Some(Device::Desktop) },
        bot: Some(BotLabel { name: "(prefetch)".to_owned(), why: BotWhy::Prefetch }),
    }
}
