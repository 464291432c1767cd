//! Devices that this core has no queue of. An AF_XDP socket belongs to one core, so what a connection
//! of this core sends through such a device goes, as a finished frame, to the forward queue of a core that
//! has a queue of it. For everything else the device is a port like others, numbered behind the core's
//! own.

use std::sync::Arc;

use super::batch::Batch;
use super::core::{Core, Shared, Waker, wake_owner};
use super::forward::{FRAME_LEN, Task};
use super::port::{BATCH, Port};
use crate::observe::{CoreCounters, DropReason};
use crate::wire::{FlowKey4, FlowKey6, ParseConfig};

/// Frames of one device: a batch under way, and one for each segment that it leaves to be sent.
const FRAMES: usize = 2 * BATCH;

/// A core's ports: its own queues, then the devices that it has no queue of.
pub(super) struct Ports<P: Port> {
    pub own: Vec<P>,
    pub far: Vec<Far>,
}

impl<P: Port> Ports<P> {
    /// Frames that nothing holds: see [`Port::lost`].
    pub(super) fn lost(&self) -> u64 {
        let far = self.far.iter().map(|far| far.port.lost());
        self.own.iter().map(Port::lost).chain(far).sum()
    }
}

/// A device without a queue here, and the segments from it.
pub(super) struct Far {
    pub port: FarPort,
    pub device: usize,
    pub port_index: u8,
    pub policy: ParseConfig,
    /// Segments that were handed over and not parsed yet.
    pub rx_frames: Vec<FarFrame>,
    pub batch4: Batch<FlowKey4, FarFrame>,
    pub batch6: Batch<FlowKey6, FarFrame>,
}

/// Sends through another core. It has frames of its own, and so works while the core's queues have
/// none: those of a link that is down keep what they cannot send.
pub(super) struct FarPort {
    device: usize,
    /// The core with a queue of the device.
    server: usize,
    free: Vec<FarFrame>,
    shared: Arc<Shared>,
    counters: Arc<CoreCounters>,
    wakers: Vec<Waker>,
}

/// A frame of a [`FarPort`].
#[must_use]
pub(super) struct FarFrame {
    bytes: Box<[u8; FRAME_LEN]>,
    len: usize,
}

impl Far {
    /// Every device that the core has no queue of.
    pub(super) fn all(core: &mut Core) -> Vec<Far> {
        let mut all = Vec::new();
        for device in 0..core.shared.policies.len() {
            if !core.devices.contains(&device)
                && let Some(far) = Far::new(core, device, core.devices.len() as u8)
            {
                core.devices.push(device);
                all.push(far);
            }
        }
        all
    }

    /// Port `port_index` of this core; `None`: no core has a queue of the device.
    fn new(core: &Core, device: usize, port_index: u8) -> Option<Far> {
        let servers = core.shared.servers.get(device)?;
        // Cores with many connections are spread over those that send for them.
        let server = *servers.get(core.id.checked_rem(servers.len())?)?;
        let free = (0..FRAMES).map(|_| FarFrame { bytes: Box::new([0; FRAME_LEN]), len: 0 }).collect();
        Some(Far {
            port: FarPort {
                device,
                server,
                free,
                shared: core.shared.clone(),
                counters: core.counters.clone(),
                wakers: core.wakers.clone(),
            },
            device,
            port_index,
            policy: core.shared.policies.get(device).cloned().unwrap_or_default(),
            rx_frames: Vec::with_capacity(BATCH),
            batch4: Batch::new(),
            batch6: Batch::new(),
        })
    }

    /// What the parser needs to know of the device from now on; the index of its port.
    pub(super) fn set_policy(&mut self, policy: &ParseConfig) -> u8 {
        self.policy = policy.clone();
        self.port_index
    }
}

impl FarPort {
    pub(super) fn drop_frame(&mut self, frame: FarFrame, reason: DropReason) {
        self.counters.dropped(reason);
        self.release(frame);
    }
}

impl Port for FarPort {
    type Frame = FarFrame;

    /// Segments come through the core's forward queue.
    fn receive(&mut self, _: &mut Vec<FarFrame>, _: usize) -> usize {
        0
    }

    fn bytes<'a>(&'a self, frame: &'a FarFrame) -> &'a [u8] {
        frame.bytes.get(..frame.len).unwrap_or_default()
    }

    fn bytes_mut<'a>(&'a mut self, frame: &'a mut FarFrame) -> &'a mut [u8] {
        &mut frame.bytes[..]
    }

    fn copy_in(&mut self, bytes: &[u8]) -> Option<FarFrame> {
        let mut frame = self.allocate()?;
        let Some(room) = frame.bytes.get_mut(..bytes.len()) else {
            self.release(frame);
            return None;
        };
        room.copy_from_slice(bytes);
        frame.len = bytes.len();
        Some(frame)
    }

    fn allocate(&mut self) -> Option<FarFrame> {
        self.free.pop()
    }

    fn release(&mut self, frame: FarFrame) {
        self.free.push(frame);
    }

    fn transmit(&mut self, frame: FarFrame, len: usize) {
        let forwarded = match (self.shared.forward_queues.get(self.server), frame.bytes.get(..len)) {
            (Some(queue), Some(bytes)) => queue.push(bytes, self.device, Task::Send),
            _ => false,
        };
        if forwarded {
            self.counters.relayed_out.bump();
            wake_owner(&self.shared, &self.wakers, self.server);
        } else {
            self.counters.dropped(DropReason::ForwardQueueFull);
        }
        self.release(frame);
    }

    fn flush(&mut self) -> bool {
        true
    }

    fn lost(&self) -> u64 {
        (FRAMES - self.free.len()) as u64
    }
}
