/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/*
 * The cookie tier: SYNs to a listener, and the segments of its clients. Functions that are not inlined have
 * numbers as arguments alone; the verifier checks each by itself, so that the steering stays as simple
 * as without a tier.
 */
#ifndef HANDFAST_TIER_H
#define HANDFAST_TIER_H

#include "extensions.h"
#include "syn.h"

/* The place of this byte in the TCP header. */
#define FLAGS_AT 13
#define FLAG_FIN 0x01
#define FLAG_SYN 0x02
#define FLAG_RST 0x04
#define FLAG_ACK 0x10

#define NO_LISTENER 0xffffffff

/* 1 if `a` is below `b`, else 0, computed without a branch. The compiler must not see through it: in the forms
 * that it would choose, the verifier of Linux 6.1 loses the bounds. */
static __always_inline __u64 is_below(__u64 a, __u64 b)
{
	__u64 sign = (a - b) >> 63;

	asm volatile("" : "+r"(sign));
	return sign;
}

/* The listener of an owned port: the last range that begins at or below it, by bisection without branches,
 * which the verifier follows on one path. */
static __always_inline __u32 listener_of(const struct owned *owned, __u64 port)
{
	const struct port_range *range;
	__u64 at = 0, step;

#pragma unroll
	for (step = MAX_RANGES / 2; step; step /= 2)
		at += is_below(owned->ranges[(at + step) & (MAX_RANGES - 1)].first, port + 1) * step;
	range = &owned->ranges[at & (MAX_RANGES - 1)];
	return range->first <= port && port <= range->last ? range->listener : NO_LISTENER;
}

static __always_inline int is_syn(const struct tcphdr *tcp)
{
	__u8 flags = ((const __u8 *)tcp)[FLAGS_AT];

	return (flags & (FLAG_SYN | FLAG_ACK | FLAG_RST | FLAG_FIN)) == FLAG_SYN;
}

__noinline int check_syn_ipv4(struct xdp_md *ctx, __u64 network_at)
{
	return check_syn(ctx, network_at, sizeof(struct iphdr), 0);
}

__noinline int check_syn_ipv6(struct xdp_md *ctx, __u64 network_at, __u64 tcp_at)
{
	if (tcp_at != sizeof(struct ipv6hdr) && !are_usual_extensions(ctx, network_at, tcp_at))
		return SOCKET_SYN;
	return check_syn(ctx, network_at, tcp_at, 1);
}

__noinline int answer_syn_ipv4(struct xdp_md *ctx, __u64 network_at, __u64 listener, __u64 options)
{
	return answer_syn(ctx, network_at, sizeof(struct iphdr), listener, options, 0);
}

__noinline int answer_syn_ipv6(struct xdp_md *ctx, __u64 network_at, __u64 tcp_at, __u64 listener,
			       __u64 options)
{
	return answer_syn(ctx, network_at, tcp_at, listener, options, 1);
}

/* The verdict on a SYN to a listener in cookie mode. */
static __always_inline enum verdict syn_verdict(struct xdp_md *ctx, __u64 network_at, __u64 tcp_at,
						__u64 listener, int is_ipv6)
{
	enum verdict verdict = is_ipv6 ? check_syn_ipv6(ctx, network_at, tcp_at)
				       : check_syn_ipv4(ctx, network_at);
	__u64 options;

	if (verdict != TX_SYN_ACK)
		return verdict;
	options = read_options(ctx, network_at + tcp_at);
	if (options & OPTIONS_INVALID)
		return DROP_SYN_HEADER;
	return is_ipv6 ? answer_syn_ipv6(ctx, network_at, tcp_at, listener, options)
		       : answer_syn_ipv4(ctx, network_at, listener, options);
}

/* Whether the ACK answers a cookie of this period or of the one before. */
static __always_inline int has_cookie(const struct tier *tier, const struct flow *flow,
				      const struct tcphdr *tcp, int is_ipv6)
{
	__u32 irs = bpf_ntohl(tcp->seq) - 1, cookie = bpf_ntohl(tcp->ack_seq) - 1;
	/* By the exact clock: the stack may have begun a new period and issued this cookie. */
	__u64 period = clock_at(tier, bpf_ktime_get_ns()).period;

	return is_of_period(tier, period, flow, is_ipv6, irs, cookie) ||
	       (period && is_of_period(tier, period - 1, flow, is_ipv6, irs, cookie));
}

static __always_inline enum verdict ack_verdict(const struct tier *tier, __u32 listener,
						const struct flow *flow, const struct tcphdr *tcp,
						__u64 hash, int is_ipv6)
{
	struct tier_counts *counts = bpf_map_lookup_elem(&tier_counts, &listener);

	if (!tcp->syn && has_cookie(tier, flow, tcp, is_ipv6)) {
		note_proven(hash);
		if (counts)
			counts->proven++;
		return SOCKET_PROVEN;
	}
	if (unproven_is_allowed(tier))
		return SOCKET_UNPROVEN;
	if (counts)
		counts->unproven++;
	return DROP_UNPROVEN;
}

