/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/*
 * From the IP header to the upper layer: fragments, IPv6 extension headers, and the verdicts by
 * protocol. At a shared address everything but TCP to owned ports goes to the kernel. Packets to an
 * exclusive address never go to the kernel, which would forward them.
 */
#ifndef HANDFAST_IP_H
#define HANDFAST_IP_H

#include "parse.h"

#define MAX_EXTENSIONS 6

/* IANA's "IPv6 Extension Header Types" that linux/in.h does not name. */
#define IPPROTO_HIP 139
#define IPPROTO_SHIM6 140
#define IPPROTO_TEST1 253
#define IPPROTO_TEST2 254

#define IPV4_MORE_FRAGMENTS 0x2000
#define IPV4_FRAGMENT_OFFSET 0x1fff
#define IPV6_FRAGMENT_OFFSET 0xfff8

struct extension {
	__u8 next;
	__u8 len;        /* units of 8 bytes after the first 8; reserved in a fragment header */
	__be16 fragment; /* of a fragment header: offset and flags */
	__u8 body[4];
};

/* A multicast group or the limited broadcast address: not a TCP endpoint, and never owned. */
static __always_inline int is_group_ipv4(__be32 address)
{
	return (address & bpf_htonl(0xf0000000)) == bpf_htonl(0xe0000000) || address == 0xffffffff;
}

/* A fragment without the ports. */
static __always_inline enum verdict fragment_verdict(const struct owned *owned)
{
	return is_exclusive(owned) ? DROP_FRAGMENT : PASS_FRAGMENT;
}

/*
 * The first fragment to a shared address, at its upper layer. The kernel would answer a TCP segment to an
 * owned port with a RST. So the fragment with the port is dropped, and the later fragments, which go to
 * the kernel, never become a segment.
 */
static __always_inline enum verdict first_fragment_verdict(struct cursor *cursor, __u8 protocol,
							   const struct owned *owned)
{
	struct tcp_ports *tcp;

	if (protocol != IPPROTO_TCP)
		return PASS_FRAGMENT;
	tcp = take(cursor, sizeof(*tcp));
	if (!tcp)
		return DROP_TRUNCATED;
	return owns_port(owned, bpf_ntohs(tcp->destination)) ? DROP_FRAGMENT : PASS_FRAGMENT;
}

static __always_inline enum verdict ipv4_upper_verdict(struct cursor *cursor, __u8 protocol,
						       const struct owned *owned)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return tcp_verdict(cursor, owned);
	case IPPROTO_ICMP:
		return icmp_verdict(cursor, owned);
	case IPPROTO_IGMP:
		return unanswered(owned);
	default:
		return protocol_verdict(owned);
	}
}

static __always_inline enum verdict ipv4_verdict(struct cursor *cursor)
{
	struct iphdr *ip = take(cursor, sizeof(*ip));
	struct owned *owned;

	if (!ip)
		return PASS_SHORT;
	if (ip->version != 4)
		return PASS_OTHER;
	cursor->network = ip;
	if (is_group_ipv4(ip->daddr))
		return PASS_NOT_OWNED;
	owned = owned_at_ipv4(ip->daddr);
	if (!owned)
		return PASS_NOT_OWNED;
	if (ip->ihl < 5)
		return DROP_HEADER;
	if (ip->frag_off & bpf_htons(IPV4_FRAGMENT_OFFSET))
		return fragment_verdict(owned);
	if (!take(cursor, (ip->ihl - 5) * 4))
		return DROP_TRUNCATED;
	if (ip->frag_off & bpf_htons(IPV4_MORE_FRAGMENTS))
		return is_exclusive(owned) ? DROP_FRAGMENT
					   : first_fragment_verdict(cursor, ip->protocol, owned);
	return whole_verdict(ipv4_upper_verdict(cursor, ip->protocol, owned), ip, bpf_ntohs(ip->tot_len),
			     cursor);
}

/* On IANA's list of extension headers: TCP may follow it. */
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

static __always_inline enum verdict ipv6_upper_verdict(struct cursor *cursor, __u8 protocol,
						       const struct owned *owned)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return tcp_verdict(cursor, owned);
	case IPPROTO_ICMPV6:
		return icmpv6_verdict(cursor, owned);
	case IPPROTO_NONE: /* nothing follows, nothing to refuse (RFC 8200 section 4.7) */
		return unanswered(owned);
	default:
		break;
	}
	/* One that ends the walk: unsupported, misplaced, or beyond the limit. */
	if (is_extension(protocol))
		return is_exclusive(owned) ? DROP_EXTENSION : PASS_PROTOCOL;
	return protocol_verdict(owned);
}

/* The verdict after the fixed header of a packet to an owned address. */
static __always_inline enum verdict ipv6_payload_verdict(struct cursor *cursor, __u8 protocol,
							 const struct owned *owned)
{
	struct extension *extension;
	int walked, fragmented = 0;
	__u32 rest;

	for (walked = 0; walked < MAX_EXTENSIONS; walked++) {
		/* Hop-by-hop options are only valid as the first header (RFC 8200 section 4.1). */
		if (protocol != IPPROTO_ROUTING && protocol != IPPROTO_DSTOPTS &&
		    protocol != IPPROTO_FRAGMENT && !(protocol == IPPROTO_HOPOPTS && walked == 0))
			break;
		extension = take(cursor, sizeof(*extension));
		/* A first fragment without all headers is invalid (RFC 8200 section 4.5). */
		if (!extension)
			return DROP_TRUNCATED;
		rest = extension->len * 8;
		if (protocol == IPPROTO_FRAGMENT) {
			if (is_exclusive(owned) || extension->fragment & bpf_htons(IPV6_FRAGMENT_OFFSET))
				return fragment_verdict(owned);
			fragmented = 1;
			rest = 0;
		}
		if (!take(cursor, rest))
			return DROP_TRUNCATED;
		protocol = extension->next;
	}
	return fragmented ? first_fragment_verdict(cursor, protocol, owned)
			  : ipv6_upper_verdict(cursor, protocol, owned);
}

static __always_inline enum verdict ipv6_verdict(struct cursor *cursor)
{
	struct ipv6hdr *ip = take(cursor, sizeof(*ip));
	struct owned *owned;

	if (!ip)
		return PASS_SHORT;
	if (ip->version != 6)
		return PASS_OTHER;
	cursor->network = ip;
	cursor->hop_limit = ip->hop_limit;
	if (ip->daddr.in6_u.u6_addr8[0] == 0xff)
		return ip->nexthdr == IPPROTO_ICMPV6 ? icmpv6_verdict(cursor, NULL) : PASS_NOT_OWNED;
	owned = owned_at_ipv6(ip->daddr.in6_u.u6_addr8);
	if (!owned)
		return ip->nexthdr == IPPROTO_ICMPV6 ? unowned_icmpv6_verdict(cursor) : PASS_NOT_OWNED;
	return whole_verdict(ipv6_payload_verdict(cursor, ip->nexthdr, owned), ip,
			     sizeof(*ip) + bpf_ntohs(ip->payload_len), cursor);
}

#endif
