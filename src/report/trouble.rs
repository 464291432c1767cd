//! What goes wrong on an interface: said in words, once, while it happens.
//!
//! A sentence takes a sign that traffic of others cannot give: the interface counts frames and the
//! program sees none at all; the program redirects and no socket receives; a piece of a packet.

use std::collections::BTreeSet;

use super::partial_checksums;
use handfast_stack::engine::stack::{Effective, EffectiveDevice};
use handfast_stack::engine::{KernelSnapshot, Named, QueueSnapshot, Snapshot};
use handfast_stack::xdp::{Mode, VERDICTS, sizing};

/// Looks in which the one count must have grown and the other not. Some drivers renew theirs every
/// other second: a count that lags behind grows once more after the traffic has ended, not so often.
const LOOKS: u32 = 3;
/// Frames that are too many to be a count that lags.
const FRAMES: u64 = 8;
/// Questions for a MAC without anything that follows the answer.
const QUESTIONS: u64 = 4;
/// Connections, for each queue, of which some must come to every queue.
const CONNECTIONS: u64 = 64;

/// What an interface counts, beside the program and the sockets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counted {
    /// Frames that arrived; `None`: not known.
    pub frames: Option<u64>,
    /// Whether the NIC takes VLAN tags out of them.
    pub hides_tags: bool,
}

/// Compares each snapshot with those before. To be asked about once a second.
#[derive(Debug)]
pub struct Trouble {
    devices: Vec<(EffectiveDevice, Seen)>,
    /// Partial checksums have been said.
    partial: bool,
}

#[derive(Debug, Default)]
struct Seen {
    program: Growth,
    sockets: Growth,
    /// What has been said of it.
    said: BTreeSet<&'static str>,
}

/// How one count has grown while another stood still.
#[derive(Debug, Default)]
struct Growth {
    still: u64,
    first: u64,
    last: u64,
    looks: u32,
}

impl Growth {
    /// How much `grows` has grown since `still` last changed, if that is a sign.
    fn look(&mut self, still: u64, grows: u64) -> Option<u64> {
        if still != self.still || grows < self.last {
            *self = Growth { still, first: grows, last: grows, looks: 0 };
        } else if grows > self.last {
            (self.last, self.looks) = (grows, self.looks + 1);
        }
        let grown = self.last - self.first;
        (self.looks >= LOOKS && grown >= FRAMES).then_some(grown)
    }
}

impl Trouble {
    pub fn new(active: &Effective) -> Trouble {
        let devices = active.devices.iter().map(|device| (device.clone(), Seen::default()));
        Trouble { devices: devices.collect(), partial: false }
    }

    /// What is new. `counted` is asked for an interface's own counts.
    pub fn look(&mut self, snapshot: &Snapshot, counted: impl Fn(&str) -> Counted) -> Vec<String> {
        let total = snapshot.total();
        let drivers: Vec<&str> = self.devices.iter().map(|(device, _)| device.driver.as_str()).collect();
        let partial = partial_checksums(&total, &drivers).filter(|_| !self.partial);
        self.partial |= partial.is_some();
        let mut new = Vec::from_iter(partial);
        for (device, seen) in &mut self.devices {
            let queues: Vec<&QueueSnapshot> =
                snapshot.queues.iter().filter(|queue| queue.device == device.name).collect();
            let steering = snapshot.steering.iter().find(|steering| steering.device == device.name);
            let verdicts = steering.filter(|steering| steering.unreadable.is_none());
            let counted = counted(&device.name);
            let pieces = queues.iter().map(|queue| queue.split).sum::<u64>();
            let found = match verdicts.map(|steering| &steering.verdicts) {
                None => vec![("split", split(device, pieces))],
                Some(verdicts) => vec![
                    ("split", split(device, pieces + verdicts.named("drop_split"))),
                    ("deaf", seen.deaf(device, verdicts, &queues, counted.frames)),
                    ("unheard", seen.unheard(device, verdicts, &queues)),
                    ("tags", counted.hides_tags.then(|| tags(device, verdicts)).flatten()),
                ],
            };
            let found = found.into_iter().chain([
                ("large", large(device, &queues)),
                ("silent", silent(device, &queues, total.established)),
            ]);
            for (name, text) in found {
                let first = text.is_some() && seen.said.insert(name);
                new.extend(text.filter(|_| first));
            }
        }
        new
    }
}

impl Seen {
    /// The interface counts frames, and the program, which sees each of them, sees none.
    fn deaf(
        &mut self,
        device: &EffectiveDevice,
        verdicts: &Named,
        queues: &[&QueueSnapshot],
        counted: Option<u64>,
    ) -> Option<String> {
        let missed = self.program.look(verdicts.sum(), counted?)?;
        let name = &device.name;
        let queues: Vec<String> =
            queues.iter().map(|queue| format!("queue {}: {}", queue.queue, queue.received)).collect();
        Some(format!(
            "{name} counts frames ({missed} of late) and its driver ({}) hands over none (received by {}); try: \
             ip link set {name} down; ip link set {name} up. If that helps, start with {}",
            device.driver,
            queues.join(", "),
            without(device)
        ))
    }

