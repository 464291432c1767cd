/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/*
 * The usual SYN of a flood: untagged, no IP options or extension headers, the options of Linux in its order,
 * to an address and port that was answered a moment ago. It is answered in one short function, without the
 * rules, because the code of the whole way pushes the kernel's own out of the cache. Its checks are those of
 * syn.h; any doubt leaves the SYN to that.
 */
#ifndef HANDFAST_USUAL_SYN_H
#define HANDFAST_USUAL_SYN_H

#include "syn.h"

/* Not a verdict: the SYN takes the whole way. */
#define NOT_USUAL VERDICT_COUNT

/* The headers of a usual SYN: its frame is exactly as long as its packet. */
static __always_inline int has_usual_headers(const __be32 *network, const __be32 *tcp, int is_ipv6)
{
	const __u32 len = 4 * (TCP_WORDS + LINUX_WORDS);

	/* Data offset and control bits; reserved bits do not matter. */
	if ((tcp[3] & bpf_htonl(0xf0ff0000)) != bpf_htonl(0xa0020000) || !is_linux_order(tcp + TCP_WORDS))
		return 0;
	if (is_ipv6)
		return (network[0] & bpf_htonl(0xf0000000)) == bpf_htonl(0x60000000) &&
		       (network[1] & bpf_htonl(0xffffff00)) == bpf_htonl(len << 16 | IPPROTO_TCP << 8);
	return (network[0] & bpf_htonl(0xff00ffff)) ==
		       bpf_htonl(0x45000000 | (sizeof(struct iphdr) + len)) &&
	       (network[1] & bpf_htonl(0x3fff)) == 0 &&
	       (network[2] & bpf_htonl(0x00ff0000)) == bpf_htonl(IPPROTO_TCP << 16) &&
	       is_intact_ipv4(network);
}

static __always_inline __u64 usual_sum(const __be32 *tcp)
{
	__u64 sum = 0;
	int i;

#pragma unroll
	for (i = 0; i < TCP_WORDS + LINUX_WORDS; i++)
		sum += tcp[i];
	return sum;
}

static __always_inline enum verdict answer_usual_syn(struct syn *syn, const struct syn_route *route,
						     const struct tier *tier, int is_ipv6)
{
	struct tier_counts *counts = bpf_map_lookup_elem(&tier_counts, &route->listener);
	const struct clock clock = clock_at(tier, coarse_ns());
	const struct period_key *key = key_of(tier, clock.period);
	const __u32 irs = bpf_ntohl(syn->tcp->seq);
	const __u64 options = linux_options((__be32 *)(syn->tcp + 1));
	struct syn_ack syn_ack;

	if (!counts || key->number != clock.period)
		return NOT_USUAL;
	syn_ack = cookie_syn_ack(tier, key, &syn->flow, options, irs, clock.millis, route->window, is_ipv6);
	if (!write_syn_ack(syn->frame, syn->network, &syn->flow, &syn_ack, syn->addresses, syn->end, is_ipv6))
		return NOT_USUAL;
	counts->syns++;
	counts->syn_acks++;
	return TX_SYN_ACK;
}

/* The answer to a usual SYN, or NOT_USUAL. */
static __always_inline enum verdict usual_syn(struct xdp_md *ctx, int is_ipv6)
{
	const __u32 len = ETH_HLEN + network_len(is_ipv6) + 4 * (TCP_WORDS + LINUX_WORDS);
	struct tier *tier = the_tier();
	struct tier_device *device;
	struct syn_route *route;
	struct syn syn;
	__u32 only = 0;

	syn.frame = (void *)(long)ctx->data;
	syn.end = (void *)(long)ctx->data_end;
	syn.network = syn.frame + ETH_HLEN;
	syn.tcp = syn.network + network_len(is_ipv6);
	if (!tier || syn.frame + len > syn.end || ctx->data_end - ctx->data != len ||
	    !has_usual_headers(syn.network, (__be32 *)syn.tcp, is_ipv6) ||
	    is_group_mac(((struct ethhdr *)syn.frame)->h_source))
		return NOT_USUAL;
	read_flow(&syn.flow, syn.network, syn.tcp, is_ipv6);
	route = route_of(local_of(&syn.flow, is_ipv6), syn.tcp->dest);
	if (!route || !is_route(route, tier->generation, &syn.flow, syn.tcp->dest, syn.frame, is_ipv6))
		return NOT_USUAL;
	syn.addresses = sum_of_addresses(&syn.flow, is_ipv6);
	if (fold(syn.addresses + sum_of_tcp_length(4 * (TCP_WORDS + LINUX_WORDS)) +
		 usual_sum((__be32 *)syn.tcp)) != INTACT)
		return NOT_USUAL;
	device = bpf_map_lookup_elem(&tier_device, &only);
	if (!device || check_endpoints(&syn.flow, device, is_ipv6) != TX_SYN_ACK ||
	    is_known(tier, flow_hash(tier, &syn.flow, is_ipv6)))
		return NOT_USUAL;
	return answer_usual_syn(&syn, route, tier, is_ipv6);
}

__noinline int usual_syn_ipv4(struct xdp_md *ctx)
{
	return usual_syn(ctx, 0);
}

__noinline int usual_syn_ipv6(struct xdp_md *ctx)
{
	return usual_syn(ctx, 1);
}

/* While the program answers SYNs, the usual ones come first. */
static __always_inline enum verdict usual_verdict(struct xdp_md *ctx)
{
	struct ethhdr *ethernet = (void *)(long)ctx->data;
	struct tier *tier = the_tier();

	if (!tier || !tier->generation || (void *)(ethernet + 1) > (void *)(long)ctx->data_end)
		return NOT_USUAL;
	switch (ethernet->h_proto) {
	case bpf_htons(ETH_P_IP):
		return usual_syn_ipv4(ctx);
	case bpf_htons(ETH_P_IPV6):
		return usual_syn_ipv6(ctx);
	default:
		return NOT_USUAL;
	}
}

#endif
