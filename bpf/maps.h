/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/* The maps: sockets by queue, two maps of rules and the pointer to the active one, counters, claims. */
#ifndef HANDFAST_MAPS_H
#define HANDFAST_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"

/* AF_XDP socket of each receive queue. */
struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, MAX_QUEUES);
	__type(key, __u32);
	__type(value, __u32);
} sockets SEC(".maps");

struct owned_trie {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MAX_OWNED);
	__type(key, struct owned_key);
	__type(value, struct owned);
};

/* User space fills the inactive one, then stores it in `rules`. Both exist from the start, so that a
 * swap needs no capability. */
struct owned_trie rules_a SEC(".maps");
struct owned_trie rules_b SEC(".maps");

/* The active map: one pointer, so that a packet sees either all old rules or all new ones. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct owned_trie);
} rules SEC(".maps") = {
	.values = { &rules_a },
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct counters);
} counts SEC(".maps");

/* Remembered claims; beyond that the least recent one is replaced. */
#define MAX_CLAIMS 1024

/* The number of frames by claim. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAX_CLAIMS);
	__type(key, struct claim);
	__type(value, __u64);
} claims SEC(".maps");

static __always_inline void note_claim(__u32 family, const void *address, __u32 size, const __u8 *mac)
{
	struct claim claim = { .family = family };
	__u64 first = 1, *frames;

	__builtin_memcpy(claim.address, address, size);
	__builtin_memcpy(claim.mac, mac, sizeof(claim.mac));
	frames = bpf_map_lookup_elem(&claims, &claim);
	if (frames)
		__sync_fetch_and_add(frames, 1);
	else
		bpf_map_update_elem(&claims, &claim, &first, BPF_ANY);
}

/* The owned ports of this address; NULL if no rule covers it. */
static __always_inline struct owned *owned_at(const struct owned_key *key)
{
	__u32 active = 0;
	void *trie = bpf_map_lookup_elem(&rules, &active);

	return trie ? bpf_map_lookup_elem(trie, key) : NULL;
}

static __always_inline struct owned *owned_at_ipv4(__u32 address)
{
	struct owned_key key = { .prefix_len = FAMILY_BITS + 32, .family = FAMILY_IPV4 };

	__builtin_memcpy(key.address, &address, sizeof(address));
	return owned_at(&key);
}

static __always_inline struct owned *owned_at_ipv6(const __u8 *address)
{
	struct owned_key key = { .prefix_len = FAMILY_BITS + 128, .family = FAMILY_IPV6 };

	__builtin_memcpy(key.address, address, sizeof(key.address));
	return owned_at(&key);
}

static __always_inline int is_exclusive(const struct owned *owned)
{
	return owned && (owned->flags & OWNED_EXCLUSIVE);
}

static __always_inline int owns_port(const struct owned *owned, __u16 port)
{
	return (owned->ports[(port >> 6) & 1023] >> (port & 63)) & 1;
}

#endif
