/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/*
 * The SYN-ACK, written over the frame of the SYN: byte for byte as the stack writes it
 * (src/stack/wire/tcp.rs).
 */
#ifndef HANDFAST_REPLY_H
#define HANDFAST_REPLY_H

#include "checksum.h"
#include "cookie.h"
#include "syn_options.h"

#define HOP_LIMIT 64
#define SYN_AND_ACK 0x12
#define TCP_WORDS 5

/* Words of options: MSS alone; with timestamps; with timestamps and window scale. */
#define MSS_WORDS 1
#define TIMESTAMP_WORDS 4
#define SCALE_WORDS 5

/* The fields of a SYN-ACK, host order. */
struct syn_ack {
	__u32 seq;
	__u32 ack;
	__u32 window;
	__u32 mss;
	__u32 words;   /* of options */
	__u32 has_sack;
	__u32 value;   /* TSval */
	__u32 echo;    /* TSecr */
};

static __always_inline __u32 network_len(int is_ipv6)
{
	return is_ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
}

static __always_inline __u32 segment_len(const struct syn_ack *syn_ack)
{
	return 4 * (TCP_WORDS + syn_ack->words);
}

static __always_inline void swap_macs(void *frame)
{
	__u16 *half = frame, other;
	int i;

#pragma unroll
	for (i = 0; i < ETH_ALEN / 2; i++) {
		other = half[i];
		half[i] = half[i + ETH_ALEN / 2];
		half[i + ETH_ALEN / 2] = other;
	}
}

static __always_inline void write_ipv4(__be32 *word, const struct flow *flow, __u32 len)
{
	__u64 addresses = flow->pairs[0];

	word[0] = bpf_htonl(0x45000000 | (sizeof(struct iphdr) + len));
	word[1] = bpf_htonl(0x00004000); /* DF, and so no identification (RFC 6864 section 4.1) */
	word[2] = bpf_htonl(HOP_LIMIT << 24 | IPPROTO_TCP << 16);
	store_pair(word + 3, addresses >> 32 | addresses << 32);
	((struct iphdr *)word)->check = ~fold(sum_of_pair(addresses) + word[0] + word[1] + word[2]);
}

static __always_inline void write_ipv6(__be32 *word, const struct flow *flow, __u32 len)
{
	word[0] = bpf_htonl(0x60000000);
	word[1] = bpf_htonl(len << 16 | IPPROTO_TCP << 8 | HOP_LIMIT);
	store_pair(word + 2, flow->pairs[2]);
	store_pair(word + 4, flow->pairs[3]);
	store_pair(word + 6, flow->pairs[0]);
	store_pair(word + 8, flow->pairs[1]);
}

/* Writes the options, and returns their sum; 0 if the frame has no room, which the caller has made. */
static __always_inline __u64 write_options(__be32 *word, const struct syn_ack *syn_ack, const void *end)
{
	__u64 sum;

	if ((void *)(word + MSS_WORDS) > end)
		return 0;
	word[0] = bpf_htonl(0x02040000 | syn_ack->mss);
	sum = word[0];
	if (syn_ack->words == MSS_WORDS)
		return sum;
	if ((void *)(word + TIMESTAMP_WORDS) > end)
		return 0;
	word[1] = syn_ack->has_sack ? bpf_htonl(0x0402080a) : bpf_htonl(0x0101080a);
	word[2] = bpf_htonl(syn_ack->value);
	word[3] = bpf_htonl(syn_ack->echo);
	sum += (__u64)word[1] + word[2] + word[3];
	if (syn_ack->words == TIMESTAMP_WORDS)
		return sum;
	if ((void *)(word + SCALE_WORDS) > end)
		return 0;
	/* This end's shift is 0. */
	word[4] = bpf_htonl(0x01030300);
	return sum + word[4];
}

/* Writes the TCP header. `sum` is that of the addresses. */
static __always_inline int write_tcp(__be32 *word, const struct flow *flow, const struct syn_ack *syn_ack,
				     __u64 sum, const void *end)
{
	struct tcphdr *tcp = (struct tcphdr *)word;
	__u64 options = write_options(word + TCP_WORDS, syn_ack, end);

	if (!options)
		return 0;
	word[0] = bpf_htonl(IS_BIG_ENDIAN ? flow->ports << 16 | flow->ports >> 16 : flow->ports);
	word[1] = bpf_htonl(syn_ack->seq);
	word[2] = bpf_htonl(syn_ack->ack);
	word[3] = bpf_htonl((TCP_WORDS + syn_ack->words) << 28 | SYN_AND_ACK << 16 | syn_ack->window);
	sum += sum_of_tcp_length(segment_len(syn_ack)) + options;
	sum += (__u64)word[0] + word[1] + word[2] + word[3];
	tcp->check = ~fold(sum);
	tcp->urg_ptr = 0;
	return 1;
}

/* Writes all headers, and returns whether the frame has room, which the caller has made. */
static __always_inline int write_syn_ack(void *frame, __be32 *network, const struct flow *flow,
					 const struct syn_ack *syn_ack, __u64 sum, const void *end, int is_ipv6)
{
	if (!write_tcp((void *)network + network_len(is_ipv6), flow, syn_ack, sum, end))
		return 0;
	if (is_ipv6)
		write_ipv6(network, flow, segment_len(syn_ack));
	else
		write_ipv4(network, flow, segment_len(syn_ack));
	swap_macs(frame);
	return 1;
}

/* Makes the frame as long as the reply, and writes it: the network header is at `network_at`. */
static __always_inline enum verdict send_syn_ack(struct xdp_md *ctx, __u64 network_at,
						 const struct flow *flow, const struct syn_ack *syn_ack,
						 __u64 sum, int is_ipv6)
{
	__u32 len = network_at + network_len(is_ipv6) + segment_len(syn_ack);
	int more = len - (ctx->data_end - ctx->data);
	void *data, *end;
	__be32 *network;

	if (more && bpf_xdp_adjust_tail(ctx, more))
		return SOCKET_SYN;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	network = data + (network_at & LINK_LEN_MASK);
	if ((void *)network + network_len(is_ipv6) + 4 * TCP_WORDS > end || data + ETH_HLEN > end)
		return SOCKET_SYN;
	if (!write_syn_ack(data, network, flow, syn_ack, sum, end, is_ipv6))
		return SOCKET_SYN;
	return TX_SYN_ACK;
}

#endif
