//! Tries what the kernel accepts: an AF_XDP socket on each queue, released at once.

use std::thread;

use handfast_stack::xdp::{CopyMode, Device, EffectiveConfig, Queue, QueueConfig, XdpError};

/// Queues that are tried: as many as the steering program supports.
const MAX_QUEUES: u32 = 64;
/// Frames of the rings of a socket that moves nothing.
const RING: u32 = 64;
/// Frames of the two rings for sending: a wake-up may send no more than the ring holds.
const SEND_RING: u32 = 512;

/// The results of binding to every queue.
#[derive(Debug, Default)]
pub(super) struct BindProbe {
    /// Queues that already have a socket.
    pub taken: Vec<u32>,
    pub free: Vec<u32>,
    /// The settings of the first socket that was bound.
    pub opened: Option<EffectiveConfig>,
    /// The first error of a queue that is neither taken nor free.
    pub trouble: Option<XdpError>,
}

impl BindProbe {
    pub(super) fn of(device: &Device) -> BindProbe {
        let mut probe = BindProbe::default();
        if !device.up {
            return probe;
        }
        // All at once: a taken one is tried for a second, since a closed one is released late.
        let results: Vec<(u32, Result<EffectiveConfig, XdpError>)> = thread::scope(|scope| {
            let tries: Vec<_> = (0..device.rx_queues.min(MAX_QUEUES))
                .map(|queue| (queue, scope.spawn(move || bind(device, queue))))
                .collect();
            tries.into_iter().filter_map(|(queue, thread)| Some((queue, thread.join().ok()?))).collect()
        });
        for (queue, result) in results {
            match result {
                Ok(opened) => {
                    probe.free.push(queue);
                    probe.opened.get_or_insert(opened);
                }
                Err(XdpError::QueueInUse { .. }) => probe.taken.push(queue),
                Err(error) => drop(probe.trouble.get_or_insert(error)),
            }
        }
        probe
    }
}

/// In copy mode: asking for zero-copy would have some drivers start their queues anew.
fn bind(device: &Device, queue: u32) -> Result<EffectiveConfig, XdpError> {
    let mut config = QueueConfig::new(&device.name, device.index, queue);
    config.set_rings(RING);
    (config.tx_ring, config.completion_ring) = (SEND_RING, SEND_RING);
    config.copy = CopyMode::Copy;
    Queue::open(&config).map(|(_, opened)| opened)
}
