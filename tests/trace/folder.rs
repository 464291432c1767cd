//! A folder of captures: `HF_CAPTURES=FOLDER cargo test --test trace folder -- --ignored
//! --nocapture`. No state and no number of theirs is one that cannot be, and a line each says what was
//! counted, to compare with tshark's `tcp.stream` and `tcp.analysis`.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use handfast_trace::pcap::{Flows, Packets, Selection};
use handfast_trace::{Diagram, DiagramOptions, Row, RowKind};

use crate::generated::check_steps;

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

fn read(path: &Path, wanted: Option<Selection>) -> Option<Flows> {
    let source: Box<dyn Read> = Box::new(BufReader::new(File::open(path).expect("a file")));
    Some(Flows::of(&mut Packets::open(source).ok()?, wanted, 10_000))
}

#[derive(Default)]
struct Counted {
    streams: usize,
    connections: u64,
    segments: u64,
    again: usize,
    zero_windows: usize,
}

fn count(path: &Path) -> Option<Counted> {
    let listed = read(path, None)?;
    let mut counted = Counted { streams: listed.flows.len(), ..Counted::default() };
    for flow in &listed.flows {
        (counted.connections, counted.segments) =
            (counted.connections + flow.connections, counted.segments + flow.segments);
        let recorded =
            read(path, Some(flow.selection())).and_then(|found| found.recorded).expect("it is listed");
        let diagram =
            Diagram::of(&recorded.record, &DiagramOptions { capture: true, ..DiagramOptions::default() });
        let checked = catch_unwind(|| check_steps(&diagram));
        assert!(checked.is_ok(), "{} {flow}", path.display());
        let arrows = |fits: fn(&handfast_trace::Arrow) -> bool| {
            let fits = |row: &&Row| matches!(&row.kind, RowKind::Segment(arrow) if fits(arrow));
            diagram.rows.iter().filter(fits).count()
        };
        counted.again += arrows(|arrow| arrow.retransmitted);
        counted.zero_windows +=
            arrows(|arrow| arrow.labels.iter().any(|label| label.contains("zero window")));
    }
    Some(counted)
}

#[test]
#[ignore = "HF_CAPTURES names the folder"]
fn no_capture_shows_what_cannot_be() {
    let folder = std::env::var_os("HF_CAPTURES").expect("HF_CAPTURES");
    let mut found = Vec::new();
    files(Path::new(&folder), &mut found);
    found.sort();
    let mut wrong = Vec::new();
    for path in &found {
        match catch_unwind(|| count(path)) {
            Ok(Some(Counted { streams, connections, segments, again, zero_windows })) => {
                println!("{}\t{streams}\t{connections}\t{segments}\t{again}\t{zero_windows}", path.display())
            }
            Ok(None) => {}
            Err(_) => wrong.push(path.display().to_string()),
        }
    }
    assert_eq!(wrong, [""; 0], "of {} files", found.len());
}
