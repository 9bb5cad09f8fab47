//! Which clicks go into which transaction.
//!
//! A transaction holds its clicks and every rollup cell that they change, each once; so clicks
//! that change the same cells belong together. Here is only the arithmetic: what a cell is does
//! not matter.

use std::collections::HashSet;
use std::hash::Hash;
use std::ops::Range;

/// What DynamoDB takes in one transaction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Click rows and rollup rows together.
    pub(super) items: usize,
    /// The size of all rows as they will be stored.
    pub(super) bytes: usize,
}

impl Limits {
    /// `TransactWriteItems`: 100 rows, 4 MB. A quarter is left over, because sizes here are
    /// estimates.
    pub(super) const DYNAMODB: Self = Self { items: 100, bytes: 3 * 1024 * 1024 };
}

/// One click, as far as packing is concerned.
#[derive(Debug, Clone)]
pub(super) struct Parcel<C> {
    /// The size of its row.
    pub(super) bytes: usize,
    /// What it changes besides.
    pub(super) cells: Vec<C>,
}

/// Cuts a list of parcels into as few stretches as possible, each of which fits the limits.
///
/// The order is the caller's: parcels with common cells should be neighbours. For a given order,
/// filling each stretch up before the next is begun is the best that can be done, because a
/// stretch that begins later never needs more. A parcel that is too large by itself is a stretch
/// of its own.
pub(super) fn pack<C: Copy + Eq + Hash>(
    parcels: &[Parcel<C>],
    limits: Limits,
    bytes_of_cell: impl Fn(C) -> usize,
) -> Vec<Range<usize>> {
    let mut stretches = Vec::new();
    let mut start = 0;
    let mut cells = HashSet::new();
    let mut bytes = 0;
    for (at, parcel) in parcels.iter().enumerate() {
        let mut added: HashSet<C> = parcel.cells.iter().copied().collect();
        added.retain(|cell| !cells.contains(cell));
        let more = |added: &HashSet<C>| -> usize {
            parcel.bytes + added.iter().map(|&cell| bytes_of_cell(cell)).sum::<usize>()
        };
        let items = (at - start) + 1 + cells.len() + added.len();
        if start < at && (limits.items < items || limits.bytes < bytes + more(&added)) {
            stretches.push(start..at);
            start = at;
            cells.clear();
            bytes = 0;
            added = parcel.cells.iter().copied().collect();
        }
        bytes += more(&added);
        cells.extend(added);
    }
    if start < parcels.len() {
        stretches.push(start..parcels.len());
    }
    stretches
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// A click of this link, on this day, of this workspace, changes four cells.
    fn click(bytes: usize, workspace: u8, link: u8, day: u8) -> Parcel<(u8, u8, u8)> {
        let none = u8::MAX;
        let cells = vec![
            (workspace, none, none),
            (workspace, none, day),
            (workspace, link, none),
            (workspace, link, day),
        ];
        Parcel { bytes, cells }
    }

    fn weight(parcels: &[Parcel<(u8, u8, u8)>], bytes_of_cell: usize) -> (usize, usize) {
        let cells: HashSet<_> = parcels.iter().flat_map(|parcel| &parcel.cells).collect();
        let bytes = parcels.iter().map(|parcel| parcel.bytes).sum::<usize>();
        (parcels.len() + cells.len(), bytes + cells.len() * bytes_of_cell)
    }

    #[test]
    fn a_thousand_clicks_on_ten_links_fit_into_eleven_transactions() {
        let parcels: Vec<_> =
            (0..10).flat_map(|link| (0..100).map(move |_| click(400, 0, link, 0))).collect();
        assert_eq!(pack(&parcels, Limits::DYNAMODB, |_| 5_000).len(), 11);
    }

    #[test]
    fn nothing_needs_no_transaction_and_one_click_one() {
        assert!(pack::<u8>(&[], Limits::DYNAMODB, |_| 0).is_empty());
        assert_eq!(pack(&[click(1, 0, 0, 0)], Limits::DYNAMODB, |_| 1).len(), 1);
        // Too large by itself: still tried, alone.
        let limits = Limits { items: 100, bytes: 10 };
        assert_eq!(pack(&[click(99, 0, 0, 0), click(1, 0, 0, 0)], limits, |_| 1), [0..1, 1..2]);
    }

    proptest! {
        #[test]
        fn stretches_cover_all_fit_the_limits_and_are_full(
            mut clicks in vec((1_usize..3_000, 0..3_u8, 0..12_u8, 0..3_u8), 0..400),
            sorted in any::<bool>(),
            bytes_of_cell in 1_usize..300_000,
        ) {
            if sorted {
                clicks.sort_by_key(|&(_, workspace, link, day)| (workspace, link, day));
            }
            let parcels: Vec<_> = clicks
                .into_iter()
                .map(|(bytes, workspace, link, day)| click(bytes, workspace, link, day))
                .collect();
            let limits = Limits::DYNAMODB;
            let stretches = pack(&parcels, limits, |_| bytes_of_cell);

            let mut next = 0;
            for stretch in &stretches {
                prop_assert_eq!(stretch.start, next);
                prop_assert!(stretch.start < stretch.end);
                next = stretch.end;
                let (items, bytes) = weight(&parcels[stretch.clone()], bytes_of_cell);
                prop_assert!(items <= limits.items && bytes <= limits.bytes);
                if next < parcels.len() {
                    let (items, bytes) = weight(&parcels[stretch.start..=next], bytes_of_cell);
                    prop_assert!(limits.items < items || limits.bytes < bytes);
                }
            }
            prop_assert_eq!(next, parcels.len());
        }
    }
}
