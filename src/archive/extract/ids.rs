//! Which ids of the host stand for those of a container.

#![forbid(unsafe_code)]

use thiserror::Error as ThisError;

/// How many ranges a map may have: as many as the kernel takes for a user namespace (user_namespaces(7)).
const MAX_RANGES: usize = 340;

/// Consecutive ids: `container`, `container` + 1, … are `host`, `host` + 1, … outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdRange {
    /// The first id in the container.
    pub container: u32,
    /// The first id outside, as the calling process sees it.
    pub host: u32,
    /// How many there are.
    pub size: u32,
}

/// Why ranges are no map.
#[derive(Debug, ThisError, PartialEq, Eq)]
pub(crate) enum BadMap {
    /// The namespace that the map is of can't have them either.
    #[error("has {0} ranges, more than {MAX_RANGES}")]
    TooMany(usize),
    /// A range of nothing is a mistake of whoever made the map, and it isn't known which.
    #[error("has a range of no ids")]
    Empty,
    /// Ids beyond 32 bits would wrap, to root's in the worst case; 4294967295 is nobody's id.
    #[error("has a range that ends above 4294967294")]
    Overflow,
    /// One id of the container's would be two outside.
    #[error("has two ranges with the same id of the container")]
    ContainerOverlap,
    /// Two ids of the container's would be one outside: whoever has one has the other's files.
    #[error("has two ranges with the same id of the host")]
    HostOverlap,
}

/// A map of user ids, or of group ids. One without ranges leaves every id as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct IdMap(Vec<IdRange>);

impl IdMap {
    /// The map of these ranges, in any order; of none, the one that leaves every id as it is.
    pub(crate) fn new(mut ranges: Vec<IdRange>) -> Result<Self, BadMap> {
        if ranges.len() > MAX_RANGES {
            return Err(BadMap::TooMany(ranges.len()));
        }
        for range in &ranges {
            if range.size == 0 {
                return Err(BadMap::Empty);
            }
            // The end, which is the first id after the range, mustn't be beyond 4294967295.
            let ends = [range.container, range.host].map(|first| first.checked_add(range.size));
            if ends.contains(&None) {
                return Err(BadMap::Overflow);
            }
        }
        if overlap(&mut ranges, |range| range.host) {
            return Err(BadMap::HostOverlap);
        }
        if overlap(&mut ranges, |range| range.container) {
            return Err(BadMap::ContainerOverlap);
        }
        Ok(Self(ranges))
    }

    /// What the container's `id` is outside; `None` if it is nothing there.
    pub(crate) fn to_host(&self, id: u32) -> Option<u32> {
        if self.0.is_empty() {
            return Some(id);
        }
        let after = self.0.partition_point(|range| range.container <= id);
        let range = self.0.get(after.checked_sub(1)?)?;
        let at = id - range.container;
        (at < range.size).then(|| range.host + at)
    }

    fn is_identity(&self) -> bool {
        self.0.is_empty()
    }
}

/// Sorts ranges, which don't overflow, by `first`; whether two of them share an id of that side.
fn overlap(ranges: &mut [IdRange], first: fn(&IdRange) -> u32) -> bool {
    ranges.sort_unstable_by_key(first);
    let mut pairs = ranges.windows(2);
    pairs.any(|pair| first(&pair[1]) - first(&pair[0]) < pair[0].size)
}

/// The maps of users and groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct IdMaps {
    /// Users.
    pub(crate) uids: IdMap,
    /// Groups.
    pub(crate) gids: IdMap,
}

impl IdMaps {
    /// Whether both leave every id as it is.
    pub(crate) fn are_identity(&self) -> bool {
        self.uids.is_identity() && self.gids.is_identity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(container: u32, host: u32, size: u32) -> IdRange {
        IdRange {
            container,
            host,
            size,
        }
    }

    #[test]
    fn ids_are_mapped_range_by_range_to_their_ends() {
        let map = IdMap::new(vec![range(1000, 5, 1), range(0, 100_000, 1000)]).unwrap();
        for (id, host) in [
            (0, Some(100_000)),
            (999, Some(100_999)),
            (1000, Some(5)),
            (1001, None),
            (u32::MAX, None),
        ] {
            assert_eq!(map.to_host(id), host, "{id}");
        }
    }

    #[test]
    fn what_is_below_the_first_range_is_not_mapped() {
        let map = IdMap::new(vec![range(1, 1, 1)]).unwrap();
        assert_eq!((map.to_host(0), map.to_host(1)), (None, Some(1)));
    }

    #[test]
    fn a_map_without_ranges_leaves_every_id_as_it_is() {
        let map = IdMap::new(Vec::new()).unwrap();
        assert!(map.is_identity());
        for id in [0, 1000, 4_294_967_294] {
            assert_eq!(map.to_host(id), Some(id));
        }
    }

    #[test]
    fn ranges_that_touch_do_not_overlap() {
        IdMap::new(vec![range(0, 10, 10), range(10, 0, 10)]).unwrap();
    }

    #[test]
    fn overlaps_are_refused_on_either_side() {
        let overlap = vec![range(5, 100, 10), range(0, 0, 6)];
        assert_eq!(IdMap::new(overlap), Err(BadMap::ContainerOverlap));
        let overlap = vec![range(0, 100, 10), range(50, 109, 1)];
        assert_eq!(IdMap::new(overlap), Err(BadMap::HostOverlap));
    }

    #[test]
    fn empty_ranges_and_those_beyond_the_last_id_are_refused() {
        assert_eq!(IdMap::new(vec![range(0, 0, 0)]), Err(BadMap::Empty));
        let last = 4_294_967_294;
        IdMap::new(vec![range(last, last, 1)]).unwrap();
        IdMap::new(vec![range(0, 0, u32::MAX)]).unwrap();
        for beyond in [range(last, 0, 2), range(0, last, 2), range(1, 0, u32::MAX)] {
            assert_eq!(IdMap::new(vec![beyond]), Err(BadMap::Overflow));
        }
    }

    #[test]
    fn a_map_has_as_many_ranges_as_a_namespace_may() {
        let ranges = |count: u32| (0..count).map(|at| range(2 * at, 2 * at, 1)).collect();
        IdMap::new(ranges(340)).unwrap();
        assert_eq!(IdMap::new(ranges(341)), Err(BadMap::TooMany(341)));
    }
}
