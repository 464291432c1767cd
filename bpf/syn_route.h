/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/* Addresses and ports whose SYNs were answered a moment ago, for usual_syn.h. */
#ifndef HANDFAST_SYN_ROUTE_H
#define HANDFAST_SYN_ROUTE_H

#include "flow.h"

#define SYN_ROUTES 64

/* Where SYNs to an address and port were answered by the whole way. */
struct syn_route {
	__u64 local[2];      /* the address; of IPv4 the first half of the first word */
	__u32 generation;    /* of the settings; 0: none */
	__u32 listener;
	__u16 port;          /* network order */
	__u16 window;
	__u8 mac[ETH_ALEN];  /* that the SYN was sent to */
	__u16 is_ipv6;
	__u64 zero[3];
};
_Static_assert(sizeof(struct syn_route) == 64, "one cache line");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SYN_ROUTES);
	__type(key, __u32);
	__type(value, struct syn_route);
} syn_routes SEC(".maps");

static __always_inline struct syn_route *route_of(__u64 local, __be16 port)
{
	__u32 index = ((__u32)local ^ (__u32)(local >> 32) ^ port) & (SYN_ROUTES - 1);

	return bpf_map_lookup_elem(&syn_routes, &index);
}

static __always_inline __u64 local_of(const struct flow *flow, int is_ipv6)
{
	return is_ipv6 ? flow->pairs[2] ^ flow->pairs[3] : flow->pairs[0] >> 32;
}

static __always_inline int is_route(const struct syn_route *route, __u32 generation, const struct flow *flow,
				    __be16 port, const __u8 *mac, int is_ipv6)
{
	const __u64 *local = flow->pairs;

	if (route->generation != generation || route->port != port || route->is_ipv6 != is_ipv6 ||
	    !is_same_mac(route->mac, mac))
		return 0;
	return is_ipv6 ? route->local[0] == local[2] && route->local[1] == local[3]
		       : route->local[0] == local[0] >> 32;
}

/* Takes note of a SYN that is answered. `generation` was read before the settings that led to the answer. */
static __always_inline void note_route(const struct flow *flow, __be16 port, const __u8 *mac,
				       __u32 generation, __u32 listener, __u32 window, int is_ipv6)
{
	struct syn_route *route = route_of(local_of(flow, is_ipv6), port);

	if (!route || !generation)
		return;
	route->local[0] = is_ipv6 ? flow->pairs[2] : flow->pairs[0] >> 32;
	route->local[1] = is_ipv6 ? flow->pairs[3] : 0;
	route->generation = generation;
	route->listener = listener;
	route->port = port;
	route->window = window;
	__builtin_memcpy(route->mac, mac, ETH_ALEN);
	route->is_ipv6 = is_ipv6;
}

#endif
