/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/*
 * A SYN to a listener in cookie mode: the checks of the stack (src/stack/wire/parse.rs), in its order, then
 * the answer. The checks return TX_SYN_ACK if nothing speaks against an answer, and SOCKET_SYN for
 * everything that the program does not read.
 */
#ifndef HANDFAST_SYN_H
#define HANDFAST_SYN_H

#include "limit.h"
#include "reply.h"
#include "syn_route.h"

/* A SYN in its frame. */
struct syn {
	void *frame;
	void *network;
	struct tcphdr *tcp;
	void *end;
	__u64 tcp_at;      /* in the packet */
	__u32 segment_len; /* bytes, header and data */
	__u64 addresses;   /* their sum */
	struct flow flow;
};

/* Whether the program answers on this interface, and to these MACs. */
static __always_inline int is_answered(const struct tier_device *device, const struct ethhdr *ethernet)
{
	return device->transmits && !is_group_mac(ethernet->h_source) &&
	       (!device->has_mac || is_same_mac(device->mac, ethernet->h_dest));
}

/* The length of the packet by its header; IPv4 options are left to the stack. */
static __always_inline __u32 packet_len(const void *network, int is_ipv6)
{
	const struct ipv6hdr *ipv6 = network;
	const struct iphdr *ipv4 = network;

	if (is_ipv6)
		return sizeof(*ipv6) + bpf_ntohs(ipv6->payload_len);
	return ipv4->ihl == 5 ? bpf_ntohs(ipv4->tot_len) : 0;
}

static __always_inline int is_intact_ipv4(const __be32 *word)
{
	return fold((__u64)word[0] + word[1] + word[2] + word[3] + word[4]) == INTACT;
}

/* The sum of the words of a TCP header with options. The verifier wants each word compared with the end. */
static __always_inline __u64 sum_of_header(const __be32 *word, __u32 words, const void *end)
{
	__u64 sum = (__u64)word[0] + word[1] + word[2] + word[3] + word[4];
	__u32 i;

	word += TCP_WORDS;
	words -= TCP_WORDS;
	if (words == LINUX_WORDS && (void *)(word + LINUX_WORDS) <= end)
		return sum + word[0] + word[1] + word[2] + word[3] + word[4];
	for (i = 0; i < MAX_OPTIONS_LEN / 4; i++) {
		if (i >= words || (void *)(word + i + 1) > end)
			break;
		sum += word[i];
	}
	return sum;
}

/* Lengths, then checksums. */
static __always_inline enum verdict check_header(const struct syn *syn, const struct tier_device *device,
						 int is_ipv6)
{
	__u64 pseudo = syn->addresses + sum_of_tcp_length(syn->segment_len);
	__u32 header_len = syn->tcp->doff * 4;

	if (!is_ipv6 && !is_intact_ipv4(syn->network))
		return DROP_SYN_CHECKSUM;
	if (header_len < sizeof(*syn->tcp) || header_len > syn->segment_len)
		return DROP_SYN_HEADER;
	if (header_len < syn->segment_len)
		return SOCKET_SYN;
	if (fold(pseudo + sum_of_header((__be32 *)syn->tcp, header_len / 4, syn->end)) == INTACT)
		return TX_SYN_ACK;
	/* A sender with checksum offload writes the sum of the pseudo-header, which the device continues. */
	if (syn->tcp->check != fold(pseudo))
		return DROP_SYN_CHECKSUM;
	return device->accepts_partial ? TX_SYN_ACK : SOCKET_SYN;
}

/* The last two bits of every broadcast address are ones: most addresses need no other check. */
static __always_inline int is_broadcast(__be32 address, const struct tier_device *device)
{
	__u32 i;

	if ((address & bpf_htonl(3)) != bpf_htonl(3))
		return 0;
#pragma clang loop unroll(disable)
	for (i = 0; i < MAX_BROADCASTS && i < device->broadcast_count; i++) {
		if (device->broadcasts[i] == address)
			return 1;
	}
	return 0;
}

static __always_inline int is_endpoint_ipv4(__be32 address, const struct tier_device *device)
{
	__u32 first = bpf_ntohl(address) >> 24;

	return first != 0 && first != 127 && (first & 0xf0) != 224 && address != 0xffffffff &&
	       !is_broadcast(address, device);
}

