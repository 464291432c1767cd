// SPDX-License-Identifier: GPL-2.0
//
// Effects of the lab's link, at the clsact hooks of a veth end: VLAN tags, loss, and the choice of a
// queue. Replaces an 802.1Q device, netem and a queue chooser, which some kernels lack.
//
// Outbound: loss, choice of the queue, push of the tag. Inbound: pop of the tag, loss. So both losses are
// applied to untagged frames, and the peer receives tagged ones.

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define FIN 0x01
#define SYN 0x02
#define RST 0x04

// The kinds of segment, as src/lab/link_program.rs numbers them.
#define KIND_SYN 1
#define KIND_DATA 2
#define KIND_FIN 4
#define KIND_RST 8

// Set before loading. The layout is that of `Config` in src/lab/link_program.rs.
struct config {
    __u16 vlan;         // 0: no tag
    __u16 queues;       // 0 or 1: the kernel chooses the queue
    __u8 lose_outbound; // kinds of segment whose first copy is lost
    __u8 lose_inbound;
    __u16 one_in;       // one of this number of TCP segments is lost at random, each way; 0: none
};
const volatile struct config config = {};

// Identifies a segment and its retransmissions. Addresses are folded to 32 bits.
struct segment {
    __u32 addresses;
    __u32 ports;
    __u32 seq;
    __u32 kinds;
};

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 65536);
    __type(key, struct segment);
    __type(value, __u8);
} lost SEC(".maps");

// The next queue. Two CPUs may use the same one twice, which does no harm.
static __u32 next_queue;

struct tcp_start {
    __be32 ports;
    __be32 seq;
    __be32 ack;
    __u8 offset;
    __u8 flags;
};

static __always_inline int fold(struct __sk_buff *skb, __u32 at, __u32 words, __u32 *sum) {
    __u32 word;
    for (__u32 i = 0; i < words; i++) {
        if (bpf_skb_load_bytes(skb, at + 4 * i, &word, 4))
            return -1;
        *sum = *sum * 31 + word;
    }
    return 0;
}

// Returns the offset of the TCP header of an untagged frame, and folds the addresses; 0: not TCP.
static __always_inline __u32 tcp_at(struct __sk_buff *skb, __u32 *addresses, __u32 *end) {
    __u8 first, protocol;
    __be16 length;
    if (skb->protocol == bpf_htons(ETH_P_IP)) {
        if (bpf_skb_load_bytes(skb, ETH_HLEN, &first, 1) ||
            bpf_skb_load_bytes(skb, ETH_HLEN + 2, &length, 2) ||
            bpf_skb_load_bytes(skb, ETH_HLEN + 9, &protocol, 1) || protocol != IPPROTO_TCP ||
            fold(skb, ETH_HLEN + 12, 2, addresses))
            return 0;
        *end = ETH_HLEN + bpf_ntohs(length);
        return ETH_HLEN + 4 * (first & 0x0f);
    }
    if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
        if (bpf_skb_load_bytes(skb, ETH_HLEN + 4, &length, 2) ||
            bpf_skb_load_bytes(skb, ETH_HLEN + 6, &protocol, 1) || protocol != IPPROTO_TCP ||
            fold(skb, ETH_HLEN + 8, 8, addresses))
            return 0;
        *end = ETH_HLEN + 40 + bpf_ntohs(length);
        return ETH_HLEN + 40;
    }
    return 0;
}

// Whether to lose the segment: the first copy of one of these kinds, or by chance.
static __always_inline int loses(struct __sk_buff *skb, __u8 kinds) {
    struct segment segment = {};
    struct tcp_start tcp = {};
    __u32 end = 0;
    __u8 seen = 1;
    if (!kinds && !config.one_in)
        return 0;
    __u32 at = tcp_at(skb, &segment.addresses, &end);
    if (!at || bpf_skb_load_bytes(skb, at, &tcp, 14))
        return 0;
    if (config.one_in && bpf_get_prandom_u32() % config.one_in == 0)
        return 1;
    __u32 payload = at + 4 * (tcp.offset >> 4);
    segment.kinds = (tcp.flags & SYN ? KIND_SYN : 0) | (end > payload ? KIND_DATA : 0) |
                    (tcp.flags & FIN ? KIND_FIN : 0) | (tcp.flags & RST ? KIND_RST : 0);
    if (!(segment.kinds & kinds))
        return 0;
    segment.ports = tcp.ports;
    segment.seq = tcp.seq;
    return bpf_map_update_elem(&lost, &segment, &seen, BPF_NOEXIST) == 0;
}

// The kernel remembers a queue for each socket and would use it. A clone has no socket, so its mapping
// decides. The mark distinguishes the clone from the original.
#define CHOSEN 0x68660001

static __always_inline int choose_queue(struct __sk_buff *skb) {
    skb->mark = CHOSEN;
    skb->queue_mapping = 1 + next_queue++ % config.queues;
    return bpf_clone_redirect(skb, skb->ifindex, 0);
}

SEC("tc")
int outbound(struct __sk_buff *skb) {
    if (skb->mark != CHOSEN) {
        if (loses(skb, config.lose_outbound))
            return TC_ACT_STOLEN;
        if (config.queues > 1) {
            choose_queue(skb);
            return TC_ACT_STOLEN;
        }
    }
    if (config.vlan && bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), config.vlan))
        return TC_ACT_SHOT;
    return TC_ACT_OK;
}

SEC("tc")
int inbound(struct __sk_buff *skb) {
    if (config.vlan) {
        // A reply without the tag, or with another one, is not for this VLAN.
        if (!skb->vlan_present || (skb->vlan_tci & 0x0fff) != config.vlan || bpf_skb_vlan_pop(skb))
            return TC_ACT_SHOT;
    }
    return loses(skb, config.lose_inbound) ? TC_ACT_SHOT : TC_ACT_OK;
}

char LICENSE[] SEC("license") = "GPL";
