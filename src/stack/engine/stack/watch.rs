use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::devices::OpenDevice;
use super::tier::TierCounters;
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
    names: Names,
    tier: Arc<TierCounters>,
}

/// What interfaces are called now, by their names at start: only those that were renamed.
pub(super) type Names = Arc<RwLock<BTreeMap<String, String>>>;

impl Watch {
    pub(super) fn new(
        cores: Vec<Arc<CoreCounters>>,
        ports: &[Vec<(Queue, usize)>],
        devices: &[OpenDevice],
        tier: Arc<TierCounters>,
    ) -> Watch {
        let queues = ports
            .iter()
            .enumerate()
            .flat_map(|(core, ports)| ports.iter().map(move |(queue, _)| (core, queue.watch())));
        let steering = devices.iter().map(|open| (open.device.name.clone(), open.program.watch()));
        Watch(Arc::new(Seen {
            cores,
            queues: queues.collect(),
            steering: steering.collect(),
            names: Names::default(),
            tier,
        }))
    }

    /// Where the names of interfaces that are renamed are to be put.
    pub(super) fn names(&self) -> Names {
        self.0.names.clone()
    }

    /// What an interface is called now that had this name at start.
    pub fn name(&self, at_start: &str) -> String {
        let names = self.0.names.read().unwrap_or_else(PoisonError::into_inner);
        names.get(at_start).cloned().unwrap_or_else(|| at_start.to_owned())
    }

    /// The counts so far. Each is read once, one after the other, so that two of them may be
    /// some frames apart while there is traffic.
    pub fn snapshot(&self) -> Snapshot {
        let Seen { cores, queues, steering, tier, .. } = &*self.0;
        let steering = steering.iter();
        let mut snapshot = Snapshot {
            cores: cores.iter().map(|counters| CoreSnapshot::of(counters)).collect(),
            queues: queues.iter().map(|(core, queue)| QueueSnapshot::of(*core, queue)).collect(),
            steering: steering.map(|(device, verdicts)| SteeringSnapshot::of(device, verdicts)).collect(),
            cookie_tier: tier.snapshot(),
            // Told by the writer, not by cores.
            capture: None,
        };
        for device in snapshot.queues.iter_mut().map(|queue| &mut queue.device) {
            *device = self.name(device);
        }
        for device in snapshot.steering.iter_mut().map(|steering| &mut steering.device) {
            *device = self.name(device);
        }
        snapshot
    }
}
