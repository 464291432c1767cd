use handfast_stack::engine::stack::{Effective, EffectiveDevice};
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
    format!(
        "{} ({}) {} {copy}, {} {queues} of {} MiB (frames of {} bytes), {} frames per wake-up{pages}",
        device.name,
        device.driver,
        device.mode,
        device.queues,
        device.umem_bytes >> 20,
        device.frame_size,
        device.tx_budget,
    )
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
    }
}
