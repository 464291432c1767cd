/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/* The options of a SYN: exactly as src/stack/wire/options.rs reads them. */
#ifndef HANDFAST_SYN_OPTIONS_H
#define HANDFAST_SYN_OPTIONS_H

#include <linux/tcp.h>
#include <bpf/bpf_endian.h>

#include "flow.h"

#define MAX_OPTIONS_LEN 40
/* All bits of an offset in them: see flow.h. */
#define OFFSET_MASK 0x3f

#define OPTION_END 0
#define OPTION_NOP 1
#define OPTION_MSS 2
#define OPTION_WINDOW_SCALE 3
#define OPTION_SACK_PERMITTED 4
#define OPTION_TIMESTAMPS 8

/* The options in one number, which a function of its own can return: TSval, MSS (0: none), shift, and
 * which of them are there. */
#define OPTIONS_MSS 32
#define OPTIONS_SHIFT 48
#define HAS_SCALE (1ull << 56)
#define HAS_SACK (1ull << 57)
#define HAS_TIMESTAMPS (1ull << 58)
#define OPTIONS_INVALID (1ull << 63)

struct found {
	__u32 timestamp; /* TSval */
	__u16 mss;       /* 0: none */
	__u8 shift;
	__u8 has_scale;
	__u8 has_sack;
	__u8 has_timestamps;
};

static __always_inline __u64 option_mss(__u64 mss)
{
	return mss << OPTIONS_MSS;
}

static __always_inline __u64 option_scale(__u64 shift)
{
	return HAS_SCALE | shift << OPTIONS_SHIFT;
}

static __always_inline __u64 option_timestamp(__u32 value)
{
	return HAS_TIMESTAMPS | value;
}

static __always_inline __u64 packed(const volatile struct found *found)
{
	return option_mss(found->mss) | (found->has_sack ? HAS_SACK : 0) |
	       (found->has_scale ? option_scale(found->shift) : 0) |
	       (found->has_timestamps ? option_timestamp(found->timestamp) : 0);
}

/*
 * What a walk has found so far. In memory, whose content the verifier does not follow, and volatile, so
 * that the compiler does not keep it in registers: there, each combination of options would be one more
 * state of each step. User space does not read it.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct found);
} found_options SEC(".maps");

static __always_inline __u32 load_be32(const __u8 *at)
{
	return (__u32)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3];
}

static __always_inline void clear(volatile struct found *found)
{
	found->mss = 0;
	found->has_scale = 0;
	found->has_sack = 0;
	found->has_timestamps = 0;
}

/* Notes one option, of `size` bytes. Known kinds of another length are skipped; of two of a kind the last
 * counts. */
static __always_inline void take_option(volatile struct found *found, const __u8 *at, __u32 size, const void *end)
{
	switch (at[0]) {
	case OPTION_MSS:
		if (size == 4 && (void *)(at + 4) <= end)
			found->mss = at[2] << 8 | at[3];
		break;
	case OPTION_WINDOW_SCALE:
		if (size == 3 && (void *)(at + 3) <= end) {
			found->shift = at[2];
			found->has_scale = 1;
		}
		break;
	case OPTION_SACK_PERMITTED:
		if (size == 2)
			found->has_sack = 1;
		break;
	case OPTION_TIMESTAMPS:
		if (size == 10 && (void *)(at + 10) <= end) {
			found->timestamp = load_be32(at + 2);
			found->has_timestamps = 1;
		}
		break;
	}
}

/*
 * The options in the `len` bytes at offset `start` of the frame, in a function of its own, which the
 * verifier checks once. Comparisons with the end of the frame are for the verifier: the caller has compared.
 *
 * All ways through a step end in the same state of the verifier, so that their number does not grow with the
 * steps: `size` is read again where it has been compared, and that of a NOP is computed without a branch.
 */
__noinline __u64 walk_options(struct xdp_md *ctx, __u64 start, __u64 len)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u64 offset = 0, size, is_nop;
	volatile struct found *found;
	__u32 step, only = 0;
	__u8 *at;

	found = bpf_map_lookup_elem(&found_options, &only);
	if (!found || len > MAX_OPTIONS_LEN)
		return OPTIONS_INVALID;
	clear(found);
	for (step = 0; step < MAX_OPTIONS_LEN && offset + 1 < len; step++) {
		at = data + (start & FRAME_MASK) + (offset & OFFSET_MASK);
		if ((void *)(at + 2) > end)
			return OPTIONS_INVALID;
		if (at[0] == OPTION_END)
			return packed(found);
		is_nop = (((__u64)at[0] ^ OPTION_NOP) - 1) >> 63;
		size = *(volatile __u8 *)(at + 1);
		if (size + 2 * is_nop < 2)
			return OPTIONS_INVALID;
		size = size * (1 - is_nop) + is_nop;
		if (offset + size > len)
			return OPTIONS_INVALID;
		take_option(found, at, *(volatile __u8 *)(at + 1), end);
		offset += size;
	}
	if (offset == len)
		return packed(found);
	/* One byte is left, which has no room for a length. */
	at = data + (start & FRAME_MASK) + (offset & OFFSET_MASK);
	if ((void *)(at + 1) > end || (at[0] != OPTION_END && at[0] != OPTION_NOP))
		return OPTIONS_INVALID;
	return packed(found);
}

static __always_inline int is_mss(__be32 word)
{
	return (word & bpf_htonl(0xffff0000)) == bpf_htonl(0x02040000);
}

static __always_inline __u64 mss_option(__be32 word)
{
	return option_mss(bpf_ntohl(word) & 0xffff);
}

/* The Linux kernel's: MSS, SACK-permitted, timestamps, window scale. */
#define LINUX_WORDS 5

static __always_inline int is_linux_order(const __be32 *words)
{
	return is_mss(words[0]) && words[1] == bpf_htonl(0x0402080a) &&
	       (words[4] & bpf_htonl(0xffffff00)) == bpf_htonl(0x01030300);
}

static __always_inline __u64 linux_options(const __be32 *words)
{
	return mss_option(words[0]) | HAS_SACK | option_timestamp(bpf_ntohl(words[2])) |
	       option_scale(bpf_ntohl(words[4]) & 0xff);
}

/* The options of a SYN whose TCP header is at offset `tcp_at` of the frame, which has been checked. */
__noinline __u64 read_options(struct xdp_md *ctx, __u64 tcp_at)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct tcphdr *tcp;
	__be32 *word;
	__u64 len;

	tcp = data + (tcp_at & FRAME_MASK);
	word = (__be32 *)(tcp + 1);
	if ((void *)word > end || tcp->doff * 4 < sizeof(*tcp))
		return OPTIONS_INVALID;
	len = tcp->doff * 4 - sizeof(*tcp);
	if (len == 4 * LINUX_WORDS && (void *)(word + LINUX_WORDS) <= end && is_linux_order(word))
		return linux_options(word);
	/* A load generator's. */
	if (len == 4 && (void *)(word + 1) <= end && is_mss(word[0]))
		return mss_option(word[0]);
	return walk_options(ctx, tcp_at + sizeof(*tcp), len);
}

#endif
