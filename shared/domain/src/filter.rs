//! Which clicks are asked for: `country:DE|FR,bot:false`.
//!
//! Clauses are joined by commas and must all hold; a clause names a dimension and the values of
//! which its must be one, with `|` between them. A value that holds a comma, a `|` or a `"` stands
//! in double quotes, in which `""` is a `"`: `city:"Berlin, DE"`.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::rollup::Counts;
use crate::{Dimension, LinkId, RecordedClick};

/// What stands for a value that nobody knows, in answers as in filters.
pub const UNKNOWN: &str = "(unknown)";

/// What stands for all values that are not named, in answers.
pub const OTHER: &str = "(other)";

/// What must hold of a click.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    bot: Option<bool>,
    clauses: BTreeMap<Dimension, BTreeSet<Option<String>>>,
}

/// Why a text is no filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// There is no `:` where one should be.
    #[error("`{0}` is no filter: write `dimension:value`, such as `country:DE`")]
    NoClause(String),
    /// The name of no dimension.
    #[error("there is no dimension `{0}` to filter by")]
    UnknownDimension(String),
    /// A dimension that stands in two clauses.
    #[error("`{0}` stands twice; write `{0}:a|b` for one or the other")]
    Twice(Dimension),
    /// A clause without a value, or with an empty one.
    #[error("`{0}` has an empty value; what is unknown is `{UNKNOWN}`")]
    Empty(Dimension),
    /// A quotation that does not end, or goes on after its end.
    #[error("the quotation in `{0}` does not end where the value does")]
    Quotation(Dimension),
    /// A value that is none of this dimension.
    #[error("`{1}` is no value of `{0}`")]
    NoValue(Dimension, String),
    /// `true` or `false` beside another value.
    #[error("`bot` is `true`, `false`, or names of bots")]
    Mixed,
    /// More than anybody needs.
    #[error(
        "a filter has at most {} clauses of {} values",
        Filter::MAX_CLAUSES,
        Filter::MAX_VALUES
    )]
    TooMuch,
}

impl Filter {
    /// The most clauses that one has.
    pub const MAX_CLAUSES: usize = 8;
    /// The most values that one of its clauses has.
    pub const MAX_VALUES: usize = 20;

    /// Adds the clauses of a text, whose dimensions must be among those that may be asked for. All
    /// that is wrong with them is told at once.
    pub fn add(&mut self, text: &str, dimensions: &[Dimension]) -> Result<(), Vec<FilterError>> {
        let mut errors = Vec::new();
        for clause in split(text, ',') {
            if let Err(error) = self.add_clause(clause, dimensions) {
                errors.push(error);
                if errors.len() == Self::MAX_CLAUSES {
                    break;
                }
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    fn add_clause(&mut self, clause: &str, dimensions: &[Dimension]) -> Result<(), FilterError> {
        let (name, values) =
            clause.split_once(':').ok_or_else(|| FilterError::NoClause(shown(clause)))?;
        let name = name.trim();
        let dimension = dimensions.iter().copied().find(|dimension| dimension.as_str() == name);
        let dimension = dimension.ok_or_else(|| FilterError::UnknownDimension(shown(name)))?;
        if self.clauses.contains_key(&dimension)
            || dimension == Dimension::Bot && self.bot.is_some()
        {
            return Err(FilterError::Twice(dimension));
        }
        let is_bot = |word: &str| dimension == Dimension::Bot && values.trim() == word;
        if is_bot("true") || is_bot("false") {
            self.bot = Some(is_bot("true"));
            return Ok(());
        }
        let mut named = BTreeSet::new();
        for value in split(values, '|') {
            named.insert(read_value(value.trim(), dimension)?);
        }
        if Self::MAX_VALUES < named.len() || Self::MAX_CLAUSES <= self.clauses.len() {
            return Err(FilterError::TooMuch);
        }
        self.clauses.insert(dimension, named);
        Ok(())
    }

    /// Whether every click passes.
    pub fn is_empty(&self) -> bool {
        self.bot.is_none() && self.clauses.is_empty()
    }

    /// Whether it asks for nothing but bots, or for nothing but people.
    pub fn is_by_bot_only(&self) -> bool {
        self.clauses.is_empty()
    }

    /// Whether only bots (`true`) or only people (`false`) pass.
    pub fn bot(&self) -> Option<bool> {
        self.bot
    }

    /// The one dimension that it asks for, and the values that pass, if there is just one.
    pub fn only_clause(&self) -> Option<(Dimension, &BTreeSet<Option<String>>)> {
        let (&dimension, values) = self.clauses.first_key_value()?;
        (self.clauses.len() == 1).then_some((dimension, values))
    }

    /// The dimensions that it asks for.
    pub fn dimensions(&self) -> impl Iterator<Item = Dimension> {
        self.clauses.keys().copied()
    }

    /// The part of some counts that passes, as far as bots and people go.
    pub fn mask(&self, counts: Counts) -> Counts {
        match self.bot {
            None => counts,
            Some(true) => Counts { human: 0, ..counts },
            Some(false) => Counts { bot: 0, ..counts },
        }
    }

    /// Whether a click passes.
    pub fn admits(&self, click: &RecordedClick) -> bool {
        self.bot.is_none_or(|bot| bot == click.bot.is_some())
            && self.clauses.iter().all(|(dimension, values)| {
                values.contains(&dimension.of(click).map(Cow::into_owned))
            })
    }
}

/// The parts of a text between separators that stand in no quotation.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    text.split(move |c| {
        is_quoted ^= c == '"';
        c == separator && !is_quoted
    })
}

