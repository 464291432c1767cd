use crate::observe::DropReason;

/// TSval and TSecr (RFC 7323 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Timestamps {
    /// TSval: the sender's clock, in ticks of its choice.
    pub value: u32,
    /// TSecr: the TSval that the sender received from the other end.
    pub echo: u32,
}

/// The TCP options this stack reads and writes. Unknown ones are skipped (RFC 9293 MUST-6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct TcpOptions {
    /// Bytes; from a SYN only.
    pub mss: Option<u16>,
    /// Shift count as received (the TCP layer clamps to 14); from a SYN only.
    pub window_scale: Option<u8>,
    /// From a SYN only.
    pub sack_permitted: bool,
    /// From any segment (RFC 7323 3.2).
    pub timestamps: Option<Timestamps>,
}

/// Option kinds (IANA; RFC 9293 3.1, RFC 7323, RFC 2018).
const END: u8 = 0;
const NO_OPERATION: u8 = 1;
const MSS: u8 = 2;
const WINDOW_SCALE: u8 = 3;
const SACK_PERMITTED: u8 = 4;
const TIMESTAMPS: u8 = 8;

/// Words of options that a header has room for.
const MAX_WORDS: usize = 10;

/// Options as 32-bit words in host order: every option is written in whole words. The usual combinations are
/// variants of their own, so that each is written without a loop.
pub(super) enum Words {
    None,
    /// MSS: the SYN of a load generator.
    One([u32; 1]),
    /// Timestamps.
    Three([u32; 3]),
    /// MSS, SACK-permitted with timestamps, window scale: the SYN of a kernel.
    Five([u32; 5]),
    /// Any others: see [`TcpOptions::any_words`].
    Other,
}

impl TcpOptions {
    /// The options of the usual SYNs.
    pub const fn of_syn(
        mss: Option<u16>,
        window_scale: Option<u8>,
        sack_permitted: bool,
        timestamps: Option<Timestamps>,
    ) -> TcpOptions {
        TcpOptions { mss, window_scale, sack_permitted, timestamps }
    }

    /// Reads the options between header and payload, at any alignment (RFC 9293 MUST-64). Options of SYNs are
    /// ignored on other segments, known options of the wrong length and an MSS of 0 everywhere. Of two of
    /// the same kind the last counts.
    ///
    /// # Errors
    /// `TcpOptions` if an option's length is below 2, past the end, or missing (RFC 9293 MUST-7).
    #[inline(always)]
    pub fn parse(bytes: &[u8], syn: bool) -> Result<TcpOptions, DropReason> {
        let mut options = TcpOptions::default();
        options.read(bytes, syn)?;
        Ok(options)
    }

    /// As [`TcpOptions::parse`], into an empty value in its final place: a copy of a value that was just
    /// written in pieces would stall.
    ///
    /// # Errors
    /// As [`TcpOptions::parse`].
    #[inline(always)]
    pub(super) fn read(&mut self, bytes: &[u8], syn: bool) -> Result<(), DropReason> {
        // Nearly every segment has one of these combinations.
        match *bytes {
            [] => {}
            [NO_OPERATION, NO_OPERATION, TIMESTAMPS, 10, v0, v1, v2, v3, e0, e1, e2, e3] => {
                self.timestamps = some_timestamps([v0, v1, v2, v3], [e0, e1, e2, e3]);
            }
            // A load generator's.
            [MSS, 4, high, low] if syn => self.mss = some_mss(high, low),
            // The Linux kernel's.
            #[rustfmt::skip]
            [MSS, 4, high, low, SACK_PERMITTED, 2, TIMESTAMPS, 10, v0, v1, v2, v3, e0, e1, e2, e3,
                NO_OPERATION, WINDOW_SCALE, 3, shift] if syn =>
            {
                self.mss = some_mss(high, low);
                self.sack_permitted = true;
                self.timestamps = some_timestamps([v0, v1, v2, v3], [e0, e1, e2, e3]);
                self.window_scale = Some(shift);
            }
            _ => *self = TcpOptions::walk(bytes, syn)?,
        }
        Ok(())
    }

