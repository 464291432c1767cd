/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/*
 * The 4-tuple of a received segment, its hash, and the look-ups by it: the filter of connections and the
 * cache of proven clients.
 */
#ifndef HANDFAST_FLOW_H
#define HANDFAST_FLOW_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>

#include "tier_maps.h"

#define IS_BIG_ENDIAN (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)

/*
 * All bits of the length of a link header, 22 at most, and of the place of a TCP header in a packet, after six
 * extension headers at most. Masks are for the verifier, which takes an argument for any number: before
 * Linux 6.8 it forgets a comparison with a number that the compiler loads again.
 */
#define LINK_LEN_MASK 0x1f
#define TCP_AT_MASK 0x3fff
#define FRAME_MASK 0x7fff

/* Set before loading: whether the kernel has the coarse clock for programs (from Linux 5.11 on). A section
 * without anything else, so that its layout is known. */
const volatile __u32 has_coarse_clock SEC(".rodata.config") = 0;

/* CLOCK_MONOTONIC as of the last tick of the kernel, usually at most 10 ms ago; it takes 16 ns less than the
 * exact one. */
static __always_inline __u64 coarse_ns(void)
{
	return has_coarse_clock ? bpf_ktime_get_coarse_ns() : bpf_ktime_get_ns();
}

/* Pairs of words of an IPv6 4-tuple; IPv4 has one. */
#define MAX_PAIRS 4

/* The words that store a 4-tuple in user space (src/stack/wire/flow_key.rs), two at a time: remote and
 * local address as in memory, then both ports in host order. */
struct flow {
	__u64 pairs[MAX_PAIRS];
	__u32 ports;
};

/* Two words in memory; the first one in the low half. */
static __always_inline __u64 load_pair(const void *at)
{
	__u64 pair = *(const __u64 *)at;

	return IS_BIG_ENDIAN ? pair >> 32 | pair << 32 : pair;
}

static __always_inline void store_pair(void *at, __u64 pair)
{
	*(__u64 *)at = IS_BIG_ENDIAN ? pair >> 32 | pair << 32 : pair;
}

static __always_inline int pairs_of(int is_ipv6)
{
	return is_ipv6 ? MAX_PAIRS : 1;
}

/* Of a segment from remote to local: the source address comes first in the header, too. */
static __always_inline void read_flow(struct flow *flow, const void *ip, const struct tcphdr *tcp, int is_ipv6)
{
	__u32 remote = bpf_ntohs(tcp->source), local = bpf_ntohs(tcp->dest);
	int i;

	if (is_ipv6) {
#pragma unroll
		for (i = 0; i < MAX_PAIRS; i++)
			flow->pairs[i] = load_pair(ip + offsetof(struct ipv6hdr, saddr) + 8 * i);
	} else {
		flow->pairs[0] = load_pair(ip + offsetof(struct iphdr, saddr));
	}
	flow->ports = IS_BIG_ENDIAN ? remote << 16 | local : local << 16 | remote;
}

static __always_inline __u64 mix(__u64 state, __u64 word, __u64 factor)
{
	__u64 product = (state ^ word) * factor;

	return product ^ product >> 32;
}

/* As in src/stack/wire/flow_hash.rs. */
static __always_inline __u64 flow_hash(const struct tier *tier, const struct flow *flow, int is_ipv6)
{
	__u64 state = tier->flow_key[0];
	int i;

#pragma unroll
	for (i = 0; i < pairs_of(is_ipv6); i++)
		state = mix(state, flow->pairs[i], tier->flow_key[1]);
	return mix(state, flow->ports, tier->flow_key[2]);
}

/* Whether a flow with this hash may be a connection: as in src/stack/xdp/flow_filter.rs. */
static __always_inline int is_known(const struct tier *tier, __u64 hash)
{
	__u32 line_number = hash & tier->filter_mask;
	struct filter_line *line = bpf_map_lookup_elem(&filter, &line_number);

	return line && line->counters[hash >> 40 & (FILTER_LINE - 1)] &&
	       line->counters[hash >> 46 & (FILTER_LINE - 1)] &&
	       line->counters[hash >> 52 & (FILTER_LINE - 1)] &&
	       line->counters[hash >> 58 & (FILTER_LINE - 1)];
}

/* The entry of the cache for this hash. Other bits of the hash are the fingerprint, which is never 0. */
static __always_inline __u32 *proven_entry(__u64 hash)
{
	__u32 index = hash >> 48;

	return bpf_map_lookup_elem(&proven, &index);
}

static __always_inline __u32 fingerprint(__u64 hash)
{
	__u32 bits = hash >> 16;

	return bits ? bits : 1;
}

static __always_inline int is_proven(__u64 hash)
{
	__u32 *entry = proven_entry(hash);

	return entry && *entry == fingerprint(hash);
}

static __always_inline void note_proven(__u64 hash)
{
	__u32 *entry = proven_entry(hash);

	if (entry)
		*entry = fingerprint(hash);
}

static __always_inline int is_group_mac(const __u8 *mac)
{
	return mac[0] & 1;
}

static __always_inline int is_same_mac(const __u8 *one, const __u8 *other)
{
	const __u16 *a = (const __u16 *)one, *b = (const __u16 *)other;

	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2];
}

#endif
