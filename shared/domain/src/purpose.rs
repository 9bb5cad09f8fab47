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
    /// What a header says, by whose value browsers tell: `prefetch;prerender`, `preview`.
    pub fn told(value: &str) -> Option<Self> {
        let said = |what: &str| {
            let mut parts = value.split([';', ',']).map(str::trim);
            parts.any(|part| part.eq_ignore_ascii_case(what))
        };
        if said("prefetch") || said("prerender") {
            Some(Self::Prefetch)
        } else if said("preview") {
            Some(Self::Preview)
        } else {
            None
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_say_it_in_several_ways() {
        for value in
            ["prefetch", "prefetch;prerender", "Prefetch; anonymous-client-ip", "prerender"]
        {
            assert_eq!(Purpose::told(value), Some(Purpose::Prefetch), "{value}");
        }
        assert_eq!(Purpose::told("preview"), Some(Purpose::Preview));
        for value in ["", "navigate", "prefetching", "no-preview"] {
            assert_eq!(Purpose::told(value), None, "{value}");
        }
        for purpose in [Purpose::Prefetch, Purpose::Preview] {
            assert_eq!(Purpose::parse(purpose.as_str()), Some(purpose));
        }
    }
}
