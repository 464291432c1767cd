/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/*
 * Shared by the program and user space: bpf/steer.rs generates the Rust enum `Verdict` from the list of
 * verdicts, and constants from the numbers, which both sides compare with their structs at compile
 * time.
 */
#ifndef HANDFAST_ABI_H
#define HANDFAST_ABI_H

#include <linux/types.h>

/*
 * The verdicts on a frame. PASS_*: to the kernel. SOCKET_*: to this queue's socket. TX_*: answered by the
 * program. DROP_*: dropped.
 * "Owned": a rule's prefix covers the destination. "Exclusive": owned, and not an address of this host.
 * "Shared": owned, and an address of this host.
 *
 * bpf/steer.rs expects one X(NAME, "sentence") a line.
 */
#define VERDICTS(X) \
	X(PASS_OTHER, "Neither IPv4, IPv6 nor ARP, more than two VLAN tags, or another IP version.") \
	X(PASS_SHORT, "The frame ends before its destination address.") \
	X(PASS_NOT_OWNED, "No rule covers the destination address.") \
	X(PASS_PORT, "TCP to a port that is not owned on a shared address.") \
	X(PASS_PROTOCOL, "Another protocol than TCP, to a shared address or in a broadcast frame.") \
	X(PASS_CONFLICT, "ARP or a neighbour advertisement in which another host claims an exclusive address (RFC 5227 2.4).") \
	X(PASS_FRAGMENT, "A fragment to a shared address, or in a broadcast frame, that names no owned port.") \
	X(SOCKET_TCP, "TCP to an owned address and port.") \
	X(SOCKET_PORT, "TCP to a port that is not owned on an exclusive address, which the stack refuses.") \
	X(SOCKET_ARP, "ARP for an exclusive address.") \
	X(SOCKET_NEIGHBOUR, "IPv6 neighbour discovery for an exclusive address.") \
	X(SOCKET_ECHO, "An echo request to an exclusive address.") \
	X(SOCKET_ERROR, "An ICMP error about a segment from an owned address and port.") \
	X(SOCKET_PROTOCOL, "UDP, or another protocol, to an exclusive address, which the stack refuses.") \
	X(SOCKET_SYN, "A SYN to a listener in cookie mode that the program leaves to the stack: with data, IPv4 options, an extension header that it does not read, a partial checksum, or for another MAC.") \
	X(SOCKET_KNOWN_SYN, "A SYN to a listener in cookie mode whose 4-tuple may be that of a connection.") \
	X(SOCKET_PROVEN, "An ACK without a connection to a listener in cookie mode: its cookie is valid, or an earlier one of the same 4-tuple was.") \
	X(SOCKET_UNPROVEN, "An ACK without a connection and without a valid cookie, passed on to be answered with a RST, within the limit.") \
	X(TX_SYN_ACK, "A SYN to a listener in cookie mode, answered by the program with a SYN-ACK.") \
	X(DROP_NO_SOCKET, "For the socket, but the receive queue has none; dropped so that the kernel does not answer.") \
	X(DROP_FRAGMENT, "A fragment to an exclusive address, or the one that names an owned port.") \
	X(DROP_EXTENSION, "To an exclusive address: an IPv6 extension header that is unknown, misplaced, or beyond the limit.") \
	X(DROP_HEADER, "An invalid IP header to an owned address.") \
	X(DROP_TRUNCATED, "The frame ends inside the headers of a packet to an owned address.") \
	X(DROP_PROTOCOL, "ICMP or IGMP to an exclusive address that needs no reply.") \
	X(DROP_SPLIT, "The packet is longer than its frame: the driver has split it over several buffers.") \
	X(DROP_SYN_CHECKSUM, "A SYN to a listener in cookie mode with a wrong IPv4 or TCP checksum.") \
	X(DROP_SYN_HEADER, "A SYN to a listener in cookie mode with an invalid TCP header length or option.") \
	X(DROP_SYN_SOURCE, "A SYN to a listener in cookie mode from a broadcast, multicast, loopback or zero address, or from its own destination.") \
	X(DROP_SYN_LIMIT, "A SYN beyond the limit of its source prefix (--syn-limit).") \
	X(DROP_FLAGS, "To a listener in cookie mode, without a connection: neither a SYN, an ACK nor a RST, or SYN and FIN together.") \
	X(DROP_RST, "A RST to a listener in cookie mode, without a connection.") \
	X(DROP_UNPROVEN, "An ACK to a listener in cookie mode, without a connection and without a valid cookie.")

