//! Without the capabilities: which are missing, and the command that gives them to the program.

use std::path::Path;
use std::process::Command;

use handfast::lab::{Lab, SERVER_DEVICE};
use tempfile::TempDir;

use crate::copied::copy_into;
use crate::stage::{self, Examination, PROGRAM, respond, type_into};

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
fn a_user_is_told_how_to_give_the_program_what_it_needs() {
    let Some(lab) = stage::lab(|spec| spec) else { return };
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
fn a_user_is_told_of_root_where_it_takes_root() {
    let Some(lab) = stage::lab(|spec| spec) else { return };
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
    let Some(lab) = stage::lab(|spec| spec) else { return };
    let mut command = lab.server().command("setpriv");
    command.args(["--bounding-set=-net_admin", "--inh-caps=-net_admin", PROGRAM]);
    let found = examine(&mut command);
    let check = found.check("capabilities");
    assert_eq!(check["found"], "missing: CAP_NET_ADMIN", "{:#}", found.json);
    assert!(check["fix"].is_null() && check["why"].as_str().is_some_and(|why| why.contains("--cap-add")));
}
