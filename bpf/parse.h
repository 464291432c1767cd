/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/*
 * From a frame to its verdict. Each function reads one header, bounds-checked, and hands on the
 * position behind it. Nothing here looks at the source address, at checksums or at TCP flags:
 * user space does, and drops by name.
 */
#ifndef HANDFAST_PARSE_H
#define HANDFAST_PARSE_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>

#include "maps.h"

#define ETH_P_QINQ1 0x9100 /* in use before 802.1ad, never assigned */
#define MAX_VLAN_TAGS 2
#define MAX_EXTENSIONS 6
/* Bytes of a frame from which on a packet that is longer is one that the driver has split: drivers'
 * buffers are no smaller. What is shorter, user space drops as an impossible length. */
#define LEAST_BUFFER 512

/* IANA's "IPv6 Extension Header Types" that linux/in.h does not name. */
#define IPPROTO_HIP 139
#define IPPROTO_SHIM6 140
#define IPPROTO_TEST1 253
#define IPPROTO_TEST2 254

/* linux/icmp.h would bring in the C library's headers. */
#define ICMP_UNREACHABLE 3
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETER_PROBLEM 12
#define ICMPV6_LAST_KNOWN_ERROR 4 /* from 1 on (RFC 4443 section 2.1) */
/* Octets between the type and the packet that an error is about. */
#define ICMP_ERROR_REST 7
#define ICMP_ECHO_REQUEST 8
#define ICMPV6_ECHO_REQUEST 128
#define ICMPV6_NEIGHBOUR_SOLICITATION 135
#define ICMPV6_NEIGHBOUR_ADVERTISEMENT 136

/* Octets still to be read. */
struct cursor {
	void *at;
	void *end;
};

/* The next `size` octets, or NULL when the frame ends before. */
static __always_inline void *take(struct cursor *cursor, __u32 size)
{
	void *header = cursor->at;

	if (header + size > cursor->end)
		return NULL;
	cursor->at = header + size;
	return header;
}

struct vlan_tag {
	__be16 control;
	__be16 protocol;
};

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

struct extension {
	__u8 next;
	__u8 len; /* 8-octet units behind the first 8 octets */
	__u8 body[6];
};

static __always_inline enum verdict arp_verdict(struct cursor *cursor)
{
	struct arp_ipv4 *arp = take(cursor, sizeof(*arp));
	__u32 target;

	if (!arp)
		return PASS_SHORT;
	if (arp->hardware != bpf_htons(1) || arp->protocol != bpf_htons(ETH_P_IP) ||
	    arp->hardware_len != ETH_ALEN || arp->protocol_len != sizeof(target))
		return PASS_OTHER;
	__builtin_memcpy(&target, arp->target, sizeof(target));
	return is_exclusive(owned_at_ipv4(target)) ? SOCKET_ARP : PASS_NOT_OWNED;
}

/*
 * A packet of `len` bytes from `start` on that would be ours. A driver that receives into buffers
 * smaller than the packet, for a program that takes one buffer alone, shows each piece as a frame.
 * The first has the headers, and ends before the packet does.
 */
static __always_inline enum verdict whole_verdict(enum verdict verdict, void *start, __u32 len,
						  const struct cursor *cursor)
{
	/* A number, not a pointer: before Linux 6.8 the verifier knows no bounds of a length whose bytes
	 * were swapped, and adds none without to a pointer. */
	__u64 there = cursor->end - start;

	if (verdict < SOCKET_TCP || verdict >= DROP_NO_SOCKET || len <= there)
		return verdict;
	return there >= LEAST_BUFFER ? DROP_SPLIT : verdict;
}

static __always_inline enum verdict tcp_verdict(struct cursor *cursor, const struct owned *owned)
{
	struct tcp_ports *tcp = take(cursor, sizeof(*tcp));

	if (!tcp)
		return DROP_TRUNCATED;
	if (owns_port(owned, bpf_ntohs(tcp->destination)))
		return SOCKET_TCP;
	return is_exclusive(owned) ? SOCKET_PORT : PASS_PORT;
}

