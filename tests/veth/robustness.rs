//! The interface goes, or its link; the responder is killed.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use handfast_lab::load::{ClientScript, Plan};
use handfast_lab::{CLIENT_DEVICE, Lab, Namespace, SERVER_DEVICE, Spec};
use support::{Responder, at, attempts, clients, lab, owned, program, wait_until, wait_until_within};

use crate::bad_input::assert_untouched;

/// The looks of the responder at its interfaces are 50 ms apart, its longest sleep is 1 s; the rest is
/// the kernel's, which takes devices and programs apart one after another, other tests' as well.
const SOON: Duration = Duration::from_secs(10);

#[test]
fn ends_by_itself_when_the_interface_is_deleted() {
    for polling in ["busy", "adaptive"] {
        for mode in ["generic", "native"] {
            let Some(lab) = lab(|spec| spec) else { return };
            let responder = start(&lab, &["--poll", polling, "--mode", mode]);
            clients(&lab, &ping_pong());
            lab.server().run(&["ip", "link", "delete", SERVER_DEVICE]).expect("ip");
            let ended = responder.ended();
            assert_eq!(ended.code, Some(1), "{polling} {mode}: {}", ended.text);
            assert!(ended.after < SOON, "{polling} {mode}: {:?}\n{}", ended.after, ended.text);
            for part in ["interface hf-s is gone", "start again"] {
                assert!(ended.text.contains(part), "{polling} {mode}: no {part:?} in\n{}", ended.text);
            }
            assert!(ended.text.contains("summary of"), "{polling} {mode}: {}", ended.text);
        }
    }
}

#[test]
fn goes_on_after_the_link_of_either_end_was_down() {
    for mode in ["generic", "native"] {
        let Some(lab) = lab(|spec| Spec { ipv6: true, ..spec }) else { return };
        let responder = start(&lab, &["--mode", mode]);
        clients(&lab, &ping_pong());
        let ends = [(lab.client(), CLIENT_DEVICE), (lab.server(), SERVER_DEVICE)];
        for (namespace, device) in ends {
            set(namespace, device, "down");
            let short = Plan { timeout: Duration::from_millis(200), ..ping_pong() };
            assert_eq!(attempts(&lab, &short).completed, 0, "{device} is down");
            set(namespace, device, "up");
            // The carrier, and after it the neighbour entry, come back in the kernel's own time.
            wait_until("it answers again", || attempts(&lab, &short).failed() == 0);
            clients(&lab, &ping_pong());
        }
        responder.stop();
        assert_untouched(&lab);
    }
}

#[test]
fn killed_it_leaves_nothing_and_a_new_one_starts_at_once() {
    for mode in ["generic", "native"] {
        let Some(lab) = lab(|spec| spec) else { return };
        let responder = start(&lab, &["--mode", mode]);
        clients(&lab, &ping_pong());
        responder.kill();
        // The kernel drops a dead process's links a moment after it was waited for.
        wait_until_within(SOON, "the program is gone", || {
            let shown = lab.server().run(&["ip", "-d", "link", "show", SERVER_DEVICE]).expect("ip");
            !shown.contains("prog/")
        });
        assert_untouched(&lab);
        let responder = start(&lab, &["--mode", mode]);
        clients(&lab, &ping_pong());
        responder.stop();
    }
}

/// `respond … | head`: nobody reads any more, and it goes on to its end and its summary.
#[test]
fn a_reader_of_its_output_that_has_gone_is_no_reason_to_end() {
    let Some(lab) = lab(|spec| spec) else { return };
    let folder = tempfile::TempDir::new().expect("a folder");
    let summary = folder.path().join("summary.json");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = lab.server().command(program());
    command.args(["respond", "--dev", SERVER_DEVICE, "--listen", &owned(false, "7=echo")]);
    command.args(["--duration", "0.3", "--interval", "0.1", "--json"]).arg(&summary);
    let output = command.stdout(writer).stderr(Stdio::piped()).spawn().expect("runs");
    let output = output.wait_with_output().expect("ends");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*complaint), (Some(0), ""));
    let written = std::fs::read(&summary).expect("the summary");
    assert!(
        serde_json::from_slice::<serde_json::Value>(&written).is_ok_and(|json| json["total"].is_object())
    );
}

fn start(lab: &Lab, arguments: &[&str]) -> Responder {
    Responder::start(lab, &[arguments, &["--listen", &owned(false, "7=echo")]].concat())
}

/// A few connections that echo, one after another.
fn ping_pong() -> Plan {
    let target: SocketAddr = at(false, 7);
    Plan::sequential(target, 10).script(ClientScript::Echo(b"still there?".into()))
}

fn set(namespace: &Namespace, device: &str, state: &str) {
    namespace.run(&["ip", "link", "set", "dev", device, state]).expect("ip");
}
