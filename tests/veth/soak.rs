//! Minutes of mixed kernel clients over a link that loses segments, every RST of theirs among them:
//! `make soak`. At the end the responder has no connection left, and its memory has not grown.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use handfast_lab::{Loss, SegmentKinds, Spec};
use nix::sys::socket::{setsockopt, sockopt::Linger};
use support::{Responder, at, lab, optimized, owned};

/// Clients at work at once.
const CLIENTS: u16 = 48;
const SERVICES: [(&str, u16); 5] = [("echo", 7), ("discard", 9), ("http", 80), ("close", 81), ("hold", 82)];
/// From the last client's end until nothing may be left: the last keep-alive, and R2 of data and FIN.
const AFTERWARDS: Duration = Duration::from_secs(180);
/// Between two looks at the memory.
const POLL_INTERVAL: Duration = Duration::from_secs(5);
/// Bytes by which the last quarter's most may be above the second's: an allocator's own changes.
const GROWTH: u64 = 4 << 20;

#[test]
#[ignore = "minutes: make soak"]
fn nothing_is_left_and_memory_is_flat() {
    let minutes = std::env::var("HF_SOAK_MINUTES").ok().and_then(|text| text.parse().ok()).unwrap_or(20.0);
    let loss = Loss { to_server: SegmentKinds::RST, to_client: SegmentKinds::NONE, one_in: 50 };
    let Some(lab) = lab(|spec| Spec { loss, ..spec }) else { return };
    let listeners = SERVICES.map(|(service, port)| owned(false, &format!("{port}={service}")));
    let fixed = ["--interval", "1", "--keepalive", "20", "--msl", "5"];
    let listen = listeners.iter().flat_map(|listener| ["--listen", listener]);
    let arguments: Vec<&str> = fixed.into_iter().chain(listen).collect();
    let mut responder = Responder::start_program(optimized(), &lab, &arguments);
    let end = Instant::now() + Duration::from_secs_f64(60.0 * minutes);
    let resident = thread::scope(|scope| {
        for number in 0..CLIENTS {
            let lab = &lab;
            scope.spawn(move || lab.in_client(|| client(number, end)).expect("the namespace"));
        }
        let mut resident = Vec::new();
        while Instant::now() < end {
            thread::sleep(POLL_INTERVAL.min(end.saturating_duration_since(Instant::now())));
            resident.push(responder.resident());
        }
        resident
    });
    thread::sleep(AFTERWARDS);
    responder.await_open(0);
    let summary = responder.stop();
    eprintln!("{}", summary.text);
    assert!(summary.closed("keepalive_timeout") + summary.closed("reset_by_peer") > 0, "no RST was lost");
    let quarter = resident.len() / 4;
    let most = |part: &[u64]| part.iter().copied().max().unwrap_or(0);
    let (second, last) = (most(&resident[quarter..2 * quarter]), most(&resident[3 * quarter..]));
    eprintln!("resident: at most {second} bytes in the second quarter, {last} in the last");
    assert!(quarter == 0 || last <= second + second / 20 + GROWTH, "{resident:?}");
}

/// One connection after another, each of another kind.
fn client(number: u16, end: Instant) {
    let mut turn = u32::from(number);
    while Instant::now() < end {
        turn = turn.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (_, port) = SERVICES[(turn >> 8) as usize % SERVICES.len()];
        // What fails here has lost too much: a client's own business.
        let Ok(stream) = TcpStream::connect_timeout(&at(false, port), Duration::from_secs(5)) else {
            continue;
        };
        let _ = converse(stream, (turn >> 16) % 6);
    }
}

fn converse(mut stream: TcpStream, kind: u32) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let mut answer = [0; 512];
    match kind {
        // To its end, in either order.
        0 | 1 => {
            stream.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
            let _ = stream.read(&mut answer);
            if kind == 0 {
                stream.shutdown(Shutdown::Write)?;
                let _ = stream.read(&mut answer);
            }
        }
        // Aborted, at once or in the middle of something: the RST is lost.
        2 | 3 => {
            if kind == 3 {
                stream.write_all(b"half of some")?;
            }
            setsockopt(&stream, Linger, &nix::libc::linger { l_onoff: 1, l_linger: 0 })?;
        }
        // Silent for a while.
        4 => thread::sleep(Duration::from_millis(500)),
        _ => {}
    }
    Ok(())
}
