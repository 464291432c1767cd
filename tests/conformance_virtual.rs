//! The packet scripts against handfast's engine in memory, under a virtual clock: all of them, also
//! those that wait for minutes, in a moment and without privileges.

#[path = "support/repository.rs"]
mod repository;
mod script;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use handfast_stack::tcp::{Config, CookieMode};
use script::backend_memory::{Memory, cookie_mode};

use script::frame::{Place, Segment, build};
use script::language::Script;
use script::netns::{CLIENT_MAC, DEVICE_MAC, client_address, device_address};
use script::number::Family;
use script::suite::{Outcome, all_scripts, assert_all_passed, assert_scripts_can_fail, chosen};

#[test]
fn the_engine_passes_the_scripts() {
    let outcomes: Vec<Outcome> = chosen(|_| true).into_iter().map(|script| play(script, None)).collect();
    assert_all_passed(&outcomes);
}

#[test]
fn the_engine_passes_the_scripts_with_a_vlan_tag() {
    let outcomes: Vec<Outcome> = chosen(|_| true).into_iter().map(|script| play(script, Some(7))).collect();
    assert_all_passed(&outcomes);
}

#[test]
fn every_script_fails_on_a_broken_device() {
    let outcomes: Vec<Outcome> = chosen(|_| true).into_iter().map(|script| play(script, None)).collect();
    assert_scripts_can_fail(&outcomes);
}

/// An engine whose settings are wrong in one way fails just the scripts that are about it.
#[test]
fn scripts_notice_wrong_settings() {
    type Spoil = fn(&mut Config);
    let wrong: [(&str, Spoil); 9] = [
        ("syn-received/retransmission", |config| config.syn_ack_retries = 1),
        ("syn-received/retransmission", |config| config.syn_ack_retries = 3),
        ("time-wait/ends", |config| config.msl_ms = 20_000),
        ("time-wait/ends", |config| config.msl_ms = 120_000),
        ("close/fin-wait-2-ends", |config| config.fin_wait_2_ms = 600_000),
        ("data/given-up", |config| config.retries = 1),
        ("limits/challenge-syn", |config| config.challenge_ms = 0),
        ("options/mss-value", |config| (config.mss4, config.mss6) = (1448, 1428)),
        ("cookies/no-retransmission", |config| config.cookies = CookieMode::Never),
    ];
    for (name, spoil) in wrong {
        let scripts = all_scripts().into_iter().filter(|script| script.name == name);
        for script in scripts {
            let mut config = Config { cookies: cookie_mode(script.setup), ..Config::default() };
            spoil(&mut config);
            let place = place(script.family, None);
            let outcome = Outcome::of(script, place, &mut Memory::with(config));
            assert!(outcome.result.is_err(), "{name} passes on an engine that is set up wrongly");
        }
    }
}

/// `docs/conformance.md` names only scripts that exist, leaves none out, and judges each requirement of
/// RFC 9293 once.
#[test]
fn the_document_and_the_scripts_agree() {
    let document = include_str!("../docs/conformance.md");
    let named: BTreeSet<&str> =
        document.split('`').skip(1).step_by(2).filter(|name| is_script(name)).collect();
    let scripts = all_scripts();
    let existing: BTreeSet<&str> = scripts.iter().map(|script| script.name.as_str()).collect();
    let groups: BTreeSet<&str> = named.iter().filter_map(|name| name.strip_suffix("/*")).collect();
    let unknown: Vec<_> = named.iter().filter(|n| !n.ends_with("/*") && !existing.contains(*n)).collect();
    assert!(unknown.is_empty(), "no such scripts: {unknown:?}");
    let forgotten: Vec<_> = existing
        .iter()
        .filter(|name| {
            !named.contains(*name) && !name.split_once('/').is_some_and(|(g, _)| groups.contains(g))
        })
        .collect();
    assert!(forgotten.is_empty(), "scripts that the document does not name: {forgotten:?}");
    for (kind, count) in [("MUST", 69), ("SHLD", 31), ("REC", 1), ("MAY", 18)] {
        for number in 1..=count {
            let rows = document.lines().filter(|line| line.starts_with(&format!("| {kind}-{number} |")));
            assert_eq!(rows.count(), 1, "rows for {kind}-{number}");
        }
    }
}

/// `folder/name` or `folder/*`, and nothing else.
fn is_script(name: &str) -> bool {
    let Some((folder, rest)) = name.split_once('/') else { return false };
    let fits = |part: &str, more: &str| part.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c));
    let number = folder.chars().all(|c| c.is_ascii_digit());
    folder != "tests" && !number && fits(folder, "-") && fits(rest, "-*")
}

