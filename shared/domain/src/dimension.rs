//! By what clicks can be told apart, and how many values of each are named.

use std::borrow::Cow;
use std::fmt;

use crate::click::cut;
use crate::{RecordedClick, Utm};

/// Something that a click is, beside that it was clicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dimension {
    /// The country, as ISO 3166-1 has it: `DE`.
    Country,
    /// The country's part, as ISO 3166-2 has it: `DE-BE`.
    Region,
    /// The city and its country: `Berlin, DE`.
    City,
    /// The host that it came from.
    Referrer,
    /// The address that it came from, without path.
    ReferrerUrl,
    /// The browser's name.
    Browser,
    /// The operating system's name.
    Os,
    /// The sort of device.
    Device,
    /// The program that it was; unknown where it was a person.
    Bot,
    /// The language, without region: `de`.
    Language,
    /// The destination, without query.
    Destination,
    /// The domain that was asked.
    Domain,
    /// The slug that was typed.
    Slug,
    /// `utm_source` of the request, or else of the destination.
    UtmSource,
    /// `utm_medium` of the request, or else of the destination.
    UtmMedium,
    /// `utm_campaign` of the request, or else of the destination.
    UtmCampaign,
    /// `utm_term` of the request, or else of the destination.
    UtmTerm,
    /// `utm_content` of the request, or else of the destination.
    UtmContent,
    /// The link's id: for workspaces only.
    Link,
}

/// A word that names no [`Dimension`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no such dimension")]
pub struct DimensionError;

impl Dimension {
    /// All of them, in the order in which they are stored.
    pub const ALL: [Self; 19] = [
        Self::Country,
        Self::Region,
        Self::City,
        Self::Referrer,
        Self::ReferrerUrl,
        Self::Browser,
        Self::Os,
        Self::Device,
        Self::Bot,
        Self::Language,
        Self::Destination,
        Self::Domain,
        Self::Slug,
        Self::UtmSource,
        Self::UtmMedium,
        Self::UtmCampaign,
        Self::UtmTerm,
        Self::UtmContent,
        Self::Link,
    ];

    /// Those that a link's clicks are counted by: all clicks of a link have the same link.
    pub const OF_LINKS: &'static [Self] = Self::ALL.split_at(Self::ALL.len() - 1).0;

