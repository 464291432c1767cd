//! Cost of a frame in the wire layer: parse (both checksums verified), hash, write, and a checksum alone.
//! `common` is the parser of usual frames, which the engine tries first.
//!
//! Frames are in the first-level cache: a lower bound, not the cost in a receive ring.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use handfast_stack::wire::{
    Flags, FlowKey4, FlowKey6, FrameFilter, LinkHeader, PacketKey, ParseConfig, RxHeader, Seq, TcpOptions,
    Timestamps, TupleSecret, TxSegment, checksum::Checksum, ethernet, parse, write_segment,
};

const OURS: [u8; 6] = [2, 0, 0, 0, 0, 1];
const THEIRS: [u8; 6] = [2, 0, 0, 0, 0, 9];
const KEY4: FlowKey4 =
    FlowKey4 { remote: [192, 0, 2, 1], local: [192, 0, 2, 9], remote_port: 80, local_port: 40_000 };
const KEY6: FlowKey6 = FlowKey6 {
    remote: [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    local: [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9],
    remote_port: 80,
    local_port: 40_000,
};

/// MSS only: a SYN of 58 octets over IPv4.
fn mss_only() -> TcpOptions {
    TcpOptions { mss: Some(1460), ..TcpOptions::default() }
}

/// What Linux sends on a SYN.
fn linux() -> TcpOptions {
    TcpOptions::of_syn(Some(1460), Some(7), true, Some(Timestamps { value: 1, echo: 0 }))
}

fn syn(options: TcpOptions) -> TxSegment {
    TxSegment { seq: Seq(0x1234_5678), flags: Flags::SYN, window: 64_240, options, ..TxSegment::default() }
}

fn ack() -> TxSegment {
    let timestamps = Some(Timestamps { value: 2, echo: 3 });
    let options = TcpOptions { timestamps, ..TcpOptions::default() };
    TxSegment { seq: Seq(7), ack: Seq(8), flags: Flags::ACK, window: 502, options }
}

fn frame<K: PacketKey>(key: &K, emit: &TxSegment, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; 2_048];
    let link = LinkHeader::untagged(OURS, THEIRS, K::ETHERTYPE);
    let link_len = ethernet::write_link(&mut frame, link.as_bytes()).unwrap();
    let end = write_segment(&mut frame, link_len, key, emit, payload).unwrap();
    frame.truncate(end);
    frame
}

/// The same frame in VLAN 7.
fn tagged(frame: &[u8]) -> Vec<u8> {
    let (addresses, rest) = frame.split_at(12);
    [addresses, &[0x81, 0x00, 0, 7], rest].concat()
}

fn parsing(criterion: &mut Criterion) {
    let policy = ParseConfig {
        mac: Some(OURS),
        subnets: vec!["192.0.2.0/24".parse().unwrap()],
        ..ParseConfig::default()
    };
    let frames = [
        ("v4/syn, MSS only", frame(&KEY4, &syn(mss_only()), &[])),
        ("v4/syn, as Linux", frame(&KEY4, &syn(linux()), &[])),
        ("v4/ack with timestamps", frame(&KEY4, &ack(), &[])),
        ("v4/1,448 bytes", frame(&KEY4, &ack(), &[0xaa; 1_448])),
        ("v4/syn, as Linux, VLAN", tagged(&frame(&KEY4, &syn(linux()), &[]))),
        ("v6/syn, as Linux", frame(&KEY6, &syn(linux()), &[])),
        ("v6/ack with timestamps", frame(&KEY6, &ack(), &[])),
    ];
    let mut group = criterion.benchmark_group("parse");
    group.throughput(Throughput::Elements(1));
    for (name, frame) in &frames {
        assert!(parse(frame, &policy).is_ok(), "{name}");
        group.bench_function(format!("{name} ({})", frame.len()), |bencher| {
            bencher.iter(|| parse(black_box(frame), black_box(&policy)))
        });
        let (mut header, filter) = (RxHeader::<FlowKey4>::default(), FrameFilter::new(&policy));
        let link = ethernet::UntaggedWords::of(frame).expect("a whole header");
        if header.parse(frame, &filter, &link).is_some() {
            group.bench_function(format!("{name} ({}), as usual", frame.len()), |bencher| {
                bencher.iter(|| black_box(&mut header).parse(black_box(frame), black_box(&filter), &link))
            });
        }
    }
}

fn writing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("write");
    group.throughput(Throughput::Elements(1));
    let syn_ack = TxSegment { ack: Seq(9), flags: Flags::SYN.with(Flags::ACK), ..syn(linux()) };
    let data = [0xaa; 1_448];
    let mut frame = vec![0; 2_048];
    group.bench_function("v4/syn-ack, as Linux", |bencher| {
        bencher.iter(|| write_segment(black_box(&mut frame), 14, black_box(&KEY4), black_box(&syn_ack), &[]))
    });
    group.bench_function("v6/syn-ack, as Linux", |bencher| {
        bencher.iter(|| write_segment(black_box(&mut frame), 14, black_box(&KEY6), black_box(&syn_ack), &[]))
    });
    group.bench_function("v4/ack with timestamps", |bencher| {
        bencher.iter(|| write_segment(black_box(&mut frame), 14, black_box(&KEY4), black_box(&ack()), &[]))
    });
    group.bench_function("v4/1,448 bytes", |bencher| {
        let payload = black_box(&data[..]);
        bencher
            .iter(|| write_segment(black_box(&mut frame), 14, black_box(&KEY4), black_box(&ack()), payload))
    });
}

fn summing(criterion: &mut Criterion) {
    let data: Vec<u8> = (0..=255).cycle().take(1500).collect();
    let mut group = criterion.benchmark_group("checksum");
    for length in [64, 128, 256, 512, 1024, 1500] {
        group.throughput(Throughput::Bytes(length as u64));
        group.bench_function(length.to_string(), |bencher| {
            bencher.iter(|| Checksum::default().add_bytes(black_box(&data[..length])).finish())
        });
    }
}

fn hashing(criterion: &mut Criterion) {
    let secret = TupleSecret::fixed(1);
    let mut group = criterion.benchmark_group("tuple_prf");
    group.bench_function("v4", |bencher| bencher.iter(|| black_box(&secret).prf(black_box(&KEY4))));
    group.bench_function("v6", |bencher| bencher.iter(|| black_box(&secret).prf(black_box(&KEY6))));
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1))
        .nresamples(10_000);
    targets = parsing, writing, summing, hashing
}
criterion_main!(benches);
