//! All scripts of `tests/scripts`: playing many at a time, and judging how it went.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use super::backend::Backend;
use super::backend_veth::Veth;
use super::frame::Place;
use super::language::Script;
use super::netns::{Wire, client_address, enter};
use super::number::Family;
use super::replay::{Fault, Recorder, Recording};
use super::runner::play;

/// Scripts wait more than they work, so many can be played at once; each has its own client.
const PLAYERS: u8 = 40;
/// How often one that failed is played again.
const ALONE: u32 = 3;

/// Every script, once for each family that it is meant for, sorted by name.
pub fn all_scripts() -> Vec<Script> {
    let root = crate::repository::top("tests/scripts");
    let mut paths = Vec::new();
    collect(&root, &mut paths);
    paths.sort();
    let mut scripts = Vec::new();
    for path in paths {
        let source = fs::read_to_string(&path).expect("a script can be read");
        let name = path.with_extension("").strip_prefix(&root).expect("below the root").display().to_string();
        for family in [Family::V4, Family::V6] {
            scripts.extend(Script::parse(&name, &source, family).unwrap_or_else(|error| panic!("{error}")));
        }
    }
    scripts
}

/// The scripts that `choose` picks. `HF_SCRIPT=part-of-a-name` narrows them.
pub fn chosen(choose: impl Fn(&Script) -> bool) -> Vec<Script> {
    let part = std::env::var("HF_SCRIPT").unwrap_or_default();
    all_scripts().into_iter().filter(|script| script.name.contains(&part) && choose(script)).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder of scripts").flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "pkt") {
            paths.push(path);
        }
    }
}

/// A script, its result, and the device's answers.
pub struct Outcome {
    pub script: Script,
    pub place: Place,
    pub result: Result<(), String>,
    pub recording: Recording,
}

impl Outcome {
    /// Plays one script and writes down the answers.
    pub fn of(script: Script, place: Place, backend: &mut dyn Backend) -> Self {
        let mut recorder = Recorder::new(backend, &place);
        let result = play(&script, &place, &mut recorder);
        let recording = std::mem::take(&mut recorder.recording);
        Self { script, place, result, recording }
    }
}

/// Plays scripts on a wire, many at a time.
pub fn play_all(scripts: Vec<Script>, wire: &Wire) -> Vec<Outcome> {
    // Long scripts first, so that none is left alone at the end.
    let mut scripts = scripts;
    scripts.sort_by_key(|script| std::cmp::Reverse(script.shortest_time()));
    let mut outcomes = crowd(scripts, wire);
    for _ in 0..ALONE {
        for outcome in outcomes.iter_mut().filter(|outcome| outcome.result.is_err()) {
            *outcome = alone(outcome, wire);
        }
    }
    outcomes
}

fn crowd(scripts: Vec<Script>, wire: &Wire) -> Vec<Outcome> {
    let queue = Mutex::new(VecDeque::from(scripts));
    let outcomes = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for index in 0..PLAYERS {
            let (queue, outcomes) = (&queue, &outcomes);
            scope.spawn(move || {
                let mut veth = open(wire, index);
                loop {
                    let Some(script) = queue.lock().expect("no player panicked").pop_front() else { break };
                    let place = wire.place(script.family, index);
                    let outcome = Outcome::of(script, place, &mut veth);
                    outcomes.lock().expect("no player panicked").push(outcome);
                }
            });
        }
    });
    outcomes.into_inner().expect("no player panicked")
}

/// Plays a script once more, when nothing else of ours runs: on a crowded machine a device that shares its
/// cores is late. What is wrong is wrong again.
fn alone(failed: &Outcome, wire: &Wire) -> Outcome {
    if let Err(error) = &failed.result {
        println!("played again: {error}");
    }
    thread::scope(|scope| {
        let player = scope.spawn(|| {
            let mut veth = open(wire, PLAYERS);
            Outcome::of(failed.script.clone(), wire.place(failed.script.family, PLAYERS), &mut veth)
        });
        player.join().expect("the player did not panic")
    })
}

/// A packet socket for client number `index`, for one thread.
fn open(wire: &Wire, index: u8) -> Veth {
    enter(&wire.tester);
    Veth::open([Family::V4, Family::V6].map(|family| client_address(family, index)).to_vec())
}

pub fn assert_all_passed(outcomes: &[Outcome]) {
    let failures: Vec<&str> =
        outcomes.iter().filter_map(|outcome| outcome.result.as_ref().err().map(String::as_str)).collect();
    println!("{} plays, {} failed", outcomes.len(), failures.len());
    assert!(
        failures.is_empty(),
        "{} of {} plays failed:\n\n{}",
        failures.len(),
        outcomes.len(),
        failures.join("\n")
    );
}

/// How many answers of one recording are disturbed, one at a time.
const SPOILT_ANSWERS: usize = 24;
/// The share of faults that must be noticed, in percent. The rest hit packets that a script rightly
/// leaves open: those that may be missing, and floods of which some may be lost.
const MIN_NOTICED: usize = 80;

/// Plays each recording again with one fault in one answer, and with one answer too many: every script
/// must fail on some of them, and most of them must make a script fail.
pub fn assert_scripts_can_fail(outcomes: &[Outcome]) {
    let mut tally: BTreeMap<Fault, (usize, usize)> = BTreeMap::new();
    let mut unfailing = Vec::new();
    for Outcome { script, place, recording, .. } in outcomes {
        if let Err(error) = play(script, place, &mut recording.replay()) {
            panic!("a recording that passed fails when it is replayed unchanged:\n{error}");
        }
        let mut noticed = 0;
        // A flood's recording is long, and one packet more or less does not matter to it.
        let few = |packets: usize| if packets > 1000 { 1 } else { packets.min(SPOILT_ANSWERS) };
        for index in 0..few(recording.answers()) {
            for fault in Fault::ALL {
                let failed = play(script, place, &mut recording.with_fault(index, fault).replay()).is_err();
                let (found, tried) = tally.entry(fault).or_default();
                *tried += 1;
                *found += usize::from(failed);
                noticed += usize::from(failed);
            }
        }
        let intrusions = 1..=few(recording.sent());
        let intruded = intrusions
            .filter(|after| play(script, place, &mut recording.replay_with_intruder(*after)).is_err());
        if noticed + intruded.count() == 0 {
            unfailing.push(&script.name);
        }
    }
    println!("faults noticed of those tried: {tally:?}");
    assert!(unfailing.is_empty(), "no fault makes these fail: {unfailing:?}");
    let (found, tried) = tally.values().fold((0, 0), |sum, (found, tried)| (sum.0 + found, sum.1 + tried));
    assert!(found * 100 >= tried * MIN_NOTICED, "only {found} of {tried} faults are noticed");
}
