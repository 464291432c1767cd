//! Frames that other cores have forwarded to this one.

use super::forward::Task;
use super::port::{BATCH, Port};
use super::worker::Worker;
use crate::observe::DropReason;

impl<P: Port> Worker<P> {
    /// Takes up to a batch of forwarded frames: segments join the received ones of their device, finished
    /// frames are sent. Returns the number taken.
    pub(super) fn drain_forwarded(&mut self) -> usize {
        // A single core receives none, and looking at an empty queue costs a fence.
        if self.core.shared.forward_queues.len() < 2 {
            return 0;
        }
        let Worker { core, ports, devices, rx_frames, .. } = self;
        let Some(queue) = core.shared.forward_queues.get(core.id) else { return 0 };
        let mut taken = 0;
        while taken < BATCH
            && let Some(item) = queue.pop()
        {
            let own = devices.iter().position(|device| device.number == item.device);
            let own = own.and_then(|number| Some((ports.own.get_mut(number)?, &mut rx_frames[number])));
            let done = match (item.task, own) {
                (Task::Receive, Some((port, rx_frames))) => receive(port, rx_frames, item.bytes()),
                (Task::Receive, None) => {
                    let far = ports.far.iter_mut().find(|far| far.device == item.device);
                    far.and_then(|far| receive(&mut far.port, &mut far.rx_frames, item.bytes()))
                }
                (Task::Send, Some((port, _))) => relay(port, item.bytes()),
                // Forwarded only to a core with a queue of the device.
                (Task::Send, None) => None,
            };
            match (done, item.task) {
                (Some(()), Task::Receive) => core.counters.forwarded_in.bump(),
                (Some(()), Task::Send) => core.counters.relayed_in.bump(),
                (None, _) => core.counters.dropped(DropReason::NoFrame),
            }
            queue.recycle(item);
            taken += 1;
        }
        self.serve_far();
        taken
    }

    /// Processes segments from devices that this core has no queue of.
    fn serve_far(&mut self) {
        let Worker { core, ports, v4, v6, .. } = self;
        for far in ports.far.iter_mut().filter(|far| !far.rx_frames.is_empty()) {
            far.serve(core, v4, v6);
        }
    }
}

/// A frame that another core's queue received.
fn receive<P: Port>(port: &mut P, rx_frames: &mut Vec<P::Frame>, bytes: &[u8]) -> Option<()> {
    rx_frames.push(port.copy_in(bytes)?);
    Some(())
}

/// A finished frame of another core.
fn relay<P: Port>(port: &mut P, bytes: &[u8]) -> Option<()> {
    let frame = port.copy_in(bytes)?;
    port.transmit(frame, bytes.len());
    Some(())
}
