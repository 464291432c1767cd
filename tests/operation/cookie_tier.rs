//! Who answers SYNs by cookie, and what an operator sees of it: in generic mode the eBPF program, in native
//! mode of a veth only while the other end takes frames from a program.

use handfast_control::{Client, Status};
use handfast_lab::{CLIENT_DEVICE, SERVER_DEVICE};
use serde_json::Value;
use support::{Process, Stage, owned, program, run, stage, tool, wait_until};

const BY_EBPF: &str = "cookies by eBPF";
const BY_CORES: &str = "cookies by the cores";

/// A responder at work, and the network of its test.
struct Tier {
    stage: Stage,
}

impl Tier {
    fn new() -> Option<Tier> {
        tool("curl")?;
        stage(|spec| spec).map(|stage| Tier { stage })
    }

    /// The other end of the veth takes frames from a program, or not.
    fn set_gro(&self, to: &str) {
        let mut ethtool = self.stage.client().command("ethtool");
        let status = ethtool.args(["-K", CLIENT_DEVICE, "gro", to]).status().expect("ethtool");
        assert!(status.success());
    }

    fn start(&self, arguments: &[&str]) -> Process {
        let mut command = self.stage.server().command(program());
        command.args(["respond", "--dev", SERVER_DEVICE, "--cookies", "always"]);
        command.args(["--listen", &owned(false, "80=http"), "--control"]).arg(self.stage.file("socket"));
        command.arg("--json").arg(self.stage.file("summary.json")).args(arguments);
        Process::start(command)
    }

    fn status(&self) -> Option<Status> {
        Client::connect(&self.stage.file("socket")).ok()?.status().ok()
    }

    /// Connections until one has these counts.
    fn connect_until(&self, what: &str, seen: impl Fn(&Status) -> bool) {
        wait_until(what, || {
            let mut curl = self.stage.client().command("curl");
            let ended = run(curl.args(["-sS", "--max-time", "20", "http://198.18.1.1/"]));
            assert_eq!(ended.code, Some(0), "{ended:?}");
            seen(&self.status().expect("an answer"))
        });
    }

    /// The next connection whose SYN the eBPF program answers, after others that it does not.
    fn connect_by_ebpf(&self) {
        let before = by_ebpf(&self.status().expect("an answer"));
        self.connect_until("a SYN-ACK of the eBPF program", |status| by_ebpf(status) > before);
    }

    fn connect_by_cores(&self) {
        let before = self.status().expect("an answer").total.syn_acks_cookie;
        self.connect_until("a cookie of a core", |status| status.total.syn_acks_cookie > before);
    }

    fn summary(&self) -> Value {
        support::json(&self.stage.file("summary.json"))
    }
}

fn by_ebpf(status: &Status) -> u64 {
    status.detail.steering.iter().map(|device| device.verdicts.named("tx_syn_ack")).sum()
}

fn count(summary: &Value, path: &str) -> u64 {
    summary.pointer(path).and_then(Value::as_u64).unwrap_or_else(|| panic!("no {path} in {summary:#}"))
}

/// Every connection of a run came of a cookie, of the core or of the program, and each is counted once.
fn assert_all_by_cookie(summary: &Value) {
    let verdict = |name: &str| count(summary, &format!("/steering/0/verdicts/{name}"));
    let total = |name: &str| count(summary, &format!("/total/{name}"));
    assert_eq!(total("syn_acks"), 0, "{summary:#}");
    assert_eq!(total("established"), total("established_by_cookie"), "{summary:#}");
    assert_eq!(total("established"), total("syn_acks_cookie") + verdict("tx_syn_ack"), "{summary:#}");
    assert_eq!(verdict("drop_unproven") + verdict("socket_unproven"), 0, "{summary:#}");
}

/// A row of the summary's text.
fn row<'a>(text: &'a str, name: &str) -> &'a str {
    let found = text.lines().find(|line| line.trim_start().starts_with(name));
    found.unwrap_or_else(|| panic!("no row {name}:\n{text}"))
}

#[test]
fn in_generic_mode_the_program_answers_and_what_it_did_is_in_the_summary() {
    let Some(tier) = Tier::new() else { return };
    let mut responder = tier.start(&["--mode", "generic"]);
    let active = responder.await_line("active: ");
    assert!(active.contains("generic copy") && active.contains(BY_EBPF), "{active}");
    responder.await_line("ready: ");
    tier.connect_by_ebpf();
    let ended = responder.stop();
    let summary = tier.summary();
    assert_all_by_cookie(&summary);
    assert_eq!(summary["active"]["devices"][0]["cookie_tier"], "ebpf");
    assert_eq!(summary["active"]["notes"], Value::Array(Vec::new()));
    let answered = count(&summary, "/steering/0/verdicts/tx_syn_ack");
    assert_eq!((count(&summary, "/cookie_tier/begun"), count(&summary, "/cookie_tier/ended")), (1, 1));
    assert_eq!(summary["cookie_tier"]["listeners"], 0, "none is left to it at the end");
    let (syns, syn_acks) = (row(&ended.out, "SYNs "), row(&ended.out, "SYN-ACKs "));
    let both = count(&summary, "/total/syns") + answered;
    assert!(syns.contains(&format!(" {both}: ")), "{syns}");
    assert!(syns.contains(&format!(" {answered} answered by the eBPF program")), "{syns}");
    assert!(syn_acks.contains(&format!(" {answered} with cookie by eBPF")), "{syn_acks}");
    assert!(row(&ended.out, "SYN cookies ").contains("by eBPF: begun once, ended 1"), "{}", ended.out);
    assert!(row(&ended.out, "ACKs in eBPF ").contains(" 0 unproven dropped"), "{}", ended.out);
}

