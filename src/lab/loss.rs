/// Kinds of TCP segment, as a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct SegmentKinds(u8);

impl SegmentKinds {
    pub const NONE: SegmentKinds = SegmentKinds(0);
    /// SYN and SYN-ACK.
    pub const SYN: SegmentKinds = SegmentKinds(1);
    /// Any with payload.
    pub const DATA: SegmentKinds = SegmentKinds(2);
    pub const FIN: SegmentKinds = SegmentKinds(4);
    /// A RST is sent once, so this loses all of them.
    pub const RST: SegmentKinds = SegmentKinds(8);

    pub const fn with(self, other: SegmentKinds) -> SegmentKinds {
        SegmentKinds(self.0 | other.0)
    }

    /// As the eBPF program reads them.
    pub(super) const fn bits(self) -> u8 {
        self.0
    }
}

/// Losses on the link: the first copy of each segment of these kinds. Retransmissions arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Loss {
    pub to_server: SegmentKinds,
    pub to_client: SegmentKinds,
    /// In each direction, one in so many TCP segments of any kind is lost at random; 0: none.
    pub one_in: u16,
}

impl Loss {
    pub const NONE: Loss = Loss { to_server: SegmentKinds::NONE, to_client: SegmentKinds::NONE, one_in: 0 };
}
