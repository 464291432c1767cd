//! The rows on SYNs, SYN-ACKs and cookies, of the cores and of the eBPF program without them.

use handfast_stack::engine::{CoreSnapshot, Snapshot};
use handfast_stack::xdp::Verdict;

/// Name and text of each row.
pub(super) fn rows(total: &CoreSnapshot, detail: &Snapshot) -> Vec<(&'static str, String)> {
    let ebpf = Ebpf::of(detail);
    let mut rows = vec![("SYNs", syns(total, &ebpf)), ("SYN-ACKs", syn_acks(total, &ebpf))];
    rows.extend(switches(total, detail).map(|text| ("SYN cookies", text)));
    rows.extend(ebpf.acks().map(|text| ("ACKs in eBPF", text)));
    rows
}

/// The SYNs and ACKs that the eBPF program processed without a core.
struct Ebpf {
    /// Its verdicts are not readable.
    unreadable: bool,
    /// It answered for a listener at some time.
    began: bool,
    syn_acks: u64,
    limited: u64,
    proven: u64,
    passed: u64,
    dropped: u64,
}

impl Ebpf {
    fn of(detail: &Snapshot) -> Ebpf {
        Ebpf {
            unreadable: detail.steering.iter().any(|steering| steering.unreadable.is_some()),
            began: detail.cookie_tier.begun > 0,
            syn_acks: detail.steered(Verdict::TxSynAck),
            limited: detail.steered(Verdict::DropSynLimit),
            proven: detail.steered(Verdict::SocketProven),
            passed: detail.steered(Verdict::SocketUnproven),
            dropped: detail.steered(Verdict::DropUnproven),
        }
    }

    fn is_unknown(&self) -> bool {
        self.unreadable && self.began
    }

    fn acks(&self) -> Option<String> {
        let Ebpf { proven, passed, dropped, .. } = self;
        (proven + passed + dropped > 0).then(|| {
            format!("{proven} proven by a cookie, {passed} unproven passed on, {dropped} unproven dropped")
        })
    }
}

fn syns(total: &CoreSnapshot, ebpf: &Ebpf) -> String {
    let cores = total.syns;
    if ebpf.is_unknown() {
        return format!("{cores} received by cores, and those that the eBPF program answered");
    }
    let mut text = (cores + ebpf.syn_acks + ebpf.limited).to_string();
    if ebpf.syn_acks + ebpf.limited > 0 {
        text += &format!(": {cores} received by cores, {} answered by the eBPF program", ebpf.syn_acks);
    }
    if ebpf.limited > 0 {
        text += &format!(", {} dropped by it beyond the limit of their source", ebpf.limited);
    }
    text
}

fn syn_acks(total: &CoreSnapshot, ebpf: &Ebpf) -> String {
    let by_ebpf = match ebpf.is_unknown() {
        true => "an unknown number".to_owned(),
        false => ebpf.syn_acks.to_string(),
    };
    format!(
        "{} with state, {} with cookie by cores, {by_ebpf} with cookie by eBPF, {} retransmitted",
        total.syn_acks, total.syn_acks_cookie, total.syn_ack_retransmissions
    )
}

/// How often listeners began to answer by cookie, and ceased to, if they did.
fn switches(total: &CoreSnapshot, detail: &Snapshot) -> Option<String> {
    let tier = &detail.cookie_tier;
    let by_cores = (total.cookie_modes_begun > 0).then(|| {
        format!("by cores: begun {}, ended {}", times(total.cookie_modes_begun), total.cookie_modes_ended)
    });
    let by_ebpf =
        (tier.begun > 0).then(|| format!("by eBPF: begun {}, ended {}", times(tier.begun), tier.ended));
    let parts: Vec<String> = by_cores.into_iter().chain(by_ebpf).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use handfast_stack::engine::stack::TierSnapshot;
    use handfast_stack::engine::{Named, SteeringSnapshot};

    fn steering(verdicts: &[(&'static str, u64)], unreadable: Option<&str>) -> SteeringSnapshot {
        let verdicts = Named(verdicts.iter().map(|(name, count)| ((*name).into(), *count)).collect());
        SteeringSnapshot { device: "eth0".into(), verdicts, unreadable: unreadable.map(str::to_owned) }
    }

    fn cores() -> CoreSnapshot {
        CoreSnapshot { syns: 300, syn_acks: 200, syn_acks_cookie: 100, ..CoreSnapshot::default() }
    }

    fn text(total: &CoreSnapshot, detail: &Snapshot) -> String {
        rows(total, detail).into_iter().map(|(name, text)| format!("{name} {text}\n")).collect()
    }

    #[test]
    fn without_the_program_it_is_what_the_cores_did() {
        let expected = "SYNs 300\n\
            SYN-ACKs 200 with state, 100 with cookie by cores, 0 with cookie by eBPF, 0 retransmitted\n";
        assert_eq!(text(&cores(), &Snapshot::default()), expected);
    }

    #[test]
    fn what_the_program_answered_on_all_devices_is_added_and_named() {
        let first = [("tx_syn_ack", 5000), ("drop_syn_limit", 70), ("socket_proven", 9)];
        let second = [("tx_syn_ack", 1000), ("socket_unproven", 3), ("drop_unproven", 40)];
        let detail = Snapshot {
            steering: vec![steering(&first, None), steering(&second, None)],
            cookie_tier: TierSnapshot { begun: 1, ended: 1, ..TierSnapshot::default() },
            ..Snapshot::default()
        };
        let total = CoreSnapshot { cookie_modes_begun: 2, cookie_modes_ended: 1, ..cores() };
        let expected = "SYNs 6370: 300 received by cores, 6000 answered by the eBPF program, \
            70 dropped by it beyond the limit of their source\n\
            SYN-ACKs 200 with state, 100 with cookie by cores, 6000 with cookie by eBPF, 0 retransmitted\n\
            SYN cookies by cores: begun 2 times, ended 1; by eBPF: begun once, ended 1\n\
            ACKs in eBPF 9 proven by a cookie, 3 unproven passed on, 40 unproven dropped\n";
        assert_eq!(text(&total, &detail), expected);
    }

    #[test]
    fn verdicts_that_cannot_be_read_are_unknown_and_not_0() {
        let mut detail = Snapshot { steering: vec![steering(&[], Some("EPERM"))], ..Snapshot::default() };
        assert!(!text(&cores(), &detail).contains("unknown"), "the program did nothing");
        detail.cookie_tier.begun = 1;
        let text = text(&cores(), &detail);
        assert!(text.contains("an unknown number with cookie by eBPF"), "{text}");
        assert!(text.contains("SYNs 300 received by cores, and those"), "{text}");
    }
}
