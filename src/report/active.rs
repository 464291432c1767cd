use handfast_stack::engine::stack::{ActiveTier, Effective, EffectiveDevice};
use handfast_stack::engine::{Polling, Priority};

/// The effective configuration, after all fall-backs, in one line.
pub fn active_line(active: &Effective) -> String {
    let devices: Vec<String> = active.devices.iter().map(device).collect();
    let cpus: Vec<String> = active.cpus.iter().map(ToString::to_string).collect();
    let polling = match active.polling {
        Polling::Busy => "busy polling",
        Polling::Adaptive => "adaptive polling",
    };
    let priority = match active.priority {
        Priority::Inherited => String::new(),
        priority => format!(", {priority}"),
    };
    format!(
        "active: {}; core {}; {polling}{priority}; {} connections per family in {} MiB",
        devices.join("; "),
        cpus.join(","),
        active.max_connections,
        active.table_bytes >> 20,
    )
}

fn device(device: &EffectiveDevice) -> String {
    let copy = match device.zero_copy_queues.as_slice() {
        [] => "copy".to_owned(),
        _ if device.zero_copy => "zero-copy".to_owned(),
        some => {
            let some: Vec<String> = some.iter().map(ToString::to_string).collect();
            format!("zero-copy on queue {}, copy on the others", some.join(","))
        }
    };
    let queues = if device.queues == 1 { "queue" } else { "queues" };
    let pages = if device.hugepages { ", hugepages" } else { "" };
    let cookies = match cookie_tier(&device.cookie_tier) {
        Some(EBPF) => ", cookies by eBPF",
        Some(_) => ", cookies by the cores",
        None => "",
    };
    format!(
        "{} ({}) {} {copy}, {} {queues} of {} MiB (frames of {} bytes), {} frames per wake-up{pages}{cookies}",
        device.name,
        device.driver,
        device.mode,
        device.queues,
        device.umem_bytes >> 20,
        device.frame_size,
        device.tx_budget,
    )
}

/// [`cookie_tier`] of the eBPF program.
pub(crate) const EBPF: &str = "ebpf";

/// Who answers SYNs by cookie, as `--cookie-tier` writes it; `None`: cookies are off.
pub(crate) fn cookie_tier(tier: &ActiveTier) -> Option<&'static str> {
    match tier {
        ActiveTier::None => None,
        ActiveTier::Engine | ActiveTier::EngineBecause(_) => Some("engine"),
        ActiveTier::Ebpf => Some(EBPF),
    }
}

/// Requests that could not be met, of the stack and of its cookie tier; one sentence each.
pub fn active_notes(active: &Effective) -> Vec<String> {
    let tiers = active.devices.iter().filter_map(|device| match &device.cookie_tier {
        ActiveTier::EngineBecause(why) => Some(format!(
            "{}: SYNs are answered by cookie in the cores, not in the eBPF program: {why}",
            device.name
        )),
        _ => None,
    });
    active.notes.iter().cloned().chain(tiers).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use handfast_stack::xdp::Mode;

    #[test]
    fn names_everything_that_was_decided() {
        let device = EffectiveDevice {
            name: "hf-s".into(),
            driver: "veth".into(),
            mode: Mode::Generic,
            zero_copy: false,
            zero_copy_queues: Vec::new(),
            queues: 2,
            frame_size: 2048,
            umem_bytes: 8 << 20,
            tx_budget: 512,
            hugepages: false,
            cookie_tier: ActiveTier::None,
        };
        let active = Effective {
            devices: vec![device.clone()],
            cpus: vec![0, 1],
            polling: Polling::Adaptive,
            priority: Priority::Fifo(10),
            max_connections: 1024,
            table_bytes: 1 << 20,
            notes: Vec::new(),
        };
        assert_eq!(
            active_line(&active),
            "active: hf-s (veth) generic copy, 2 queues of 8 MiB (frames of 2048 bytes), 512 frames per \
             wake-up; core 0,1; adaptive polling, fifo:10; 1024 connections per family in 1 MiB"
        );
        let line = |zero_copy, queues: &[u32]| {
            let device = EffectiveDevice { zero_copy, zero_copy_queues: queues.to_vec(), ..device.clone() };
            active_line(&Effective { devices: vec![device], ..active.clone() })
        };
        assert!(line(true, &[0, 1]).contains("generic zero-copy, 2 queues"), "{}", line(true, &[0, 1]));
        let mixed = line(false, &[1]);
        assert!(mixed.contains("zero-copy on queue 1, copy on the others"), "{mixed}");
        let why = "it needs GRO (`ethtool -K PEER gro on`)".to_owned();
        for (cookie_tier, ending, note) in [
            (ActiveTier::None, "per wake-up", None),
            (ActiveTier::Ebpf, "per wake-up, cookies by eBPF", None),
            (ActiveTier::Engine, "per wake-up, cookies by the cores", None),
            (ActiveTier::EngineBecause(why.clone()), "per wake-up, cookies by the cores", Some(&why)),
        ] {
            let device = EffectiveDevice { cookie_tier, ..device.clone() };
            let active = Effective { devices: vec![device], ..active.clone() };
            let line = active_line(&active);
            assert!(line.contains(&format!("{ending}; core 0,1")), "{line}");
            let notes = active_notes(&active);
            assert_eq!(notes.len(), usize::from(note.is_some()), "{notes:?}");
            assert!(
                note.is_none_or(|why| notes[0].starts_with("hf-s: ") && notes[0].contains(why)),
                "{notes:?}"
            );
        }
    }
}
