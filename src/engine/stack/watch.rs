use std::sync::Arc;

use super::devices::OpenDevice;
use crate::engine::Snapshot;
use crate::engine::snapshot::{CoreSnapshot, QueueSnapshot, SteeringSnapshot};
use crate::observe::CoreCounters;
use crate::xdp::{Queue, QueueWatch, VerdictWatch};

/// Every count of a stack, for any thread to read while it runs and afterwards. The cores are not
/// asked: they write their counts where this reads them.
#[derive(Clone)]
pub struct Watch(Arc<Seen>);

struct Seen {
    cores: Vec<Arc<CoreCounters>>,
    /// With the index of the core that serves it.
    queues: Vec<(usize, QueueWatch)>,
    /// By the interface's name.
    steering: Vec<(String, VerdictWatch)>,
}

impl Watch {
    pub(super) fn new(
        cores: Vec<Arc<CoreCounters>>,
        ports: &[Vec<(Queue, usize)>],
        devices: &[OpenDevice],
    ) -> Watch {
        let queues = ports
            .iter()
            .enumerate()
            .flat_map(|(core, ports)| ports.iter().map(move |(queue, _)| (core, queue.watch())));
        let steering = devices.iter().map(|open| (open.device.name.clone(), open.program.watch()));
        Watch(Arc::new(Seen { cores, queues: queues.collect(), steering: steering.collect() }))
    }

    /// The counts so far. Each is read once, one after the other, so that two of them may be
    /// some frames apart while there is traffic.
    pub fn snapshot(&self) -> Snapshot {
        let Seen { cores, queues, steering } = &*self.0;
        let steering = steering.iter();
        Snapshot {
            cores: cores.iter().map(|counters| CoreSnapshot::of(counters)).collect(),
            queues: queues.iter().map(|(core, queue)| QueueSnapshot::of(*core, queue)).collect(),
            steering: steering.map(|(device, verdicts)| SteeringSnapshot::of(device, verdicts)).collect(),
            // Told by the writer, not by cores.
            capture: None,
        }
    }
}
