//! The connections that are idle for longest, of those looked at.

/// Of these, the longest idle that are kept: the next ones give way without a look.
const KEPT: usize = 16;

/// Connections that were found idle, the longest last. Looked at again before they give way.
#[derive(Debug, Default)]
pub(super) struct Oldest {
    /// Since when, by the idle clock, and the slot.
    found: [(u32, u32); KEPT],
    count: usize,
    /// Where the next sample begins: places from the first slot on.
    pub hand: u32,
    /// When the last sample was taken, so that a flood does not make one for each segment.
    pub sampled_ms: u32,
}

impl Oldest {
    /// Takes note of a connection, if it is among the longest idle.
    pub(super) fn note(&mut self, idle_ms: u32, since: u32, slot: u32) {
        let age = |(since, _): &(u32, u32)| idle_ms.wrapping_sub(*since);
        let at = self.found[..self.count].partition_point(|other| age(other) < age(&(since, slot)));
        if self.count < KEPT {
            self.found.copy_within(at..self.count, at + 1);
            self.found[at] = (since, slot);
            self.count += 1;
        } else if at > 0 {
            // The shortest idle of them makes room.
            self.found.copy_within(1..at, 0);
            self.found[at - 1] = (since, slot);
        }
    }

    pub(super) fn take(&mut self) -> Option<(u32, u32)> {
        self.count = self.count.checked_sub(1)?;
        Some(self.found[self.count])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_idle_are_kept_and_come_in_order() {
        let mut oldest = Oldest::default();
        let mut ages: Vec<u32> = (0..100).map(|at| (at * 37) % 101).collect();
        for (slot, age) in ages.iter().enumerate() {
            oldest.note(50, 50u32.wrapping_sub(*age), slot as u32);
        }
        let taken: Vec<u32> =
            std::iter::from_fn(|| oldest.take()).map(|(_, slot)| ages[slot as usize]).collect();
        ages.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(taken, ages[..KEPT]);
    }
}
