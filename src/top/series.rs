use handfast_control::Status;
use handfast_stack::engine::{CoreSnapshot, Named};
use handfast_stack::xdp::Verdict;

/// A count whose rate is drawn over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Series {
    /// SYNs that came, also those that the eBPF program answered.
    Syns,
    /// SYN-ACKs that went, from state or by cookie, of cores and eBPF program.
    SynAcks,
    /// First SYNs that went.
    Opens,
    Established,
    /// However they ended; with TIME-WAIT when they enter it.
    Closed,
    /// Attempts of a benchmark that failed.
    Failed,
    FramesIn,
    FramesOut,
}

const RESPONDER: [Series; 6] =
    [Series::Syns, Series::SynAcks, Series::Established, Series::Closed, Series::FramesIn, Series::FramesOut];

const BENCH: [Series; 6] =
    [Series::Opens, Series::Established, Series::Closed, Series::Failed, Series::FramesIn, Series::FramesOut];

impl Series {
    /// The series to show for this program.
    pub fn of(status: &Status) -> [Series; 6] {
        if status.bench.is_some() { BENCH } else { RESPONDER }
    }

    pub fn name(self) -> &'static str {
        match self {
            Series::Syns => "SYN",
            Series::SynAcks => "SYN-ACK",
            Series::Opens => "SYN sent",
            Series::Established => "established",
            Series::Closed => "closed",
            Series::Failed => "failed",
            Series::FramesIn => "frames in",
            Series::FramesOut => "frames out",
        }
    }

    /// Since the start; of a benchmark's failures since the start of the step.
    pub fn count(self, status: &Status) -> u64 {
        let total = &status.total;
        match self {
            Series::Syns => total.syns + status.detail.syns_in_ebpf(),
            Series::SynAcks => total.syn_acks + total.syn_acks_cookie + by_ebpf(status),
            Series::Opens => total.opens,
            Series::Established => total.established,
            Series::Closed => closed(total),
            Series::Failed => status.bench.as_ref().map_or(0, |bench| bench.failed),
            Series::FramesIn => total.frames_in,
            Series::FramesOut => total.frames_out,
        }
    }
}

/// SYN-ACKs of the eBPF program.
fn by_ebpf(status: &Status) -> u64 {
    status.detail.steered(Verdict::TxSynAck)
}

/// Connections that have ended. The end of TIME-WAIT is no second one.
fn closed(core: &CoreSnapshot) -> u64 {
    let Named(ways) = &core.closed;
    ways.iter().filter(|(name, _)| !name.starts_with("time_wait_")).map(|(_, count)| count).sum()
}
