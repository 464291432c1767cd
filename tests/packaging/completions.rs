use super::{handfast, other, said};

/// With this shell, that reads a script and does not run it.
fn parses(shell: &str) {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script");
    std::fs::write(&script, handfast(&["completions", shell])).unwrap();
    let Some(output) = other(shell, shell, &["-n"], &script) else { return };
    assert!(output.status.success() && said(&output).is_empty(), "{}", said(&output));
}

#[test]
fn bash_takes_its_script() {
    parses("bash");
}

#[test]
fn zsh_takes_its_script() {
    parses("zsh");
}

#[test]
fn fish_takes_its_script() {
    parses("fish");
}

#[test]
fn bash_completes_commands_and_options() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script");
    let complete = "
COMP_WORDS=(handfast re); COMP_CWORD=1; _handfast handfast re handfast; echo \"${COMPREPLY[@]}\"
COMP_WORDS=(handfast lab up --qu); COMP_CWORD=3; _handfast handfast --qu up; echo \"${COMPREPLY[@]}\"
";
    let text = String::from_utf8(handfast(&["completions", "bash"])).unwrap() + complete;
    std::fs::write(&script, text).unwrap();
    let Some(output) = other("bash", "bash", &[], &script) else { return };
    assert_eq!(String::from_utf8_lossy(&output.stdout), "respond report\n--queues\n", "{}", said(&output));
}
