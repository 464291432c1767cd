//! Detects faults of an interface during a run. Each is reported once, with its fix.
//!
//! Only signs that other traffic cannot cause count: the interface counts frames and the eBPF program sees
//! none; the program redirects frames and no socket receives any; a fragment of a split packet.

use std::collections::BTreeSet;

use super::partial_checksums;
use handfast_stack::engine::stack::{Effective, EffectiveDevice};
use handfast_stack::engine::{KernelSnapshot, Named, QueueSnapshot, Snapshot};
use handfast_stack::xdp::{Mode, VERDICTS, Verdict, sizing};

/// Checks in which one counter must have grown and the other not. Some drivers update their counters only
/// every other second: a late update makes a counter grow once after the traffic has ended, not more often.
const MIN_CHECKS: u32 = 3;
/// More frames than a late update explains.
const MIN_FRAMES: u64 = 8;
/// Requests for a MAC without any segment after the reply.
const MIN_REQUESTS: u64 = 4;
/// Frames to a MAC that was asked for.
const FOLLOWING: [Verdict; 7] = [
    Verdict::SocketTcp,
    Verdict::SocketPort,
    Verdict::SocketEcho,
    Verdict::SocketSyn,
    Verdict::SocketKnownSyn,
    Verdict::SocketProven,
    Verdict::TxSynAck,
];
/// With this many connections per queue, every queue must receive some.
const CONNECTIONS_PER_QUEUE: u64 = 64;

/// Counters of an interface.
#[derive(Clone, Copy, Debug, Default)]
pub struct InterfaceCounters {
    /// Received frames; `None`: not known.
    pub frames: Option<u64>,
    /// Whether the NIC removes VLAN tags from them.
    pub hides_tags: bool,
}

/// Compares each snapshot with earlier ones; called about once a second.
#[derive(Debug)]
pub struct InterfaceMonitor {
    devices: Vec<(EffectiveDevice, DeviceState)>,
    /// Partial checksums were reported.
    partial: bool,
}

#[derive(Debug, Default)]
struct DeviceState {
    program: Growth,
    sockets: Growth,
    /// The faults reported.
    reported: BTreeSet<&'static str>,
}

/// The growth of one counter while another did not change.
#[derive(Debug, Default)]
struct Growth {
    still: u64,
    first: u64,
    last: u64,
    checks: u32,
}

impl Growth {
    /// Returns the growth of `grows` since `still` last changed, if that shows a fault.
    fn check(&mut self, still: u64, grows: u64) -> Option<u64> {
        if still != self.still || grows < self.last {
            *self = Growth { still, first: grows, last: grows, checks: 0 };
        } else if grows > self.last {
            (self.last, self.checks) = (grows, self.checks + 1);
        }
        let grown = self.last - self.first;
        (self.checks >= MIN_CHECKS && grown >= MIN_FRAMES).then_some(grown)
    }
}

impl InterfaceMonitor {
    pub fn new(active: &Effective) -> InterfaceMonitor {
        let devices = active.devices.iter().map(|device| (device.clone(), DeviceState::default()));
        InterfaceMonitor { devices: devices.collect(), partial: false }
    }

    /// Returns new faults. `counted` returns an interface's own counters.
    pub fn check(&mut self, snapshot: &Snapshot, counted: impl Fn(&str) -> InterfaceCounters) -> Vec<String> {
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
                    ("no-frames", seen.no_frames(device, verdicts, &queues, counted.frames)),
                    ("not-received", seen.not_received(device, verdicts, &queues)),
                    ("tags", counted.hides_tags.then(|| tags(device, verdicts)).flatten()),
                ],
            };
            let found = found.into_iter().chain([
                ("large", large(device, &queues)),
                ("idle-queues", idle_queues(device, &queues, total.established)),
            ]);
            for (name, text) in found {
                let first = text.is_some() && seen.reported.insert(name);
                new.extend(text.filter(|_| first));
            }
        }
        new
    }
}

impl DeviceState {
    /// The interface counts frames, but the eBPF program, which sees every frame, sees none.
    fn no_frames(
        &mut self,
        device: &EffectiveDevice,
        verdicts: &Named,
        queues: &[&QueueSnapshot],
        counted: Option<u64>,
    ) -> Option<String> {
        let missed = self.program.check(verdicts.sum(), counted?)?;
        let name = &device.name;
        let queues: Vec<String> =
            queues.iter().map(|queue| format!("queue {}: {}", queue.queue, queue.received)).collect();
        Some(format!(
            "{name} counts frames ({missed} recently) and its driver ({}) delivers none (received by {}); try: \
             ip link set {name} down; ip link set {name} up. If that helps, start with {}",
            device.driver,
            queues.join(", "),
            without(device)
        ))
    }

