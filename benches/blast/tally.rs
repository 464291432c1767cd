use std::time::Duration;

/// Sequence numbers remembered as unanswered: far more than any window.
const REMEMBERED: u32 = 1 << 20;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// What was sent and what came back. A SYN counts as answered once: retransmitted answers are
/// duplicates, and do not open the window.
pub struct Tally {
    unanswered: Box<[u64]>,
    last_answer: Duration,
    pub sent: u64,
    pub outstanding: u32,
    pub syn_ack: u64,
    pub rst: u64,
    pub reflected: u64,
    pub other: u64,
    pub duplicate: u64,
    /// Given up: no answer in time.
    pub lost: u64,
}

impl Tally {
    pub fn new() -> Tally {
        Tally {
            unanswered: vec![0; REMEMBERED as usize / 64].into(),
            last_answer: Duration::ZERO,
            sent: 0,
            outstanding: 0,
            syn_ack: 0,
            rst: 0,
            reflected: 0,
            other: 0,
            duplicate: 0,
            lost: 0,
        }
    }

    /// Frames that answered a SYN.
    pub fn answers(&self) -> u64 {
        self.syn_ack + self.rst + self.reflected
    }

    pub fn sent(&mut self, seq: u32, now: Duration) {
        let (word, bit) = place(seq);
        // Still unanswered after a whole round: an answer to the old one is not told apart.
        if self.unanswered[word] & bit != 0 {
            self.lost += 1;
            self.outstanding -= 1;
        }
        self.unanswered[word] |= bit;
        if self.outstanding == 0 {
            self.last_answer = now;
        }
        self.outstanding += 1;
        self.sent += 1;
    }

    /// Counts a frame by its TCP flags: Ethernet, IPv4 and TCP without options before them.
    /// `Some`: the first SYN-ACK for that SYN, and its own sequence number.
    pub fn answer(&mut self, frame: &[u8], now: Duration) -> Option<(u32, u32)> {
        let (Some(seq), Some(ack), Some(flags)) = (number(frame, 38), number(frame, 42), frame.get(47))
        else {
            self.other += 1;
            return None;
        };
        let (counter, of) = match flags & (SYN | RST | ACK) {
            both if both == SYN | ACK => (&mut self.syn_ack, ack.wrapping_sub(1)),
            reset if reset & RST != 0 => (&mut self.rst, ack.wrapping_sub(1)),
            SYN => (&mut self.reflected, seq),
            _ => {
                self.other += 1;
                return None;
            }
        };
        let (word, bit) = place(of);
        if self.unanswered[word] & bit == 0 {
            self.duplicate += 1;
            return None;
        }
        *counter += 1;
        self.unanswered[word] &= !bit;
        self.outstanding -= 1;
        self.last_answer = now;
        (flags & (SYN | ACK) == SYN | ACK).then_some((of, seq))
    }

    /// Gives up what is unanswered once nothing has come for `timeout`.
    pub fn expire(&mut self, now: Duration, timeout: Duration) {
        if self.outstanding > 0 && now > self.last_answer + timeout {
            self.lost += u64::from(self.outstanding);
            self.outstanding = 0;
            self.unanswered.fill(0);
        }
    }
}

fn place(seq: u32) -> (usize, u64) {
    let seq = seq % REMEMBERED;
    (seq as usize / 64, 1 << (seq % 64))
}

fn number(frame: &[u8], at: usize) -> Option<u32> {
    frame.get(at..at + 4)?.first_chunk().map(|octets| u32::from_be_bytes(*octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_millis(1);
    const LATER: Duration = Duration::from_millis(50);
    const TIMEOUT: Duration = Duration::from_millis(20);

    fn frame(seq: u32, ack: u32, flags: u8) -> [u8; 58] {
        let mut frame = [0; 58];
        frame[38..42].copy_from_slice(&seq.to_be_bytes());
        frame[42..46].copy_from_slice(&ack.to_be_bytes());
        frame[47] = flags;
        frame
    }

    #[test]
    fn each_kind_of_answer_is_counted_once() {
        let mut tally = Tally::new();
        (0..4).for_each(|seq| tally.sent(seq, NOW));
        for answer in [frame(9, 1, 0x12), frame(9, 1, 0x12), frame(0, 2, 0x14), frame(2, 0, 0x02)] {
            tally.answer(&answer, NOW);
        }
        tally.answer(&frame(0, 0, 0x10), NOW);
        tally.answer(&[0; 20], NOW);
        assert_eq!((tally.syn_ack, tally.rst, tally.reflected), (1, 1, 1));
        assert_eq!((tally.duplicate, tally.other, tally.outstanding), (1, 2, 1));
    }

    #[test]
    fn loss_is_given_up_and_a_late_answer_is_a_duplicate() {
        let mut tally = Tally::new();
        tally.sent(7, NOW);
        tally.expire(NOW, TIMEOUT);
        assert_eq!(tally.outstanding, 1);
        tally.expire(LATER, TIMEOUT);
        assert_eq!((tally.outstanding, tally.lost), (0, 1));
        tally.answer(&frame(9, 8, 0x12), LATER);
        assert_eq!((tally.syn_ack, tally.duplicate, tally.outstanding), (0, 1, 0));
    }
}
