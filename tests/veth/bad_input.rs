//! A start that fails prints the cause and the cure, ends with the right code, and leaves the
//! interface as it was found.

use handfast_lab::{Lab, SERVER_DEVICE};
use handfast_stack::wire::EndpointRange;
use handfast_stack::xdp::{Device, Mode, Program, Queue, QueueConfig};
use support::{Ended, Responder, lab, owned, program, tool};

/// No responder of ours is on the interface, nor any other program.
pub fn assert_untouched(lab: &Lab) {
    let shown = shown(lab);
    assert!(!shown.contains("xdp") && !shown.contains("prog/"), "{shown}");
}

fn shown(lab: &Lab) -> String {
    lab.server().run(&["ip", "-d", "link", "show", SERVER_DEVICE]).expect("ip")
}

#[test]
fn wrong_arguments_end_with_code_2() {
    let Some(lab) = lab(|spec| spec) else { return };
    for (listener, parts) in [
        ("198.18.1.1", &["has no port"][..]),
        ("198.18.1.1:0-99999", &["99999"]),
        ("198.18.1.300:80", &["198.18.1.300"]),
        ("198.18.1.1:80=telnet", &["unknown service \"telnet\"", "http"]),
        ("198.18.1.1/33:80", &["33"]),
    ] {
        refused(&lab, &["--dev", SERVER_DEVICE, "--listen", listener], 2, parts);
    }
    refused(&lab, &["--dev", SERVER_DEVICE], 2, &["--listen"]);
    assert_untouched(&lab);
}

#[test]
fn listeners_that_claim_the_same_are_wrong_arguments() {
    let Some(lab) = lab(|spec| spec) else { return };
    let [http, echo] = ["80=http", "80=echo"].map(|service| owned(false, service));
    let twice = ["--dev", SERVER_DEVICE, "--listen", &http, "--listen", &echo];
    refused(&lab, &twice, 2, &["198.18.1.0/24", "80"]);
    assert_untouched(&lab);
}

#[test]
fn what_cannot_be_had_ends_with_code_1_and_its_cure() {
    let Some(lab) = lab(|spec| spec) else { return };
    let listener = owned(false, "80=http");
    let listen = |device| ["--dev", device, "--listen", &listener];
    refused(&lab, &listen("hf-x"), 1, &["no interface", "hf-x", SERVER_DEVICE, "ip link"]);

    let core = [&listen(SERVER_DEVICE)[..], &["--cores", "4000"]].concat();
    refused(&lab, &core, 1, &["CPU 4000", "--cores"]);
    let zero_copy = [&listen(SERVER_DEVICE)[..], &["--zerocopy"]].concat();
    refused(&lab, &zero_copy, 1, &["no zero-copy", "--copy"]);
    assert_untouched(&lab);

    set_link(&lab, &["mtu", "9000"]);
    let native = [&listen(SERVER_DEVICE)[..], &["--mode", "native"]].concat();
    refused(&lab, &native, 1, &["MTU", "ip link set", "mtu"]);
    refused(&lab, &[&listen(SERVER_DEVICE)[..], &["--frame-size", "2048"]].concat(), 1, &["room for 1770"]);
    set_link(&lab, &["mtu", "1500"]);
    let generic = [&listen(SERVER_DEVICE)[..], &["--mode", "generic", "--zerocopy"]].concat();
    refused(&lab, &generic, 1, &["generic mode copies", "--mode native"]);
    let odd = [&listen(SERVER_DEVICE)[..], &["--frame-size", "3000"]].concat();
    refused(&lab, &odd, 2, &["3000", "2048", "4096"]);

    set_link(&lab, &["down"]);
    refused(&lab, &listen(SERVER_DEVICE), 1, &["hf-s is down", "ip link set hf-s up"]);
    assert_untouched(&lab);
}

#[test]
fn without_capabilities_it_says_which_are_needed() {
    let (Some(()), Some(lab)) = (tool("setpriv"), lab(|spec| spec)) else { return };
    let nobody = ["--reuid", "65534", "--clear-groups", "--bounding-set", "-all", "--inh-caps", "-all"];
    let output = lab
        .server()
        .command("setpriv")
        .args(nobody)
        .args([program(), "respond", "--dev", SERVER_DEVICE, "--listen", &owned(false, "80=http")])
        .output()
        .expect("setpriv");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for part in ["CAP_NET_ADMIN", "CAP_BPF", "setcap", "cap_net_raw"] {
        assert!(text.contains(part), "no {part} in\n{text}");
    }
    assert_untouched(&lab);
}

