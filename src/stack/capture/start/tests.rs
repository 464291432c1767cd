use super::super::Direction;
use super::super::pcapng::STAMPED;
use super::*;

fn to(path: &std::path::Path) -> Capture {
    let file = File::create(path).expect("a file");
    Capture::to("f.pcapng".into(), file, Settings::default())
}

/// Interface and time of each packet of a file.
fn packets(file: &[u8]) -> Vec<(usize, u64)> {
    let mut found = Vec::new();
    let mut rest = file;
    while let Some(head) = rest.first_chunk::<STAMPED>() {
        let (kind, length, at) = pcapng::begin(head);
        if kind == pcapng::PACKET {
            found.push((pcapng::interface_of(head), at));
        }
        rest = &rest[length..];
    }
    found
}

/// A core is taken away in the middle of a batch, for longer than the writer ever naps; another one goes
/// on: what the first one saw is older, and stands before it.
#[test]
fn a_batch_that_is_interrupted_stands_where_it_began() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("f.pcapng");
    let mut capture = to(&path);
    let [mut one, mut other] = [0, 1].map(|queue| capture.tap("eth0", queue));
    let writing = capture.begin().and_then(Begun::start).expect("a writer");
    let frame = &[7_u8; 60][..];
    other.take(Direction::In, [frame].into_iter());
    let interrupted = [(), ()].iter().map(|()| {
        other.take(Direction::In, [frame].into_iter());
        thread::sleep(Duration::from_millis(300));
        frame
    });
    one.take(Direction::In, interrupted);
    other.take(Direction::In, [frame].into_iter());
    drop((one, other));
    assert_eq!(writing.finish().captured, 6);
    let found = packets(&std::fs::read(&path).expect("the file"));
    assert_eq!(found.iter().map(|(interface, _)| *interface).collect::<Vec<_>>(), [1, 0, 0, 1, 1, 1]);
    assert!(found.is_sorted_by_key(|(_, at)| *at), "{found:?}");
}

/// A tap between two batches does not delay the frames of others.
#[test]
fn what_the_others_saw_is_written_while_a_queue_is_silent() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut capture = to(&folder.path().join("f.pcapng"));
    let [_silent, mut other] = [0, 1].map(|queue| capture.tap("eth0", queue));
    let writing = capture.begin().and_then(Begun::start).expect("a writer");
    other.take(Direction::In, [&[7_u8; 60][..]].into_iter());
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while writing.report().captured == 0 {
        assert!(std::time::Instant::now() < deadline, "nothing is written");
        thread::sleep(Duration::from_millis(5));
    }
    writing.finish();
}
