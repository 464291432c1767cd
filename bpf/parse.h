/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/*
 * The verdicts on ARP, TCP, ICMP and neighbour discovery. Each function reads one header, with bounds
 * checked, and advances the cursor. Source addresses, checksums and TCP flags are left to user space,
 * which counts each drop by its reason.
 */
#ifndef HANDFAST_PARSE_H
#define HANDFAST_PARSE_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>

#include "maps.h"

/* The smallest receive buffer of a driver, bytes. A packet that is longer than its frame was split by the
 * driver if the frame has at least this size; a shorter one is dropped by user space as an invalid
 * length. */
#define MIN_BUFFER 512

/* linux/icmp.h would bring in the C library's headers. */
#define ICMP_UNREACHABLE 3
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETER_PROBLEM 12
#define ICMPV6_LAST_KNOWN_ERROR 4 /* from 1 on (RFC 4443 section 2.1) */
/* Bytes between the type and the quoted packet of an error. */
#define ICMP_ERROR_REST 7
#define ICMP_ECHO_REQUEST 8
#define ICMPV6_ECHO_REQUEST 128
#define ICMPV6_NEIGHBOUR_SOLICITATION 135
#define ICMPV6_NEIGHBOUR_ADVERTISEMENT 136

/* The bytes that are not read yet. */
struct cursor {
	void *at;
	void *end;
	const __u8 *sender;  /* the frame's source MAC */
	__u8 hop_limit;      /* of IPv6 */
	/* Of TCP to an owned port; `owned` is NULL for any other frame. */
	const struct owned *owned;
	void *network;       /* the start of the IP header, as `tcp` */
	void *tcp;
	__u16 port;          /* of the destination, host order */
};

/* The next `size` bytes, or NULL if the frame is shorter. */
static __always_inline void *take(struct cursor *cursor, __u32 size)
{
	void *header = cursor->at;

	if (header + size > cursor->end)
		return NULL;
	cursor->at = header + size;
	return header;
}

/* RFC 826, for IPv4 over Ethernet. */
struct arp_ipv4 {
	__be16 hardware;
	__be16 protocol;
	__u8 hardware_len;
	__u8 protocol_len;
	__be16 operation;
	__u8 sender_mac[ETH_ALEN];
	__u8 sender[4];
	__u8 target_mac[ETH_ALEN];
	__u8 target[4];
};

struct tcp_ports {
	__be16 source;
	__be16 destination;
};

static __always_inline enum verdict arp_verdict(struct cursor *cursor)
{
	struct arp_ipv4 *arp = take(cursor, sizeof(*arp));
	__u32 sender, target;
	int is_ours;

	if (!arp)
		return PASS_SHORT;
	if (arp->hardware != bpf_htons(1) || arp->protocol != bpf_htons(ETH_P_IP) ||
	    arp->hardware_len != ETH_ALEN || arp->protocol_len != sizeof(target))
		return PASS_OTHER;
	__builtin_memcpy(&target, arp->target, sizeof(target));
	__builtin_memcpy(&sender, arp->sender, sizeof(sender));
	is_ours = is_exclusive(owned_at_ipv4(target));
	/* A request of a host that claims an exclusive address may still be for another address. */
	if (is_exclusive(owned_at_ipv4(sender))) {
		note_claim(FAMILY_IPV4, arp->sender, sizeof(sender), arp->sender_mac);
		if (!is_ours || sender == target)
			return PASS_CONFLICT;
	}
	return is_ours ? SOCKET_ARP : PASS_NOT_OWNED;
}

/* A packet that the kernel may process at a shared address, and that gets no reply at an exclusive one. */
static __always_inline enum verdict unanswered(const struct owned *owned)
{
	return is_exclusive(owned) ? DROP_PROTOCOL : PASS_PROTOCOL;
}

