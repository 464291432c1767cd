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
 * The verdicts on a frame. PASS_*: to the kernel. SOCKET_*: to this queue's socket. DROP_*: dropped.
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
	X(DROP_NO_SOCKET, "For the socket, but the receive queue has none; dropped so that the kernel does not answer.") \
	X(DROP_FRAGMENT, "A fragment to an exclusive address, or the one that names an owned port.") \
	X(DROP_EXTENSION, "To an exclusive address: an IPv6 extension header that is unknown, misplaced, or beyond the limit.") \
	X(DROP_HEADER, "An invalid IP header to an owned address.") \
	X(DROP_TRUNCATED, "The frame ends inside the headers of a packet to an owned address.") \
	X(DROP_PROTOCOL, "ICMP or IGMP to an exclusive address that needs no reply.") \
	X(DROP_SPLIT, "The packet is longer than its frame: the driver has split it over several buffers.")

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

/* The owned ports of the addresses for which this prefix is the longest. */
struct owned {
	__u32 flags;       /* OWNED_EXCLUSIVE */
	__u32 reserved;
	__u64 ports[1024]; /* bit p % 64 of word p / 64: TCP port p */
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
#define OWNED_SIZE 8200
#define OWNED_PORTS 8
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
_Static_assert(sizeof(struct claim) == CLAIM_SIZE, "claim");
AT(claim, family, 0);
AT(claim, address, CLAIM_ADDRESS);
AT(claim, mac, CLAIM_MAC);
_Static_assert(sizeof(struct counters) == 8 * VERDICT_COUNT, "counters");
#undef AT

#endif
