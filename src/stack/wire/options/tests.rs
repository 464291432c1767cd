use super::*;
use proptest::prelude::*;

const TS: Timestamps = Timestamps { value: 0x01020304, echo: 0x05060708 };
const TS_BYTES: [u8; 10] = [8, 10, 1, 2, 3, 4, 5, 6, 7, 8];

fn with_ts() -> TcpOptions {
    TcpOptions { timestamps: Some(TS), ..TcpOptions::default() }
}

#[test]
fn read_from_a_syn() {
    let mss = |mss| TcpOptions { mss: Some(mss), ..TcpOptions::default() };
    let none = TcpOptions::default();
    let linux = TcpOptions { mss: Some(1460), window_scale: Some(7), sack_permitted: true, ..with_ts() };
    let rows: [(&str, Vec<u8>, TcpOptions); 14] = [
        ("none", vec![], none),
        ("Linux", [&[2, 4, 5, 0xb4, 4, 2][..], &TS_BYTES, &[1, 3, 3, 7]].concat(), linux),
        ("MSS", vec![2, 4, 5, 0xb4], mss(1460)),
        ("MSS 0", vec![2, 4, 0, 0], none),
        ("MSS of length 5", vec![2, 5, 5, 0xb4, 0], none),
        ("MSS of length 3, MSS", vec![2, 3, 9, 2, 4, 0, 88], mss(88)),
        ("two MSS", vec![2, 4, 1, 1, 2, 4, 2, 2], mss(0x202)),
        ("scale past 14", vec![3, 3, 255], TcpOptions { window_scale: Some(255), ..none }),
        ("unaligned", [&[1][..], &TS_BYTES, &[1]].concat(), with_ts()),
        ("aligned", [&[1, 1][..], &TS_BYTES].concat(), with_ts()),
        ("unknown, MSS", vec![254, 5, 1, 2, 3, 2, 4, 0, 88], mss(88)),
        ("shortest unknown, MSS", vec![30, 2, 2, 4, 0, 88], mss(88)),
        ("end, then rubbish", vec![2, 4, 0, 88, 0, 2, 4, 9, 9, 7], mss(88)),
        ("only no operation", vec![1; 40], none),
    ];
    for (what, bytes, expected) in rows {
        assert_eq!(TcpOptions::parse(&bytes, true), Ok(expected), "{what}");
    }
}

#[test]
fn off_a_syn_only_timestamps_count() {
    let linux = [&[2, 4, 5, 0xb4, 4, 2][..], &TS_BYTES, &[1, 3, 3, 7]].concat();
    assert_eq!(TcpOptions::parse(&linux, false), Ok(with_ts()));
    assert_eq!(TcpOptions::parse(&[&[1, 1][..], &TS_BYTES].concat(), false), Ok(with_ts()));
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
    for bytes in rows {
        for syn in [false, true] {
            assert_eq!(TcpOptions::parse(bytes, syn), Err(DropReason::TcpOptions), "{bytes:?}");
        }
    }
}

fn bytes(options: TcpOptions) -> Vec<u8> {
    let words = match options.words() {
        Words::None => vec![],
        Words::One(words) => words.to_vec(),
        Words::Three(words) => words.to_vec(),
        Words::Five(words) => words.to_vec(),
        Words::Other => {
            let (words, count) = options.any_words();
            words[..count].to_vec()
        }
    };
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

#[test]
fn written_as_the_kernel_does() {
    let full = TcpOptions { mss: Some(1460), window_scale: Some(7), sack_permitted: true, ..with_ts() };
    assert_eq!(bytes(full), [&[2, 4, 5, 0xb4, 4, 2][..], &TS_BYTES, &[1, 3, 3, 7]].concat());
    let plain = TcpOptions { timestamps: None, ..full };
    assert_eq!(bytes(plain), [2, 4, 5, 0xb4, 1, 1, 4, 2, 1, 3, 3, 7]);
    assert_eq!(bytes(with_ts()), [&[1, 1][..], &TS_BYTES].concat());
    assert_eq!(bytes(TcpOptions::default()), [0u8; 0]);
}

proptest! {
    /// Every set of options, shaped or not, reads back as what was written.
    #[test]
    fn written_options_are_read(
        mss in prop::option::of(1u16..),
        window_scale: Option<u8>,
        sack_permitted: bool,
        stamps: Option<(u32, u32)>,
    ) {
        let timestamps = stamps.map(|(value, echo)| Timestamps { value, echo });
        let options = TcpOptions::of_syn(mss, window_scale, sack_permitted, timestamps);
        prop_assert_eq!(TcpOptions::parse(&bytes(options), true), Ok(options));
    }

    #[test]
    fn shortcut_for_syns_agrees(mss: u16, value: u32, echo: u32, shift: u8, at in 0usize..20, byte in 0u8..12, syn: bool) {
        let timestamps = Some(Timestamps { value, echo });
        let options =
            TcpOptions::of_syn(Some(mss), Some(shift), true, timestamps);
        let mut bytes = bytes(options);
        prop_assert_eq!(TcpOptions::parse(&bytes, syn), TcpOptions::walk(&bytes, syn));
        bytes[at] = byte;
        prop_assert_eq!(TcpOptions::parse(&bytes, syn), TcpOptions::walk(&bytes, syn));
    }

    /// The quick shapes are no other language than the walk.
    #[test]
    fn shortcuts_agree_with_the_walk(bytes in prop::collection::vec(0u8..12, 0..40), syn: bool) {
        prop_assert_eq!(TcpOptions::parse(&bytes, syn), TcpOptions::walk(&bytes, syn));
    }

    #[test]
    fn shortcut_for_timestamps_agrees(value: u32, echo: u32, syn: bool) {
        let timestamps = Some(Timestamps { value, echo });
        let bytes = bytes(TcpOptions { timestamps, ..TcpOptions::default() });
        prop_assert_eq!(TcpOptions::parse(&bytes, syn), TcpOptions::walk(&bytes, syn));
        prop_assert_eq!(TcpOptions::parse(&bytes, syn).unwrap().timestamps, timestamps);
    }
}