#define VERDICT_ENUM(name, doc) name,
enum verdict { VERDICTS(VERDICT_ENUM) VERDICT_COUNT };
#undef VERDICT_ENUM

/* Maximum number of receive queues with a socket. */
#define MAX_QUEUES 1024
/* Maximum number of entries of the rules: prefixes, and addresses of this host inside them. */
#define MAX_OWNED 16384

/* Address families of `owned_key`: part of the key, so that no IPv4 rule covers an IPv6 address. */
#define FAMILY_IPV4 4
#define FAMILY_IPV6 6
/* Bits of `owned_key` before the address. */
#define FAMILY_BITS 32

/* Key of the longest-prefix match: `prefix_len` counts the bits of `family` and `address`. */
struct owned_key {
	__u32 prefix_len;
	__u32 family;      /* host order */
	__u8 address[16];  /* network order; IPv4 in the first four bytes */
};

#define OWNED_EXCLUSIVE 1

/* Ranges of ports of a prefix whose listener is known to the program; beyond that the stack answers. A power
 * of two. */
#define MAX_RANGES 64

/* Consecutive ports with one listener. */
struct port_range {
	__u16 first;    /* host order, as `last`, which is included */
	__u16 last;
	__u16 listener;
	__u16 reserved;
};

/* The owned ports of the addresses for which this prefix is the longest. */
struct owned {
	__u32 flags;       /* OWNED_EXCLUSIVE */
	__u32 range_count;
	__u64 ports[1024]; /* bit p % 64 of word p / 64: TCP port p */
	/* Disjoint, by `first`. Those beyond `range_count` repeat the last one, so that the search needs no
	 * comparison with the count. */
	struct port_range ranges[MAX_RANGES];
};

/*
 * The cookie tier: the program answers SYNs by cookie, and verifies the cookies of ACKs. The
 * structs below are in maps that user space has mapped into its memory and writes without a system call;
 * the maps are the same for the programs of all interfaces, but for `tier_device`.
 */

/* Listeners with a smaller number can have a tier. */
#define MAX_TIER_LISTENERS 1024
/* Keys of consecutive periods. User space fills them ahead. */
#define PERIOD_KEYS 16
/* A period, nanoseconds. */
#define PERIOD_NS 64000000000

struct period_key {
	__u64 number; /* of the period: its key is valid if it is this */
	__u64 key[2];
};

struct tier {
	__u32 ready;               /* 1: the filter holds every connection; 0: all goes to the socket */
	__u32 unproven_per_second; /* ACKs of SOCKET_UNPROVEN, per CPU */
	__u64 epoch_ns;            /* CLOCK_MONOTONIC when the stack's clock was 0, modulo 2^64 */
	__u64 flow_key[3];         /* of the flow hash: start, factor, factor of the last word */
	__u32 timestamp_offset;    /* added to the stack's clock, milliseconds */
	__u32 filter_mask;         /* lines of the filter less one */
	__u16 mss[2];              /* of this end, bytes: IPv4, IPv6 */
	__u16 min_mss;             /* a smaller MSS of the peer counts as this */
	__u16 reserved;
	__u32 syn_limit;           /* SYNs per second, source prefix and CPU; 0: no limit */
	__u32 syn_burst;           /* SYNs of a prefix at once */
	__u32 generation;          /* another one after each change of settings or rules; 0: no short way */
	__u32 reserved2;
	struct period_key keys[PERIOD_KEYS]; /* by number % PERIOD_KEYS */
};

/* By listener. */
struct tier_listener {
	__u32 mode;     /* LISTENER_* */
	__u16 window;   /* of its SYN-ACKs */
	__u16 reserved;
};

/* The stack answers, and ACKs are not verified. */
#define LISTENER_STACK 0
/* SYNs are answered by the program where `transmits`, and ACKs are verified. */
#define LISTENER_COOKIES 1

/* By listener and CPU. */
struct tier_counts {
	__u64 syn_acks; /* TX_SYN_ACK */
	__u64 syns;     /* that the stack does not see: TX_SYN_ACK and DROP_SYN_LIMIT */
	__u64 proven;   /* valid cookies */
	__u64 unproven; /* DROP_UNPROVEN */
};

#define MAX_BROADCASTS 16

/* How SYN-ACKs leave: not at all, by XDP_TX, by a redirect to the same interface. */
#define TRANSMITS_NOTHING 0
#define TRANSMITS_TX 1
#define TRANSMITS_REDIRECT 2