/* The packet that an error quotes is one we may have sent: its source decides. */
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
	/* What we send has no options; a later fragment has no ports. */
	if (ip->version != 4 || ip->ihl != 5 || ip->protocol != IPPROTO_TCP ||
	    ip->frag_off & bpf_htons(0x1fff))
		return PASS_PROTOCOL;
	owned = owned_at_ipv4(ip->saddr);
	return owned ? quoted_tcp_verdict(cursor, owned) : PASS_PROTOCOL;
}

/* What we send has no extension headers. */
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

static __always_inline enum verdict icmp_verdict(struct cursor *cursor, const struct owned *owned)
{
	__u8 *type = take(cursor, sizeof(*type));

	if (!type)
		return DROP_TRUNCATED;
	switch (*type) {
	case ICMP_UNREACHABLE:
	case ICMP_TIME_EXCEEDED:
	case ICMP_PARAMETER_PROBLEM:
		return icmp_error_verdict(cursor);
	case ICMP_ECHO_REQUEST:
		return is_exclusive(owned) ? SOCKET_ECHO : PASS_PROTOCOL;
	default:
		return PASS_PROTOCOL;
	}
}

/* A solicitation is mostly addressed to a group: the target decides, not the destination. */
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

/* `owned` is NULL for a group. */
static __always_inline enum verdict icmpv6_verdict(struct cursor *cursor, const struct owned *owned)
{
	__u8 *type = take(cursor, sizeof(*type));

	if (!type)
		return owned ? DROP_TRUNCATED : PASS_SHORT;
	if (*type == ICMPV6_NEIGHBOUR_SOLICITATION)
		return neighbour_verdict(cursor, owned);
	if (!owned)
		return PASS_NOT_OWNED;
	if (*type >= 1 && *type <= ICMPV6_LAST_KNOWN_ERROR)
		return icmpv6_error_verdict(cursor);
	if (!is_exclusive(owned))
		return PASS_PROTOCOL;
	/* The answer to our own solicitation comes back to the address that asked. */
	if (*type == ICMPV6_NEIGHBOUR_ADVERTISEMENT)
		return SOCKET_NEIGHBOUR;
	return *type == ICMPV6_ECHO_REQUEST ? SOCKET_ECHO : PASS_PROTOCOL;
}

static __always_inline enum verdict ipv4_verdict(struct cursor *cursor)
{
	struct iphdr *ip = take(cursor, sizeof(*ip));
	enum verdict verdict;
	struct owned *owned;

	if (!ip)
		return PASS_SHORT;
	if (ip->version != 4)
		return PASS_OTHER;
	if ((ip->daddr & bpf_htonl(0xf0000000)) == bpf_htonl(0xe0000000))
		return PASS_NOT_OWNED; /* a group is no endpoint of TCP */
	owned = owned_at_ipv4(ip->daddr);
	if (!owned)
		return PASS_NOT_OWNED;
	if (ip->ihl < 5)
		return DROP_HEADER;
	/* More fragments, or an offset. */
	if (ip->frag_off & bpf_htons(0x3fff))
		return ip->protocol == IPPROTO_TCP ? DROP_FRAGMENT : PASS_FRAGMENT;
	if (!take(cursor, (ip->ihl - 5) * 4))
		return DROP_TRUNCATED;
	switch (ip->protocol) {
	case IPPROTO_TCP:
		verdict = tcp_verdict(cursor, owned);
		break;
	case IPPROTO_ICMP:
		verdict = icmp_verdict(cursor, owned);
		break;
	default:
		return PASS_PROTOCOL;
	}
	return whole_verdict(verdict, ip, bpf_ntohs(ip->tot_len), cursor);
}

/* On IANA's list of extension headers: behind it may be TCP. */
static __always_inline int is_extension(__u8 protocol)
{
	switch (protocol) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_FRAGMENT:
	case IPPROTO_ESP:
	case IPPROTO_AH:
	case IPPROTO_DSTOPTS:
	case IPPROTO_MH:
	case IPPROTO_HIP:
	case IPPROTO_SHIM6:
	case IPPROTO_TEST1:
	case IPPROTO_TEST2:
		return 1;
	default:
		return 0;
	}
}

