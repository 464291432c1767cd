use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::stack::TierSnapshot;
use crate::capture::Report;
use crate::observe::{
    CLOSED, CORE_COUNTERS, CoreCounters, Counter, CounterInfo, DROP_REASONS, STAGES, core_counters,
};
use crate::xdp::{QueueWatch, VERDICTS, Verdict, VerdictWatch};

/// Every count of a stack at one moment.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Snapshot {
    /// Counts of each core, by index.
    pub cores: Vec<CoreSnapshot>,
    /// Counts of each queue of each device.
    pub queues: Vec<QueueSnapshot>,
    /// Verdicts of the steering program, per device.
    pub steering: Vec<SteeringSnapshot>,
    /// The eBPF program's part in SYN cookies.
    pub cookie_tier: TierSnapshot,
    /// Counts of the capture; `None` without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capture: Option<Report>,
}

/// Takes each count of [`CoreCounters`] over: reading, adding up, and listing.
macro_rules! core_snapshot {
    ($($name:ident, $kind:ident, $metric:literal, $help:literal;)*) => {
        /// One core's counts, or several cores' together.
        #[derive(Clone, Debug, Default, Serialize, Deserialize)]
        #[serde(default)]
        pub struct CoreSnapshot {
            $(#[doc = $help] pub $name: u64,)*
            /// By name, in the order of [`STAGES`]; all 0 unless accounting was on.
            pub stages_ns: Named,
            /// By name, in the order of [`CLOSED`].
            pub closed: Named,
            /// By name, in the order of [`DROP_REASONS`].
            pub drops: Named,
        }

        impl CoreSnapshot {
            pub(super) fn of(counters: &CoreCounters) -> CoreSnapshot {
                CoreSnapshot {
                    $($name: counters.$name.value(),)*
                    stages_ns: Named::of(STAGES.iter().map(|stage| stage.name()), &*counters.stages),
                    closed: Named::of(CLOSED.iter().map(|how| how.name()), &*counters.closed),
                    drops: Named::of(DROP_REASONS.iter().map(|reason| reason.name()), &*counters.drops),
                }
            }

            fn plus(&self, other: &CoreSnapshot) -> CoreSnapshot {
                CoreSnapshot {
                    $($name: self.$name + other.$name,)*
                    stages_ns: self.stages_ns.plus(&other.stages_ns),
                    closed: self.closed.plus(&other.closed),
                    drops: self.drops.plus(&other.drops),
                }
            }

            /// Each plain count with its name and meaning, in the order of [`CORE_COUNTERS`].
            pub fn counts(&self) -> impl Iterator<Item = (&'static CounterInfo, u64)> {
                CORE_COUNTERS.iter().zip([$(self.$name),*])
            }
        }
    };
}
core_counters!(core_snapshot);

/// Counts by name; in JSON an object. The names are the program's own, or those that it was told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named(pub Vec<(Cow<'static, str>, u64)>);

/// One queue's counts, ours and the kernel's.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct QueueSnapshot {
    /// Name of the interface.
    pub device: String,
    /// Index of the queue on its device.
    pub queue: u32,
    /// Index of the core that serves it.
    pub core: usize,
    /// Frames taken from the receive ring.
    pub received: u64,
    /// Frames put into the transmit ring.
    pub transmitted: u64,
    /// System calls made to send.
    pub wakeups: u64,
    /// Wake-ups after which the kernel took no frame (EAGAIN, EBUSY, ENOBUFS).
    pub wakeup_stalls: u64,
    /// Flushes that left frames queued because the transmit ring was full.
    pub tx_ring_full: u64,
    /// Wake-ups while the interface was down.
    pub link_down: u64,
    /// Invalid descriptors received from the kernel.
    pub bad_descriptors: u64,
    /// Descriptors of packets that lie in several frames, dropped.
    pub split: u64,
    /// The kernel's `XDP_STATISTICS`; `None` once the socket is closed.
    pub kernel: Option<KernelSnapshot>,
}

/// What the kernel counts for a socket.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct KernelSnapshot {
    /// Frames dropped for other reasons than a full receive ring.
    pub rx_dropped: u64,
    /// Frames dropped because the receive ring was full.
    pub rx_ring_full: u64,
    /// Number of times the fill ring had no frame to receive into.
    pub rx_fill_ring_empty: u64,
    /// Descriptors of the fill ring that the kernel rejected.
    pub rx_invalid_descs: u64,
    /// Descriptors of the transmit ring that the kernel rejected.
    pub tx_invalid_descs: u64,
}