    /// Not inlined: its variables would take registers from the loop over a batch.
    #[inline(never)]
    fn walk(mut rest: &[u8], syn: bool) -> Result<TcpOptions, DropReason> {
        let mut options = TcpOptions::default();
        loop {
            rest = match *rest {
                [] | [END, ..] => return Ok(options),
                [NO_OPERATION, ref after @ ..] => after,
                [_, length @ 2..=255, ..] => {
                    let (option, after) =
                        rest.split_at_checked(usize::from(length)).ok_or(DropReason::TcpOptions)?;
                    options.take(option, syn);
                    after
                }
                _ => return Err(DropReason::TcpOptions),
            };
        }
    }

    #[inline(always)]
    fn take(&mut self, option: &[u8], syn: bool) {
        match *option {
            [MSS, 4, high, low] if syn => self.mss = some_mss(high, low),
            [WINDOW_SCALE, 3, shift] if syn => self.window_scale = Some(shift),
            [SACK_PERMITTED, 2] if syn => self.sack_permitted = true,
            [TIMESTAMPS, 10, v0, v1, v2, v3, e0, e1, e2, e3] => {
                self.timestamps = some_timestamps([v0, v1, v2, v3], [e0, e1, e2, e3]);
            }
            _ => {}
        }
    }

    /// Whether one of them belongs on a SYN alone.
    pub(super) fn is_for_syn(&self) -> bool {
        self.mss.is_some() || self.window_scale.is_some() || self.sack_permitted
    }

    /// The words to write, in the order of the Linux kernel.
    #[inline(always)]
    pub(super) fn words(&self) -> Words {
        match *self {
            TcpOptions { mss: None, timestamps: None, sack_permitted: false, window_scale: None } => {
                Words::None
            }
            TcpOptions { mss: Some(mss), timestamps: None, sack_permitted: false, window_scale: None } => {
                Words::One([mss_word(mss)])
            }
            TcpOptions { mss: None, timestamps: Some(stamps), sack_permitted: false, window_scale: None } => {
                Words::Three([NOPS | STAMPS, stamps.value, stamps.echo])
            }
            TcpOptions {
                mss: Some(mss),
                timestamps: Some(stamps),
                sack_permitted: true,
                window_scale: Some(shift),
            } => {
                let Timestamps { value, echo } = stamps;
                Words::Five([mss_word(mss), SACK | STAMPS, value, echo, scale_word(shift)])
            }
            _ => Words::Other,
        }
    }

    /// The words of any options, and their number.
    #[cold]
    pub(super) fn any_words(&self) -> ([u32; MAX_WORDS], usize) {
        // SACK-permitted takes the place of the padding in front of the timestamps.
        let front = if self.sack_permitted { SACK } else { NOPS };
        let alone = (self.sack_permitted && self.timestamps.is_none()).then_some(NOPS | SACK >> 16);
        let stamps = self.timestamps.map(|stamps| [front | STAMPS, stamps.value, stamps.echo]);
        let all = (self.mss.map(mss_word).into_iter())
            .chain(stamps.into_iter().flatten())
            .chain(alone)
            .chain(self.window_scale.map(scale_word));
        let (mut words, mut count) = ([0; MAX_WORDS], 0);
        for (place, word) in words.iter_mut().zip(all) {
            *place = word;
            count += 1;
        }
        (words, count)
    }
}

const NOPS: u32 = u32::from_be_bytes([NO_OPERATION, NO_OPERATION, 0, 0]);
const SACK: u32 = u32::from_be_bytes([SACK_PERMITTED, 2, 0, 0]);
const STAMPS: u32 = u32::from_be_bytes([0, 0, TIMESTAMPS, 10]);

#[inline(always)]
fn mss_word(mss: u16) -> u32 {
    u32::from_be_bytes([MSS, 4, 0, 0]) | u32::from(mss)
}

#[inline(always)]
fn scale_word(shift: u8) -> u32 {
    u32::from_be_bytes([NO_OPERATION, WINDOW_SCALE, 3, shift])
}

#[inline(always)]
fn some_timestamps(value: [u8; 4], echo: [u8; 4]) -> Option<Timestamps> {
    Some(Timestamps { value: u32::from_be_bytes(value), echo: u32::from_be_bytes(echo) })
}

/// An MSS of 0 is none.
#[inline(always)]
fn some_mss(high: u8, low: u8) -> Option<u16> {
    Some(u16::from_be_bytes([high, low])).filter(|mss| *mss != 0)
}

#[cfg(test)]
mod tests;