/* The verdict on another segment than a SYN, to a listener in cookie mode. */
static __always_inline enum verdict segment_verdict(struct xdp_md *ctx, __u64 network_at, __u64 tcp_at,
						    __u32 listener, int is_ipv6)
{
	struct tier *tier = the_tier();
	struct tcphdr *tcp;
	struct syn syn;
	__u64 hash;

	if (!tier || !tier->ready || !find_headers(&syn, ctx, network_at, tcp_at, is_ipv6))
		return SOCKET_TCP;
	tcp = syn.tcp;
	hash = flow_hash(tier, &syn.flow, is_ipv6);
	if (is_known(tier, hash))
		return SOCKET_TCP;
	if (is_proven(hash))
		return SOCKET_PROVEN;
	if (tcp->rst)
		return DROP_RST;
	return tcp->ack ? ack_verdict(tier, listener, &syn.flow, tcp, hash, is_ipv6) : DROP_FLAGS;
}

__noinline int segment_verdict_ipv4(struct xdp_md *ctx, __u64 network_at, __u64 tcp_at, __u64 listener)
{
	return segment_verdict(ctx, network_at, tcp_at, listener, 0);
}

__noinline int segment_verdict_ipv6(struct xdp_md *ctx, __u64 network_at, __u64 tcp_at, __u64 listener)
{
	return segment_verdict(ctx, network_at, tcp_at, listener, 1);
}

/* The verdict on a SYN to a listener that the stack answers for. */
static __always_inline enum verdict limit_verdict(struct xdp_md *ctx, __u64 network_at, __u64 tcp_at,
						  __u32 listener, int is_ipv6)
{
	struct tier_counts *counts = bpf_map_lookup_elem(&tier_counts, &listener);
	struct tier *tier = the_tier();
	struct syn syn;

	if (!tier || !counts || !find_headers(&syn, ctx, network_at, tcp_at, is_ipv6) ||
	    syn_is_allowed(tier, &syn.flow, coarse_ns(), is_ipv6))
		return SOCKET_TCP;
	counts->syns++;
	return DROP_SYN_LIMIT;
}

__noinline int limit_verdict_of(struct xdp_md *ctx, __u64 network_at, __u64 tcp_at, __u64 listener,
				__u64 is_ipv6)
{
	return is_ipv6 ? limit_verdict(ctx, network_at, tcp_at, listener, 1)
		       : limit_verdict(ctx, network_at, tcp_at, listener, 0);
}

/* The verdict on TCP to a listener. The packet begins at `network_at`, the TCP header at `tcp_at` of it. */
__noinline int listener_verdict(struct xdp_md *ctx, __u64 network_at, __u64 tcp_at, __u64 listener)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct tier_listener *settings;
	__u32 number = listener;
	struct tier *tier;
	struct tcphdr *tcp;
	struct iphdr *ip;
	int is_ipv6;

	ip = data + (network_at & LINK_LEN_MASK);
	tcp = (void *)ip + (tcp_at & TCP_AT_MASK);
	if ((void *)(ip + 1) > end || (void *)(tcp + 1) > end)
		return SOCKET_TCP;
	is_ipv6 = ip->version == 6;
	settings = bpf_map_lookup_elem(&tier_listeners, &number);
	if (!settings)
		return SOCKET_TCP;
	if (settings->mode != LISTENER_COOKIES) {
		tier = the_tier();
		return tier && tier->syn_limit && is_syn(tcp)
			? limit_verdict_of(ctx, network_at, tcp_at, listener, is_ipv6) : SOCKET_TCP;
	}
	if (is_syn(tcp))
		return is_ipv6 ? syn_verdict(ctx, network_at, tcp_at, listener, 1)
			       : syn_verdict(ctx, network_at, tcp_at, listener, 0);
	return is_ipv6 ? segment_verdict_ipv6(ctx, network_at, tcp_at, listener)
		       : segment_verdict_ipv4(ctx, network_at, tcp_at, listener);
}

/* The verdict on TCP to an owned port, after the steering: of a listener in cookie mode, or SOCKET_TCP. */
static __always_inline enum verdict tier_verdict(struct xdp_md *ctx, const struct cursor *cursor)
{
	const struct owned *owned = cursor->owned;
	__u32 listener;

	if (!owned->range_count)
		return SOCKET_TCP;
	listener = listener_of(owned, cursor->port);
	if (listener == NO_LISTENER)
		return SOCKET_TCP;
	return listener_verdict(ctx, cursor->network - (void *)(long)ctx->data,
				cursor->tcp - cursor->network, listener);
}

#endif