    /// The name, as the API has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Country => "country",
            Self::Region => "region",
            Self::City => "city",
            Self::Referrer => "referrer",
            Self::ReferrerUrl => "referrer_url",
            Self::Browser => "browser",
            Self::Os => "os",
            Self::Device => "device",
            Self::Bot => "bot",
            Self::Language => "language",
            Self::Destination => "destination",
            Self::Domain => "domain",
            Self::Slug => "slug",
            Self::UtmSource => "utm_source",
            Self::UtmMedium => "utm_medium",
            Self::UtmCampaign => "utm_campaign",
            Self::UtmTerm => "utm_term",
            Self::UtmContent => "utm_content",
            Self::Link => "link",
        }
    }

    /// The dimension of this name.
    pub fn parse(text: &str) -> Result<Self, DimensionError> {
        Self::ALL.into_iter().find(|it| it.as_str() == text).ok_or(DimensionError)
    }

    /// The number under which it is stored. Never give one to another.
    pub(crate) const fn number(self) -> u8 {
        self as u8
    }

    pub(crate) fn numbered(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// The most values of a day that are named: enough that whatever matters is, and few where
    /// anybody can make values up, because each write of a row costs by its size.
    pub const fn limit(self) -> usize {
        match self {
            // There are not many more.
            Self::Country => 256,
            Self::Region | Self::City => 200,
            Self::Referrer | Self::Link => 100,
            Self::Bot
            | Self::Language
            | Self::Slug
            | Self::UtmSource
            | Self::UtmMedium
            | Self::UtmCampaign
            | Self::UtmTerm
            | Self::UtmContent => 50,
            Self::ReferrerUrl | Self::Browser | Self::Os => 30,
            Self::Destination | Self::Domain => 20,
            Self::Device => 10,
        }
    }

    /// The longest value, in bytes; longer ones are cut.
    const fn longest(self) -> usize {
        match self {
            Self::ReferrerUrl | Self::Destination => 200,
            Self::Country
            | Self::Region
            | Self::City
            | Self::Referrer
            | Self::Browser
            | Self::Os
            | Self::Device
            | Self::Bot
            | Self::Language
            | Self::Domain
            | Self::Slug
            | Self::UtmSource
            | Self::UtmMedium
            | Self::UtmCampaign
            | Self::UtmTerm
            | Self::UtmContent
            | Self::Link => 100,
        }
    }

    /// A click's value; `None` if it is unknown.
    pub fn of(self, recorded: &RecordedClick) -> Option<Cow<'_, str>> {
        let click = &recorded.click;
        let utm = |part: fn(&Utm) -> &Option<String>| {
            part(&click.asked_utm).as_deref().or(part(&click.utm).as_deref()).map(Cow::Borrowed)
        };
        let value = match self {
            Self::Country => click.place.country.as_deref().map(Cow::Borrowed),
            Self::Region => {
                let place = &click.place;
                let region = place.country.as_ref().zip(place.region.as_ref());
                region.map(|(country, region)| Cow::Owned(format!("{country}-{region}")))
            }
            Self::City => {
                let place = &click.place;
                let city = place.city.as_ref().zip(place.country.as_ref());
                city.map(|(city, country)| Cow::Owned(format!("{city}, {country}")))
            }
            Self::Referrer => click.referrer.as_deref().map(Cow::Borrowed),
            Self::ReferrerUrl => click.referrer_url.as_deref().map(Cow::Borrowed),
            Self::Browser => recorded.agent.browser.as_deref().map(Cow::Borrowed),
            Self::Os => recorded.agent.os.as_deref().map(Cow::Borrowed),
            Self::Device => recorded.agent.device.map(|it| Cow::Borrowed(it.as_str())),
            Self::Bot => recorded.bot.as_ref().map(|bot| Cow::Borrowed(bot.name.as_str())),
            Self::Language => click
                .language
                .as_deref()
                .map(|tag| Cow::Borrowed(tag.split_once('-').map_or(tag, |(primary, _)| primary))),
            Self::Destination => click.destination.as_deref().map(Cow::Borrowed),
            Self::Domain => Some(Cow::Borrowed(click.domain.as_str())),
            Self::Slug => Some(Cow::Borrowed(click.slug.as_str())),
            Self::UtmSource => utm(|it| &it.source),
            Self::UtmMedium => utm(|it| &it.medium),
            Self::UtmCampaign => utm(|it| &it.campaign),
            Self::UtmTerm => utm(|it| &it.term),
            Self::UtmContent => utm(|it| &it.content),
            Self::Link => Some(Cow::Owned(click.link.to_string())),
        };
        value.map(|value| self.kept(value))
    }

    /// A value, cut to what is kept.
    pub fn kept(self, value: Cow<'_, str>) -> Cow<'_, str> {
        match value {
            Cow::Borrowed(text) => Cow::Borrowed(cut(text, self.longest())),
            Cow::Owned(text) => match cut(&text, self.longest()).len() {
                whole if whole == text.len() => Cow::Owned(text),
                end => Cow::Owned(text[..end].to_owned()),
            },
        }
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dimension_has_a_number_and_a_name_of_its_own() {
        for (place, dimension) in Dimension::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(dimension.number()), place);
            assert_eq!(Dimension::numbered(dimension.number()), Some(dimension));
            assert_eq!(Dimension::parse(dimension.as_str()), Ok(dimension));
        }
        assert_eq!(Dimension::parse("colour"), Err(DimensionError));
        assert_eq!(Dimension::numbered(19), None);
        assert!(!Dimension::OF_LINKS.contains(&Dimension::Link));
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        let long = "ü".repeat(150);
        assert_eq!(Dimension::UtmTerm.kept(Cow::Borrowed(&long)), "ü".repeat(50));
        assert_eq!(Dimension::Destination.kept(Cow::Owned(long)), "ü".repeat(100));
    }
}