    /// The program redirects, and no socket receives nor counts a drop.
    fn unheard(
        &mut self,
        device: &EffectiveDevice,
        verdicts: &Named,
        queues: &[&QueueSnapshot],
    ) -> Option<String> {
        let sockets = VERDICTS.iter().filter(|verdict| verdict.is_socket());
        let redirected = sockets.map(|verdict| verdicts.named(verdict.name())).sum();
        let taken = queues.iter().map(|queue| {
            let kernel = queue.kernel.clone().unwrap_or_default();
            let dropped = kernel.rx_dropped + kernel.rx_ring_full + kernel.rx_invalid_descs;
            queue.received + queue.split + queue.bad_descriptors + dropped
        });
        let lost = self.sockets.look(taken.sum(), redirected)?;
        Some(format!(
            "{}: {lost} frames were redirected to its sockets and none arrived; start with {}",
            device.name,
            without(device)
        ))
    }
}

/// What leaves out the part of the driver that is at fault.
fn without(device: &EffectiveDevice) -> &'static str {
    match (device.zero_copy_queues.is_empty(), device.mode) {
        (false, _) => "--copy",
        (true, Mode::Native) => "--mode generic",
        (true, Mode::Generic) => "another interface: `handfast doctor` looks at this one",
    }
}

fn split(device: &EffectiveDevice, pieces: u64) -> Option<String> {
    let name = &device.name;
    let [small, large] = sizing::FRAME_SIZES;
    let cure = match (device.zero_copy_queues.is_empty(), device.frame_size == small) {
        (false, true) => format!("--frame-size {large}, or --copy"),
        (false, false) => {
            format!("ip link set {name} mtu {}, or --copy", sizing::zero_copy_mtu(device.frame_size))
        }
        (true, _) => format!("ip link set {name} mtu 1500, or --mode generic"),
    };
    (pieces > 0).then(|| {
        format!(
            "{name}: {pieces} frames were longer than the buffers of its driver ({}) and came in pieces, which \
             are dropped (drop_split): large segments never arrive; cure: {cure}",
            device.driver
        )
    })
}

/// Packets that a socket refused, since none of its frames holds them: data that the sender left to a
/// device to cut.
fn large(device: &EffectiveDevice, queues: &[&QueueSnapshot]) -> Option<String> {
    let kernel = queues.iter().filter_map(|queue| queue.kernel.as_ref());
    let dropped: u64 = kernel.map(KernelSnapshot::dropped_otherwise).sum();
    let name = &device.name;
    let cure = match device.driver.as_str() {
        "veth" => "at the peer: ethtool -K PEER tso off gso off".to_owned(),
        "virtio_net" => format!(
            "ethtool -K {name} gro off lro off here, or at a sender on the same host: ethtool -K PEER tso off gso off"
        ),
        _ => format!("ethtool -K {name} lro off rx-gro-hw off, or a smaller MTU at the sender"),
    };
    (dropped > 0).then(|| {
        format!(
            "{name}: {dropped} packets were larger than a frame of {} bytes and were dropped (rx dropped): uploads \
             stall; cure: {cure}",
            device.frame_size
        )
    })
}

/// A queue that gets nothing of many connections, while the others do.
fn silent(device: &EffectiveDevice, queues: &[&QueueSnapshot], connections: u64) -> Option<String> {
    let received: u64 = queues.iter().map(|queue| queue.received).sum();
    let silent: Vec<&&QueueSnapshot> = queues.iter().filter(|queue| queue.received == 0).collect();
    let many = u64::from(device.queues) * CONNECTIONS;
    if silent.is_empty() || received < many || connections < many {
        return None;
    }
    let (name, count) = (&device.name, device.queues);
    let cure = match (device.driver.as_str(), device.mode) {
        ("veth", Mode::Generic) => {
            "generic mode on veth brings every frame to queue 0: --mode native".to_owned()
        }
        ("veth", Mode::Native) => {
            "a veth's peer sends on as many queues as it has: ethtool -L PEER tx N".to_owned()
        }
        _ => format!(
            "ethtool -x {name} shows how it spreads; ethtool -X {name} equal {count}, and by ports: ethtool -N \
             {name} rx-flow-hash tcp4 sdfn"
        ),
    };
    let numbers: Vec<String> = silent.iter().map(|queue| queue.queue.to_string()).collect();
    let queue = if numbers.len() == 1 { "queue" } else { "queues" };
    Some(format!(
        "{name}: nothing arrives on {queue} {}, and {received} frames of {connections} connections on the others: \
         the cores there have nothing to do; {cure}",
        numbers.join(" ")
    ))
}

/// The MAC is asked for again and again: the answer does not arrive.
fn tags(device: &EffectiveDevice, verdicts: &Named) -> Option<String> {
    let asked = verdicts.named("socket_arp") + verdicts.named("socket_neighbour");
    let follows =
        verdicts.named("socket_tcp") + verdicts.named("socket_port") + verdicts.named("socket_echo");
    let name = &device.name;
    (asked >= QUESTIONS && follows == 0).then(|| {
        format!(
            "{name} was asked {asked} times for a MAC of ours, and nothing follows the answer. If this is a VLAN: \
             the NIC takes the tag out of what it receives, and the answer leaves without one; cure: ethtool -K \
             {name} rxvlan off"
        )
    })
}

#[cfg(test)]
mod tests;
