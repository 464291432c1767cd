//! Without the capabilities: which are missing, and the command that gives them to the program.

use std::path::Path;
use std::process::Command;

use handfast_lab::{Lab, SERVER_DEVICE};
use support::{copy_into, program};
use tempfile::TempDir;

use crate::examination::{Examination, respond, type_into};

/// In the server's namespace, without the rights of root.
fn as_nobody(lab: &Lab, program: &Path) -> Command {
    let mut command = lab.server().command("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"]);
    command.arg(program);
    command
}

fn examine(command: &mut Command) -> Examination {
    let output = command.args(["doctor", "--dev", SERVER_DEVICE, "--json"]).output().expect("setpriv");
    Examination::read(&output)
}

#[test]
fn a_user_gets_the_command_that_gives_the_program_what_it_needs() {
    let Some(lab) = support::lab(|spec| spec) else { return };
    let directory = TempDir::new().expect("a directory");
    let copy = copy_into(&directory);

    let found = examine(&mut as_nobody(&lab, &copy));
    assert_eq!((found.level("capabilities"), found.code), ("error", Some(1)), "{:#}", found.json);
    let said = found.check("capabilities")["found"].as_str().expect("text");
    for name in ["CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN", "CAP_NET_RAW"] {
        assert!(said.contains(name), "{said}");
    }
    assert_eq!(
        found.errors(),
        ["capabilities"],
        "what it cannot see for lack of rights is unknown, not wrong"
    );

    type_into(lab.server(), &found.fix("capabilities"));
    examine(&mut as_nobody(&lab, &copy)).assert_content();
    let mut command = as_nobody(&lab, &copy);
    let output = command.args(respond()).args(["--duration", "0.2"]).output().expect("setpriv");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("\nready: "), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

/// What is typed again with sudo is what was typed.
#[test]
fn a_user_gets_sudo_where_it_takes_root() {
    let Some(lab) = support::lab(|spec| spec) else { return };
    let directory = TempDir::new().expect("a directory");
    let copy = copy_into(&directory);
    for arguments in [&["doctor", "--measure"][..], &["lab", "exec", "--name", lab.name(), "--", "true"]] {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"]);
        let output = command.arg(&copy).args(arguments).output().expect("setpriv");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("need root") && said.contains("fix: run it as root, with sudo"), "{said}");
        assert_eq!(output.status.code(), Some(1), "{said}");
    }
}

#[test]
fn what_a_container_withholds_is_named_and_no_file_can_give_it() {
    let Some(lab) = support::lab(|spec| spec) else { return };
    let mut command = lab.server().command("setpriv");
    command.args(["--bounding-set=-net_admin", "--inh-caps=-net_admin", program()]);
    let found = examine(&mut command);
    let check = found.check("capabilities");
    assert_eq!(check["found"], "missing: CAP_NET_ADMIN", "{:#}", found.json);
    assert!(check["fix"].is_null() && check["why"].as_str().is_some_and(|why| why.contains("--cap-add")));
}

/// A filter that answers bpf(2) with EPERM, as Docker's does, around the command after it.
const WITHOUT_BPF: &str = r#"
    # Load the number of the call; 321 is bpf on x86-64: EPERM; else allow.
    my $code = pack("SCCL" x 4, 0x20, 0, 0, 0, 0x15, 0, 1, 321, 0x06, 0, 0, 0x00050001, 0x06, 0, 0, 0x7fff0000);
    my $program = pack("Sx6P", 4, $code);
    # prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER), which root may without PR_SET_NO_NEW_PRIVS.
    syscall(157, 22, 2, unpack("Q", pack("P", $program))) == 0 or die "prctl: $!";
    exec @ARGV or die "exec: $!";
"#;

#[test]
fn seccomp_is_named_where_it_refuses_bpf() {
    let Some(lab) = support::lab(|spec| spec) else { return };
    let filtered = || {
        let mut command = lab.server().command("perl");
        command.args(["-e", WITHOUT_BPF, program()]);
        command
    };
    let found = examine(&mut filtered());
    assert_eq!(found.level("capabilities"), "ok", "{:#}", found.json);
    let check = found.check("steering-program");
    assert_eq!(check["level"], "error", "{check:#}");
    assert_eq!(check["found"], "a seccomp filter refuses bpf(2)", "{check:#}");
    assert!(check["why"].as_str().is_some_and(|why| why.contains("--security-opt seccomp=")), "{check:#}");
    assert_eq!((found.errors(), found.code), (vec!["steering-program"], Some(1)));

    // And where it does not start.
    let output = filtered().args(respond()).output().expect("perl");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("a seccomp filter refuses bpf(2)"), "{said}");
    assert!(!said.contains("user namespace") && !said.contains("setcap"), "{said}");
    assert_eq!(output.status.code(), Some(1), "{said}");
}

#[test]
fn a_rootless_container_gets_the_fact_of_its_user_namespace() {
    let Some(lab) = support::lab(|spec| spec) else { return };
    let mut command = lab.server().command("unshare");
    command.args(["--user", "--map-root-user", "--net", program(), "doctor", "--dev", "lo", "--json"]);
    let found = Examination::read(&command.output().expect("unshare"));
    let check = found.check("steering-program");
    assert_eq!(check["found"], "bpf(2) is refused in this user namespace", "{:#}", found.json);
}
