use super::*;
use crate::tcp::State;
use crate::wire::{FlowKey4, Seq};

const KEY: FlowKey4 =
    FlowKey4 { remote: [192, 0, 2, 9], local: [192, 0, 2, 1], remote_port: 40_000, local_port: 80 };

fn at(now_ms: u32) -> BufferOwner<'static> {
    BufferOwner { number: 0, endpoints: &KEY, now_ms }
}

fn buffers(count: u32) -> SendBuffers {
    SendBuffers::new(count, [1, 2], CongestionAlgorithm::StopAndWait)
}

fn in_flight<'a>(buffers: &'a SendBuffers, tcb: &Tcb) -> &'a [u8] {
    let len = buffers.in_flight(tcb.buffer);
    buffers.payload(Payload { buffer: tcb.buffer, start: 0, len })
}

fn tcb() -> Tcb {
    Tcb::new(State::Established, Seq(0), Seq(0), Seq(0))
}

#[test]
fn bytes_leave_in_the_order_in_which_they_came() {
    let (mut buffers, mut tcb) = (buffers(1), tcb());
    assert!(buffers.append(&mut tcb, b"abcdef", &at(0)));
    buffers.send_new(tcb.buffer, 4, 0);
    assert_eq!((in_flight(&buffers, &tcb), buffers.unsent(tcb.buffer)), (&b"abcd"[..], 2));
    assert_eq!(buffers.acknowledged(&mut tcb, 1, 10), 1);
    assert_eq!(in_flight(&buffers, &tcb), b"bcd");
    assert!(buffers.append(&mut tcb, b"gh", &at(0)));
    // A FIN is acknowledged with the data, and is none.
    assert_eq!(buffers.acknowledged(&mut tcb, 3, 20), 3);
    buffers.send_new(tcb.buffer, 4, 30);
    assert_eq!(in_flight(&buffers, &tcb), b"efgh");
    assert_eq!(buffers.acknowledged(&mut tcb, 5, 40), 4);
    assert_eq!((tcb.buffer, buffers.in_use()), (BufferId::NONE, 0));
}

#[test]
fn all_of_it_or_nothing() {
    let (mut buffers, mut first, mut second) = (buffers(1), tcb(), tcb());
    assert!(buffers.append(&mut second, b"", &at(0)));
    assert_eq!(second.buffer, BufferId::NONE);
    assert!(!buffers.append(&mut first, &[0; SendBuffers::CAPACITY + 1], &at(0)));
    assert!(buffers.append(&mut first, &[0; SendBuffers::CAPACITY - 1], &at(0)));
    assert_eq!(buffers.room(first.buffer), 1);
    assert!(!buffers.append(&mut first, b"ab", &at(0)));
    assert!(buffers.append(&mut first, b"a", &at(0)));
    assert!(!buffers.append(&mut second, b"a", &at(0)), "no second buffer");
    buffers.release(&mut first.buffer);
    buffers.release(&mut first.buffer);
    assert!(buffers.append(&mut second, b"a", &at(0)));
    assert_eq!(buffers.in_use(), 1);
}

/// Karn's rule: what went out twice tells nothing.
#[test]
fn round_trips_are_those_of_segments_sent_once() {
    for (again, srtt) in [(false, 70), (true, 0)] {
        let (mut buffers, mut tcb) = (buffers(1), tcb());
        buffers.append(&mut tcb, b"a", &at(0));
        buffers.send_new(tcb.buffer, 1, u32::MAX - 9);
        if again {
            buffers.send_again(&tcb, u16::MAX);
        }
        buffers.acknowledged(&mut tcb, 1, 60);
        assert_eq!(tcb.srtt_ms, srtt);
    }
}

fn attached(buffers: &mut SendBuffers, number: u32, now_ms: u32) -> Tcb {
    let mut tcb = tcb();
    let holder = BufferOwner { number, ..at(now_ms) };
    assert!(buffers.append(&mut tcb, &[1; 2000], &holder), "connection {number}");
    tcb
}

/// Under pressure the one longest without progress gives way, and never one that makes progress.
#[test]
fn who_gives_way_is_the_longest_without_progress() {
    let mut buffers = buffers(32);
    let mut tcbs: Vec<Tcb> = (0..22).map(|number| attached(&mut buffers, number, number)).collect();
    assert!(buffers.pressed(), "one source has two thirds");
    let mut another = tcb();
    assert!(!buffers.append(&mut another, b"x", &at(30)));
    // A full segment is progress; a few bytes of one are none.
    tcbs[0].mss = 1000;
    for (bytes, now_ms) in [(1000, 2000), (1, 2500)] {
        buffers.send_new(tcbs[0].buffer, bytes, 40);
        buffers.acknowledged(&mut tcbs[0], u32::from(bytes), now_ms);
    }
    assert_eq!(buffers.stalled_ms(tcbs[0].buffer, 2600), 600);
    let mut gone = Vec::new();
    while let Some(number) = buffers.gives_way(2100) {
        gone.push(number);
        buffers.release(&mut tcbs[number as usize].buffer);
    }
    buffers.relieved();
    assert_eq!(gone, [1], "until there is room for it");
    assert!(!buffers.pressed());
}

#[test]
fn none_gives_way_while_all_make_progress() {
    let mut buffers = buffers(32);
    let _held: Vec<Tcb> = (0..22).map(|number| attached(&mut buffers, number, 1000)).collect();
    assert_eq!(buffers.gives_way(1010), None);
    assert!(buffers.gives_way(1000 + STALL_MS).is_some());
}

#[test]
fn our_own_calls_may_have_them_all() {
    let mut buffers = buffers(16);
    for number in 0..16 {
        let mut tcb = tcb();
        tcb.listener = crate::tcp::ACTIVE_OPEN;
        assert!(buffers.append(&mut tcb, b"x", &BufferOwner { number, ..at(0) }));
    }
    assert_eq!((buffers.pressed(), buffers.gives_way(60_000)), (false, None));
}
