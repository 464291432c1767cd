//! All scripts of `tests/scripts`, and playing many at a time.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use super::backend_veth::Veth;
use super::frame::Place;
use super::language::Script;
use super::netns::{Wire, client_address, enter};
use super::number::Family;
use super::replay::{Recorder, Recording};
use super::runner::play;

/// Scripts wait more than they work, so many can be played at once; each has a client of its own.
const PLAYERS: u8 = 40;

/// Every script, once for each family that it is meant for, sorted by name.
pub fn all_scripts() -> Vec<Script> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
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

/// A script, how it went, and what the device said.
pub struct Outcome {
    pub script: Script,
    pub place: Place,
    pub result: Result<(), String>,
    pub recording: Recording,
}

/// Plays scripts on a wire, many at a time.
pub fn play_all(scripts: Vec<Script>, wire: &Wire) -> Vec<Outcome> {
    // Long scripts first, so that none is left alone at the end.
    let mut scripts = scripts;
    scripts.sort_by_key(|script| std::cmp::Reverse(script.shortest_time()));
    let queue = Mutex::new(VecDeque::from(scripts));
    let outcomes = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for index in 0..PLAYERS {
            let (queue, outcomes) = (&queue, &outcomes);
            scope.spawn(move || {
                enter(&wire.tester);
                let addresses = [Family::V4, Family::V6].map(|family| client_address(family, index));
                let mut veth = Veth::open(addresses.to_vec());
                loop {
                    let Some(script) = queue.lock().expect("no player panicked").pop_front() else { break };
                    let place = wire.place(script.family, index);
                    let mut recorder = Recorder::new(&mut veth, &place);
                    let result = play(&script, &place, &mut recorder);
                    let recording = std::mem::take(&mut recorder.recording);
                    let outcome = Outcome { script, place, result, recording };
                    outcomes.lock().expect("no player panicked").push(outcome);
                }
            });
        }
    });
    outcomes.into_inner().expect("no player panicked")
}
