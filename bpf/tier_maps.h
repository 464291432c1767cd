/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/*
 * The maps of the cookie tier. All but `tier_device` are shared by the programs of all interfaces: user
 * space makes them, with more entries, and gives them to each program that it loads
 * (src/stack/xdp/tier.rs). A program without a tier has maps of one entry each.
 */
#ifndef HANDFAST_TIER_MAPS_H
#define HANDFAST_TIER_MAPS_H

#include "maps.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tier);
} tier SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* MAX_TIER_LISTENERS */
	__type(key, __u32);
	__type(value, struct tier_listener);
} tier_listeners SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tier_device);
} tier_device SEC(".maps");

/* User space sets the number of lines. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct filter_line);
} filter SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1); /* MAX_TIER_LISTENERS */
	__type(key, __u32);
	__type(value, struct tier_counts);
} tier_counts SEC(".maps");

/* Fingerprints of 4-tuples whose cookie was valid a moment ago: their next segments may arrive before the
 * stack has made the connection. An entry stays until another 4-tuple takes its place. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* MAX_PROVEN */
	__type(key, __u32);
	__type(value, __u32);
} proven SEC(".maps");

/* The token bucket of each prefix, as the time at which it will be full again. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_PERCPU_HASH);
	__uint(max_entries, 1); /* MAX_SYN_BUCKETS */
	__type(key, struct source_prefix);
	__type(value, __u64);
} syn_buckets SEC(".maps");

/* As above, of the ACKs of SOCKET_UNPROVEN. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} unproven_bucket SEC(".maps");

static __always_inline struct tier *the_tier(void)
{
	__u32 only = 0;

	return bpf_map_lookup_elem(&tier, &only);
}

#endif
