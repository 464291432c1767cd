/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/* Limits of SYNs of one source prefix, and of ACKs without a connection: token buckets of one CPU each. */
#ifndef HANDFAST_LIMIT_H
#define HANDFAST_LIMIT_H

#include "flow.h"

#define NS_PER_S 1000000000ull

/* Takes a token at `now`, if there is one, from a bucket that holds up to `burst`, at least one, and gains
 * `per_second`. */
static __always_inline int take_token(__u64 *full_at, __u64 now, __u32 per_second, __u32 burst)
{
	__u64 interval, from;

	if (!per_second)
		return 0;
	interval = NS_PER_S / per_second;
	from = *full_at > now ? *full_at : now;
	if (from - now > interval * (burst ? burst - 1 : 0))
		return 0;
	*full_at = from + interval;
	return 1;
}

/* Whether this SYN is within the limit of its source prefix. */
static __always_inline int syn_is_allowed(const struct tier *tier, const struct flow *flow, __u64 now,
					  int is_ipv6)
{
	struct source_prefix prefix = {
		.family = is_ipv6 ? FAMILY_IPV6 : FAMILY_IPV4,
		.address = is_ipv6 ? flow->pairs[0] : flow->pairs[0] & bpf_htonl(0xffffff00),
	};
	__u64 *bucket, full_at = 0;

	if (!tier->syn_limit)
		return 1;
	bucket = bpf_map_lookup_elem(&syn_buckets, &prefix);
	if (bucket)
		return take_token(bucket, now, tier->syn_limit, tier->syn_burst);
	take_token(&full_at, now, tier->syn_limit, tier->syn_burst);
	/* No memory for one more bucket: the SYN is not to blame. */
	bpf_map_update_elem(&syn_buckets, &prefix, &full_at, BPF_ANY);
	return 1;
}

static __always_inline int unproven_is_allowed(const struct tier *tier)
{
	__u32 only = 0;
	__u64 *bucket = bpf_map_lookup_elem(&unproven_bucket, &only);

	return bucket && take_token(bucket, bpf_ktime_get_ns(), tier->unproven_per_second,
				    tier->unproven_per_second);
}

#endif
