//! Where in the world a click came from, as far as the front door could tell.

use percent_encoding::percent_decode_str;

use crate::click::clean;

/// A place: a country, a region of it, a town. Each part may be unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The country by ISO 3166-1: `DE`.
    pub country: Option<String>,
    /// The region by ISO 3166-2, without its country: `BE`.
    pub region: Option<String>,
    /// The town, in the spelling of the front door: `Berlin`.
    pub city: Option<String>,
}

/// The longest name of a town that is kept, in bytes.
const MAX_CITY_BYTES: usize = 100;

impl Place {
    /// The place that these texts tell of; what makes no sense is unknown.
    ///
    /// A region or a town says nothing without its country. Towns may be percent-encoded.
    pub fn told(country: Option<&str>, region: Option<&str>, city: Option<&str>) -> Self {
        let Some(country) = country.and_then(country_of) else { return Self::default() };
        let city = city.map(|city| percent_decode_str(city).decode_utf8_lossy());
        Self {
            country: Some(country),
            region: region.and_then(region_of),
            city: city.and_then(|city| clean(&city, MAX_CITY_BYTES)),
        }
    }
}

fn country_of(text: &str) -> Option<String> {
    let is_one = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    is_one.then(|| text.to_ascii_uppercase())
}

fn region_of(text: &str) -> Option<String> {
    let is_one =
        (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_one.then(|| text.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_what_makes_sense_of_what_was_told() {
        let told = |country, region, city| {
            let place = Place::told(country, region, city);
            (place.country, place.region, place.city)
        };
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            told(Some("DE"), Some("BE"), Some("Berlin")),
            (text("DE"), text("BE"), text("Berlin"))
        );
        assert_eq!(
            told(Some("ch"), Some("zh"), Some("Z%C3%BCrich")),
            (text("CH"), text("ZH"), text("Zürich"))
        );
        assert_eq!(told(Some("GB"), Some(""), Some(" ")), (text("GB"), None, None));
        assert_eq!(told(None, Some("BE"), Some("Berlin")), (None, None, None));
        for country in ["", "D", "DEU", "D1", "é"] {
            assert_eq!(told(Some(country), Some("BE"), None), (None, None, None), "{country}");
        }
        for region in ["LONG", "A-B", "é"] {
            assert_eq!(told(Some("DE"), Some(region), None).1, None, "{region}");
        }
        let long = "ü".repeat(200);
        assert_eq!(told(Some("DE"), None, Some(&long)).2, text(&long[..100]));
    }
}
