/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/* The options of a SYN: exactly as src/stack/wire/options.rs reads them. */
#ifndef HANDFAST_SYN_OPTIONS_H
#define HANDFAST_SYN_OPTIONS_H

#include <linux/tcp.h>
#include <bpf/bpf_endian.h>

#include "abi.h"

#define MAX_OPTIONS_LEN 40

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

static __always_inline __u32 load_be32(const __u8 *at)
{
	return (__u32)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3];
}

/*
 * `found` after one more option, which has `size` bytes from `at` on. Known kinds of another length are
 * skipped; of two of a kind the last counts.
 */
static __always_inline __u64 take_option(__u64 found, const __u8 *at, __u32 size, const void *end)
{
	switch (at[0]) {
	case OPTION_MSS:
		if (size != 4 || (void *)(at + 4) > end)
			return found;
		return (found & ~option_mss(0xffff)) | option_mss(at[2] << 8 | at[3]);
	case OPTION_WINDOW_SCALE:
		if (size != 3 || (void *)(at + 3) > end)
			return found;
		return (found & ~option_scale(0xff)) | option_scale(at[2]);
	case OPTION_SACK_PERMITTED:
		return size == 2 ? found | HAS_SACK : found;
	case OPTION_TIMESTAMPS:
		if (size != 10 || (void *)(at + 10) > end)
			return found;
		return (found & ~option_timestamp(0xffffffff)) | option_timestamp(load_be32(at + 2));
	default:
		return found;
	}
}

/*
 * The options in the `len` bytes at offset `start` of the frame. A function of its own, which the verifier
 * checks once. Comparisons with the end of the frame are for the verifier: the caller has compared.
 */
__noinline __u64 walk_options(struct xdp_md *ctx, __u64 start, __u64 len)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u64 offset = 0, size;
	__u32 step;
	__u64 found = 0;
	__u8 *at;

	if (start > MAX_HEADERS || len > MAX_OPTIONS_LEN)
		return OPTIONS_INVALID;
	for (step = 0; step < MAX_OPTIONS_LEN && offset < len; step++) {
		at = data + start + offset;
		if ((void *)(at + 1) > end || at[0] == OPTION_END)
			break;
		if (at[0] == OPTION_NOP) {
			offset++;
			continue;
		}
		if (offset + 2 > len || (void *)(at + 2) > end)
			return OPTIONS_INVALID;
		size = at[1];
		if (size < 2 || offset + size > len)
			return OPTIONS_INVALID;
		found = take_option(found, at, size, end);
		offset += size;
	}
	return found;
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

#endif
