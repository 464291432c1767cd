use crate::observe::DropReason;

/// TSval and TSecr (RFC 7323 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Timestamps {
    pub value: u32,
    pub echo: u32,
}

/// The TCP options this stack reads and writes. Unknown ones are skipped (RFC 9293 MUST-6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Options {
    /// Octets; from a SYN only.
    pub mss: Option<u16>,
    /// Shift count as received (the TCP layer clamps to 14); from a SYN only.
    pub window_scale: Option<u8>,
    /// From a SYN only.
    pub sack_permitted: bool,
    pub timestamps: Option<Timestamps>,
}

/// Option kinds (IANA; RFC 9293 3.1, RFC 7323, RFC 2018).
const END: u8 = 0;
const NO_OPERATION: u8 = 1;
const MSS: u8 = 2;
const WINDOW_SCALE: u8 = 3;
const SACK_PERMITTED: u8 = 4;
const TIMESTAMPS: u8 = 8;

/// Options as 32-bit words in host order: every option we write fills whole words.
pub(super) struct Words {
    words: [u32; Words::MAX],
    count: usize,
}

impl Words {
    /// MSS, SACK-permitted with timestamps, window scale: 20 octets.
    const MAX: usize = 5;

    #[inline]
    pub(super) fn as_slice(&self) -> &[u32] {
        self.words.get(..self.count).unwrap_or_default()
    }

    #[inline]
    fn push(&mut self, word: u32) {
        if let Some(place) = self.words.get_mut(self.count) {
            *place = word;
            self.count += 1;
        }
    }
}

impl Options {
    /// Reads the options between header and payload. Needs no alignment (RFC 9293 MUST-64). What
    /// belongs on a SYN is ignored elsewhere; a known option of the wrong length is unknown; an
    /// MSS of 0 is none. Of two alike, the last counts.
    ///
    /// # Errors
    /// `TcpOptions` if an option's length is below 2, past the end, or missing (RFC 9293 MUST-7).
    #[inline(always)]
    pub fn parse(octets: &[u8], syn: bool) -> Result<Options, DropReason> {
        // Nearly every segment of an established connection has one of these two shapes.
        match *octets {
            [] => Ok(Options::default()),
            [NO_OPERATION, NO_OPERATION, TIMESTAMPS, 10, v0, v1, v2, v3, e0, e1, e2, e3] => {
                let value = u32::from_be_bytes([v0, v1, v2, v3]);
                let echo = u32::from_be_bytes([e0, e1, e2, e3]);
                Ok(Options { timestamps: Some(Timestamps { value, echo }), ..Options::default() })
            }
            // The bare one of a generator.
            [MSS, 4, high, low] if syn => Ok(Options { mss: some_mss(high, low), ..Options::default() }),
            _ => Options::walk(octets, syn),
        }
    }

    #[inline(always)]
    fn walk(mut rest: &[u8], syn: bool) -> Result<Options, DropReason> {
        let mut options = Options::default();
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
                let value = u32::from_be_bytes([v0, v1, v2, v3]);
                let echo = u32::from_be_bytes([e0, e1, e2, e3]);
                self.timestamps = Some(Timestamps { value, echo });
            }
            _ => {}
        }
    }

    /// The options to write, in the order that the Linux kernel uses.
    #[inline]
    pub(super) fn words(&self) -> Words {
        const NOPS: u32 = u32::from_be_bytes([NO_OPERATION, NO_OPERATION, 0, 0]);
        const SACK: u32 = u32::from_be_bytes([SACK_PERMITTED, 2, 0, 0]);
        let mut words = Words { words: [0; Words::MAX], count: 0 };
        if let Some(mss) = self.mss {
            words.push(u32::from_be_bytes([MSS, 4, 0, 0]) | u32::from(mss));
        }
        if let Some(Timestamps { value, echo }) = self.timestamps {
            // SACK-permitted takes the place of the padding in front of the timestamps.
            let front = if self.sack_permitted { SACK } else { NOPS };
            words.push(front | u32::from(u16::from_be_bytes([TIMESTAMPS, 10])));
            words.push(value);
            words.push(echo);
        } else if self.sack_permitted {
            words.push(NOPS | SACK >> 16);
        }
        if let Some(shift) = self.window_scale {
            words.push(u32::from_be_bytes([NO_OPERATION, WINDOW_SCALE, 3, shift]));
        }
        words
    }
}

