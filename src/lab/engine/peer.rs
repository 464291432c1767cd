use handfast_stack::wire::{
    Flags, FlowKey4, LinkHeader, PacketKey, Seq, TcpOptions, TxSegment, write_segment,
};

/// The engine's listener.
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

/// The next segment of a peer: flags, and offsets of both sequence numbers from their ISNs.
#[derive(Clone, Copy)]
pub(super) struct PeerStep {
    pub flags: Flags,
    pub theirs: u32,
    pub acked: u32,
    /// Whether the engine replies.
    pub answered: bool,
}

/// The key of a core's connection `number`.
fn key(core: u32, number: u32) -> FlowKey4 {
    let place = u64::from(core) << CORE_BITS | u64::from(number);
    let [.., high, middle, low] = ((place >> PORT_BITS) as u32).to_be_bytes();
    // Remote and local are the client's view, the reverse of the engine's.
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

/// Writes a segment of connection `number`; `ours` is the engine's ISN. Returns the frame's length.
pub(super) fn write(frame: &mut [u8; 128], core: u32, number: u32, step: &PeerStep, ours: Seq) -> usize {
    let link = LinkHeader::untagged(OUR_MAC, THEIR_MAC, FlowKey4::ETHERTYPE);
    frame[..14].copy_from_slice(link.as_bytes());
    let options = TcpOptions { mss: step.flags.has(Flags::SYN).then_some(1460), ..TcpOptions::default() };
    let seq = isn(number) + step.theirs;
    let emit = TxSegment { seq, ack: ours + step.acked, flags: step.flags, window: WINDOW, options };
    // 14 + 20 + 24 bytes fit.
    write_segment(frame, 14, &key(core, number), &emit, &[]).unwrap_or(0)
}

/// Returns the engine's ISN in a SYN-ACK.
pub(super) fn isn_of(answer: &[u8]) -> Option<Seq> {
    answer.get(38..42)?.first_chunk().map(|bytes| Seq(u32::from_be_bytes(*bytes)))
}
