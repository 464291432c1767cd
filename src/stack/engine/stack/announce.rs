//! Which addresses are announced on the links, and when: pure.

use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use ipnet::{IpNet, Ipv4Net};

use crate::wire::{EndpointRange, ipv4, ipv6};

/// Of one prefix: the first ones.
const OF_A_PREFIX: usize = 256;
/// In all.
const MOST: usize = 1024;
/// At a time, so that a burst fits any ring, and how long after the one before.
const BURST: usize = 32;
const PAUSE: Duration = Duration::from_millis(100);
/// Between two announcements of one address (ANNOUNCE_INTERVAL of RFC 5227 1.1).
const INTERVAL: Duration = Duration::from_secs(2);

/// The addresses that are ours alone and worth announcing. `local`: the machine's own. `links`: the
/// prefixes on the links; of one that is taken whole nothing is announced, since its hosts have
/// addresses there.
pub(super) fn candidates(
    owned: &[EndpointRange],
    local: &BTreeSet<IpAddr>,
    links: &[IpNet],
) -> BTreeSet<IpAddr> {
    let v4 = |link: &IpNet| match link {
        IpNet::V4(link) => Some(*link),
        IpNet::V6(_) => None,
    };
    let subnets: Vec<Ipv4Net> = links.iter().filter_map(v4).collect();
    let prefixes: BTreeSet<IpNet> = owned.iter().map(|owned| owned.prefix.trunc()).collect();
    let mut found = BTreeSet::new();
    for prefix in prefixes {
        let whole: Vec<&IpNet> =
            links.iter().filter(|link| prefix.contains(*link) && host_bits(link) > 0).collect();
        let wanted = |address: &IpAddr| {
            is_endpoint(*address, &subnets)
                && !local.contains(address)
                && !whole.iter().any(|link| link.contains(address))
        };
        // Some of the first ones are skipped, so a few more are looked at.
        found.extend(first(prefix, 2 * OF_A_PREFIX).filter(wanted).take(OF_A_PREFIX));
        if found.len() >= MOST {
            break;
        }
    }
    found.into_iter().take(MOST).collect()
}

fn host_bits(net: &IpNet) -> u8 {
    net.max_prefix_len() - net.prefix_len()
}

/// The first addresses of a prefix.
fn first(prefix: IpNet, most: usize) -> impl Iterator<Item = IpAddr> {
    let count = 1u128.checked_shl(host_bits(&prefix).into()).unwrap_or(u128::MAX).min(most as u128);
    (0..count).map(move |number| match prefix.network() {
        IpAddr::V4(network) => Ipv4Addr::from_bits(network.to_bits().wrapping_add(number as u32)).into(),
        IpAddr::V6(network) => Ipv6Addr::from_bits(network.to_bits().wrapping_add(number)).into(),
    })
}

/// No network's or broadcast address, and nothing below 100::/16, where no unicast address is.
fn is_endpoint(address: IpAddr, subnets: &[Ipv4Net]) -> bool {
    match address {
        IpAddr::V4(address) => {
            let is_network = |net: &Ipv4Net| net.prefix_len() < 31 && net.network() == address;
            ipv4::is_endpoint(address.octets(), subnets) && !subnets.iter().any(is_network)
        }
        IpAddr::V6(address) => ipv6::is_endpoint(&address.octets()) && address.segments()[0] >= 0x100,
    }
}

/// What is still to be announced, each address several times.
#[derive(Debug)]
pub(super) struct Schedule {
    times: u32,
    rounds: Vec<Round>,
}

/// Addresses that are announced on one device, once each.
#[derive(Debug)]
struct Round {
    device: usize,
    /// Those to come in this round, and those behind us.
    left: VecDeque<IpAddr>,
    done: VecDeque<IpAddr>,
    /// This one and those after it.
    rounds: u32,
    began: Instant,
    due: Instant,
}

impl Schedule {
    /// `times`: how often each address is announced.
    pub(super) fn new(times: u32) -> Schedule {
        Schedule { times, rounds: Vec::new() }
    }

    /// Begins to announce on a device.
    pub(super) fn add(&mut self, device: usize, addresses: impl IntoIterator<Item = IpAddr>, now: Instant) {
        let left = VecDeque::from_iter(addresses);
        if self.times > 0 && !left.is_empty() {
            let done = VecDeque::with_capacity(left.len());
            self.rounds.push(Round { device, left, done, rounds: self.times, began: now, due: now });
        }
    }

    /// Cancels the announcements left of a device.
    pub(super) fn forget(&mut self, device: usize) {
        self.rounds.retain(|round| round.device != device);
    }

    /// Cancels the announcements left of addresses that are no longer announced.
    pub(super) fn retain(&mut self, wanted: &BTreeSet<IpAddr>) {
        for round in &mut self.rounds {
            round.left.retain(|address| wanted.contains(address));
            round.done.retain(|address| wanted.contains(address));
        }
        self.rounds.retain(|round| !round.left.is_empty() || !round.done.is_empty());
    }

    /// When the next burst is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.rounds.iter().map(|round| round.due).min()
    }

    /// Hands out the bursts that are due, by device. False from `send`: not now, once more later.
    pub(super) fn run(&mut self, now: Instant, mut send: impl FnMut(usize, Vec<IpAddr>) -> bool) {
        for round in self.rounds.iter_mut().filter(|round| round.due <= now) {
            round.due = now + PAUSE;
            let burst: Vec<IpAddr> = round.left.iter().take(BURST).copied().collect();
            if !send(round.device, burst.clone()) {
                continue;
            }
            round.left.drain(..burst.len());
            round.done.extend(burst);
            if round.left.is_empty() {
                std::mem::swap(&mut round.left, &mut round.done);
                round.rounds -= 1;
                round.began = (round.began + INTERVAL).max(now);
                round.due = round.began;
            }
        }
        self.rounds.retain(|round| round.rounds > 0);
    }
}

#[cfg(test)]
mod tests;