/* A protocol without a listener at an exclusive address: user space reports that to the sender. */
static __always_inline enum verdict protocol_verdict(const struct owned *owned)
{
	return is_exclusive(owned) ? SOCKET_PROTOCOL : PASS_PROTOCOL;
}

/*
 * Drops the first piece of a split packet: `len` is the packet's length from `start` on. A driver whose
 * buffers are smaller than the packet presents each piece as a frame to a program without multi-buffer
 * support. The first one has the headers, and is shorter than the packet.
 */
static __always_inline enum verdict whole_verdict(enum verdict verdict, void *start, __u32 len,
						  const struct cursor *cursor)
{
	/* A number, not a pointer: before Linux 6.8 the verifier knows no bounds of a byte-swapped length, and
	 * refuses to add it to a pointer. */
	__u64 present = cursor->end - start;

	if (verdict < SOCKET_TCP || verdict >= DROP_NO_SOCKET || len <= present)
		return verdict;
	return present >= MIN_BUFFER ? DROP_SPLIT : verdict;
}

static __always_inline enum verdict tcp_verdict(struct cursor *cursor, const struct owned *owned)
{
	struct tcp_ports *tcp = take(cursor, sizeof(*tcp));

	if (!tcp)
		return DROP_TRUNCATED;
	cursor->port = bpf_ntohs(tcp->destination);
	if (owns_port(owned, cursor->port)) {
		cursor->owned = owned;
		cursor->tcp = tcp;
		return SOCKET_TCP;
	}
	return is_exclusive(owned) ? SOCKET_PORT : PASS_PORT;
}

/* The packet that an error quotes: its source decides whether this stack sent it. PASS_PROTOCOL means
 * that it did not, here and in the two functions below. */
static __always_inline enum verdict quoted_tcp_verdict(struct cursor *cursor, const struct owned *owned)
{
	struct tcp_ports *tcp = take(cursor, sizeof(*tcp));

	if (!tcp)
		return DROP_TRUNCATED;
	return owns_port(owned, bpf_ntohs(tcp->source)) ? SOCKET_ERROR : PASS_PROTOCOL;
}

static __always_inline enum verdict icmp_error_verdict(struct cursor *cursor)
{
	struct owned *owned;
	struct iphdr *ip;

	if (!take(cursor, ICMP_ERROR_REST))
		return DROP_TRUNCATED;
	ip = take(cursor, sizeof(*ip));
	if (!ip)
		return DROP_TRUNCATED;
	/* The stack sends no IP options; a later fragment has no ports. */
	if (ip->version != 4 || ip->ihl != 5 || ip->protocol != IPPROTO_TCP ||
	    ip->frag_off & bpf_htons(0x1fff))
		return PASS_PROTOCOL;
	owned = owned_at_ipv4(ip->saddr);
	return owned ? quoted_tcp_verdict(cursor, owned) : PASS_PROTOCOL;
}

/* The stack sends no extension headers. */
static __always_inline enum verdict icmpv6_error_verdict(struct cursor *cursor)
{
	struct owned *owned;
	struct ipv6hdr *ip;

	if (!take(cursor, ICMP_ERROR_REST))
		return DROP_TRUNCATED;
	ip = take(cursor, sizeof(*ip));
	if (!ip)
		return DROP_TRUNCATED;
	if (ip->version != 6 || ip->nexthdr != IPPROTO_TCP)
		return PASS_PROTOCOL;
	owned = owned_at_ipv6(ip->saddr.in6_u.u6_addr8);
	return owned ? quoted_tcp_verdict(cursor, owned) : PASS_PROTOCOL;
}

/* If the quoted packet has another sender, the destination decides. */
static __always_inline enum verdict error_verdict(enum verdict quoted, const struct owned *owned)
{
	return quoted == PASS_PROTOCOL ? unanswered(owned) : quoted;
}