fn read_value(text: &str, dimension: Dimension) -> Result<Option<String>, FilterError> {
    let value = match text.strip_prefix('"') {
        None if text == UNKNOWN => return Ok(None),
        None if text.contains('"') => return Err(FilterError::Quotation(dimension)),
        None => text.to_owned(),
        Some(rest) => {
            let inner = rest.strip_suffix('"').map(|inner| inner.replace("\"\"", "\u{0}"));
            let inner = inner.filter(|inner| !inner.contains('"'));
            inner.ok_or(FilterError::Quotation(dimension))?.replace('\u{0}', "\"")
        }
    };
    if value.is_empty() {
        return Err(FilterError::Empty(dimension));
    }
    if dimension == Dimension::Bot && (value == "true" || value == "false") {
        return Err(FilterError::Mixed);
    }
    let is_no_link = dimension == Dimension::Link && LinkId::parse(&value).is_err();
    if is_no_link || value == OTHER {
        return Err(FilterError::NoValue(dimension, shown(&value)));
    }
    // A longer one is counted by its beginning.
    Ok(Some(dimension.kept(Cow::Owned(spelled(value, dimension))).into_owned()))
}

/// A value as clicks have it, where those have one spelling only.
fn spelled(value: String, dimension: Dimension) -> String {
    const UPPER: [Dimension; 2] = [Dimension::Country, Dimension::Region];
    const LOWER: [Dimension; 5] = [
        Dimension::Language,
        Dimension::Device,
        Dimension::Domain,
        Dimension::Referrer,
        Dimension::ReferrerUrl,
    ];
    if UPPER.contains(&dimension) {
        value.to_uppercase()
    } else if LOWER.contains(&dimension) {
        value.to_lowercase()
    } else {
        value
    }
}

