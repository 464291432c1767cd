//! Every scenario as it is played here, compared with the RFC and with what the committed
//! pictures show.

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use handfast_lab::trace::{Peer, PlayOptions, SCENARIOS, Scenario, play_all};
use handfast_trace::{Direction, Picture, Row, RowKind, Side, svg};
use support::{lab_name, root};

use crate::expected::EXPECTED;

/// Formats a row as in the tables of `expected`.
fn row(row: &Row) -> String {
    let what = match &row.kind {
        RowKind::Local(Side::Client, what) => format!("client {what:?}"),
        RowKind::Local(Side::Server, what) => format!("server {what:?}"),
        RowKind::Segment(arrow) => {
            let way = match (arrow.direction, arrow.path) {
                (Direction::ToServer, handfast_trace::Path::Delivered) => "-->",
                (Direction::ToServer, handfast_trace::Path::Lost) => "-X ",
                (Direction::ToServer, handfast_trace::Path::Pending) => "--.",
                (Direction::ToServer, handfast_trace::Path::Received) => ".->",
                (Direction::ToServer, handfast_trace::Path::Injected) => " *>",
                (Direction::ToClient, handfast_trace::Path::Delivered) => "<--",
                (Direction::ToClient, handfast_trace::Path::Lost) => " X-",
                (Direction::ToClient, handfast_trace::Path::Pending) => ".--",
                (Direction::ToClient, handfast_trace::Path::Received) => "<-.",
                (Direction::ToClient, handfast_trace::Path::Injected) => "<* ",
            };
            let ack = arrow.ack.map(|ack| format!("/{ack}")).unwrap_or_default();
            format!("{way} {:?} {}{ack}", arrow.flags, arrow.seq)
        }
    };
    format!("{what:<15} {:<13}{}", row.client.name(), row.server.name())
}

fn rows(picture: &Picture) -> Vec<String> {
    let diagram = &picture.diagram;
    let name = |state: Option<handfast_trace::State>| state.expect("a state").name();
    let before = format!("{:<15} {:<13}{}", "", name(diagram.client), name(diagram.server));
    std::iter::once(before).chain(diagram.rows.iter().map(row)).collect()
}

fn expected(scenario: &Scenario) -> Vec<&'static str> {
    let (_, table) = EXPECTED
        .iter()
        .find(|(name, _)| *name == scenario.name)
        .unwrap_or_else(|| panic!("{} has a table of what to expect", scenario.name));
    table.lines().filter(|line| !line.trim().is_empty()).collect()
}

/// What is wrong with one picture.
fn look(scenario: &Scenario, picture: &Picture, committed: bool) -> Result<(), String> {
    let (got, wanted) = (rows(picture), expected(scenario));
    if got != wanted {
        return Err(format!("{}:\n{}\nexpected\n{}", scenario.name, got.join("\n"), wanted.join("\n")));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/trace/{}.svg", scenario.name));
    if committed && fs::read_to_string(&path).ok().as_ref() != Some(&svg::draw(picture)) {
        return Err(format!("{} is not what is drawn now: make pictures", path.display()));
    }
    Ok(())
}

/// Plays all. A scenario that fails is played again up to twice: other programs may have disturbed it.
fn play(choice: PlayOptions, check: impl Fn(&Scenario, &Picture) -> Result<(), String>) {
    let Some(lab) = root().map(|()| lab_name()) else { return };
    for (scenario, mut played) in play_all(&lab, choice, &AtomicBool::new(false)) {
        let mut disturbed = Vec::new();
        loop {
            let outcome = played.map_err(|error| error.to_string());
            match outcome.and_then(|picture| check(scenario, &picture)) {
                Ok(()) => break,
                Err(why) => disturbed.push(why),
            }
            assert!(disturbed.len() < 3, "{}, three times: {}", scenario.name, disturbed.join("\n"));
            played = scenario.play(&lab, choice.allowed(scenario));
        }
    }
}

#[test]
fn every_scenario_is_what_the_rfc_says_and_what_the_committed_picture_shows() {
    play(PlayOptions::default(), |scenario, picture| look(scenario, picture, true));
}

/// The engine at both ends: the same segments, for one whose ACKs are its own.
#[test]
fn the_same_with_our_engine_at_both_ends() {
    let choice = PlayOptions { client: Some(Peer::Handfast), ipv6: false };
    play(choice, |scenario, picture| look(scenario, picture, false));
}

#[test]
fn the_same_over_ipv6() {
    for client in [None, Some(Peer::Handfast)] {
        play(PlayOptions { client, ipv6: true }, |scenario, picture| {
            let title = picture.title.strip_suffix(" (IPv6)").ok_or("not over IPv6")?.into();
            look(scenario, &Picture { title, ..picture.clone() }, client.is_none())
        });
    }
}

#[test]
fn every_picture_and_every_table_has_its_scenario() {
    let names: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
    assert!(EXPECTED.iter().all(|(name, _)| names.contains(name)));
    assert_eq!(EXPECTED.len(), names.len());
    let story = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/handshake.md"));
    let story = story.expect("docs/handshake.md");
    for name in &names {
        assert!(story.contains(&format!("(trace/{name}.svg)")), "docs/handshake.md shows {name}");
    }
    let pictures =
        fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/trace")).expect("docs/trace");
    for picture in pictures {
        let file = picture.expect("an entry").file_name().into_string().expect("UTF-8");
        assert!(
            names.iter().any(|name| file == format!("{name}.svg")),
            "docs/trace/{file} belongs to no scenario"
        );
    }
}
