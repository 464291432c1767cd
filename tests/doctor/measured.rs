//! `--measure`: all ceilings have a rate, and nothing is left.

use std::fs;
use std::process::{Command, Output, Stdio};

use handfast_lab::{CLIENT_DEVICE, SERVER_DEVICE};
use serde_json::Value;
use support::program;

fn measure(options: &[&str]) -> Output {
    let mut command = Command::new(program());
    command.args(["doctor", "--measure", "--seconds", "0.5"]).args(options);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    let namespaces = format!("hf-dr{}-", child.id());
    let output = child.wait_with_output().expect("it ends");
    let names = fs::read_dir("/run/netns").into_iter().flatten().flatten();
    let names = names.map(|name| name.file_name().to_string_lossy().into_owned());
    let left: Vec<String> = names.filter(|name| name.starts_with(&namespaces)).collect();
    assert_eq!(left, Vec::<String>::new(), "it removes what it made");
    output
}

fn assert_rates(output: &Output, rounds: usize) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["schema"], handfast_doctor::SCHEMA);
    let ceilings = json["measured"]["ceilings"].as_array().expect("ceilings");
    assert_eq!(ceilings.len(), 4);
    for ceiling in ceilings {
        let rates = ceiling["rates"].as_array().expect("rates");
        assert_eq!(rates.len(), rounds, "{ceiling}");
        assert!(ceiling["median"].as_f64().is_some_and(|rate| rate > 100.0), "{ceiling}");
    }
}

#[test]
fn on_a_pair_of_its_own_which_is_gone_afterwards() {
    let Some(()) = support::root() else { return };
    assert_rates(&measure(&["--rounds", "2", "--json"]), 2);
    let text = String::from_utf8_lossy(&measure(&["--rounds", "1"]).stdout).into_owned();
    for part in ["native     generic", "AF_XDP reflector", "XDP_TX reflector", "not a NIC"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn on_a_pair_that_is_named_and_on_nothing_else() {
    let Some(lab) = support::lab(|spec| spec) else { return };
    let (client, server) = (lab.client().name(), lab.server().name());
    let pair = format!("{client}:{CLIENT_DEVICE},{server}:{SERVER_DEVICE}");
    assert_rates(&measure(&["--rounds", "1", "--json", "--pair", &pair]), 1);
    for (pair, complaint) in [
        (format!("{client}:{CLIENT_DEVICE},lo"), "not the two ends of a veth pair"),
        (format!("{client}:hf-x,{server}:{SERVER_DEVICE}"), "hf-x"),
        (format!("hf-nowhere:{CLIENT_DEVICE},{server}:{SERVER_DEVICE}"), "cannot enter namespace hf-nowhere"),
    ] {
        let output = measure(&["--pair", &pair]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && said.contains(complaint), "{pair}: {said}");
    }
}
