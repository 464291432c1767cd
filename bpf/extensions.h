/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/* The extension headers of a SYN, which the steering has walked: whether the stack accepts them, too
 * (`check_extension` in src/stack/wire/ipv6.rs). */
#ifndef HANDFAST_EXTENSIONS_H
#define HANDFAST_EXTENSIONS_H

#include "flow.h"
#include "ip.h"

/* Options of one extension header that the program reads. */
#define MAX_EXTENSION_OPTIONS 16
#define OPTION_PAD1 0
/* The place of this byte in a routing header. */
#define SEGMENTS_LEFT 3

/*
 * Whether the options between two offsets of the frame may be skipped: the two highest bits of a kind
 * specify the handling of an unknown one (RFC 8200 section 4.2). A function of its own, which the
 * verifier checks once.
 */
__noinline int may_skip_options(struct xdp_md *ctx, __u64 from, __u64 to)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u8 *option;
	int i;

	for (i = 0; i < MAX_EXTENSION_OPTIONS && from < to; i++) {
		option = data + (from & FRAME_MASK);
		if ((void *)(option + 2) > end)
			return 0;
		if (option[0] == OPTION_PAD1)
			from++;
		else if (option[0] >> 6 == 0)
			from += 2 + option[1];
		else
			return 0;
	}
	return from == to;
}

/* Whether the stack accepts the extension headers in front of a TCP header, and the program reads them. */
static __always_inline int are_usual_extensions(struct xdp_md *ctx, __u64 network_at, __u64 tcp_at)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u64 at = network_at + sizeof(struct ipv6hdr), to = network_at + tcp_at, next;
	struct extension *extension;
	struct ipv6hdr *ip;
	__u8 protocol;
	int i;

	ip = data + (network_at & LINK_LEN_MASK);
	if ((void *)(ip + 1) > end)
		return 0;
	protocol = ip->nexthdr;
	for (i = 0; i < MAX_EXTENSIONS && at < to; i++) {
		extension = data + (at & FRAME_MASK);
		if ((void *)(extension + 1) > end)
			return 0;
		next = at + 8 + extension->len * 8;
		/* With no segments left a routing header is skipped, whatever its type (RFC 8200 section 4.4). */
		if (protocol == IPPROTO_ROUTING ? ((__u8 *)extension)[SEGMENTS_LEFT] : !may_skip_options(ctx, at + 2, next))
			return 0;
		protocol = extension->next;
		at = next;
	}
	return at == to;
}

#endif