#[test]
fn a_second_responder_is_refused_and_the_first_goes_on() {
    let Some(lab) = lab(|spec| spec) else { return };
    let listener = owned(false, "80=http");
    let first = Responder::start(&lab, &["--listen", &listener]);
    let arguments = ["--dev", SERVER_DEVICE, "--listen", &listener];
    let (pid, program) = (first.id(), support::program());
    let said = [
        "cannot attach to hf-s in generic mode (Device or resource busy (os error 16))".to_owned(),
        format!("A handfast is running there, process {pid}, and an interface has one program\nfix: "),
        format!(
            "fix: start one program with the listeners of both: kill {pid}; {program} respond --dev hf-s "
        ),
        format!(" --listen {listener} "),
        format!("its control socket is /run/handfast/{pid}.sock (handfast top --socket"),
    ];
    let said: Vec<&str> = said.iter().map(String::as_str).collect();
    let text = refused(&lab, &arguments, 1, &said).text;
    assert!(!text.contains("bpftool") && !text.contains("xdpgeneric"), "never to detach it: {text}");
    let url = "http://198.18.1.1/";
    if tool("curl").is_some() {
        lab.client().run(&["curl", "-sS", "--max-time", "5", url]).expect("the first still answers");
    }
    first.stop();
    assert_untouched(&lab);

    // One with a file takes other listeners while it runs.
    let directory = tempfile::TempDir::new().expect("a directory");
    let file = directory.path().join("hf.toml");
    let settings = format!("dev = [\"hf-s\"]\nlisten = [\"{listener}\"]\ncontrol = \"none\"\n");
    std::fs::write(&file, settings).expect("a file");
    let file = file.to_str().expect("UTF-8");
    let first = Responder::start_alone(&lab, &["--config", file]);
    let fix = format!("fix: add \"{listener}\" to `listen` in {file}, then: kill -HUP {}\n", first.id());
    refused(&lab, &arguments, 1, &[&fix, "control socket"]);
    first.stop();
}

#[test]
fn a_program_that_is_there_already_stays_and_is_named() {
    let Some(lab) = lab(|spec| spec) else { return };
    let rules = [owned(false, "1-65535").parse::<EndpointRange>().expect("a rule")];
    let attach = || {
        let mut program = Program::load(&rules, &[])?;
        let device = Device::open(SERVER_DEVICE).expect("the lab's device");
        program.attach(device.index, SERVER_DEVICE, Mode::Generic).map(|()| program)
    };
    let program = lab.in_server(attach).expect("the namespace").expect("attached");
    let before = shown(&lab);
    assert!(before.contains("prog/xdp"), "{before}");
    let arguments = ["--dev", SERVER_DEVICE, "--listen", &owned(false, "80=http")];
    refused(&lab, &arguments, 1, &["cannot attach to hf-s", "fix: remove that program: "]);
    assert_eq!(shown(&lab), before);
    drop(program);
}

#[test]
fn a_queue_in_use_is_named() {
    let Some(lab) = lab(|spec| spec) else { return };
    let open = || {
        let device = Device::open(SERVER_DEVICE).expect("the lab's device");
        Queue::open(&QueueConfig::new(SERVER_DEVICE, device.index, 0))
    };
    let taken = lab.in_server(open).expect("the namespace").expect("a free queue");
    let arguments = ["--dev", SERVER_DEVICE, "--listen", &owned(false, "80=http")];
    refused(&lab, &arguments, 1, &["hf-s queue 0 is in use", "ss --xdp -p"]);
    assert_untouched(&lab);
    drop(taken);
}

/// Were the program attached first, its refusal would be the error (veth, ERANGE), and frames
/// that come meanwhile would meet no socket.
#[test]
fn the_sockets_are_bound_before_the_program_is_attached() {
    let Some(lab) = lab(|spec| spec) else { return };
    let open = || {
        let device = Device::open(SERVER_DEVICE).expect("the lab's device");
        Queue::open(&QueueConfig::new(SERVER_DEVICE, device.index, 0))
    };
    lab.client().run(&["ip", "link", "set", "dev", "hf-c", "mtu", "9000"]).expect("ip");
    let native = ["--dev", SERVER_DEVICE, "--listen", &owned(false, "80=http"), "--mode", "native"];
    refused(&lab, &native, 1, &["cannot attach to hf-s in native mode", "MTU"]);
    let taken = lab.in_server(open).expect("the namespace").expect("a free queue");
    refused(&lab, &native, 1, &["hf-s queue 0 is in use"]);
    assert_untouched(&lab);
    drop(taken);
}

fn set_link(lab: &Lab, change: &[&str]) {
    let command = [&["ip", "link", "set", "dev", SERVER_DEVICE], change].concat();
    lab.server().run(&command).expect("ip");
}

fn refused(lab: &Lab, arguments: &[&str], code: i32, parts: &[&str]) -> Ended {
    let ended = Responder::run(lab, arguments);
    assert_eq!(ended.code, Some(code), "{arguments:?}: {}", ended.text);
    for part in parts {
        assert!(ended.text.contains(part), "{arguments:?}: no {part:?} in\n{}", ended.text);
    }
    ended
}
