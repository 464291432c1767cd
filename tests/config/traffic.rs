//! Reloads while kernel clients come and go: none of them notices.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{available_parallelism, scope, sleep};
use std::time::Duration;

use handfast_lab::load::{ClientScript, Plan};
use handfast_lab::{Lab, Spec, client_addresses};
use nix::sys::signal::Signal;
use support::{Summary, at, clients, lab, owned, skipped};

use crate::file::{File, listening, reload, respond};

const CONNECTIONS: u64 = 10_000;
const RELOADS: usize = 20;

/// Rounds of connections to the listener that stays, until the flag is set; at least one round.
fn traffic(lab: &Lab, over: &AtomicBool) -> u64 {
    let mut rounds = 0;
    while rounds == 0 || !over.load(Ordering::Relaxed) {
        let echo = ClientScript::Echo(b"still here".into());
        let plan = Plan::parallel(at(false, 7), CONNECTIONS, 100).sources(client_addresses(false));
        clients(lab, &plan.script(echo));
        rounds += 1;
    }
    rounds
}

fn reloads_under_traffic(lab: &Lab, more: &str) -> Summary {
    let (stays, comes) = (owned(false, "7=echo"), owned(false, "9=echo"));
    let texts = [
        listening(more, &[&comes, &stays]),
        // The same addresses in other words: what stays has another place and other neighbours.
        listening(more, &["198.18.1.1:9=http", &stays, "198.18.1.7:1-65535=discard"]),
        listening(more, &[&stays]),
    ];
    let file = File::new(&texts[2]);
    let mut responder = respond(lab, &file, &[]);
    let over = AtomicBool::new(false);
    let rounds = scope(|scope| {
        let clients = scope.spawn(|| traffic(lab, &over));
        for number in 0..RELOADS {
            reload(&mut responder, &file, &texts[number % texts.len()], "reloaded");
        }
        over.store(true, Ordering::Relaxed);
        clients.join().expect("none was lost")
    });
    // The clients are done before their last ACKs have arrived.
    responder.await_open(0);
    let summary = responder.stop();
    assert_eq!(summary.total("established"), rounds * CONNECTIONS, "{}", summary.text);
    assert_eq!(summary.closed("passive"), rounds * CONNECTIONS, "{}", summary.text);
    summary
}

#[test]
fn twenty_reloads_lose_none_of_ten_thousand_connections() {
    let Some(lab) = lab(|spec| spec) else { return };
    let summary = reloads_under_traffic(&lab, "");
    assert_no_resets(&lab, &summary);
}

/// None but for what the client's kernel sent again after a pause: its connection may have ended then.
fn assert_no_resets(lab: &Lab, summary: &Summary) {
    let snmp = || fs::read_to_string("/proc/thread-self/net/snmp");
    let text = lab.in_client(snmp).expect("the namespace").expect("counts");
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Tcp: ")).map(str::split_whitespace);
    let (names, counts) = (lines.next().expect("names"), lines.next().expect("counts"));
    let (_, sent_again) = names.zip(counts).find(|(name, _)| *name == "RetransSegs").expect("a count");
    let sent_again: u64 = sent_again.parse().expect("a number");
    assert!(summary.total("resets_sent") <= sent_again, "{sent_again} sent again\n{}", summary.text);
}

#[test]
fn nor_on_two_queues_and_two_cores() {
    if available_parallelism().is_ok_and(|cores| cores.get() < 2) {
        skipped::<()>("it takes two cores");
        return;
    }
    // Segments of one flow alternate between the queues, and so between cores with other rules.
    // They overtake each other as well, so that some come when their connection has ended.
    let Some(lab) = lab(|spec| Spec { queues: 2, scatter: true, ..spec }) else { return };
    let summary = reloads_under_traffic(&lab, "mode = 'native'\ncores = [0, 1]");
    assert!(summary.total("forwarded_out") > CONNECTIONS / 2, "{}", summary.text);
}

#[test]
fn a_storm_of_hangups_is_weathered() {
    let Some(lab) = lab(|spec| spec) else { return };
    let (stays, comes) = (owned(false, "7=echo"), owned(false, "9=echo"));
    let file = File::new(listening("", &[&stays]));
    let mut responder = respond(&lab, &file, &[]);
    let over = AtomicBool::new(false);
    scope(|scope| {
        let clients = scope.spawn(|| traffic(&lab, &over));
        for number in 0..2_000 {
            if number % 100 == 0 {
                let both = [stays.as_str(), comes.as_str()];
                file.write(listening("", &both[..1 + number / 100 % 2]));
            }
            responder.signal(Signal::SIGHUP);
            sleep(Duration::from_millis(1));
        }
        over.store(true, Ordering::Relaxed);
        clients.join().expect("none was lost");
    });
    // The answers to the storm, as many as there were, come before the one to this.
    file.write(listening("", &[&comes]));
    responder.signal(Signal::SIGHUP);
    let removed = format!("-{stays}");
    responder.await_line_where(|line| line.starts_with("reloaded") && line.contains(&removed));
    clients(&lab, &Plan::sequential(at(false, 9), 10).script(ClientScript::Echo(b"new".into())));
    let summary = responder.stop();
    assert_no_resets(&lab, &summary);
}
