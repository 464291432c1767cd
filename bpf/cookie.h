/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/* SYN cookies as in src/stack/tcp/cookie.rs, which explains them. */
#ifndef HANDFAST_COOKIE_H
#define HANDFAST_COOKIE_H

#include "flow.h"

#define NS_PER_MS 1000000ull
#define MAX_MSS_INDEX 7

/* The low bits of a SYN-ACK's timestamp that carry options. */
#define SYN_TIMESTAMP_MASK 0x1f
#define NO_SCALE 0xf
#define SACK_BIT 0x10
/* RFC 7323 section 2.3: a larger shift counts as this. */
#define MAX_SHIFT 14

/* The stack's clock: as `Time` in user space. */
struct clock {
	__u64 period;
	__u32 millis;
};

/* At CLOCK_MONOTONIC. */
static __always_inline struct clock clock_at(const struct tier *tier, __u64 ns)
{
	__u64 millis = (ns - tier->epoch_ns) / NS_PER_MS;
	struct clock clock = { .period = millis / (PERIOD_NS / NS_PER_MS), .millis = millis };

	return clock;
}

struct sip {
	__u64 v0, v1, v2, v3;
};

static __always_inline __u64 rotate(__u64 x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static __always_inline void sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v2 += s->v3;
	s->v1 = rotate(s->v1, 13) ^ s->v0;
	s->v3 = rotate(s->v3, 16) ^ s->v2;
	s->v0 = rotate(s->v0, 32);
	s->v2 += s->v1;
	s->v0 += s->v3;
	s->v1 = rotate(s->v1, 17) ^ s->v2;
	s->v3 = rotate(s->v3, 21) ^ s->v0;
	s->v2 = rotate(s->v2, 32);
}

/* Loops, not unrolled: short code costs the kernel's own less of the instruction cache. */
static __always_inline void sip_rounds(struct sip *s, int rounds)
{
	int i;

#pragma clang loop unroll(disable)
	for (i = 0; i < rounds; i++)
		sip_round(s);
}

static __always_inline void sip_absorb(struct sip *s, __u64 block)
{
	s->v3 ^= block;
	sip_rounds(s, 2);
	s->v0 ^= block;
}

/* The low half of SipHash-2-4 of the 4-tuple. */
static __always_inline __u32 cookie_mac(const struct period_key *period, const struct flow *flow, int is_ipv6)
{
	__u64 key0 = period->key[0], key1 = period->key[1];
	__u64 len = 8 * pairs_of(is_ipv6) + sizeof(flow->ports);
	struct sip s = {
		key0 ^ 0x736f6d6570736575,
		key1 ^ 0x646f72616e646f6d,
		key0 ^ 0x6c7967656e657261,
		key1 ^ 0x7465646279746573,
	};
	int i;

#pragma unroll
	for (i = 0; i < pairs_of(is_ipv6); i++)
		sip_absorb(&s, flow->pairs[i]);
	sip_absorb(&s, flow->ports | len << 56);
	s.v2 ^= 0xff;
	sip_rounds(&s, 4);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

/* The client's ISN in its cookie. */
static __always_inline __u32 spread(__u32 irs)
{
	return irs * 0x9e3779b1;
}

/* Of the largest entry of `MSS_TABLE` that is not above `mss`. */
static __always_inline __u32 mss_index(__u32 mss)
{
	return (mss >= 536) + (mss >= 1220) + (mss >= 1360) + (mss >= 1440) + (mss >= 1452) +
	       (mss >= 1460) + (mss >= 8940);
}

/* The place of a period's key. It is there if the number is that of the period. */
static __always_inline const struct period_key *key_of(const struct tier *tier, __u64 period)
{
	return &tier->keys[period % PERIOD_KEYS];
}

/* Whether `cookie` was made in this period for a SYN with the number `irs`. */
static __always_inline int is_of_period(const struct tier *tier, __u64 period, const struct flow *flow,
					int is_ipv6, __u32 irs, __u32 cookie)
{
	const struct period_key *key = key_of(tier, period);

	if (key->number != period)
		return 0;
	return ((cookie - spread(irs)) ^ cookie_mac(key, flow, is_ipv6)) <= MAX_MSS_INDEX;
}

/* The clock with options in its low bits, never ahead of the clock itself. */
static __always_inline __u32 cookie_timestamp(__u32 millis, __u32 bits)
{
	__u32 stamp = (millis & ~SYN_TIMESTAMP_MASK) | bits;

	return (__s32)(stamp - millis) > 0 ? stamp - (SYN_TIMESTAMP_MASK + 1) : stamp;
}

#endif