/* Of the program's own interface. */
struct tier_device {
	__u32 transmits;       /* TRANSMITS_* */
	__u32 accepts_partial; /* 1: a TCP checksum over the pseudo-header alone is accepted */
	__u32 has_mac;
	__u8 mac[6];           /* SYNs for another one are left to the stack */
	__u8 zero[2];
	__u32 broadcast_count;
	__be32 broadcasts[MAX_BROADCASTS]; /* of the networks on the link */
};

/* A key of the token buckets: an IPv4 /24 or IPv6 /64 of sources. */
struct source_prefix {
	__u64 family;
	__u64 address; /* network order */
};

/* Entries of the cache of proven 4-tuples, and source prefixes whose SYNs are limited. */
#define MAX_PROVEN 65536
#define MAX_SYN_BUCKETS 65536

/* A line of the filter of known flows (src/stack/xdp/flow_filter.rs): a flow counts in four counters of
 * one line. */
#define FILTER_LINE 64

struct filter_line {
	__u8 counters[FILTER_LINE];
};

/* An exclusive address, and the MAC of another host that claims it. */
struct claim {
	__u32 family;      /* host order */
	__u8 address[16];  /* network order; IPv4 in the first four bytes */
	__u8 mac[6];
	__u8 zero[2];
};

/* Frames by verdict, of one CPU. */
struct counters {
	__u64 frames[VERDICT_COUNT];
};

/* The layout of the structs, asserted by both sides: the program below, user space in xdp/. */
#define OWNED_KEY_SIZE 24
#define OWNED_KEY_FAMILY 4
#define OWNED_KEY_ADDRESS 8
#define OWNED_SIZE 8712
#define OWNED_PORTS 8
#define OWNED_RANGES 8200
#define PORT_RANGE_SIZE 8
#define TIER_SIZE 456
#define TIER_EPOCH 8
#define TIER_FLOW_KEY 16
#define TIER_TIMESTAMP_OFFSET 40
#define TIER_MSS 48
#define TIER_SYN_LIMIT 56
#define TIER_KEYS 72
#define TIER_LISTENER_SIZE 8
#define TIER_LISTENER_WINDOW 4
#define TIER_COUNTS_SIZE 32
#define SOURCE_PREFIX_SIZE 16
#define TIER_DEVICE_SIZE 88
#define TIER_DEVICE_MAC 12
#define TIER_DEVICE_BROADCAST_COUNT 20
#define CLAIM_SIZE 28
#define CLAIM_ADDRESS 4
#define CLAIM_MAC 20

#define AT(type, field, offset) _Static_assert(__builtin_offsetof(struct type, field) == (offset), #field)
_Static_assert(sizeof(struct owned_key) == OWNED_KEY_SIZE, "owned_key");
AT(owned_key, prefix_len, 0);
AT(owned_key, family, OWNED_KEY_FAMILY);
AT(owned_key, address, OWNED_KEY_ADDRESS);
_Static_assert(sizeof(struct owned) == OWNED_SIZE, "owned");
AT(owned, flags, 0);
AT(owned, ports, OWNED_PORTS);
AT(owned, ranges, OWNED_RANGES);
_Static_assert(sizeof(struct port_range) == PORT_RANGE_SIZE, "port_range");
_Static_assert(sizeof(struct tier) == TIER_SIZE, "tier");
AT(tier, epoch_ns, TIER_EPOCH);
AT(tier, flow_key, TIER_FLOW_KEY);
AT(tier, timestamp_offset, TIER_TIMESTAMP_OFFSET);
AT(tier, mss, TIER_MSS);
AT(tier, syn_limit, TIER_SYN_LIMIT);
AT(tier, keys, TIER_KEYS);
_Static_assert(sizeof(struct tier_listener) == TIER_LISTENER_SIZE, "tier_listener");
AT(tier_listener, window, TIER_LISTENER_WINDOW);
_Static_assert(sizeof(struct tier_counts) == TIER_COUNTS_SIZE, "tier_counts");
_Static_assert(sizeof(struct source_prefix) == SOURCE_PREFIX_SIZE, "source_prefix");
_Static_assert(sizeof(struct tier_device) == TIER_DEVICE_SIZE, "tier_device");
AT(tier_device, mac, TIER_DEVICE_MAC);
AT(tier_device, broadcast_count, TIER_DEVICE_BROADCAST_COUNT);
_Static_assert(sizeof(struct filter_line) == FILTER_LINE, "filter_line");
_Static_assert(sizeof(struct claim) == CLAIM_SIZE, "claim");
AT(claim, family, 0);
AT(claim, address, CLAIM_ADDRESS);
AT(claim, mac, CLAIM_MAC);
_Static_assert(sizeof(struct counters) == 8 * VERDICT_COUNT, "counters");
#undef AT

#endif