    /// The eBPF program redirects frames, but no socket receives or drops any.
    fn not_received(
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
        let lost = self.sockets.check(taken.sum(), redirected)?;
        Some(format!(
            "{}: {lost} frames were redirected to its sockets and none arrived; start with {}",
            device.name,
            without(device)
        ))
    }
}

/// The option that avoids the faulty part of the driver.
fn without(device: &EffectiveDevice) -> &'static str {
    match (device.zero_copy_queues.is_empty(), device.mode) {
        (false, _) => "--copy",
        (true, Mode::Native) => "--mode generic",
        (true, Mode::Generic) => "another interface: `handfast doctor` checks at this one",
    }
}

fn split(device: &EffectiveDevice, pieces: u64) -> Option<String> {
    let name = &device.name;
    let [small, large] = sizing::FRAME_SIZES;
    let fix = match (device.zero_copy_queues.is_empty(), device.frame_size == small) {
        (false, true) => format!("--frame-size {large}, or --copy"),
        (false, false) => {
            format!("ip link set {name} mtu {}, or --copy", sizing::zero_copy_mtu(device.frame_size))
        }
        (true, _) => format!("ip link set {name} mtu 1500, or --mode generic"),
    };
    (pieces > 0).then(|| {
        format!(
            "{name}: {pieces} frames were longer than the buffers of its driver ({}) and were split; the parts \
             are dropped (drop_split), so large segments never arrive; fix: {fix}",
            device.driver
        )
    })
}

/// Packets that a socket dropped because they do not fit a frame: data that the sender left to a device to
/// segment.
fn large(device: &EffectiveDevice, queues: &[&QueueSnapshot]) -> Option<String> {
    let kernel = queues.iter().filter_map(|queue| queue.kernel.as_ref());
    let dropped: u64 = kernel.map(KernelSnapshot::dropped_otherwise).sum();
    let name = &device.name;
    let fix = match device.driver.as_str() {
        "veth" => "at the peer: ethtool -K PEER tso off gso off".to_owned(),
        "virtio_net" => format!(
            "ethtool -K {name} gro off lro off here, or at a sender on the same host: ethtool -K PEER tso off gso off"
        ),
        _ => format!("ethtool -K {name} lro off rx-gro-hw off, or a smaller MTU at the sender"),
    };
    (dropped > 0).then(|| {
        format!(
            "{name}: {dropped} packets were larger than a frame of {} bytes and were dropped (rx dropped): uploads \
             stall; fix: {fix}",
            device.frame_size
        )
    })
}

/// Queues that receive nothing, with many connections on the others.
fn idle_queues(device: &EffectiveDevice, queues: &[&QueueSnapshot], connections: u64) -> Option<String> {
    let received: u64 = queues.iter().map(|queue| queue.received).sum();
    let idle: Vec<&&QueueSnapshot> = queues.iter().filter(|queue| queue.received == 0).collect();
    let many = u64::from(device.queues) * CONNECTIONS_PER_QUEUE;
    if idle.is_empty() || received < many || connections < many {
        return None;
    }
    let (name, count) = (&device.name, device.queues);
    let fix = match (device.driver.as_str(), device.mode) {
        ("veth", Mode::Generic) => {
            "generic mode on veth delivers every frame to queue 0: --mode native".to_owned()
        }
        ("veth", Mode::Native) => "a veth's peer sends on all of its queues: ethtool -L PEER tx N".to_owned(),
        _ => format!(
            "ethtool -x {name} shows the distribution; ethtool -X {name} equal {count}, and by ports: ethtool -N \
             {name} rx-flow-hash tcp4 sdfn"
        ),
    };
    let numbers: Vec<String> = idle.iter().map(|queue| queue.queue.to_string()).collect();
    let queue = if numbers.len() == 1 { "queue" } else { "queues" };
    Some(format!(
        "{name}: nothing arrives on {queue} {}, and {received} frames of {connections} connections on the others: \
         the cores there are idle; {fix}",
        numbers.join(" ")
    ))
}

/// Repeated requests for the MAC: the replies do not arrive.
fn tags(device: &EffectiveDevice, verdicts: &Named) -> Option<String> {
    let asked = verdicts.named("socket_arp") + verdicts.named("socket_neighbour");
    let follows: u64 = FOLLOWING.iter().map(|verdict| verdicts.named(verdict.name())).sum();
    let name = &device.name;
    (asked >= MIN_REQUESTS && follows == 0).then(|| {
        format!(
            "{name} received {asked} requests for a MAC, and no segments after the replies. If this is a VLAN: the \
             NIC removes the tag from received frames, and the reply is sent without one; fix: ethtool -K {name} \
             rxvlan off"
        )
    })
}

#[cfg(test)]
mod tests;
