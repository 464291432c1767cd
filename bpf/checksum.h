/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/*
 * Checksums (RFC 1071). Sums are of words as they lie in memory, because the result does not depend on
 * the order of bytes; 64 bits hold all carries.
 */
#ifndef HANDFAST_CHECKSUM_H
#define HANDFAST_CHECKSUM_H

#include <linux/types.h>
#include <bpf/bpf_endian.h>

/* Of data that includes its own correct checksum. */
#define INTACT 0xffff

/* The one's-complement sum in 16 bits. */
static __always_inline __u16 fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

/* Both halves of a pair of words. */
static __always_inline __u64 sum_of_pair(__u64 pair)
{
	return (pair & 0xffffffff) + (pair >> 32);
}

/* Protocol and length of the pseudo-header (RFC 9293 section 3.1, RFC 8200 section 8.1). */
static __always_inline __u64 sum_of_tcp_length(__u32 len)
{
	return bpf_htonl(IPPROTO_TCP + len);
}

#endif
