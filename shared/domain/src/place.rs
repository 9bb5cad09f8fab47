//! Where in the world a click came from, as far as the front door could tell.

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
