use std::cmp::Reverse;
use std::ops::RangeInclusive;

use crate::wire::endpoint_range::EndpointRange;

/// Addresses and ports that the stack serves instead of the kernel, and who answers there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SteeringRule {
    /// The addresses and ports.
    pub owned: EndpointRange,
    /// The number of the listener; `None` for the sources of active opens, and for what a removed listener
    /// leaves behind.
    pub listener: Option<u16>,
}

impl From<&EndpointRange> for SteeringRule {
    fn from(owned: &EndpointRange) -> SteeringRule {
        SteeringRule { owned: owned.clone(), listener: None }
    }
}

impl From<&SteeringRule> for SteeringRule {
    fn from(rule: &SteeringRule) -> SteeringRule {
        rule.clone()
    }
}

/// Consecutive ports with one listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ListenerPorts {
    pub first: u16,
    pub last: u16,
    pub listener: u16,
}

/// The listeners of the ports of a prefix: disjoint ranges, by their first port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ListenerRanges(Vec<ListenerPorts>);

impl ListenerRanges {
    pub(super) fn ranges(&self) -> &[ListenerPorts] {
        &self.0
    }

    /// Adds the rules of a longer prefix, which hide what they claim. Of two of them the narrower one answers
    /// (`Listeners::lookup` of the engine).
    pub(super) fn cover(&mut self, mut rules: Vec<ListenerPorts>) {
        rules.sort_by_key(|rule| (Reverse(rule.last - rule.first), Reverse(rule.listener)));
        rules.into_iter().for_each(|rule| self.cover_with(rule));
    }

    /// At most this number of ranges, the first ones.
    pub(super) fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    fn cover_with(&mut self, rule: ListenerPorts) {
        let from = self.0.partition_point(|range| range.last < rule.first);
        let to = self.0.partition_point(|range| range.first <= rule.last);
        // The parts of the first and of the last covered range that lie outside.
        let before = self.0[from..to].first().filter(|range| range.first < rule.first);
        let before = before.map(|range| ListenerPorts { last: rule.first - 1, ..*range });
        let behind = self.0[from..to].last().filter(|range| range.last > rule.last);
        let behind = behind.map(|range| ListenerPorts { first: rule.last + 1, ..*range });
        self.0.splice(from..to, before.into_iter().chain([rule]).chain(behind));
    }
}

impl ListenerPorts {
    pub(super) fn new(ports: &RangeInclusive<u16>, listener: u16) -> ListenerPorts {
        ListenerPorts { first: *ports.start(), last: *ports.end(), listener }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(rules: &[&[(u16, u16, u16)]]) -> Vec<(u16, u16, u16)> {
        let mut ranges = ListenerRanges::default();
        for prefix in rules {
            let rule = |&(first, last, listener)| ListenerPorts { first, last, listener };
            ranges.cover(prefix.iter().map(rule).collect());
        }
        ranges.ranges().iter().map(|range| (range.first, range.last, range.listener)).collect()
    }

    #[test]
    fn the_narrowest_rule_of_a_prefix_answers() {
        assert_eq!(ranges(&[]), []);
        assert_eq!(ranges(&[&[(80, 80, 1), (1, 65535, 0)]]), [(1, 79, 0), (80, 80, 1), (81, 65535, 0)]);
        assert_eq!(
            ranges(&[&[(65535, 65535, 1), (0, 0, 2), (0, 65535, 0)]]),
            [(0, 0, 2), (1, 65534, 0), (65535, 65535, 1)]
        );
    }

    #[test]
    fn a_longer_prefix_hides_what_it_claims_however_wide() {
        assert_eq!(ranges(&[&[(80, 80, 1), (443, 443, 2)], &[(1, 100, 3)]]), [(1, 100, 3), (443, 443, 2)]);
        assert_eq!(
            ranges(&[&[(10, 20, 1), (21, 30, 2), (31, 40, 3)], &[(15, 35, 4)]]),
            [(10, 14, 1), (15, 35, 4), (36, 40, 3)]
        );
        assert_eq!(ranges(&[&[(10, 20, 1)], &[(10, 20, 2)]]), [(10, 20, 2)]);
    }
}
