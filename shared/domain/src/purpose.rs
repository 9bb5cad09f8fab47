//! What a browser fetches an address for, where it says that nobody is looking at it.

/// Why something was fetched that nobody has asked to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// In case somebody follows the link.
    Prefetch,
    /// To show a preview of it.
    Preview,
}

impl Purpose {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prefetch => "prefetch",
            Self::Preview => "preview",
        }
    }

    /// What has this name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Prefetch, Self::Preview].into_iter().find(|purpose| purpose.as_str() == name)
    }
}
