use std::collections::HashMap;

use crate::wire::Mac;
use crate::wire::ethernet::LinkHeader;

/// Ways back: link headers of peers and routers, and the port behind which they are. A
/// connection keeps the number, two octets, for the segments it sends unasked.
pub(super) struct Hops {
    known: Vec<Hop>,
    numbers: HashMap<Hop, u16>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Hop {
    pub link: LinkHeader,
    pub port: u8,
}

/// The number of a way that could not be kept.
pub(super) const NO_HOP: u16 = u16::MAX;
/// Neighbours on all links of one core. An on-link flood with invented MACs fills it; then
/// answers still go back in the frame that came, and only what is sent unasked is lost, by name.
const MOST: usize = 4096;

impl Hops {
    pub(super) fn new() -> Hops {
        Hops { known: Vec::with_capacity(MOST), numbers: HashMap::with_capacity(MOST) }
    }

    /// The way with this number.
    #[inline]
    pub(super) fn at(&self, number: u16) -> Option<&Hop> {
        self.known.get(usize::from(number))
    }

    /// The number of the way back for a frame; `current` is tried first.
    #[inline]
    pub(super) fn number(&mut self, frame: &[u8], link_len: u8, port: u8, current: u16) -> u16 {
        // Most segments come the way the last one came: the first hop of most links is number 0.
        match self.at(current) {
            Some(known) if known.port == port && known.link.leads_back(frame, link_len) => current,
            _ => self.learn(frame, link_len, port),
        }
    }

    #[cold]
    fn learn(&mut self, frame: &[u8], link_len: u8, port: u8) -> u16 {
        let Some(link) = LinkHeader::back_to_sender(frame, link_len) else {
            return NO_HOP;
        };
        let hop = Hop { link, port };
        self.note(hop)
    }

    /// The port's MAC is another one from now on: what goes back through it comes from there.
    /// Numbers stay.
    pub(super) fn readdress(&mut self, port: u8, source: Mac) {
        self.numbers.clear();
        for (number, hop) in self.known.iter_mut().enumerate() {
            if hop.port == port {
                hop.link = hop.link.with_source(source);
            }
            // Of two ways that are one now, the first number is as good as the second.
            self.numbers.entry(*hop).or_insert(number as u16);
        }
    }

    /// The number of a way, which is new or not.
    pub(super) fn note(&mut self, hop: Hop) -> u16 {
        if let Some(number) = self.numbers.get(&hop) {
            return *number;
        }
        if self.known.len() == MOST {
            return NO_HOP;
        }
        let number = self.known.len() as u16;
        self.known.push(hop);
        self.numbers.insert(hop, number);
        number
    }
}