static __always_inline enum verdict ipv6_fragment_verdict(struct cursor *cursor)
{
	struct extension *fragment = take(cursor, sizeof(*fragment));

	if (!fragment)
		return DROP_TRUNCATED;
	if (fragment->next == IPPROTO_TCP)
		return DROP_FRAGMENT;
	return is_extension(fragment->next) ? DROP_EXTENSION : PASS_FRAGMENT;
}

static __always_inline enum verdict ipv6_upper_verdict(struct cursor *cursor, __u8 protocol,
						       const struct owned *owned)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return tcp_verdict(cursor, owned);
	case IPPROTO_ICMPV6:
		return icmpv6_verdict(cursor, owned);
	case IPPROTO_FRAGMENT:
		return ipv6_fragment_verdict(cursor);
	default:
		return is_extension(protocol) ? DROP_EXTENSION : PASS_PROTOCOL;
	}
}

/* Behind the fixed header of a packet to an owned address. */
static __always_inline enum verdict ipv6_payload_verdict(struct cursor *cursor, __u8 protocol,
							 const struct owned *owned)
{
	struct extension *extension;
	int walked;

	for (walked = 0; walked < MAX_EXTENSIONS; walked++) {
		/* Hop-by-hop options stand first or nowhere (RFC 8200 section 4.1). */
		if (protocol != IPPROTO_ROUTING && protocol != IPPROTO_DSTOPTS &&
		    !(protocol == IPPROTO_HOPOPTS && walked == 0))
			break;
		extension = take(cursor, sizeof(*extension));
		if (!extension || !take(cursor, extension->len * 8))
			return DROP_TRUNCATED;
		protocol = extension->next;
	}
	return ipv6_upper_verdict(cursor, protocol, owned);
}

static __always_inline enum verdict ipv6_verdict(struct cursor *cursor)
{
	struct ipv6hdr *ip = take(cursor, sizeof(*ip));
	struct owned *owned;

	if (!ip)
		return PASS_SHORT;
	if (ip->version != 6)
		return PASS_OTHER;
	if (ip->daddr.in6_u.u6_addr8[0] == 0xff)
		return ip->nexthdr == IPPROTO_ICMPV6 ? icmpv6_verdict(cursor, NULL) : PASS_NOT_OWNED;
	owned = owned_at_ipv6(ip->daddr.in6_u.u6_addr8);
	if (!owned)
		return PASS_NOT_OWNED;
	return whole_verdict(ipv6_payload_verdict(cursor, ip->nexthdr, owned), ip,
			     sizeof(*ip) + bpf_ntohs(ip->payload_len), cursor);
}

static __always_inline int is_vlan(__be16 protocol)
{
	return protocol == bpf_htons(ETH_P_8021Q) || protocol == bpf_htons(ETH_P_8021AD) ||
	       protocol == bpf_htons(ETH_P_QINQ1);
}

static __always_inline enum verdict frame_verdict(struct cursor *cursor)
{
	struct ethhdr *ethernet = take(cursor, sizeof(*ethernet));
	struct vlan_tag *tag;
	__be16 protocol;
	int tags;

	if (!ethernet)
		return PASS_SHORT;
	protocol = ethernet->h_proto;
#pragma unroll
	for (tags = 0; tags < MAX_VLAN_TAGS; tags++) {
		if (!is_vlan(protocol))
			break;
		tag = take(cursor, sizeof(*tag));
		if (!tag)
			return PASS_SHORT;
		protocol = tag->protocol;
	}
	switch (protocol) {
	case bpf_htons(ETH_P_IP):
		return ipv4_verdict(cursor);
	case bpf_htons(ETH_P_IPV6):
		return ipv6_verdict(cursor);
	case bpf_htons(ETH_P_ARP):
		return arp_verdict(cursor);
	default:
		return PASS_OTHER;
	}
}

#endif