/// An MSS of 0 is none.
#[inline(always)]
fn some_mss(high: u8, low: u8) -> Option<u16> {
    Some(u16::from_be_bytes([high, low])).filter(|mss| *mss != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TS: Timestamps = Timestamps { value: 0x01020304, echo: 0x05060708 };
    const TS_OCTETS: [u8; 10] = [8, 10, 1, 2, 3, 4, 5, 6, 7, 8];

    fn with_ts() -> Options {
        Options { timestamps: Some(TS), ..Options::default() }
    }

    #[test]
    fn read_from_a_syn() {
        let mss = |mss| Options { mss: Some(mss), ..Options::default() };
        let none = Options::default();
        let linux = Options { mss: Some(1460), window_scale: Some(7), sack_permitted: true, ..with_ts() };
        let rows: [(&str, Vec<u8>, Options); 14] = [
            ("none", vec![], none),
            ("Linux", [&[2, 4, 5, 0xb4, 4, 2][..], &TS_OCTETS, &[1, 3, 3, 7]].concat(), linux),
            ("MSS", vec![2, 4, 5, 0xb4], mss(1460)),
            ("MSS 0", vec![2, 4, 0, 0], none),
            ("MSS of length 5", vec![2, 5, 5, 0xb4, 0], none),
            ("MSS of length 3, MSS", vec![2, 3, 9, 2, 4, 0, 88], mss(88)),
            ("two MSS", vec![2, 4, 1, 1, 2, 4, 2, 2], mss(0x202)),
            ("scale past 14", vec![3, 3, 255], Options { window_scale: Some(255), ..none }),
            ("unaligned", [&[1][..], &TS_OCTETS, &[1]].concat(), with_ts()),
            ("aligned", [&[1, 1][..], &TS_OCTETS].concat(), with_ts()),
            ("unknown, MSS", vec![254, 5, 1, 2, 3, 2, 4, 0, 88], mss(88)),
            ("shortest unknown, MSS", vec![30, 2, 2, 4, 0, 88], mss(88)),
            ("end, then rubbish", vec![2, 4, 0, 88, 0, 2, 4, 9, 9, 7], mss(88)),
            ("only no operation", vec![1; 40], none),
        ];
        for (what, octets, expected) in rows {
            assert_eq!(Options::parse(&octets, true), Ok(expected), "{what}");
        }
    }

    #[test]
    fn off_a_syn_only_timestamps_count() {
        let linux = [&[2, 4, 5, 0xb4, 4, 2][..], &TS_OCTETS, &[1, 3, 3, 7]].concat();
        assert_eq!(Options::parse(&linux, false), Ok(with_ts()));
        assert_eq!(Options::parse(&[&[1, 1][..], &TS_OCTETS].concat(), false), Ok(with_ts()));
    }

    #[test]
    fn illegal_lengths() {
        let rows: [&[u8]; 8] = [
            &[2, 0],
            &[2, 1, 0, 0],
            &[2, 4, 1],
            &[8, 10, 0],
            &[2],
            &[1, 1, 1, 254],
            &[1, 99, 0, 0],
            &[2, 4, 0, 9, 30, 3],
        ];
        for octets in rows {
            for syn in [false, true] {
                assert_eq!(Options::parse(octets, syn), Err(DropReason::TcpOptions), "{octets:?}");
            }
        }
    }

    #[test]
    fn written_as_the_kernel_does() {
        let octets = |options: Options| {
            options.words().as_slice().iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>()
        };
        let full = Options { mss: Some(1460), window_scale: Some(7), sack_permitted: true, ..with_ts() };
        assert_eq!(octets(full), [&[2, 4, 5, 0xb4, 4, 2][..], &TS_OCTETS, &[1, 3, 3, 7]].concat());
        let plain = Options { timestamps: None, ..full };
        assert_eq!(octets(plain), [2, 4, 5, 0xb4, 1, 1, 4, 2, 1, 3, 3, 7]);
        assert_eq!(octets(with_ts()), [&[1, 1][..], &TS_OCTETS].concat());
        assert_eq!(octets(Options::default()), [0u8; 0]);
    }

    proptest! {
        /// The quick shapes are no other language than the walk.
        #[test]
        fn shortcuts_agree_with_the_walk(octets in prop::collection::vec(0u8..12, 0..40), syn: bool) {
            prop_assert_eq!(Options::parse(&octets, syn), Options::walk(&octets, syn));
        }

        #[test]
        fn shortcut_for_timestamps_agrees(value: u32, echo: u32, syn: bool) {
            let timestamps = Some(Timestamps { value, echo });
            let words = Options { timestamps, ..Options::default() }.words();
            let octets: Vec<u8> = words.as_slice().iter().flat_map(|word| word.to_be_bytes()).collect();
            prop_assert_eq!(Options::parse(&octets, syn), Options::walk(&octets, syn));
            prop_assert_eq!(Options::parse(&octets, syn).unwrap().timestamps, timestamps);
        }
    }
}
