use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::words;
use crate::wire::Mac;
use crate::xdp::{Claim, Network};

/// An address is in the news once in this time.
const QUIET: Duration = Duration::from_secs(60);
/// Addresses of one look that are named; the others are counted.
const NAMED: usize = 8;

/// Who else says that an address of ours is theirs (RFC 5227 2.4). Counted by the steering program;
/// here it is decided which are reported.
#[derive(Default)]
pub(super) struct Conflicts {
    /// Frames by interface and claim, as of the last look.
    counted: BTreeMap<(String, Claim), u64>,
    reported: BTreeMap<IpAddr, Instant>,
}

impl Conflicts {
    /// `claims`: by the name of an interface. Not reported: what comes from an interface of this
    /// machine, and what is `expected`.
    pub(super) fn look(
        &mut self,
        claims: &[(String, Vec<(Claim, u64)>)],
        network: &Network,
        expected: impl Fn(&IpAddr) -> bool,
        now: Instant,
    ) -> Vec<String> {
        let ours: BTreeSet<Mac> = network.interfaces.iter().filter_map(|interface| interface.mac).collect();
        self.reported.retain(|_, reported| now.duration_since(*reported) < QUIET);
        let before = std::mem::take(&mut self.counted);
        let (mut lines, mut more) = (Vec::new(), BTreeSet::new());
        for (name, claim, frames) in
            claims.iter().flat_map(|(name, of)| of.iter().map(move |(claim, frames)| (name, claim, *frames)))
        {
            let key = (name.clone(), *claim);
            let is_new = before.get(&key).is_none_or(|before| frames > *before);
            self.counted.insert(key, frames);
            let Claim { address, mac } = claim;
            if !is_new || ours.contains(mac) || expected(address) || self.reported.contains_key(address) {
                continue;
            }
            if lines.len() == NAMED {
                more.insert(*address);
                continue;
            }
            self.reported.insert(*address, now);
            lines.push(words::conflict(name, claim, frames));
        }
        if !more.is_empty() {
            lines.push(format!("conflicts of {} more addresses", more.len()));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xdp::Interface;

    fn claim(last: u8, mac: u8) -> Claim {
        Claim { address: [10, 0, 0, last].into(), mac: [2, 0, 0, 0, 0, mac] }
    }

    fn network() -> Network {
        let ours = Interface { index: 1, mac: Some([2, 0, 0, 0, 0, 1]), ..Interface::default() };
        Network { interfaces: vec![ours], addresses: Vec::new() }
    }

    #[test]
    fn an_address_is_reported_once_a_minute() {
        let (mut conflicts, start) = (Conflicts::default(), Instant::now());
        let mut look = |claims: &[(Claim, u64)], seconds| {
            let claims = [("s0".to_owned(), claims.to_vec())];
            let now = start + Duration::from_secs(seconds);
            conflicts.look(&claims, &network(), |_| false, now)
        };
        let lines = look(&[(claim(50, 9), 1)], 0);
        assert!(lines.len() == 1 && lines[0].contains("10.0.0.50"), "{lines:?}");
        assert!(lines[0].contains("02:00:00:00:00:09") && lines[0].contains("s0"), "{lines:?}");
        assert!(look(&[(claim(50, 9), 1)], 1).is_empty(), "no more frames");
        assert!(look(&[(claim(50, 9), 2), (claim(50, 8), 1)], 30).is_empty(), "within the minute");
        assert_eq!(look(&[(claim(50, 9), 2), (claim(51, 9), 1)], 31).len(), 1, "another address");
        assert!(look(&[(claim(50, 9), 2)], 70).is_empty(), "a minute later, but no more frames");
        assert_eq!(look(&[(claim(50, 9), 3)], 80).len(), 1);
    }

    #[test]
    fn our_own_frames_and_hosts_of_a_link_taken_whole_are_no_news() {
        let mut conflicts = Conflicts::default();
        let claims = [("s0".to_owned(), vec![(claim(50, 1), 1), (claim(60, 9), 1)])];
        let expected = |address: &IpAddr| *address == claim(60, 9).address;
        assert!(conflicts.look(&claims, &network(), expected, Instant::now()).is_empty());
    }

    #[test]
    fn many_addresses_make_few_lines() {
        let mut conflicts = Conflicts::default();
        let claims = [("s0".to_owned(), (0..=255).map(|last| (claim(last, 9), 1)).collect())];
        let lines = conflicts.look(&claims, &network(), |_| false, Instant::now());
        assert_eq!(lines.len(), NAMED + 1);
        assert!(lines[NAMED].contains("248 more"), "{lines:?}");
    }
}
