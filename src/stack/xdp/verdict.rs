use zerocopy::FromBytes;

include!(concat!(env!("OUT_DIR"), "/verdict.rs"));

impl Verdict {
    /// Whether the frame was redirected to this stack's socket.
    pub fn is_socket(self) -> bool {
        (Verdict::SocketTcp..Verdict::TxSynAck).contains(&self)
    }

    /// Whether the program sent an answer in the frame.
    pub fn is_tx(self) -> bool {
        (Verdict::TxSynAck..Verdict::DropNoSocket).contains(&self)
    }

    /// Whether the frame was dropped.
    pub fn is_drop(self) -> bool {
        self >= Verdict::DropNoSocket
    }
}

/// The number of frames by verdict since the program was loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerdictCounts {
    per_cpu: Vec<[u64; VERDICTS.len()]>,
}

impl VerdictCounts {
    /// From the kernel's `struct counters` of each possible CPU.
    pub(super) fn from_kernel(per_cpu: &[Vec<u8>]) -> Self {
        // `abi.h` asserts one counter for each verdict, so the lengths are equal.
        let counts = |bytes: &Vec<u8>| FromBytes::read_from_bytes(bytes).unwrap_or([0; VERDICTS.len()]);
        Self { per_cpu: per_cpu.iter().map(counts).collect() }
    }

    /// Frames with this verdict, of all CPUs.
    pub fn sum(&self, verdict: Verdict) -> u64 {
        self.per_cpu(verdict).sum()
    }

    /// Frames with this verdict, of each possible CPU.
    pub fn per_cpu(&self, verdict: Verdict) -> impl Iterator<Item = u64> + '_ {
        self.per_cpu.iter().map(move |counts| counts[verdict as usize])
    }

    /// All frames that the program has seen.
    pub fn total(&self) -> u64 {
        VERDICTS.iter().map(|&verdict| self.sum(verdict)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discriminants_index_the_list() {
        for (index, verdict) in VERDICTS.iter().enumerate() {
            assert_eq!(*verdict as usize, index);
        }
    }

    /// The program distinguishes the destinations by order alone.
    #[test]
    fn names_begin_with_the_destination_of_a_frame() {
        for verdict in VERDICTS {
            let way = verdict.name().split('_').next();
            let expected = match (verdict.is_socket(), verdict.is_tx(), verdict.is_drop()) {
                (true, false, false) => "socket",
                (false, true, false) => "tx",
                (false, false, true) => "drop",
                _ => "pass",
            };
            assert_eq!(way, Some(expected), "{verdict:?}");
        }
    }

    #[test]
    fn counts_add_up_over_cpus() {
        let mut first = vec![0u64; VERDICTS.len()];
        first[Verdict::SocketTcp as usize] = 3;
        let mut second = first.clone();
        second[Verdict::PassOther as usize] = 1;
        let bytes: Vec<Vec<u8>> =
            [first, second].iter().map(|cpu| cpu.iter().flat_map(|n| n.to_ne_bytes()).collect()).collect();
        let counts = VerdictCounts::from_kernel(&bytes);
        assert_eq!(counts.sum(Verdict::SocketTcp), 6);
        assert_eq!(counts.per_cpu(Verdict::PassOther).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(counts.total(), 7);
    }
}
