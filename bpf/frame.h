/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/* From a frame to its verdict: the link header, with up to two VLAN tags. */
#ifndef HANDFAST_FRAME_H
#define HANDFAST_FRAME_H

#include "ip.h"

#define ETH_P_QINQ1 0x9100 /* in use before 802.1ad, never assigned */
#define MAX_VLAN_TAGS 2

struct vlan_tag {
	__be16 control;
	__be16 protocol;
};

static __always_inline int is_vlan(__be16 protocol)
{
	return protocol == bpf_htons(ETH_P_8021Q) || protocol == bpf_htons(ETH_P_8021AD) ||
	       protocol == bpf_htons(ETH_P_QINQ1);
}

/*
 * A broadcast or multicast frame is for every host on the link. Protocols other than TCP go to the
 * kernel, whose sockets may expect them: the destination may be the broadcast address of a network. No
 * error may answer such a frame (RFC 1122 section 3.2.2), and the kernel does not forward it, so there is
 * no loop.
 */
static __always_inline enum verdict to_link_group(enum verdict verdict)
{
	switch (verdict) {
	case SOCKET_PROTOCOL:
	case DROP_PROTOCOL:
	case DROP_EXTENSION:
		return PASS_PROTOCOL;
	case DROP_FRAGMENT:
		return PASS_FRAGMENT;
	default:
		return verdict;
	}
}

/* The verdict after the Ethernet header. `protocol` is its EtherType. */
static __always_inline enum verdict packet_verdict(struct cursor *cursor, __be16 protocol)
{
	struct vlan_tag *tag;
	int tags;

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

static __always_inline enum verdict frame_verdict(struct cursor *cursor)
{
	struct ethhdr *ethernet = take(cursor, sizeof(*ethernet));
	enum verdict verdict;

	if (!ethernet)
		return PASS_SHORT;
	cursor->sender = ethernet->h_source;
	verdict = packet_verdict(cursor, ethernet->h_proto);
	if (!(ethernet->h_dest[0] & 1))
		return verdict;
	cursor->owned = NULL;
	return to_link_group(verdict);
}

#endif
