//! Who clicked, for a day: a number that says whether two clicks of one UTC day and workspace are
//! of the same visitor, and nothing else.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use jiff::{SignedDuration, Timestamp};

use crate::secret::hmac_sha256;
use crate::{Day, WorkspaceId};

/// A visitor of a workspace on one UTC day. Displays as 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Visitor(u64);

impl Visitor {
    /// The visitor with this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number: evenly spread, because it is a piece of a hash.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// Parses what it displays as.
    pub fn parse(text: &str) -> Option<Self> {
        let canonical =
            text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !canonical {
            return None;
        }
        u64::from_str_radix(text, 16).ok().map(Self)
    }
}

impl fmt::Display for Visitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The secret of a day, without which nobody can say who a visitor was.
///
/// It is made by chance and deleted for good: then the visitors of that day cannot be found again
/// by trying out all addresses, of which there are few.
#[derive(Clone, PartialEq, Eq)]
pub struct Salt([u8; 32]);

impl Salt {
    /// For how long from its day's first moment on a salt is kept. What is due is looked for every
    /// hour, so it is gone 48 hours after its day began.
    const KEPT: SignedDuration = SignedDuration::from_hours(47);

    /// When the salt of a day is to go.
    pub fn due(day: Day) -> Timestamp {
        day.start().saturating_add(Self::KEPT).unwrap_or(Timestamp::MAX)
    }

    /// The last day whose salt is to be gone by now.
    pub fn last_due(now: Timestamp) -> Day {
        Day::of(now.saturating_sub(Self::KEPT).unwrap_or(Timestamp::MIN))
    }

    /// The salt of these bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A salt of 256 random bits.
    pub fn of_random(high: u128, low: u128) -> Self {
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(&high.to_be_bytes());
        bytes[16..].copy_from_slice(&low.to_be_bytes());
        Self(bytes)
    }

    /// What is stored.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Who this is to a workspace, on the salt's day.
    ///
    /// Two people with the same browser behind one address are one visitor, and one person with two
    /// browsers is two: without a cookie nobody can know better.
    pub fn visitor(
        &self,
        address: IpAddr,
        user_agent: Option<&str>,
        workspace: WorkspaceId,
    ) -> Visitor {
        let address: Ipv6Addr = match address {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        // Both have a fixed length, so that nothing of the text behind them can be taken for theirs.
        let mut message = Vec::with_capacity(560);
        message.extend_from_slice(&address.octets());
        message.extend_from_slice(workspace.to_string().as_bytes());
        message.extend_from_slice(user_agent.unwrap_or_default().as_bytes());
        let [a, b, c, d, e, f, g, h, ..] = hmac_sha256(&self.0, &message);
        Visitor(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace(number: u128) -> WorkspaceId {
        WorkspaceId::new(Timestamp::UNIX_EPOCH, number)
    }

    #[test]
    fn a_visitor_is_the_same_only_for_the_same_day_address_browser_and_workspace() {
        let (today, tomorrow) = (Salt::of_random(1, 2), Salt::of_random(1, 3));
        let address: IpAddr = "203.0.113.9".parse().unwrap();
        let visitor = today.visitor(address, Some("Firefox"), workspace(1));
        assert_eq!(visitor, today.visitor(address, Some("Firefox"), workspace(1)));
        // The same address, as a machine writes it that speaks only IPv6.
        let mapped: IpAddr = "::ffff:203.0.113.9".parse().unwrap();
        assert_eq!(visitor, today.visitor(mapped, Some("Firefox"), workspace(1)));

        let next: IpAddr = "203.0.113.10".parse().unwrap();
        for other in [
            tomorrow.visitor(address, Some("Firefox"), workspace(1)),
            today.visitor(next, Some("Firefox"), workspace(1)),
            today.visitor(address, Some("Chrome"), workspace(1)),
            today.visitor(address, None, workspace(1)),
            today.visitor(address, Some("Firefox"), workspace(2)),
        ] {
            assert_ne!(visitor, other);
        }
    }

    #[test]
    fn a_salt_is_due_while_there_is_an_hour_left_to_look_for_it() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let day = Day::parse("20261120").unwrap();
        assert_eq!(Salt::due(day), at("2026-11-21T23:00:00Z"));
        assert!(Salt::last_due(at("2026-11-21T22:59:59Z")) < day);
        assert_eq!(Salt::last_due(at("2026-11-21T23:00:00Z")), day);
        assert_eq!(Salt::last_due(at("2026-11-22T22:59:59Z")), day);
    }

    #[test]
    fn a_salt_is_not_printed() {
        assert_eq!(format!("{:?}", Salt::new([7; 32])), "Salt(***)");
    }

    #[test]
    fn a_visitor_reads_back_and_has_one_form() {
        for number in [0, 7, u64::MAX] {
            let visitor = Visitor::new(number);
            assert_eq!(Visitor::parse(&visitor.to_string()), Some(visitor));
        }
        for text in ["", "7", "000000000000000A", "+00000000000000f", "00000000000000000"] {
            assert_eq!(Visitor::parse(text), None, "{text}");
        }
    }
}
