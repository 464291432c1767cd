//! `handfast lab down --all`, in a mount namespace with its own network namespaces: other labs are not seen.

use std::process::Command;

use support::{Ended, program, root, run};

const SCRIPT: &str = r#"
set -e
mkdir -p /run/netns
mount -t tmpfs none /run/netns
for foreign in hf-foreign-client hf-x mine hf--server; do ip netns add "$foreign"; done
"$1" lab up --name one >/dev/null
"$1" lab up --name two --bridge >/dev/null
"$1" lab exec --name one --side server -- sleep 600 &
# Killed with a namespace of two made, and with both.
for name in half more; do
    "$1" lab up --name $name >/dev/null & pid=$!
    until ip -n hf-$name-client link show lo 2>/dev/null | grep -q handfast-lab; do :; done
    [ $name = half ] || until ip -n hf-$name-server link show hf-s >/dev/null 2>&1; do :; done
    kill -9 $pid
done
wait $pid || true
sleep 0.3
"$1" lab down --all
echo left: $(ls /run/netns)
"$1" lab down --all
for foreign in $(ls /run/netns); do ip netns delete "$foreign"; done
"#;

#[test]
fn every_lab_goes_and_nothing_else() {
    let Some(()) = root() else { return };
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", SCRIPT, "sh", program()]);
    let Ended { code, out, err, .. } = run(command);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("left: hf--server hf-foreign-client hf-x mine\n"), "{out}{err}");
    assert!(out.ends_with("nothing to remove\n"), "{out}");
    for part in ["hf-one-client", "hf-two-bridge", "hf-half-client", "hf-more-client", "ended process"] {
        assert!(out.contains(part), "no {part} in {out}");
    }
}

#[test]
fn all_and_a_name_are_one_too_many() {
    let mut command = Command::new(program());
    command.args(["lab", "down", "--all", "--name", "one"]);
    let Ended { code, err, .. } = run(command);
    assert_eq!(code, Some(2));
    assert!(err.contains("cannot be used with"), "{err}");
}