static __always_inline enum verdict icmp_verdict(struct cursor *cursor, const struct owned *owned)
{
	__u8 *type = take(cursor, sizeof(*type));

	if (!type)
		return DROP_TRUNCATED;
	switch (*type) {
	case ICMP_UNREACHABLE:
	case ICMP_TIME_EXCEEDED:
	case ICMP_PARAMETER_PROBLEM:
		return error_verdict(icmp_error_verdict(cursor), owned);
	case ICMP_ECHO_REQUEST:
		return is_exclusive(owned) ? SOCKET_ECHO : PASS_PROTOCOL;
	default:
		return unanswered(owned);
	}
}

/* Most solicitations are sent to a group, so the target decides, not the destination. */
static __always_inline enum verdict neighbour_verdict(struct cursor *cursor, const struct owned *owned)
{
	struct {
		__u8 rest_of_header[7];
		__u8 target[16];
	} *message = take(cursor, sizeof(*message));

	if (!message)
		return is_exclusive(owned) ? DROP_TRUNCATED : PASS_SHORT;
	return is_exclusive(owned_at_ipv6(message->target)) ? SOCKET_NEIGHBOUR : PASS_NOT_OWNED;
}

/* A solicitation for another address goes to the kernel, unless it was sent to an exclusive address. */
static __always_inline enum verdict solicitation_verdict(enum verdict target, const struct owned *owned)
{
	return target == PASS_NOT_OWNED && is_exclusive(owned) ? DROP_PROTOCOL : target;
}

/*
 * For any destination: it claims that the target is at the sender's MAC. The reply to a solicitation of
 * this stack is sent to the soliciting address. `owned` is NULL if no rule covers the destination.
 */
static __always_inline enum verdict advertisement_verdict(struct cursor *cursor, const struct owned *owned)
{
	struct {
		__u8 rest_of_header[7];
		__u8 target[16];
	} *message = take(cursor, sizeof(*message));

	if (!message)
		return is_exclusive(owned) ? DROP_TRUNCATED : PASS_SHORT;
	/* A forwarded one is invalid (RFC 4861 section 7.1.2). */
	if (cursor->hop_limit == 255 && is_exclusive(owned_at_ipv6(message->target))) {
		note_claim(FAMILY_IPV6, message->target, sizeof(message->target), cursor->sender);
		return PASS_CONFLICT;
	}
	if (is_exclusive(owned))
		return SOCKET_NEIGHBOUR;
	return owned ? PASS_PROTOCOL : PASS_NOT_OWNED;
}

/* To an address that no rule covers, possibly one of the kernel's. */
static __always_inline enum verdict unowned_icmpv6_verdict(struct cursor *cursor)
{
	__u8 *type = take(cursor, sizeof(*type));

	if (!type)
		return PASS_SHORT;
	return *type == ICMPV6_NEIGHBOUR_ADVERTISEMENT ? advertisement_verdict(cursor, NULL) : PASS_NOT_OWNED;
}

/* `owned` is NULL for a group. */
static __always_inline enum verdict icmpv6_verdict(struct cursor *cursor, const struct owned *owned)
{
	__u8 *type = take(cursor, sizeof(*type));

	if (!type)
		return owned ? DROP_TRUNCATED : PASS_SHORT;
	if (*type == ICMPV6_NEIGHBOUR_SOLICITATION)
		return solicitation_verdict(neighbour_verdict(cursor, owned), owned);
	if (*type == ICMPV6_NEIGHBOUR_ADVERTISEMENT)
		return advertisement_verdict(cursor, owned);
	if (!owned)
		return PASS_NOT_OWNED;
	if (*type >= 1 && *type <= ICMPV6_LAST_KNOWN_ERROR)
		return error_verdict(icmpv6_error_verdict(cursor), owned);
	if (!is_exclusive(owned))
		return PASS_PROTOCOL;
	return *type == ICMPV6_ECHO_REQUEST ? SOCKET_ECHO : DROP_PROTOCOL;
}

#endif