/* Not unspecified, loopback, an IPv4-mapped address or a group. The pairs are as in memory. */
static __always_inline int is_endpoint_ipv6(__u64 high, __u64 low)
{
	__u64 last = bpf_be64_to_cpu(IS_BIG_ENDIAN ? low >> 32 | low << 32 : low);
	__u64 first = bpf_be64_to_cpu(IS_BIG_ENDIAN ? high >> 32 | high << 32 : high);

	return first >> 56 != 0xff && (first || (last > 1 && last >> 32 != 0xffff));
}

static __always_inline enum verdict check_endpoints(const struct flow *flow,
						    const struct tier_device *device, int is_ipv6)
{
	const __u64 *pair = flow->pairs;

	if (is_ipv6) {
		if ((pair[0] == pair[2] && pair[1] == pair[3]) || !is_endpoint_ipv6(pair[0], pair[1]))
			return DROP_SYN_SOURCE;
		return is_endpoint_ipv6(pair[2], pair[3]) ? TX_SYN_ACK : SOCKET_SYN;
	}
	if ((__u32)pair[0] == pair[0] >> 32 || !is_endpoint_ipv4(pair[0], device))
		return DROP_SYN_SOURCE;
	return is_endpoint_ipv4(pair[0] >> 32, device) ? TX_SYN_ACK : SOCKET_SYN;
}

/* `options` as the walk has returned them. */
static __always_inline struct syn_ack syn_ack_to(__u64 options, __u32 irs, const struct tier *tier,
						 int is_ipv6)
{
	struct syn_ack syn_ack = {
		.ack = irs + 1,
		.mss = tier->mss[is_ipv6],
		.words = MSS_WORDS,
	};

	/* Without timestamps a cookie carries no other option. */
	if (!(options & HAS_TIMESTAMPS))
		return syn_ack;
	syn_ack.words = options & HAS_SCALE ? SCALE_WORDS : TIMESTAMP_WORDS;
	syn_ack.has_sack = !!(options & HAS_SACK);
	syn_ack.echo = options;
	return syn_ack;
}

/* The low bits of the timestamp, which carry options. */
static __always_inline __u32 timestamp_bits(__u64 options)
{
	__u32 shift = options >> OPTIONS_SHIFT & 0xff;

	shift = shift < MAX_SHIFT ? shift : MAX_SHIFT;
	return (options & HAS_SCALE ? shift : NO_SCALE) | (options & HAS_SACK ? SACK_BIT : 0);
}

/* The peer's MSS, of which a cookie carries the index. */
static __always_inline __u32 peer_mss(__u64 options, const struct tier *tier, int is_ipv6)
{
	__u32 mss = options >> OPTIONS_MSS & 0xffff;

	if (!mss)
		mss = is_ipv6 ? 1220 : 536;
	return mss > tier->min_mss ? mss : tier->min_mss;
}

/* The SYN-ACK whose sequence number is the cookie of a period, of which `key` is the key. */
static __always_inline struct syn_ack cookie_syn_ack(const struct tier *tier, const struct period_key *key,
						     const struct flow *flow, __u64 options, __u32 irs,
						     __u32 millis, __u32 window, int is_ipv6)
{
	struct syn_ack syn_ack = syn_ack_to(options, irs, tier, is_ipv6);

	syn_ack.window = window;
	syn_ack.value = cookie_timestamp(millis, timestamp_bits(options)) + tier->timestamp_offset;
	syn_ack.seq = (cookie_mac(key, flow, is_ipv6) ^ mss_index(peer_mss(options, tier, is_ipv6))) +
		      spread(irs);
	return syn_ack;
}

static __always_inline __u64 sum_of_addresses(const struct flow *flow, int is_ipv6)
{
	__u64 sum = 0;
	int i;

#pragma unroll
	for (i = 0; i < pairs_of(is_ipv6); i++)
		sum += sum_of_pair(flow->pairs[i]);
	return sum;
}