/// So much of what was sent as helps to find the mistake.
fn shown(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::{Agent, BotLabel, BotWhy, Click, ClickId, Place, Utm, WorkspaceId};

    fn click(country: Option<&str>, city: Option<&str>, bot: Option<&str>) -> RecordedClick {
        let some = |text: Option<&str>| text.map(str::to_owned);
        RecordedClick {
            click: Click {
                id: ClickId::new(Timestamp::UNIX_EPOCH, 1),
                link: LinkId::new(Timestamp::UNIX_EPOCH, 1),
                workspace: WorkspaceId::new(Timestamp::UNIX_EPOCH, 1),
                domain: "go.example.com".to_owned(),
                slug: "Spring".to_owned(),
                shard: 0,
                status: 302,
                destination: None,
                referrer: None,
                referrer_url: None,
                user_agent: None,
                language: Some("de-AT".to_owned()),
                purpose: None,
                place: Place { country: some(country), region: None, city: some(city) },
                network: None,
                utm: Utm::default(),
                asked_utm: Utm::default(),
                visitor: None,
            },
            agent: Agent::default(),
            bot: bot.map(|name| BotLabel { name: name.to_owned(), why: BotWhy::UserAgent }),
        }
    }

    fn filter(text: &str) -> Result<Filter, Vec<FilterError>> {
        let mut filter = Filter::default();
        filter.add(text, &Dimension::ALL).map(|()| filter)
    }

    #[test]
    fn all_clauses_must_hold_and_one_value_of_each() {
        let berlin = click(Some("DE"), Some("Berlin"), None);
        let paris = click(Some("FR"), Some("Paris"), Some("curl"));
        let nowhere = click(None, None, None);
        for (text, expected) in [
            ("country:DE", [true, false, false]),
            ("country:de|fr", [true, true, false]),
            ("country:(unknown)", [false, false, true]),
            ("country:FR|(unknown),bot:false", [false, false, true]),
            ("bot:true", [false, true, false]),
            ("bot:curl", [false, true, false]),
            ("bot:(unknown)", [true, false, true]),
            ("city:\"Berlin, DE\"", [true, false, false]),
            (" city : \"Berlin, DE\" | \"Paris, FR\" , country:FR", [false, true, false]),
            ("slug:Spring,language:DE", [true, true, true]),
            ("slug:spring", [false, false, false]),
        ] {
            let filter = filter(text).unwrap();
            assert_eq!([&berlin, &paris, &nowhere].map(|it| filter.admits(it)), expected, "{text}");
        }
        assert!(Filter::default().is_empty() && Filter::default().admits(&nowhere));
    }

    #[test]
    fn quotations_may_hold_anything() {
        let asked = filter("utm_term:\"a,b|c:\"\"d\"\"\",bot:false").unwrap();
        let (dimension, values) = asked.only_clause().unwrap();
        assert_eq!(dimension, Dimension::UtmTerm);
        assert!(values.contains(&Some("a,b|c:\"d\"".to_owned())));
        assert_eq!(asked.bot(), Some(false));
        // In a quotation it is a word like any other.
        let quoted = filter("utm_term:\"(unknown)\"").unwrap();
        assert!(quoted.only_clause().unwrap().1.contains(&Some(UNKNOWN.to_owned())));
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let errors = filter("DE,colour:red,country:,os:\"a,os:x|\"b\"c").unwrap_err();
        assert_eq!(errors.len(), 4, "{errors:?}");
        let many: Vec<_> = (0..21).map(|number| number.to_string()).collect();
        let values = format!("utm_term:{}", many.join("|"));
        let all: Vec<_> =
            Dimension::ALL[..9].iter().map(|it| format!("{}:a", it.as_str())).collect();
        for (text, expected) in [
            ("", "`` is no filter: write `dimension:value`, such as `country:DE`"),
            ("country:DE,", "`` is no filter: write `dimension:value`, such as `country:DE`"),
            (
                "country:DE,country:FR",
                "`country` stands twice; write `country:a|b` for one or the other",
            ),
            ("bot:true,bot:false", "`bot` stands twice; write `bot:a|b` for one or the other"),
            ("bot:true|curl", "`bot` is `true`, `false`, or names of bots"),
            ("os:(other)", "`(other)` is no value of `os`"),
            ("link:spring", "`spring` is no value of `link`"),
            ("os:\"Linux", "the quotation in `os` does not end where the value does"),
            ("os:Li\"nux\"", "the quotation in `os` does not end where the value does"),
            ("os:a||b", "`os` has an empty value; what is unknown is `(unknown)`"),
            (values.as_str(), "a filter has at most 8 clauses of 20 values"),
            (&all.join(","), "a filter has at most 8 clauses of 20 values"),
        ] {
            let errors = filter(text).unwrap_err();
            assert_eq!(errors[0].to_string(), expected, "{text}");
        }
        let of_link = Filter::default().add("link:lnk_1", Dimension::OF_LINKS);
        assert_eq!(of_link, Err(vec![FilterError::UnknownDimension("link".to_owned())]));
    }

    proptest! {
        #[test]
        fn reading_never_panics_and_says_little(text in "[a-z:,|\"\\PC]{0,80}") {
            if let Err(errors) = filter(&text) {
                prop_assert!(errors.len() <= Filter::MAX_CLAUSES);
                prop_assert!(errors.iter().all(|error| error.to_string().len() < 400));
            }
        }

        #[test]
        fn any_value_can_be_asked_for(value in "\\PC{1,60}") {
            prop_assume!(value != OTHER);
            let text = format!("utm_term:\"{}\"", value.replace('"', "\"\""));
            let filter = filter(&text).unwrap();
            let mut asked = click(None, None, None);
            asked.click.utm.term = Some(value);
            prop_assert!(filter.admits(&asked), "{}", text);
            asked.click.utm.term = None;
            prop_assert!(!filter.admits(&asked));
        }
    }
}
