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

/// The completions that a shell offers for each of these lines, after it has read its script. `ask` does it, in the
/// shell's language: the words in `words`, the last of them the one to complete.
fn offered(shell: &str, ask: &str) -> Option<Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script");
    let program = support::program();
    let path = format!(
        "{}:{}",
        std::path::Path::new(program).parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    let text = String::from_utf8(handfast(&["completions", shell])).unwrap();
    std::fs::write(&script, format!("{text}\n{ask}")).unwrap();
    let wrapped = folder.path().join("wrapped");
    std::fs::write(&wrapped, format!("export PATH='{path}'\n. {}\n", script.display())).unwrap();
    let output = other(shell, shell, &[], &wrapped)?;
    assert!(output.status.success(), "{}", said(&output));
    Some(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

/// Of a line each: commands, options, interfaces of this machine, scenarios.
const LINES: [&[&str]; 4] =
    [&["re"], &["lab", "up", "--qu"], &["respond", "--dev", ""], &["lab", "trace", "lost-"]];

fn check(offered: &[String]) {
    let [commands, options, interfaces, scenarios] = offered else { panic!("{offered:?}") };
    let has = |line: &str, words: &[&str]| {
        let found: Vec<&str> = line.split_whitespace().collect();
        assert!(words.iter().all(|word| found.contains(word)), "{words:?} in {line}");
    };
    has(commands, &["respond", "report"]);
    has(options, &["--queues"]);
    has(interfaces, &["lo"]);
    has(scenarios, &["lost-syn", "lost-synack", "lost-final-ack", "lost-last-ack"]);
    assert!(!scenarios.contains("handshake"), "{scenarios}");
}

#[test]
fn bash_completes_commands_options_interfaces_and_scenarios() {
    let ask = |words: &&[&str]| {
        let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
        let (last, count) = (words.last().unwrap(), words.len());
        format!(
            "COMP_WORDS=(handfast {}); COMP_CWORD={count}; _clap_complete_handfast handfast '{last}'; \
             echo ${{COMPREPLY[*]}}\n",
            quoted.join(" ")
        )
    };
    let Some(offered) = offered("bash", &LINES.iter().map(ask).collect::<String>()) else { return };
    check(&offered);
}

/// What zsh's own completion would be given.
#[test]
fn zsh_completes_commands_options_interfaces_and_scenarios() {
    let ask = |words: &&[&str]| {
        let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
        format!(
            "words=(handfast {}); CURRENT={}; _clap_dynamic_completer_handfast; echo\n",
            quoted.join(" "),
            words.len() + 1
        )
    };
    let describe = "_describe() { local list=${@[-1]}; print -n -- ${(P)list%%:*} \" \"; }\n\
                    compdef() { :; }\ncompadd() { print -n -- ${@:#-*} \" \"; }\n";
    let ask = format!("{describe}{}", LINES.iter().map(ask).collect::<String>());
    let Some(offered) = offered("zsh", &ask) else { return };
    check(&offered);
}

#[test]
fn fish_completes_commands_options_interfaces_and_scenarios() {
    let ask = |words: &&[&str]| {
        format!("complete -C 'handfast {}' | string split -f1 \\t | string join ' '\n", words.join(" "))
    };
    let Some(offered) = offered("fish", &LINES.iter().map(ask).collect::<String>()) else { return };
    check(&offered);
}
