//! What a responder that is ready may do, and what it costs while it has nothing to do.

use std::fs;
use std::thread;
use std::time::Duration;

use handfast::lab::Spec;

use crate::responder::Responder;
use crate::stage::{lab, owned};

#[test]
fn no_thread_of_a_running_responder_has_a_capability() {
    let Some(lab) = lab(|spec| Spec { queues: 2, ..spec }) else { return };
    let responder = Responder::start(&lab, &["--cores", "0", "--listen", &owned(false, "80=http")]);
    let tasks = fs::read_dir(format!("/proc/{}/task", responder.pid())).expect("it runs");
    let mut threads = 0;
    for task in tasks.flatten() {
        let status = fs::read_to_string(task.path().join("status")).expect("a thread");
        for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
            let line = status.lines().find_map(|line| line.strip_prefix(set)).expect(set);
            assert_eq!(line.trim(), "0000000000000000", "{set} of\n{status}");
        }
        threads += 1;
    }
    assert!(threads >= 2, "the main thread and a core's");
    responder.stop();
}

#[test]
fn an_idle_responder_takes_under_two_percent_of_a_core() {
    let Some(lab) = lab(|spec| spec) else { return };
    let responder = Responder::start(&lab, &["--listen", &owned(false, "80=http")]);
    const WATCHED: Duration = Duration::from_secs(3);
    let watch = || {
        let before = responder.processor_time();
        // Nothing to wait for: time without work is what is measured.
        thread::sleep(WATCHED);
        responder.processor_time() - before
    };
    // A core that the machine takes away counts as used by who had it. Not three times, though.
    let mut used = Vec::new();
    let is_idle = (0..3).any(|_| {
        used.push(watch());
        used.last().is_some_and(|used| *used < WATCHED / 50)
    });
    assert!(is_idle, "{used:?} in {WATCHED:?} each");
    responder.stop();
}
