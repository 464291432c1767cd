//! Limits of the process: each is named, with what raises it.

use std::process::Command;

use support::{Ended, run};

use crate::commands::stage;

/// Under `ulimit` with these arguments, and with the capabilities that a service has.
fn limited(command: &Command, limit: &str) -> Ended {
    let arguments = command.get_args().map(ToOwned::to_owned);
    let mut shell = Command::new("sh");
    // Inside the namespace first: `ip` and the shell have no limit to keep to.
    // Inside the namespace first: `ip` and the shell have no limit to keep to.
    let script = "limit=$1 caps=$2 namespace=$5; shift 5; exec ip netns exec $namespace \
        setpriv --inh-caps -all,$caps --bounding-set -all,$caps \
        sh -c 'limit=$0; ulimit $limit; exec \"$@\"' \"$limit\" \"$@\"";
    let lock = if limit.starts_with("-l") { "" } else { ",+ipc_lock" };
    let capabilities = format!("+bpf,+perfmon,+net_admin,+net_raw{lock}");
    shell.args(["-c", script, "sh", limit, &capabilities]).args(arguments);
    run(shell)
}

#[test]
fn every_limit_is_named_with_what_raises_it() {
    let Some(stage) = stage() else { return };
    let mut refused = [0; 4];
    let limits = [14, 18, 22, 24].into_iter().map(|files| format!("-n {files}"));
    let limits = limits.chain([120_000, 300_000, 400_000].map(|kib| format!("-v {kib}")));
    for limit in limits.chain(["-l 0", "-l 64", "-l 4096"].map(str::to_owned)) {
        for (number, command) in
            [stage.respond("--duration 0.1"), stage.bench("--duration 0.1")].iter().enumerate()
        {
            let Ended { code, out, err, .. } = limited(command, &limit);
            if out.contains("active: ") || err.contains("error while loading shared libraries") {
                continue;
            }
            assert_eq!(code, Some(1), "{limit}: {out}{err}");
            let (word, place) = match &limit[..2] {
                "-n" => ("ulimit -n", 0),
                "-v" => ("ulimit -v", 1),
                _ => ("ulimit -l", 2),
            };
            assert!(err.contains(word), "{limit}, {number}: {out}{err}");
            refused[place] += 1;
        }
    }
    assert!(refused[..3].iter().all(|refused| *refused >= 3), "{refused:?}");
}

/// Results that do not fit are an error, and no signal that ends everything.
#[test]
fn a_limit_of_file_size_is_an_exit_code() {
    let Some(stage) = stage() else { return };
    let path = stage.file("run.json");
    std::fs::write(&path, "old").expect("a file");
    let mut command = stage.respond("--duration 0.1 --json");
    command.arg(&path);
    let Ended { code, err, .. } = limited(&command, "-f 1");
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("File too large") && err.contains("ulimit -f"), "{err}");
    assert_eq!(std::fs::read_to_string(&path).expect("a file"), "old");
}