#[test]
fn a_script_with_a_wrong_arrow_or_range_is_refused() {
    for (steps, wanted) in [
        ("> S 0", "x:3: an answer before any packet was sent: `> S 0`; `<` is what the stack receives"),
        ("< S 0\n< P. 1:9(9) ack 1", "`1:9(9)` says 9 bytes, but its numbers differ by Some(8)"),
        ("< P. 1..9 ack 1", "`1..9` is not a number"),
        ("< SYN+ACK 0 ack 1", "unknown flag `Y` in `SYN+ACK`"),
    ] {
        let source = format!("title: arrows\ncites: none\n{steps}");
        let error = Script::parse("x", &source, Family::V4).expect_err(steps);
        assert!(error.contains(wanted), "{error}");
    }
    let source = "title: arrows\ncites: none\n< S 0\n> S. 0 ack 1\n> . 1 ack 1";
    let script = Script::parse("x", source, Family::V4).expect("it reads").expect("for IPv4");
    let error = play(script, None).result.expect_err("a turned arrow");
    assert!(error.contains("line 5: > . 1 ack 1") && error.contains("`>` what it sends"), "{error}");
}

#[test]
fn no_two_scripts_show_the_same() {
    let mut titles: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for script in all_scripts() {
        titles.entry(script.title).or_default().insert(script.name);
    }
    let twice: Vec<_> = titles.into_iter().filter(|(_, names)| names.len() > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

/// A script cites sections of RFCs, requirements that `docs/conformance.md` judges, and files that exist.
#[test]
fn every_citation_is_of_something_that_exists() {
    let document = include_str!("../docs/conformance.md");
    let is_section = |word: &str| word.chars().all(|c| c.is_ascii_digit() || c == '.');
    let wrong = |citation: &str| {
        let mut words = citation.split_whitespace().peekable();
        match words.next() {
            Some("RFC") => {
                if words.next().is_none_or(|number| number.parse::<u16>().is_err()) {
                    return true;
                }
            }
            Some("IEEE") => return false,
            Some(path) if path.starts_with("docs/") => return !repository::top(path).exists(),
            // A section of the RFC before it, or a requirement.
            Some(_) => words = citation.split_whitespace().peekable(),
            None => return true,
        }
        words.any(|word| match word.split_once('-') {
            Some((kind, _)) => {
                !["MUST", "SHLD", "REC", "MAY"].contains(&kind) || !document.contains(&format!("| {word} |"))
            }
            None => !is_section(word) && word != "case" && !ORDINALS.contains(&word),
        })
    };
    for script in all_scripts() {
        let dead: Vec<&str> =
            script.cites.split([';', ',']).map(str::trim).filter(|citation| wrong(citation)).collect();
        assert!(dead.is_empty(), "{} cites {dead:?}", script.name);
    }
}

/// The steps of RFC 9293 3.10.7.
const ORDINALS: [&str; 8] = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"];

/// What the runner sends without modifiers is what another parser reads, checksums included.
#[test]
fn frames_are_what_another_parser_reads() {
    for family in [Family::V4, Family::V6] {
        let place = place(family, None);
        let segment = Segment {
            source: (place.client, 40_000),
            destination: (place.device, 7000),
            sequence: 0xfedc_ba98,
            acknowledgement: 0x0123_4567,
            flags: 0x18,
            window: 4242,
            urgent: 7,
            options: vec![2, 4, 5, 0xb4],
            payload: b"odd".to_vec(),
        };
        let frame = build(&place, &segment, &[]);
        let packet = SlicedPacket::from_ethernet(&frame).expect("a whole frame");
        let Some(TransportSlice::Tcp(tcp)) = packet.transport else { panic!("no TCP") };
        let (addresses, checksum) = match packet.net {
            Some(NetSlice::Ipv4(ip)) => {
                let header = ip.header();
                assert_eq!(header.header_checksum(), header.to_header().calc_header_checksum());
                let addresses: [IpAddr; 2] = [header.source_addr().into(), header.destination_addr().into()];
                (addresses, tcp.calc_checksum_ipv4(header.source(), header.destination()))
            }
            Some(NetSlice::Ipv6(ip)) => {
                let header = ip.header();
                let addresses: [IpAddr; 2] = [header.source_addr().into(), header.destination_addr().into()];
                (addresses, tcp.calc_checksum_ipv6(header.source(), header.destination()))
            }
            _ => panic!("no IP"),
        };
        assert_eq!(addresses, [place.client, place.device]);
        assert_eq!(Ok(tcp.checksum()), checksum);
        let numbers =
            (tcp.sequence_number(), tcp.acknowledgment_number(), tcp.window_size(), tcp.urgent_pointer());
        assert_eq!(numbers, (0xfedc_ba98, 0x0123_4567, 4242, 7));
        assert!(tcp.psh() && tcp.ack() && !tcp.syn());
        assert_eq!((tcp.options(), tcp.payload()), (&[2, 4, 5, 0xb4][..], &b"odd"[..]));
    }
}

/// Each script gets its own engine; afterwards no frame may be missing.
fn play(script: Script, vlan: Option<u16>) -> Outcome {
    let place = place(script.family, vlan);
    let mut memory = Memory::new(script.setup);
    let mut outcome = Outcome::of(script, place, &mut memory);
    if memory.lost_frames() > 0 && outcome.result.is_ok() {
        outcome.result = Err(format!("{}: {} frames are lost", outcome.script.name, memory.lost_frames()));
    }
    outcome
}

fn place(family: Family, vlan: Option<u16>) -> Place {
    Place {
        client_mac: CLIENT_MAC,
        device_mac: DEVICE_MAC,
        vlan,
        client: client_address(family, 0),
        device: device_address(family),
    }
}
