/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/*
 * Steers frames. Owned traffic goes to the AF_XDP socket of the queue that it arrived on, other traffic
 * to the kernel; frames that the kernel must not answer are dropped. SYNs to listeners in cookie mode are
 * answered here.
 */
#include "frame.h"
#include "tier.h"
#include "usual_syn.h"

static __always_inline void count(enum verdict verdict)
{
	struct counters *counters;
	__u64 index = verdict;
	__u32 only = 0;

	/* For the verifier, a function that is not inlined returns any number. The compiler must not
	 * compare another copy of it than it uses. */
	asm volatile("" : "+r"(index));
	counters = bpf_map_lookup_elem(&counts, &only);
	if (counters && index < VERDICT_COUNT)
		counters->frames[index]++;
}

/* Sends a frame where it came from. */
static __always_inline int transmit(struct xdp_md *ctx)
{
	__u32 only = 0;
	struct tier_device *device = bpf_map_lookup_elem(&tier_device, &only);

	return device && device->transmits == TRANSMITS_REDIRECT ? bpf_redirect(ctx->ingress_ifindex, 0)
								 : XDP_TX;
}

SEC("xdp")
int steer(struct xdp_md *ctx)
{
	struct cursor cursor = {
		.at = (void *)(long)ctx->data,
		.end = (void *)(long)ctx->data_end,
	};
	enum verdict verdict = usual_verdict(ctx);
	int action = XDP_PASS;

	if (verdict == NOT_USUAL) {
		verdict = frame_verdict(&cursor);
		if (verdict == SOCKET_TCP && cursor.owned)
			verdict = tier_verdict(ctx, &cursor);
	}
	if (verdict >= DROP_NO_SOCKET) {
		action = XDP_DROP;
	} else if (verdict == TX_SYN_ACK) {
		action = transmit(ctx);
	} else if (verdict >= SOCKET_TCP) {
		/* The helper returns XDP_DROP if the queue has no socket. */
		action = bpf_redirect_map(&sockets, ctx->rx_queue_index, XDP_DROP);
		if (action != XDP_REDIRECT)
			verdict = DROP_NO_SOCKET;
	}
	count(verdict);
	return action;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
