//! UTM parameters: how marketing people name a campaign in an address.

use url::form_urlencoded;

use crate::click::clean;

/// The longest value that is kept, in bytes.
const MAX_BYTES: usize = 100;

/// The five parameters, as far as an address has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Utm {
    /// `utm_source`.
    pub source: Option<String>,
    /// `utm_medium`.
    pub medium: Option<String>,
    /// `utm_campaign`.
    pub campaign: Option<String>,
    /// `utm_term`.
    pub term: Option<String>,
    /// `utm_content`.
    pub content: Option<String>,
}

impl Utm {
    /// The parameters of a query. Of several with the same name the first counts that says
    /// something.
    pub fn of_query(query: &str) -> Self {
        let mut utm = Self::default();
        // Most have none: then nothing is decoded.
        if !query.contains("utm_") {
            return utm;
        }
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let field = match name.as_ref() {
                "utm_source" => &mut utm.source,
                "utm_medium" => &mut utm.medium,
                "utm_campaign" => &mut utm.campaign,
                "utm_term" => &mut utm.term,
                "utm_content" => &mut utm.content,
                _ => continue,
            };
            if field.is_none() {
                *field = clean(&value, MAX_BYTES);
            }
        }
        utm
    }

    /// The parameters of the query of a whole address.
    pub fn of_address(address: &str) -> Self {
        let before_fragment = address.split_once('#').map_or(address, |(before, _)| before);
        before_fragment.split_once('?').map(|(_, query)| Self::of_query(query)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn the_parameters_are_decoded_and_cut() {
        let long = "x".repeat(101);
        let query = format!(
            "a=1&utm_source=news%20letter&utm_medium=e+mail&utm_source=other&utm_campaign=&\
             utm_term={long}&UTM_CONTENT=no&utm_content=%0d%0a%C3%BC"
        );
        assert_eq!(
            Utm::of_query(&query),
            Utm {
                source: text("news letter"),
                medium: text("e mail"),
                campaign: None,
                term: text(&long[..100]),
                content: text("ü"),
            }
        );
        assert_eq!(Utm::of_query(""), Utm::default());
    }

    #[test]
    fn of_an_address_the_query_counts() {
        let source = |address| Utm::of_address(address).source;
        assert_eq!(source("https://example.com/?utm_source=a#utm_source=b"), text("a"));
        assert_eq!(source("https://example.com/#?utm_source=b"), None);
        assert_eq!(source("https://example.com/utm_source=b"), None);
    }
}
