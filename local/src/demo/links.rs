//! The sample links, the most popular first: slug, page, title, tags.

/// A sample link.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) slug: &'static str,
    pub(crate) url: &'static str,
    pub(crate) title: &'static str,
    pub(crate) tags: &'static [&'static str],
}

const fn sample(
    slug: &'static str,
    url: &'static str,
    title: &'static str,
    tags: &'static [&'static str],
) -> Sample {
    Sample { slug, url, title, tags }
}

/// All of them.
pub(crate) const SAMPLES: [Sample; 50] = [
    sample("autumn-sale", "https://shop.example.com/sale/autumn", "Autumn sale", &["shop", "sale"]),
    sample("get-app", "https://www.example.com/app", "Get the app", &["app"]),
    sample("newsletter", "https://www.example.com/newsletter", "Newsletter", &["mail"]),
    sample(
        "black-friday",
        "https://shop.example.com/sale/black-friday",
        "Black Friday",
        &["shop", "sale"],
    ),
    sample(
        "menu",
        "https://cafe.example.org/menu",
        "Menu (QR code on the tables)",
        &["qr", "cafe"],
    ),
    sample(
        "first-steps",
        "https://docs.example.com/start",
        "Documentation: first steps",
        &["docs"],
    ),
    sample("jobs", "https://www.example.com/jobs", "Open positions", &["people"]),
    sample(
        "webinar-links",
        "https://events.example.com/webinar/links",
        "Webinar: links that last",
        &["events"],
    ),
    sample("pricing", "https://www.example.com/pricing", "Pricing", &["web"]),
    sample("uptime", "https://status.example.com", "Status page", &["web"]),
    sample(
        "podcast",
        "https://podcast.example.org/latest",
        "Podcast: latest episode",
        &["podcast"],
    ),
    sample("sneakers", "https://shop.example.com/shoes/sneakers", "Sneakers", &["shop"]),
    sample("review", "https://www.example.com/review", "Please rate us", &["mail"]),
    sample(
        "meetup-berlin",
        "https://events.example.com/meetup/berlin",
        "Meetup in Berlin",
        &["events"],
    ),
    sample(
        "meetup-lisbon",
        "https://events.example.com/meetup/lisbon",
        "Meetup in Lisbon",
        &["events"],
    ),
    sample("changelog", "https://docs.example.com/changelog", "What is new", &["docs"]),
    sample("gift-cards", "https://shop.example.com/gift-cards", "Gift cards", &["shop"]),
    sample("android", "https://play.example.com/store/apps/signpost", "App for Android", &["app"]),
    sample("ios", "https://apps.example.com/signpost", "App for iOS", &["app"]),
    sample(
        "track",
        "https://shop.example.com/orders/track",
        "Where is my parcel?",
        &["shop", "sms"],
    ),
    sample("api-reference", "https://docs.example.com/api", "API reference", &["docs"]),
    sample("security", "https://www.example.com/security", "Security", &["web"]),
    sample("survey", "https://forms.example.com/survey/2026", "Customer survey", &["mail"]),
    sample("opening-hours", "https://cafe.example.org/hours", "Opening hours", &["cafe"]),
    sample("table-12", "https://cafe.example.org/table/12", "Table 12", &["qr", "cafe"]),
    sample("table-7", "https://cafe.example.org/table/7", "Table 7", &["qr", "cafe"]),
    sample("summer-tour", "https://events.example.com/tour/summer", "Summer tour", &["events"]),
    sample("winter-coats", "https://shop.example.com/coats/winter", "Winter coats", &["shop"]),
    sample("returns", "https://shop.example.com/returns", "Returns", &["shop"]),
    sample("support", "https://help.example.com", "Support", &["web"]),
    sample("press", "https://www.example.com/press", "Press kit", &["people"]),
    sample("team", "https://www.example.com/about/team", "Our team", &["people"]),
    sample("imprint", "https://www.example.com/imprint", "Imprint", &["web"]),
    sample("privacy", "https://www.example.com/privacy", "Privacy", &["web"]),
    sample(
        "case-study",
        "https://www.example.com/stories/parcel-service",
        "Case study: SMS links",
        &["sales"],
    ),
    sample("demo-call", "https://calendar.example.com/demo", "Book a demo", &["sales"]),
    sample(
        "whitepaper",
        "https://www.example.com/papers/exact-counts.pdf",
        "Paper: counts that are exact",
        &["sales"],
    ),
    sample(
        "poster-station",
        "https://www.example.com/hello?from=station",
        "Poster at the station",
        &["qr"],
    ),
    sample(
        "poster-airport",
        "https://www.example.com/hello?from=airport",
        "Poster at the airport",
        &["qr"],
    ),
    sample("flyer-spring", "https://www.example.com/hello?from=flyer", "Flyer", &["qr"]),
    sample("vinyl", "https://shop.example.com/music/vinyl", "Vinyl", &["shop"]),
    sample("cookbook", "https://shop.example.com/books/cookbook", "Cookbook", &["shop"]),
    sample(
        "recipe-soup",
        "https://blog.example.org/recipes/pumpkin-soup",
        "Recipe: pumpkin soup",
        &["blog"],
    ),
    sample("recipe-bread", "https://blog.example.org/recipes/bread", "Recipe: bread", &["blog"]),
    sample(
        "year-in-review",
        "https://blog.example.org/year-in-review",
        "The year in review",
        &["blog"],
    ),
    sample("redesign", "https://blog.example.org/redesign", "Why it looks new", &["blog"]),
    sample("volunteer", "https://www.example.com/volunteer", "Volunteer", &["people"]),
    sample("donate", "https://www.example.com/donate", "Donate", &["people"]),
    sample("partner", "https://www.example.com/partners", "Partner programme", &["sales"]),
    sample("easter-egg", "https://www.example.com/egg", "You found it", &["blog"]),
];
