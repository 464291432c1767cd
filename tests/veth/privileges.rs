//! What a responder that is ready may do, and what it costs while it has nothing to do.

use std::fs;
use std::thread;
use std::time::Duration;

use handfast::lab::Spec;
use handfast::lab::load::Plan;

use crate::responder::Responder;
use crate::stage::{at, clients, lab, owned, wait_until};

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

/// Policy, real-time priority and nice value of a thread.
type Scheduling = (u32, u32, i32);

/// Of the threads whose name begins so (proc_pid_stat(5), fields 41, 40 and 19).
fn scheduling(pid: u32, name: &str) -> Vec<Scheduling> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs").flatten();
    let stats = tasks.filter_map(|task| fs::read_to_string(task.path().join("stat")).ok());
    let of = stats.filter(|stat| stat.contains(&format!("({name}")));
    let fields = of.map(|stat| {
        let rest = stat.rsplit(')').next().expect("fields").to_owned();
        // The first field behind the name is number 3.
        let field = |number: usize| rest.split_whitespace().nth(number - 3).expect("a field").to_owned();
        let number = |at: usize| field(at).parse().expect("a number");
        (number(41), number(40), field(19).parse().expect("a nice value"))
    });
    fields.collect()
}

#[test]
fn the_threads_of_the_cores_are_scheduled_as_asked() {
    const OTHER: u32 = 0;
    const FIFO: u32 = 1;
    let Some(lab) = lab(|spec| spec) else { return };
    let rows: [(&[&str], Scheduling); 3] = [
        (&[], (OTHER, 0, 0)),
        (&["--priority", "nice:-5"], (OTHER, 0, -5)),
        (&["--priority", "fifo:7"], (FIFO, 7, 0)),
    ];
    for (priority, wanted) in rows {
        let listener = owned(false, "80=close");
        let arguments = [&["--cores", "0", "--listen", listener.as_str()], priority].concat();
        let responder = Responder::start(&lab, &arguments);
        // The thread takes its priority when it has begun to run.
        wait_until("the core's scheduling", Duration::from_secs(10), || {
            scheduling(responder.pid(), "hf-core") == [wanted]
        });
        let main = scheduling(responder.pid(), "handfast");
        assert!(main.iter().all(|thread| *thread == (OTHER, 0, 0)), "{priority:?}: {main:?}");
        clients(&lab, &Plan::sequential(at(false, 80), 4));
        responder.stop();
    }
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
