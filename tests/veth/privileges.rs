//! What a responder that is ready may do, and what it costs while it has nothing to do.

use std::fs;
use std::thread;
use std::time::Duration;

use handfast_lab::Spec;
use handfast_lab::load::Plan;
use support::{Responder, at, clients, lab, owned, tool, wait_until};

/// A line of `/proc/PID/status` for each thread of a process, without the spaces around it.
fn threads(pid: u32, field: &str) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs").flatten();
    let statuses = tasks.filter_map(|task| fs::read_to_string(task.path().join("status")).ok());
    let of = |status: String| {
        let line = status.lines().find_map(|line| line.strip_prefix(field)).map(str::to_owned);
        line.unwrap_or_else(|| panic!("no {field} in\n{status}"))
    };
    statuses.map(|status| of(status).split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

const SETS: [&str; 5] = ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"];

#[track_caller]
fn assert_powerless(pid: u32) {
    for set in SETS {
        let found = threads(pid, set);
        assert!(found.iter().all(|found| found == "0000000000000000"), "{set} {found:?}");
    }
    assert!(threads(pid, "NoNewPrivs:").iter().all(|set| set == "1"));
}

/// Children of a process.
fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("it runs");
    text.split_whitespace().map(|child| child.parse().expect("a number")).collect()
}

#[test]
fn no_thread_of_a_running_responder_has_a_capability_nor_root() {
    let Some(lab) = lab(|spec| Spec { queues: 2, ..spec }) else { return };
    let arguments = ["--cores", "0", "--priority", "nice:-1", "--metrics", "127.0.0.1:9464"];
    let listener = owned(false, "80=close");
    let responder = Responder::start(&lab, &[&arguments[..], &["--listen", &listener]].concat());
    let users = threads(responder.id(), "Uid:");
    assert!(users.len() >= 2, "the main thread and a core's: {users:?}");
    assert_powerless(responder.id());
    let nobody = "65534 65534 65534 65534";
    assert!(users.iter().all(|user| user == nobody), "{users:?}");
    assert!(threads(responder.id(), "Gid:").iter().all(|group| group == nobody));
    assert!(threads(responder.id(), "Groups:").iter().all(String::is_empty));

    // What reads and removes files of root's is a process without anything else of the responder's.
    let [other] = children(responder.id())[..] else { panic!("one other process") };
    assert_powerless(other);
    assert_eq!(threads(other, "Uid:"), ["0 0 0 0"]);
    let open = fs::read_dir(format!("/proc/{other}/fd")).expect("it runs").flatten();
    let open: Vec<String> = open
        .filter_map(|fd| fs::read_link(fd.path()).ok())
        .map(|target| target.to_string_lossy().into_owned())
        .filter(|target| target != "/dev/null")
        .collect();
    assert!(open.len() == 1 && open[0].starts_with("socket:["), "{open:?}");

    clients(&lab, &Plan::sequential(at(false, 80), 4));
    let summary = responder.stop();
    let active = summary.text.lines().find(|line| line.starts_with("active:")).expect("a line");
    assert!(active.ends_with("; user nobody, no capabilities"), "{active}");
    assert!(!std::path::Path::new(&format!("/proc/{other}")).exists(), "it ends before the responder");
}

#[test]
fn the_user_can_be_chosen() {
    let Some(lab) = lab(|spec| spec) else { return };
    let listener = owned(false, "80=close");
    for (user, uid, named) in
        [("root", 0, "user root"), ("daemon", 1, "user daemon"), ("54321", 54_321, "user 54321")]
    {
        let responder = Responder::start(&lab, &["--listen", &listener, "--user", user]);
        let wanted = [uid; 4].map(|id: u32| id.to_string()).join(" ");
        assert!(threads(responder.id(), "Uid:").iter().all(|uid| *uid == wanted), "{user}");
        assert_eq!(children(responder.id()).len(), usize::from(uid != 0), "{user}");
        assert_powerless(responder.id());
        clients(&lab, &Plan::sequential(at(false, 80), 4));
        let text = responder.stop().text;
        assert!(text.contains(&format!("; {named}, no capabilities")), "{text}");
    }
    let wrong = Responder::run(&lab, &["--dev", "hf-s", "--listen", &listener, "--user", "hf-nobody"]);
    assert_eq!(wrong.code, Some(2), "{}", wrong.text);
    assert!(wrong.text.contains("unknown user `hf-nobody` on this host"), "{}", wrong.text);
}

/// As `--cap-drop` of a container leaves it: root, and no right to become somebody else.
#[test]
fn root_that_cannot_become_another_user_says_so() {
    let Some(lab) = lab(|spec| spec) else { return };
    tool("capsh");
    let start = |user: &str| {
        let mut command = lab.server().command("capsh");
        let shell = format!(
            "exec {} respond --dev hf-s --listen {} --duration 1 {user}",
            support::program(),
            owned(false, "80=http")
        );
        let output = command.args(["--drop=cap_setuid", "--", "-c", &shell]).output().expect("capsh");
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (code, text) = start("");
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("; user root (CAP_SETUID is missing), no capabilities"), "{text}");
    let (code, text) = start("--user nobody");
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("cannot run as nobody: CAP_SETUID is missing\nfix: --user root"), "{text}");
}

/// ParseConfig, real-time priority and nice value of a thread.
type Scheduling = (u32, u32, i32);

/// Of the threads whose name begins so (proc_pid_stat(5), fields 41, 40 and 19).
fn scheduling(pid: u32, name: &str) -> Vec<Scheduling> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs").flatten();
    let stats = tasks.filter_map(|task| fs::read_to_string(task.path().join("stat")).ok());
    let of = stats.filter(|stat| stat.contains(&format!("({name}")));
    let fields = of.map(|stat| {
        let rest = stat.rsplit(')').next().expect("fields").to_owned();
        // The first field after the name is number 3.
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
        wait_until("the core's scheduling", || scheduling(responder.id(), "hf-core") == [wanted]);
        let main = scheduling(responder.id(), "handfast");
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
    // Time that the hypervisor takes from a core counts as used by its process. Not three times, though.
    let mut used = Vec::new();
    let is_idle = (0..3).any(|_| {
        used.push(watch());
        used.last().is_some_and(|used| *used < WATCHED / 50)
    });
    assert!(is_idle, "{used:?} in {WATCHED:?} each");
    responder.stop();
}
