//! Bytes: the same frame again and again.

use std::hint::black_box;

use handfast_stack::wire::checksum::Checksum;
use handfast_stack::wire::ethernet::UntaggedWords;
use handfast_stack::wire::{
    Flags, FlowKey, FlowKey4, FlowKey6, FrameFilter, LinkHeader, PacketKey, ParseConfig, RxHeader, Seq,
    TcpOptions, Timestamps, TupleSecret, TxSegment, ethernet, parse, write_segment,
};

use super::{Path, only_this_is_counted};

pub const PATHS: &[Path] = &[
    ("wire/parse-syn", || parsing(&syn(Flags::SYN))),
    ("wire/parse-ack", || parsing(&ack())),
    ("wire/parse-in-full", parsing_in_full),
    ("wire/emit-syn-ack", || writing(&syn(Flags::SYN.with(Flags::ACK)))),
    ("wire/emit-ack", || writing(&ack())),
    ("wire/checksum-1460", checksum),
    ("wire/tuple-prf", || keyed(KEY)),
    ("wire/tuple-prf-v6", || keyed(KEY6)),
    ("wire/tuple-prf-batch", || keyed_batch(KEY, 64)),
    ("wire/tuple-prf-batch-of-8", || keyed_batch(KEY, 8)),
    ("wire/tuple-prf-batch-v6", || keyed_batch(KEY6, 64)),
];

const TIMES: u64 = 1 << 14;
const OURS: [u8; 6] = [2, 0, 0, 0, 0, 1];
const THEIRS: [u8; 6] = [2, 0, 0, 0, 0, 9];
const KEY: FlowKey4 =
    FlowKey4 { remote: [192, 0, 2, 1], local: [192, 0, 2, 9], remote_port: 80, local_port: 40_000 };
const KEY6: FlowKey6 =
    FlowKey6 { remote: [0x20; 16], local: [0xfe; 16], remote_port: 80, local_port: 40_000 };

fn times<R>(mut operation: impl FnMut() -> R) -> u64 {
    only_this_is_counted(&mut || {
        for _ in 0..TIMES {
            black_box(operation());
        }
    });
    TIMES
}

/// With the options of a Linux SYN.
fn syn(flags: Flags) -> TxSegment {
    let options = TcpOptions::of_syn(Some(1460), Some(7), true, Some(Timestamps { value: 1, echo: 0 }));
    TxSegment { seq: Seq(0x1234_5678), ack: Seq(9), flags, window: 64_240, options }
}

fn ack() -> TxSegment {
    let timestamps = Some(Timestamps { value: 2, echo: 3 });
    let options = TcpOptions { timestamps, ..TcpOptions::default() };
    TxSegment { seq: Seq(7), ack: Seq(8), flags: Flags::ACK, window: 502, options }
}

fn frame(emit: &TxSegment) -> Vec<u8> {
    let mut frame = vec![0; 128];
    let link = LinkHeader::untagged(OURS, THEIRS, FlowKey4::ETHERTYPE);
    let written = ethernet::write_link(&mut frame, link.as_bytes())
        .and_then(|at| write_segment(&mut frame, at, &KEY, emit, &[]));
    frame.truncate(written.expect("room in the frame"));
    frame
}

fn policy() -> ParseConfig {
    ParseConfig { mac: Some(OURS), ..ParseConfig::default() }
}

fn parsing(emit: &TxSegment) -> u64 {
    let (frame, filter) = (frame(emit), FrameFilter::new(&policy()));
    let link = UntaggedWords::of(&frame).expect("a whole header");
    let mut header = RxHeader::<FlowKey4>::default();
    assert!(header.parse(&frame, &filter, &link).is_some(), "a segment that nearly all are");
    times(|| black_box(&mut header).parse(black_box(&frame), black_box(&filter), &link))
}

/// The way that everything but the common segment takes.
fn parsing_in_full() -> u64 {
    let (frame, policy) = (frame(&syn(Flags::SYN)), policy());
    assert!(parse(&frame, &policy).is_ok());
    times(|| parse(black_box(&frame), black_box(&policy)))
}

fn writing(emit: &TxSegment) -> u64 {
    let mut frame = vec![0; 128];
    times(|| write_segment(black_box(&mut frame), 14, black_box(&KEY), black_box(emit), &[]))
}

fn checksum() -> u64 {
    let payload = [0xa5; 1460];
    times(|| Checksum::default().add_bytes(black_box(&payload)).finish())
}

fn keyed(key: impl FlowKey) -> u64 {
    let secret = TupleSecret::fixed(1);
    times(|| black_box(&secret).prf(black_box(&key)))
}

/// Per segment, in batches of `len`.
fn keyed_batch<K: FlowKey>(key: K, len: usize) -> u64 {
    let secret = TupleSecret::fixed(1);
    let mut segments = vec![key.to_blocks(); len];
    only_this_is_counted(&mut || {
        for _ in 0..TIMES {
            black_box(&secret).prf_batch::<K>(black_box(&mut segments));
        }
    });
    TIMES * len as u64
}
