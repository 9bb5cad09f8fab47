//! What a client is: browser, operating system, kind of device.

/// What a user agent says of the client.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Agent {
    /// The browser, without its version: `Firefox`.
    pub browser: Option<String>,
    /// The operating system, without its version: `Windows`.
    pub os: Option<String>,
    /// The kind of device.
    pub device: Option<Device>,
}

/// A kind of device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// A computer on or under a desk, or on a lap.
    Desktop,
    /// A telephone.
    Mobile,
    /// A tablet.
    Tablet,
    /// A television set, or a box at one.
    Tv,
    /// A games console.
    Console,
    /// Something else that is known.
    Other,
}

impl Device {
    const ALL: [Self; 6] =
        [Self::Desktop, Self::Mobile, Self::Tablet, Self::Tv, Self::Console, Self::Other];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Desktop => "desktop",
            Self::Mobile => "mobile",
            Self::Tablet => "tablet",
            Self::Tv => "tv",
            Self::Console => "console",
            Self::Other => "other",
        }
    }

    /// What has this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|device| device.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_device_has_a_name_of_its_own() {
        for device in Device::ALL {
            assert_eq!(Device::parse(device.as_str()), Some(device));
        }
        assert_eq!(Device::parse("Desktop"), None);
    }
}
