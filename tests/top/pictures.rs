//! Pictures compared with reviewed ones. `UPDATE=1` writes them: review the changes.

use std::fs;
use std::path::Path;

use handfast_control::Status;
use handfast_top::{Model, View, draw, text};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;

use crate::figures::{bench, flooded, responder, watched};

fn drawn(model: &Model, view: &View, size: (u16, u16)) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).expect("no terminal can fail");
    let picture = |frame: &mut ratatui::Frame<'_>| draw(model, view, frame.area(), frame.buffer_mut());
    terminal.draw(picture).expect("no terminal can fail");
    terminal
}

fn picture(model: &Model, view: &View, size: (u16, u16)) -> String {
    text(drawn(model, view, size).backend().buffer())
}

/// Fails if the picture is another than the one in the file.
fn same(name: &str, picture: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/top").join(name);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, picture).expect("written");
    }
    let known = fs::read_to_string(&path).expect("a picture to compare with");
    assert!(known == picture, "{name} is now:\n{picture}\nUPDATE=1 writes it, if it is right");
}

#[test]
fn a_responder() {
    let model = watched(60, |second| responder(2, second));
    same("responder-80x24.txt", &picture(&model, &View::watched(true), (80, 24)));
    let model = watched(200, |second| responder(4, second));
    same("responder-160x50.txt", &picture(&model, &View::watched(true), (160, 50)));
}

/// Who answers SYNs by cookie, and how many, next to the listeners.
#[test]
fn a_flood_of_syns() {
    let model = watched(60, flooded);
    same("flood-80x24.txt", &picture(&model, &View::watched(true), (80, 24)));
    let wide = picture(&model, &View::watched(true), (160, 50));
    let wanted = "SYN cookies for 1 listener: 512,000/s by eBPF, 120/s by cores";
    assert!(wide.contains(wanted) && wide.contains("198.18.1.0/24:80=http, [2001:db8:18::1:0]"), "{wide}");
    let calm = picture(&watched(60, |second| responder(2, second)), &View::watched(true), (160, 50));
    assert!(!calm.contains("cookies"), "{calm}");
}

#[test]
fn a_benchmark() {
    let model = watched(60, bench);
    same("bench-80x24.txt", &picture(&model, &View::watched(true), (80, 24)));
    same("bench-160x50.txt", &picture(&model, &View::watched(true), (160, 50)));
}

/// What ends in it is the probe, long after the connection was opened.
#[test]
fn the_latency_of_held_connections_is_their_probe_s() {
    let held = |second| {
        let mut status = bench(second);
        status.bench.iter_mut().for_each(|bench| bench.workload = "hold".to_owned());
        status
    };
    let picture = picture(&watched(60, held), &View::watched(true), (80, 24));
    assert!(picture.contains(" probe ") && !picture.contains("to the end"), "{picture}");
}

#[test]
fn help_lies_over_it() {
    let model = watched(60, |second| responder(1, second));
    let view = View { help: true, ..View::watched(true) };
    same("help-80x24.txt", &picture(&model, &view, (80, 24)));
}

/// Columns that matter are whole, and every pane has its heading, at each size in between.
#[test]
fn nothing_is_missing_from_80x24_on() {
    let programs: [fn(u64) -> Status; 3] =
        [|second| responder(1, second), |second| responder(2, second), bench];
    for program in programs {
        let model = watched(60, program);
        for size in [(80, 24), (81, 25), (100, 30), (119, 40), (120, 24), (160, 50), (300, 100)] {
            let picture = picture(&model, &View::watched(true), size);
            for part in ["rates", "connections", "drops", "cores", "queues", "steering", "q quit", "pid 4711"]
            {
                assert!(picture.contains(part), "{part} at {size:?} in\n{picture}");
            }
            assert!(
                picture.contains("62 %") && picture.contains("tcp_partial_checksum"),
                "{size:?}\n{picture}"
            );
        }
    }
}

/// Every size is drawn; one that is too small shows a message.
#[test]
fn no_size_is_a_failure() {
    let model = watched(60, bench);
    for width in [1, 2, 31, 32, 33, 59, 60, 61, 79, 125, 126, 159] {
        for height in 1..40 {
            let picture = picture(&model, &View { help: true, ..View::watched(true) }, (width, height));
            let small = width < 60 || height < 12;
            assert!(!small || !picture.contains("rates"), "{width}x{height}\n{picture}");
        }
    }
}

#[test]
fn the_chosen_drop_says_what_it_means() {
    let model = watched(60, |second| responder(1, second));
    let mut view = View::watched(true);
    assert!(picture(&model, &view, (80, 24)).contains("ethtool -K PEER tx off"));
    view.step(true, 4);
    assert!(picture(&model, &view, (80, 24)).contains("A RST for a listener"));
}

#[test]
fn the_end_is_said() {
    let model = watched(60, |second| responder(1, second));
    let view = View { ended: Some("the program has ended".into()), ..View::watched(true) };
    let picture = picture(&model, &view, (80, 24));
    assert!(picture.ends_with(" the program has ended: last figures; any key quits\n"), "{picture}");
}

#[test]
fn without_colours_there_are_none() {
    let model = watched(60, bench);
    for colour in [true, false] {
        let terminal = drawn(&model, &View::watched(colour), (80, 24));
        let any = terminal.backend().buffer().content.iter().any(|cell| cell.fg != Color::Reset);
        assert_eq!(any, colour);
    }
}

/// A named state: since when, and what gives way.
#[test]
fn a_shortage_of_send_buffers_takes_the_place_of_the_listeners() {
    let short = |short_ms| {
        let model = watched(60, |second| {
            let mut status = responder(2, second);
            status.detail.cores[1].send_buffers_short_ms = short_ms;
            (status.total.send_buffers, status.total.send_buffers_limit) = (60_000, 65_536);
            status
        });
        picture(&model, &View::watched(true), (120, 30))
    };
    let wanted = " send buffers are short for 1:01: 60,000 of 65,536 in use, ";
    assert!(short(61_000).contains(wanted), "{}", short(61_000));
    assert!(!short(0).contains("short") && short(0).contains("listens on"), "{}", short(0));
}

/// A program with more cores, queues and drops than lines: what is not seen is counted.
#[test]
fn what_does_not_fit_is_counted() {
    let model = watched(60, |second| responder(16, second));
    let picture = picture(&model, &View::watched(true), (80, 24));
    assert!(picture.contains("more"), "{picture}");
}
