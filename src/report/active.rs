use crate::engine::stack::{Active, ActiveDevice};
use crate::engine::{Polling, Priority};

/// One line: what is really active, after all fall-backs.
pub fn active_line(active: &Active) -> String {
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

fn device(device: &ActiveDevice) -> String {
    let copy = if device.zero_copy { "zero-copy" } else { "copy" };
    let queues = if device.queues == 1 { "queue" } else { "queues" };
    let pages = if device.hugepages { ", hugepages" } else { "" };
    format!(
        "{} ({}) {} {copy}, {} {queues}, {} frames per wake-up{pages}",
        device.name, device.driver, device.mode, device.queues, device.tx_budget,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xdp::Mode;

    #[test]
    fn names_everything_that_was_decided() {
        let device = ActiveDevice {
            name: "hf-s".into(),
            driver: "veth".into(),
            mode: Mode::Generic,
            zero_copy: false,
            queues: 2,
            tx_budget: 512,
            hugepages: false,
        };
        let active = Active {
            devices: vec![device],
            cpus: vec![0, 1],
            polling: Polling::Adaptive,
            priority: Priority::Fifo(10),
            max_connections: 1024,
            table_bytes: 1 << 20,
            notes: Vec::new(),
        };
        assert_eq!(
            active_line(&active),
            "active: hf-s (veth) generic copy, 2 queues, 512 frames per wake-up; core 0,1; \
             adaptive polling, fifo:10; 1024 connections per family in 1 MiB"
        );
    }
}
