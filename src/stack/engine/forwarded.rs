//! Frames that other cores have forwarded to this one.

use super::core::Core;
use super::errors::icmp_error;
use super::far::Far;
use super::flows::Flows;
use super::forward::Task;
use super::port::{BATCH, Port};
use super::tx::ReplyContext;
use super::worker::Worker;
use crate::observe::DropReason;
use crate::wire::{FlowKey4, FlowKey6, Packet, parse};

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
            let own = devices.iter().position(|device| device.index == item.device);
            let own = own.and_then(|index| Some((ports.own.get_mut(index)?, &mut rx_frames[index])));
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
            serve(far, core, v4, v6);
        }
    }
}

/// The phases of a poll for the received frames, as for the core's own queues.
fn serve(far: &mut Far, core: &mut Core, v4: &mut Flows<FlowKey4>, v6: &mut Flows<FlowKey6>) {
    let Far { port, port_index, policy, rx_frames, batch4, batch6, .. } = far;
    core.counters.frames_in.add(rx_frames.len() as u64);
    for frame in rx_frames.drain(..) {
        match parse(port.bytes(&frame), policy) {
            Ok(Packet::Tcp4(segment)) => batch4.queue(core, port, frame, &segment),
            Ok(Packet::Tcp6(segment)) => batch6.queue(core, port, frame, &segment),
            Ok(Packet::Error4(error)) => icmp_error(core, v4, port, *port_index, frame, &error),
            Ok(Packet::Error6(error)) => icmp_error(core, v6, port, *port_index, frame, &error),
            // Nothing else is handed over: the core that it came to answers it.
            Ok(_) => port.drop_frame(frame, DropReason::NotForUs),
            Err(reason) => port.drop_frame(frame, reason),
        }
    }
    v4.hash(&core.shared.secrets.tuple, batch4);
    v6.hash(&core.shared.secrets.tuple, batch6);
    v4.look_up(batch4);
    v6.look_up(batch6);
    let mut ctx = ReplyContext { core, port, port_index: *port_index };
    v4.process(&mut ctx, batch4);
    v6.process(&mut ctx, batch6);
    v4.transmit_replies(&mut ctx, batch4);
    v6.transmit_replies(&mut ctx, batch6);
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
