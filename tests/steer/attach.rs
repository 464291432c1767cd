//! Attachment to one end of a veth pair. Each test has a network namespace of its thread's own,
//! which ends with the thread: no name is left to clean up.

use std::io::{BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use caps::{CapSet, Capability};
use handfast_stack::xdp::{AttachError, Mode, Program, ProgramError};
use nix::net::if_::if_nametoindex;
use nix::sched::{CloneFlags, unshare};

use crate::frames::RULES;
use crate::kernel::{copy, privileged, rules};

pub const INTERFACE: &str = "hf-a";
const CHILD_MODE: &str = "HANDFAST_TEST_ATTACH";

/// Runs `work` in a namespace with a veth pair hf-a, hf-b.
pub fn with_veth(work: impl FnOnce() + Send) {
    if !privileged() {
        return;
    }
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            ip("link add hf-a type veth peer name hf-b");
            work();
        });
        thread.join().unwrap();
    });
}

pub fn ip(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split_whitespace()).output().unwrap();
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The id of the program that `ip link` sees, whatever its mode.
fn program_on_interface() -> Option<String> {
    let shown = ip("-details link show dev hf-a");
    let (_, rest) = shown.split_once("prog/xdp id ")?;
    rest.split_whitespace().next().map(str::to_owned)
}

fn program() -> Program {
    Program::load(&rules(RULES), &[]).unwrap()
}

fn attach(program: &mut Program, mode: Mode) -> Result<(), ProgramError> {
    program.attach(if_nametoindex(INTERFACE).unwrap(), INTERFACE, mode)
}

#[test]
fn both_modes_attach_and_leave() {
    for mode in [Mode::Native, Mode::Generic] {
        with_veth(|| {
            let mut program = program();
            attach(&mut program, mode).unwrap();
            assert!(program_on_interface().is_some());
            let shown = ip("link show dev hf-a");
            assert_eq!(shown.contains("xdpgeneric"), mode == Mode::Generic, "{shown}");
            program.detach();
            assert_eq!(program_on_interface(), None);
            attach(&mut program, mode).unwrap();
            drop(program);
            assert_eq!(program_on_interface(), None);
        });
    }
}

/// A duplicate of each link's descriptor: a child process that another thread starts has them for a
/// moment.
fn copies_of_links() -> Vec<OwnedFd> {
    let links = std::fs::read_dir("/proc/self/fd").unwrap().flatten().filter_map(|entry| {
        let what = std::fs::read_link(entry.path()).ok()?;
        what.to_str()?.contains("bpf_link").then_some(())?;
        entry.file_name().to_str()?.parse().ok()
    });
    links.filter_map(copy).collect()
}

#[test]
fn a_process_that_is_being_started_keeps_nothing_attached() {
    with_veth(|| {
        let mut program = program();
        attach(&mut program, Mode::Native).unwrap();
        let copies = copies_of_links();
        assert!(!copies.is_empty());
        attach(&mut program, Mode::Generic).unwrap();
        let others = copies_of_links();
        drop(program);
        assert_eq!(program_on_interface(), None);
        drop((copies, others));
    });
}

#[test]
fn three_capabilities_are_enough() {
    with_veth(|| {
        let enough = [Capability::CAP_BPF, Capability::CAP_PERFMON, Capability::CAP_NET_ADMIN];
        let enough = enough.into_iter().collect();
        caps::set(None, CapSet::Effective, &enough).unwrap();
        let mut program = program();
        attach(&mut program, Mode::Native).unwrap();
        attach(&mut program, Mode::Generic).unwrap();
    });
}

/// A process that holds a link until it is killed.
struct Other(Child);

impl Other {
    fn attached(mode: Mode) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "attach::the_other_process", "--ignored", "--nocapture"])
            .env(CHILD_MODE, mode.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let other = Self(child);
        let mut lines = output.lines().map_while(Result::ok);
        assert!(lines.any(|line| line.contains("attached")), "the other process did not attach");
        other
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "not a test: the process that the others kill"]
fn the_other_process() {
    let Ok(mode) = std::env::var(CHILD_MODE) else {
        return;
    };
    let mode = if mode == "native" { Mode::Native } else { Mode::Generic };
    let mut program = program();
    attach(&mut program, mode).unwrap();
    println!("attached");
    // Until it is killed, or its parent has ended.
    let _ = std::io::stdin().read_line(&mut String::new());
}

#[test]
fn a_killed_process_leaves_nothing_attached() {
    for mode in [Mode::Native, Mode::Generic] {
        with_veth(|| {
            let mut other = Other::attached(mode);
            assert!(program_on_interface().is_some());
            let error = attach(&mut program(), mode).unwrap_err().to_string();
            assert!(error.contains(&format!("\"steer\" is attached in {mode} mode by link")), "{error}");
            other.kill();
            attach(&mut program(), mode).unwrap();
            assert_eq!(program_on_interface(), None);
        });
    }
}

#[test]
fn the_other_mode_is_in_the_way_as_well() {
    with_veth(|| {
        let mut first = program();
        attach(&mut first, Mode::Generic).unwrap();
        let error = attach(&mut program(), Mode::Native).unwrap_err();
        let ProgramError::Attach(AttachError::Busy { holder, .. }) = &error else { panic!("{error}") };
        assert_eq!(holder.mode, Mode::Generic);
        assert!(error.to_string().contains("cannot attach to hf-a in native mode"), "{error}");
    });
}

/// Fields that only CAP_SYS_ADMIN may see are left out.
#[test]
fn the_holder_without_sys_admin() {
    with_veth(|| {
        let mut first = program();
        attach(&mut first, Mode::Native).unwrap();
        let mut second = program();
        caps::drop(None, CapSet::Effective, Capability::CAP_SYS_ADMIN).unwrap();
        let error = attach(&mut second, Mode::Native).unwrap_err().to_string();
        let id = program_on_interface().unwrap();
        assert!(error.ends_with(&format!("program {id} is attached in native mode")), "{error}");
    });
}

#[test]
fn an_mtu_above_one_page_is_explained() {
    with_veth(|| {
        ip("link set dev hf-a mtu 9000");
        ip("link set dev hf-b mtu 9000");
        let mut program = program();
        let error = attach(&mut program, Mode::Native).unwrap_err();
        assert!(matches!(error, ProgramError::Attach(AttachError::Mtu { .. })), "{error}");
        assert!(error.to_string().contains("is above 3506"), "{error}");
        ip("link set dev hf-a mtu 3498");
        ip("link set dev hf-b mtu 3498");
        attach(&mut program, Mode::Native).unwrap();
    });
}

#[test]
fn a_driver_without_native_mode_is_named() {
    with_veth(|| {
        let index = if_nametoindex("lo").unwrap();
        let mut program = program();
        let error = program.attach(index, "lo", Mode::Native).unwrap_err();
        assert!(matches!(error, ProgramError::Attach(AttachError::Unsupported { .. })), "{error}");
        program.attach(index, "lo", Mode::Generic).unwrap();
    });
}

#[test]
fn an_interface_that_is_gone_is_named() {
    with_veth(|| {
        let index = if_nametoindex(INTERFACE).unwrap();
        let mut program = program();
        ip("link del hf-a");
        let error = program.attach(index, INTERFACE, Mode::Native).unwrap_err();
        assert!(matches!(error, ProgramError::Attach(AttachError::NoInterface { .. })), "{error}");
    });
}
