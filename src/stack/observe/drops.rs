use super::named::named_enum;

named_enum! {
    /// Why a frame was not processed further. One line is the reason, the counter, the metric and the
    /// documentation.
    DropReason,
    /// Every reason, in the order of their discriminants.
    DROP_REASONS;
    FrameTruncated, "frame_truncated", "The frame ends inside a link, network or transport header.";
    NotForUs, "not_for_us", "The destination MAC or address does not belong to this stack, or the protocol is one that it never answers.";
    LinkGroup, "link_group", "TCP, or a packet that an ICMP error would answer, in a link-layer broadcast or multicast frame (RFC 9293 MUST-57, RFC 1122 3.2.2).";
    IpHeader, "ip_header", "The IP version, header length or total length is impossible.";
    IpChecksum, "ip_checksum", "The IPv4 header checksum is wrong.";
    IpFragment, "ip_fragment", "The packet is a fragment; this stack does not reassemble.";
    IpSourceRoute, "ip_source_route", "The packet carries a source route.";
    IpExtension, "ip_extension", "An IPv6 extension header is unknown or malformed, or there are too many.";
    SourceAddress, "source_address", "The source is a broadcast, multicast, loopback or zero address, or one of this stack (RFC 9293 MUST-63).";
    DestinationAddress, "destination_address", "The destination is a broadcast or multicast address (RFC 9293 MUST-57).";
    TcpHeader, "tcp_header", "The TCP data offset is below 5 or past the end of the segment.";
    TcpOptions, "tcp_options", "A TCP option's length is illegal (RFC 9293 MUST-7).";
    TcpChecksum, "tcp_checksum", "The TCP checksum is wrong (RFC 9293 MUST-3).";
    TcpPartialChecksum, "tcp_partial_checksum", "The TCP checksum covers only the pseudo-header: the sender left the rest to hardware (virtio-net: use native mode; veth: ethtool -K PEER tx off).";
    IcmpChecksum, "icmp_checksum", "The ICMP checksum is wrong.";
    IcmpOther, "icmp_other", "An ICMP message that this stack neither answers nor acts on.";
    IcmpForeign, "icmp_foreign", "An ICMP error whose quoted packet is no segment of this stack, or no longer in flight (RFC 5927 4.1).";
    IcmpTooBig, "icmp_too_big", "An ICMP error that asks for smaller packets: this stack keeps its segment size.";
    ArpOther, "arp_other", "An ARP packet that is not a request for an address of this stack.";
    NoArp, "no_arp", "An ARP request or neighbour solicitation for an address of this stack, left unanswered because address resolution is disabled.";
    ListenRst, "listen_rst", "A RST for a listener or a closed port: never answered (RFC 9293 3.10.7).";
    ListenNoSyn, "listen_no_syn", "A segment without SYN, ACK and RST for a listener (RFC 9293 3.10.7.2, fourth).";
    SynWithFin, "syn_with_fin", "SYN and FIN in one segment: this never starts a connection.";
    RstUnproven, "rst_unproven", "A RST in SYN-SENT that does not acknowledge the SYN (RFC 9293 3.10.7.3, second; RFC 5961 3).";
    SynSentOther, "syn_sent_other", "A segment without SYN and RST in SYN-SENT (RFC 9293 3.10.7.3, fifth).";
    TableFull, "table_full", "The index has no room in the buckets of this connection: answered with a RST or not at all, as configured.";
    SlotsFull, "slots_full", "Every connection slot of this core is in use: answered with a RST or not at all, as configured.";
    InsertRaced, "insert_raced", "Another core created the same connection at the same moment; the peer retransmits.";
    OutOfWindow, "out_of_window", "Sequence number outside the window: answered with an ACK (RFC 9293 3.10.7.4, first).";
    Paws, "paws", "An old timestamp: answered with an ACK (RFC 7323 5.3).";
    TimestampMissing, "timestamp_missing", "No timestamp although negotiated (RFC 7323 3.2), with strict timestamps.";
    RstOutOfWindow, "rst_out_of_window", "A RST outside the window (RFC 5961 3.2).";
    RstTimeWait, "rst_time_wait", "A RST in TIME-WAIT whose sequence number is not the expected one (RFC 1337).";
    AckMissing, "ack_missing", "A segment without ACK in a synchronized state.";
    AckUnacceptable, "ack_unacceptable", "An ACK of data that was never sent, or far too old (RFC 5961 5).";
    OutOfOrder, "out_of_order", "Data after a gap: acknowledged up to the gap, not kept.";
    WindowClosed, "window_closed", "Data that exceeds the receive window; a probe of a zero window is answered.";
    AfterFin, "after_fin", "Data after the peer's FIN.";
    DataAfterClose, "data_after_close", "Data for a connection that was closed on this side: answered with a RST (RFC 9293 3.6.1).";
    NoSendBuffer, "no_send_buffer", "No send buffer was free, so the data was not accepted; the peer retransmits it.";
    ChallengeLimited, "challenge_limited", "A challenge ACK or duplicate ACK suppressed by its per-connection limit (RFC 5961 10).";
    RstLimited, "rst_limited", "A RST suppressed by the rate limit, or by the sender's share of it.";
    IcmpLimited, "icmp_limited", "An ICMP answer suppressed by the rate limit, or by the sender's share of it.";
    CookieInvalid, "cookie_invalid", "An ACK whose cookie does not verify: answered with a RST.";
    ForwardQueueFull, "forward_queue_full", "The forward queue to the owning core, or to the core that sends on another interface, was full.";
    NoFrame, "no_frame", "No free frame to hold an answer.";
    NoHop, "no_hop", "The link header for the peer is not known: the link-header table of a core was full, and memory for more could not be allocated at start.";
    FloodAnswer, "flood_answer", "An answer to a stateless SYN: of a SYN flood no state is kept.";
    FaultDrop, "fault_drop", "A SYN dropped by fault injection.";
}
