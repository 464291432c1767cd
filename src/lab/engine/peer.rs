use handfast_stack::wire::{
    Flags, FlowKey4, LinkHeader, PacketKey, Seq, TcpOptions, TxSegment, write_segment,
};

/// Where the engine listens.
pub(super) const OURS: &str = "198.18.1.1:80";
const OURS_ADDRESS: [u8; 4] = [198, 18, 1, 1];
const OURS_PORT: u16 = 80;
const OUR_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const THEIR_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
/// Connections of one address, as a power of two.
const PORT_BITS: u32 = 10;
/// Connections of one core, as a power of two.
const CORE_BITS: u32 = 28;
const WINDOW: u16 = 64_240;

/// What a peer sends next: its flags, and how far its sequence number and ours have come.
#[derive(Clone, Copy)]
pub(super) struct Step {
    pub flags: Flags,
    pub theirs: u32,
    pub acked: u32,
    /// Whether we answer.
    pub answered: bool,
}

/// Connection `number` of a core's.
fn key(core: u32, number: u32) -> FlowKey4 {
    let place = u64::from(core) << CORE_BITS | u64::from(number);
    let [.., high, middle, low] = ((place >> PORT_BITS) as u32).to_be_bytes();
    // From the server's point of view the client is remote; here it is the other way round.
    FlowKey4 {
        remote: OURS_ADDRESS,
        local: [10 + (place >> (PORT_BITS + 24)) as u8, high, middle, low],
        remote_port: OURS_PORT,
        local_port: 1024 + (number & ((1 << PORT_BITS) - 1)) as u16,
    }
}

/// The client's ISN.
fn isn(number: u32) -> Seq {
    Seq(number.wrapping_mul(0x9e37_79b1))
}

/// Writes a segment of connection `number`; `ours` is our ISN. Octets of the frame.
pub(super) fn write(frame: &mut [u8; 128], core: u32, number: u32, step: &Step, ours: Seq) -> usize {
    let link = LinkHeader::untagged(OUR_MAC, THEIR_MAC, FlowKey4::ETHERTYPE);
    frame[..14].copy_from_slice(link.as_bytes());
    let options = TcpOptions { mss: step.flags.has(Flags::SYN).then_some(1460), ..TcpOptions::default() };
    let seq = isn(number) + step.theirs;
    let emit = TxSegment { seq, ack: ours + step.acked, flags: step.flags, window: WINDOW, options };
    // 14 + 20 + 24 octets fit.
    write_segment(frame, 14, &key(core, number), &emit, &[]).unwrap_or(0)
}

/// Our ISN, out of a SYN-ACK.
pub(super) fn isn_of(answer: &[u8]) -> Option<Seq> {
    answer.get(38..42)?.first_chunk().map(|octets| Seq(u32::from_be_bytes(*octets)))
}