/// The steering program's verdicts on one device.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SteeringSnapshot {
    /// Name of the interface.
    pub device: String,
    /// Frames by verdict.
    pub verdicts: Named,
    /// Why the verdicts cannot be read and stand at 0, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
}

impl KernelSnapshot {
    /// Frames lost since none of ours was there to receive into. Copying, the kernel counts such a
    /// frame under both names. In zero-copy mode the driver that looks again is counted each time,
    /// and no frame with it.
    pub fn lost_for_no_frame(&self) -> u64 {
        self.rx_fill_ring_empty.min(self.rx_dropped)
    }

    /// Frames dropped for other reasons.
    pub fn dropped_otherwise(&self) -> u64 {
        self.rx_dropped - self.lost_for_no_frame()
    }
}

impl Snapshot {
    /// All cores together.
    pub fn total(&self) -> CoreSnapshot {
        self.cores.iter().fold(CoreSnapshot::default(), |total, core| total.plus(core))
    }

    /// Frames with this verdict, of all devices.
    pub fn steered(&self, verdict: Verdict) -> u64 {
        self.steering.iter().map(|steering| steering.verdicts.named(verdict.name())).sum()
    }

    /// Valid SYNs for a listener that no core received: the eBPF program answered them, or they were beyond
    /// the limit of their source.
    pub fn syns_in_ebpf(&self) -> u64 {
        self.steered(Verdict::TxSynAck) + self.steered(Verdict::DropSynLimit)
    }
}

impl Named {
    fn of(names: impl Iterator<Item = &'static str>, counters: &[Counter]) -> Named {
        Named(names.map(Cow::Borrowed).zip(counters.iter().map(Counter::value)).collect())
    }

    fn plus(&self, other: &Named) -> Named {
        if self.0.is_empty() {
            return other.clone();
        }
        Named(self.0.iter().zip(&other.0).map(|((name, a), (_, b))| (name.clone(), a + b)).collect())
    }

    /// The count with this name; 0 if there is none.
    pub fn named(&self, name: &str) -> u64 {
        self.0.iter().find(|(known, _)| known == name).map_or(0, |(_, count)| *count)
    }

    /// All of them together.
    pub fn sum(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    /// Those that are not zero.
    pub fn seen(&self) -> impl Iterator<Item = (&str, u64)> + '_ {
        self.0.iter().filter(|(_, count)| *count > 0).map(|(name, count)| (name.as_ref(), *count))
    }
}

impl Serialize for Named {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, count)| (name, count)))
    }
}

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Named, D::Error> {
        struct Names;
        impl<'de> serde::de::Visitor<'de> for Names {
            type Value = Named;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("counts by name")
            }

            /// In the order in which they were written.
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Named, A::Error> {
                let mut named = Vec::new();
                while let Some((name, count)) = map.next_entry::<String, u64>()? {
                    named.push((Cow::Owned(name), count));
                }
                Ok(Named(named))
            }
        }
        deserializer.deserialize_map(Names)
    }
}

impl QueueSnapshot {
    pub(super) fn of(core: usize, queue: &QueueWatch) -> QueueSnapshot {
        let own = queue.counters();
        let kernel = queue.statistics().ok().map(|kernel| KernelSnapshot {
            rx_dropped: kernel.rx_dropped,
            rx_ring_full: kernel.rx_ring_full,
            rx_fill_ring_empty: kernel.rx_fill_ring_empty,
            rx_invalid_descs: kernel.rx_invalid_descs,
            tx_invalid_descs: kernel.tx_invalid_descs,
        });
        QueueSnapshot {
            device: queue.ifname().to_owned(),
            queue: queue.queue_id(),
            core,
            received: own.received,
            transmitted: own.transmitted,
            wakeups: own.wakeups,
            wakeup_stalls: own.wakeup_stalls,
            tx_ring_full: own.tx_ring_full,
            link_down: own.link_down,
            bad_descriptors: own.bad_descriptors,
            split: own.split,
            kernel,
        }
    }
}

impl SteeringSnapshot {
    pub(super) fn of(device: &str, verdicts: &VerdictWatch) -> SteeringSnapshot {
        let (counts, unreadable) = match verdicts.counters() {
            Ok(counts) => (Some(counts), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let verdicts = VERDICTS
            .iter()
            .map(|action| {
                (Cow::Borrowed(action.name()), counts.as_ref().map_or(0, |counts| counts.sum(*action)))
            })
            .collect();
        SteeringSnapshot { device: device.to_owned(), verdicts: Named(verdicts), unreadable }
    }
}
