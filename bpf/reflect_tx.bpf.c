/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/*
 * The ceiling of the link: answers TCP to one port in the driver, without user space. A SYN becomes its
 * SYN-ACK; every other segment is reflected with its addresses swapped. Embedded by
 * src/lab/bench/xdp_tx.rs.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* Set before loading. The layout is that of `Config` in src/lab/bench/xdp_tx.rs. */
struct config {
	__be16 port;
	__u16 syn_ack; /* 0: SYNs are reflected like the rest */
};
const volatile struct config config = {};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} answered SEC(".maps");

/* The initial sequence number of every connection. */
#define INITIAL 0x01234567

static __always_inline void swap_macs(struct ethhdr *ethernet)
{
	__u8 mac[ETH_ALEN];

	__builtin_memcpy(mac, ethernet->h_dest, ETH_ALEN);
	__builtin_memcpy(ethernet->h_dest, ethernet->h_source, ETH_ALEN);
	__builtin_memcpy(ethernet->h_source, mac, ETH_ALEN);
}

/* Updates a checksum: words with the sum `old` were replaced by words with the sum `new` (RFC 1624). */
static __always_inline __u16 updated(__u16 checksum, __u32 old, __u32 new)
{
	__u32 sum = (__u16)~checksum + (0xffff - (old & 0xffff)) + (0xffff - (old >> 16)) +
		    (new & 0xffff) + (new >> 16);

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* Sums are independent of byte order, so words are used as stored (RFC 1071 2B). */
static __always_inline void syn_to_syn_ack(struct tcphdr *tcp)
{
	__be32 ack = bpf_htonl(bpf_ntohl(tcp->seq) + 1);
	__be32 seq = bpf_htonl(INITIAL);
	__u16 flags = ((__u16 *)tcp)[6];

	tcp->check = updated(tcp->check, tcp->seq, seq);
	tcp->check = updated(tcp->check, tcp->ack_seq, ack);
	tcp->check = updated(tcp->check, flags, flags | bpf_htons(0x0010));
	tcp->seq = seq;
	tcp->ack_seq = ack;
	tcp->ack = 1;
}

/* Swapping addresses and ports does not change a checksum. */
static __always_inline void reflect_segment(struct tcphdr *tcp)
{
	__be16 port = tcp->source;

	tcp->source = tcp->dest;
	tcp->dest = port;
	if (config.syn_ack && tcp->syn && !tcp->ack)
		syn_to_syn_ack(tcp);
}

SEC("xdp")
int reflect(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *ethernet = (void *)(long)ctx->data;
	struct iphdr *ipv4 = (void *)(ethernet + 1);
	struct ipv6hdr *ipv6 = (void *)(ethernet + 1);
	struct tcphdr *tcp;
	__u32 only = 0;
	__u64 *count;

	if ((void *)(ipv4 + 1) > end)
		return XDP_PASS;
	if (ethernet->h_proto == bpf_htons(ETH_P_IP)) {
		__be32 address = ipv4->saddr;

		tcp = (void *)(ipv4 + 1);
		if ((void *)(tcp + 1) > end || ipv4->protocol != IPPROTO_TCP || ipv4->ihl != 5 ||
		    tcp->dest != config.port)
			return XDP_PASS;
		ipv4->saddr = ipv4->daddr;
		ipv4->daddr = address;
	} else if (ethernet->h_proto == bpf_htons(ETH_P_IPV6)) {
		struct in6_addr address;

		tcp = (void *)(ipv6 + 1);
		if ((void *)(tcp + 1) > end || ipv6->nexthdr != IPPROTO_TCP || tcp->dest != config.port)
			return XDP_PASS;
		address = ipv6->saddr;
		ipv6->saddr = ipv6->daddr;
		ipv6->daddr = address;
	} else {
		return XDP_PASS;
	}
	reflect_segment(tcp);
	swap_macs(ethernet);
	count = bpf_map_lookup_elem(&answered, &only);
	if (count)
		(*count)++;
	return XDP_TX;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
