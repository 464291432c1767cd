//! What other cores have handed over.

use super::mailbox::Task;
use super::port::{BATCH, Port};
use super::worker::Worker;
use crate::observe::DropReason;

impl<P: Port> Worker<P> {
    /// What other cores have handed over: their segments as if they had come in here, and frames of
    /// theirs to send.
    pub(super) fn open_letters(&mut self) -> usize {
        // A core that is alone is handed nothing, and even an empty queue costs a fence to look at.
        if self.core.shared.mailboxes.len() < 2 {
            return 0;
        }
        let Worker { core, ports, devices, inboxes, .. } = self;
        let Some(mailbox) = core.shared.mailboxes.get(core.id) else { return 0 };
        let mut opened = 0;
        while opened < BATCH
            && let Some(item) = mailbox.take()
        {
            let own = devices.iter().position(|device| device.number == item.device);
            let own = own.and_then(|number| Some((ports.own.get_mut(number)?, &mut inboxes[number])));
            let done = match (item.task, own) {
                (Task::Receive, Some((port, inbox))) => receive(port, inbox, item.bytes()),
                (Task::Receive, None) => {
                    let far = ports.far.iter_mut().find(|far| far.device == item.device);
                    far.and_then(|far| receive(&mut far.port, &mut far.inbox, item.bytes()))
                }
                (Task::Send, Some((port, _))) => relay(port, item.bytes()),
                // Posted only to a core with a queue of the device.
                (Task::Send, None) => None,
            };
            match (done, item.task) {
                (Some(()), Task::Receive) => core.counters.forwarded_in.bump(),
                (Some(()), Task::Send) => core.counters.relayed_in.bump(),
                (None, _) => core.counters.dropped(DropReason::NoFrame),
            }
            mailbox.give_back(item);
            opened += 1;
        }
        self.serve_far();
        opened
    }

    /// Segments that came in on devices which this core has no queue of.
    fn serve_far(&mut self) {
        let Worker { core, ports, v4, v6, .. } = self;
        for far in ports.far.iter_mut().filter(|far| !far.inbox.is_empty()) {
            far.serve(core, v4, v6);
        }
    }
}

/// A frame that another core's queue received.
fn receive<P: Port>(port: &mut P, inbox: &mut Vec<P::Frame>, bytes: &[u8]) -> Option<()> {
    inbox.push(port.copy_in(bytes)?);
    Some(())
}

/// A frame that another core has finished.
fn relay<P: Port>(port: &mut P, bytes: &[u8]) -> Option<()> {
    let frame = port.copy_in(bytes)?;
    port.transmit(frame, bytes.len());
    Some(())
}