#[test]
fn in_native_mode_of_a_veth_without_gro_the_cores_answer_and_a_note_says_why() {
    let Some(tier) = Tier::new() else { return };
    let mut responder = tier.start(&["--mode", "native"]);
    let active = responder.await_line("active: ");
    assert!(active.contains("native copy") && active.contains(BY_CORES), "{active}");
    let note = responder.await_line("note: hf-s: SYNs are answered by cookie in the cores");
    assert!(note.contains("ethtool -K PEER gro on"), "{note}");
    responder.await_line("ready: ");
    tier.connect_by_cores();
    responder.stop();
    let summary = tier.summary();
    assert_all_by_cookie(&summary);
    let device = &summary["active"]["devices"][0];
    assert_eq!(device["cookie_tier"], "engine");
    assert!(device["cookie_tier_reason"].as_str().is_some_and(|why| note.ends_with(why)), "{device}");
    let notes = summary["active"]["notes"].as_array().expect("notes").iter().filter_map(Value::as_str);
    assert!(notes.into_iter().any(|text| note == format!("note: {text}")), "{summary:#}");
    assert_eq!(count(&summary, "/steering/0/verdicts/tx_syn_ack"), 0);
}

#[test]
fn in_native_mode_with_gro_the_program_answers_and_a_change_is_reported() {
    let Some(tier) = Tier::new() else { return };
    tier.set_gro("on");
    let mut responder = tier.start(&["--mode", "native", "--cookie-tier", "ebpf"]);
    let active = responder.await_line("active: ");
    assert!(active.contains("native copy") && active.contains(BY_EBPF), "{active}");
    responder.await_line("ready: ");
    tier.connect_by_ebpf();
    tier.set_gro("off");
    let line = responder.await_line("note: hf-s: the cores answer SYNs by cookie, because");
    assert!(line.contains("gro on"), "{line}");
    tier.connect_by_cores();
    tier.set_gro("on");
    responder.await_line("note: hf-s: the eBPF program can answer SYNs by cookie now");
    tier.connect_by_ebpf();
    responder.stop();
    assert_eq!(tier.summary()["active"]["devices"][0]["cookie_tier"], "ebpf");
}

#[test]
fn a_start_that_requires_the_program_fails_where_it_cannot_with_the_ways_out() {
    let Some(tier) = Tier::new() else { return };
    let failed = tier.start(&["--mode", "native", "--cookie-tier", "ebpf"]).ended();
    assert_eq!(failed.code, Some(1), "{failed:?}");
    for part in [
        "the eBPF program cannot answer SYNs on hf-s: ",
        "ethtool -K PEER gro on",
        "fix: --cookie-tier auto",
        "handfast doctor --dev hf-s",
    ] {
        assert!(failed.err.contains(part), "no {part} in {}", failed.err);
    }
    let refused = tier.start(&["--cookie-tier", "ebpf", "--fault", "drop=1%"]).ended();
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.err.contains("does not apply with --fault"), "{}", refused.err);
}

#[test]
fn a_capture_and_faults_have_a_note() {
    let Some(tier) = Tier::new() else { return };
    let file = tier.stage.file("run.pcapng");
    let pcap = ["--pcap", file.to_str().expect("UTF-8"), "--duration", "0.2"];
    for (arguments, note) in [
        (
            &[][..],
            Some("note: SYNs that the eBPF program answers are not in the capture; --cookie-tier engine"),
        ),
        (&["--cookie-tier", "engine"], None),
        (
            &["--fault", "drop=1%"],
            Some("note: hf-s: SYNs are answered by cookie in the cores, not in the eBPF program: faults"),
        ),
    ] {
        let ended = tier.start(&[&pcap[..], arguments].concat()).ended();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let notes: Vec<&str> =
            ended.out.lines().filter(|line| line.contains("SYN") && line.starts_with("note: ")).collect();
        assert_eq!(notes.len(), usize::from(note.is_some()), "{arguments:?}: {notes:?}");
        assert!(note.is_none_or(|note| notes[0].starts_with(note)), "{arguments:?}: {notes:?}");
    }
}
