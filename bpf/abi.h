/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/*
 * What the program and user space share. One source for both sides: build.rs reads the verdict
 * list into the Rust enum `Verdict`, and the sizes and offsets of the structs are checked against
 * the generated types at compile time.
 */
#ifndef HANDFAST_ABI_H
#define HANDFAST_ABI_H

#include <linux/types.h>

/*
 * Every outcome of a frame. PASS_* goes to the kernel, SOCKET_* to this queue's socket, DROP_*
 * nowhere. "Owned": a rule's prefix covers the destination. "Exclusive": owned, and not an
 * address of the interface. "Shared": owned, and an address of the interface.
 *
 * build.rs expects one X(NAME, "sentence") a line.
 */
#define VERDICTS(X) \
	X(PASS_OTHER, "Neither IPv4, IPv6 nor ARP, behind more than two VLAN tags, or another IP version.") \
	X(PASS_SHORT, "The frame ends before its destination address.") \
	X(PASS_NOT_OWNED, "No rule covers the destination address.") \
	X(PASS_PORT, "TCP to a port that is not owned on a shared address.") \
	X(PASS_PROTOCOL, "A protocol to an owned address that the kernel may answer.") \
	X(PASS_FRAGMENT, "A fragment to an owned address that carries no TCP.") \
	X(SOCKET_TCP, "TCP to an owned address and port.") \
	X(SOCKET_PORT, "TCP to a port that is not owned on an exclusive address: ours to refuse.") \
	X(SOCKET_ARP, "ARP for an exclusive address.") \
	X(SOCKET_NEIGHBOUR, "IPv6 neighbour discovery for an exclusive address.") \
	X(SOCKET_ECHO, "An echo request to an exclusive address.") \
	X(SOCKET_ERROR, "An ICMP error about a segment from an owned address and port.") \
	X(DROP_NO_SOCKET, "Ours, but the receive queue has no socket: the kernel must not answer.") \
	X(DROP_FRAGMENT, "A TCP fragment to an owned address: nobody reassembles it.") \
	X(DROP_EXTENSION, "An IPv6 extension header that is unknown, misplaced, or one of too many.") \
	X(DROP_HEADER, "An impossible IP header to an owned address.") \
	X(DROP_TRUNCATED, "The frame ends inside the headers of a packet to an owned address.") \
	X(DROP_SPLIT, "The packet is longer than its frame: the driver has split it over several buffers.")

#define VERDICT_ENUM(name, doc) name,
enum verdict { VERDICTS(VERDICT_ENUM) VERDICT_COUNT };
#undef VERDICT_ENUM

/* Receive queues that can have a socket. */
#define MAX_QUEUES 1024
/* Entries of one set of rules: prefixes, and interface addresses inside them. */
#define MAX_OWNED 16384

/* Address families of `owned_key`, so that no IPv4 rule covers an IPv6 address. */
#define FAMILY_IPV4 4
#define FAMILY_IPV6 6
/* Bits of `owned_key` in front of the address. */
#define FAMILY_BITS 32

/* Key of the longest-prefix match: `prefix_len` counts the bits of `family` and `address`. */
struct owned_key {
	__u32 prefix_len;
	__u32 family;      /* host order */
	__u8 address[16];  /* network order; IPv4 in the first four octets */
};

#define OWNED_EXCLUSIVE 1

/* What is owned at the addresses for which this prefix is the longest. */
struct owned {
	__u32 flags;       /* OWNED_EXCLUSIVE */
	__u32 reserved;
	__u64 ports[1024]; /* bit p % 64 of word p / 64: TCP port p */
};

/* Frames by verdict, of one CPU. */
struct counters {
	__u64 frames[VERDICT_COUNT];
};

#endif