/* Finds the headers. Returns whether they are in the frame. */
static __always_inline int find_headers(struct syn *syn, struct xdp_md *ctx, __u64 network_at, __u64 tcp_at,
					int is_ipv6)
{
	syn->frame = (void *)(long)ctx->data;
	syn->end = (void *)(long)ctx->data_end;
	syn->network = syn->frame + (network_at & LINK_LEN_MASK);
	syn->tcp = syn->network + (tcp_at & TCP_AT_MASK);
	if (syn->frame + ETH_HLEN > syn->end || syn->network + network_len(is_ipv6) > syn->end ||
	    (void *)(syn->tcp + 1) > syn->end)
		return 0;
	read_flow(&syn->flow, syn->network, syn->tcp, is_ipv6);
	syn->addresses = sum_of_addresses(&syn->flow, is_ipv6);
	return 1;
}

/* Checks everything but the options. */
static __always_inline enum verdict check_syn(struct xdp_md *ctx, __u64 network_at, __u64 tcp_at, int is_ipv6)
{
	__u32 only = 0, len;
	struct tier_device *device = bpf_map_lookup_elem(&tier_device, &only);
	struct tier *tier = the_tier();
	enum verdict verdict;
	struct syn syn;

	if (!device || !tier || !tier->ready || !find_headers(&syn, ctx, network_at, tcp_at, is_ipv6) ||
	    !is_answered(device, syn.frame))
		return SOCKET_SYN;
	len = packet_len(syn.network, is_ipv6);
	if (len < tcp_at + sizeof(*syn.tcp) || len > syn.end - syn.network)
		return SOCKET_SYN;
	syn.segment_len = len - tcp_at;
	verdict = check_header(&syn, device, is_ipv6);
	return verdict == TX_SYN_ACK ? check_endpoints(&syn.flow, device, is_ipv6) : verdict;
}

/* As the settings are now, which may be others than those that led here. */
static __always_inline int is_answered_now(const struct tier_listener *settings, const struct ethhdr *ethernet)
{
	__u32 only = 0;
	struct tier_device *device = bpf_map_lookup_elem(&tier_device, &only);

	return *(const volatile __u32 *)&settings->mode == LISTENER_COOKIES && device && is_answered(device, ethernet);
}

/* Answers a SYN that nothing speaks against, if its 4-tuple is not known, and within the limit of its
 * source. `options` as they were read. */
static __always_inline enum verdict answer_syn(struct xdp_md *ctx, __u64 network_at, __u64 tcp_at,
					       __u32 listener, __u64 options, int is_ipv6)
{
	struct tier_listener *settings = bpf_map_lookup_elem(&tier_listeners, &listener);
	struct tier_counts *counts = bpf_map_lookup_elem(&tier_counts, &listener);
	const struct period_key *key;
	struct tier *tier = the_tier();
	struct syn_ack syn_ack;
	enum verdict verdict;
	struct clock clock;
	struct syn syn;
	__u32 irs, generation;
	__u64 now;

	if (!settings || !counts || !tier || !find_headers(&syn, ctx, network_at, tcp_at, is_ipv6))
		return SOCKET_SYN;
	generation = *(const volatile __u32 *)&tier->generation;
	if (is_known(tier, flow_hash(tier, &syn.flow, is_ipv6)))
		return SOCKET_KNOWN_SYN;
	irs = bpf_ntohl(syn.tcp->seq);
	now = coarse_ns();
	clock = clock_at(tier, now);
	key = key_of(tier, clock.period);
	if (key->number != clock.period)
		return SOCKET_SYN;
	if (!syn_is_allowed(tier, &syn.flow, now, is_ipv6)) {
		counts->syns++;
		return DROP_SYN_LIMIT;
	}
	syn_ack = cookie_syn_ack(tier, key, &syn.flow, options, irs, clock.millis, settings->window, is_ipv6);
	if (generation && network_at == ETH_HLEN && is_answered_now(settings, syn.frame))
		note_route(&syn.flow, syn.tcp->dest, syn.frame, generation, listener, settings->window, is_ipv6);
	verdict = send_syn_ack(ctx, network_at, &syn.flow, &syn_ack, syn.addresses, is_ipv6);
	if (verdict == TX_SYN_ACK) {
		counts->syns++;
		counts->syn_acks++;
	}
	return verdict;
}

#endif
