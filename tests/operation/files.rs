//! Files that results go to: nothing is changed before there is something better.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use support::{Ended, Process, json, program, run};

use crate::commands::{Stage, stage};

/// With each of the files that it may write.
fn to_files(mut command: Command, stage: &Stage, names: &[(&str, &str)]) -> Command {
    for (option, name) in names {
        command.arg(option).arg(stage.file(name));
    }
    command
}

const RESPOND: [(&str, &str); 3] =
    [("--json", "run.json"), ("--pcap", "run.pcapng"), ("--ready-file", "ready")];
const BENCH: [(&str, &str); 3] = [("--json", "run.json"), ("--html", "run.html"), ("--pcap", "run.pcapng")];

#[test]
fn a_start_that_fails_changes_no_file() {
    let Some(stage) = stage() else { return };
    let fails = |stage: &Stage| {
        let mut mistyped = stage.respond("--dev no-such");
        mistyped = to_files(mistyped, stage, &RESPOND);
        let mut gone = stage.client().command(program());
        gone.args(["bench", "--dev", "no-such", "198.18.1.1:81"]);
        let unanswered = stage.bench("--mode native --zerocopy");
        let no_next_hop = {
            let mut command = stage.client().command(program());
            command.args(["bench", "--dev", "hf-c", "--source", "10.78.0.0/16", "198.18.255.99:81"]);
            command
        };
        for command in [mistyped]
            .into_iter()
            .chain([gone, unanswered, no_next_hop].map(|command| to_files(command, stage, &BENCH)))
        {
            let arguments = format!("{command:?}");
            let Ended { code, out, err, .. } = run(command);
            // 5: a next hop that does not answer.
            assert!(matches!(code, Some(1 | 5)), "{arguments}: {code:?} {out}{err}");
        }
    };
    fails(&stage);
    assert_eq!(stage.files(), [], "none is made");
    for name in ["run.json", "run.html", "run.pcapng", "ready"] {
        fs::write(stage.file(name), name.repeat(100)).expect("a file");
    }
    let before = stage.files();
    fails(&stage);
    assert_eq!(stage.files(), before);
}

#[test]
fn a_second_responder_leaves_the_first_ones_files_alone() {
    let Some(stage) = stage() else { return };
    let mut first = Process::start(to_files(stage.respond(""), &stage, &RESPOND));
    first.await_line("ready");
    let number = fs::read_to_string(stage.file("ready")).expect("the ready-file");
    assert_eq!(number, format!("{}\n", first.id()));
    let before = fs::metadata(stage.file("run.pcapng")).expect("the capture").ino();
    let second = run(to_files(stage.respond(""), &stage, &RESPOND));
    assert_eq!(second.code, Some(1), "{second:?}");
    assert_eq!(fs::metadata(stage.file("run.pcapng")).expect("the capture").ino(), before);
    assert_eq!(fs::read_to_string(stage.file("ready")).expect("the ready-file"), number);
    let bench = run(stage.bench("--connections 10 --concurrency 1"));
    assert_eq!(bench.code, Some(0), "{bench:?}");
    first.signal(Signal::SIGTERM);
    assert_eq!(first.ended().code, Some(0));
    assert_eq!(json(&stage.file("run.json"))["total"]["established"], 10);
    let captured = json(&stage.file("run.json"))["capture"]["captured"].as_u64().expect("a count");
    assert!(captured > 50, "{captured}");
    let bytes = fs::metadata(stage.file("run.pcapng")).expect("the capture").len();
    assert_eq!(json(&stage.file("run.json"))["capture"]["bytes"], bytes);
    let names: Vec<String> = stage.files().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["run.json", "run.pcapng"], "and no ready-file any more");
}

/// What an earlier run left stays while the next one is at work, and is whole at any time.
#[test]
fn the_old_result_is_there_until_the_new_one_is() {
    let Some(stage) = stage() else { return };
    let path = stage.file("run.json");
    fs::write(&path, "\"of an earlier run\"").expect("a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("ours");
    let mut responder = Process::start(to_files(stage.respond(""), &stage, &RESPOND));
    responder.await_line("ready");
    assert_eq!(json(&path), "of an earlier run");
    responder.signal(Signal::SIGKILL);
    assert_eq!(responder.ended().code, None);
    assert_eq!(json(&path), "of an earlier run");
    // The number that the killed one left is replaced.
    let mut responder = Process::start(to_files(stage.respond(""), &stage, &RESPOND));
    responder.await_line("ready");
    let number = fs::read_to_string(stage.file("ready")).expect("the ready-file");
    assert_eq!(number, format!("{}\n", responder.id()));
    responder.signal(Signal::SIGTERM);
    assert_eq!(responder.ended().code, Some(0));
    assert_eq!(json(&path)["total"]["established"], 0);
    assert_eq!(fs::metadata(&path).expect("a file").mode() & 0o777, 0o640);
}

/// Its owner's, in a folder of its owner's: root without privileges may make no file there.
#[test]
fn what_was_opened_with_privileges_is_written_without_them() {
    const OTHER: u32 = 65_534;
    let Some(stage) = stage() else { return };
    let folder = stage.file("of-another-user");
    fs::create_dir(&folder).expect("a folder");
    let old = folder.join("old.json");
    fs::write(&old, "x".repeat(1 << 20)).expect("a file");
    for path in [&folder, &old] {
        chown(path, Some(OTHER), Some(OTHER)).expect("root may");
    }
    for path in [&old, &folder.join("new.json")] {
        let mut respond = stage.respond("--duration 0.2 --json");
        respond.arg(path);
        let ended = run(respond);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(json(path)["total"]["established"], 0);
    }
    assert_eq!(fs::metadata(&old).expect("a file").uid(), OTHER);
    let names: Vec<_> =
        fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("one").file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

/// On a disk of 64 KiB that is full, in a mount namespace of the process's own.
#[test]
fn a_full_disk_is_an_exit_code_and_leaves_what_was_there() {
    let Some(stage) = stage() else { return };
    let (disk, kept) = (stage.file("disk"), stage.file("kept"));
    fs::create_dir(&disk).and_then(|()| fs::create_dir(&kept)).expect("folders");
    let script = "disk=$1 kept=$2; shift 2; mount -t tmpfs -o size=64k none $disk
        echo old >$disk/run.json; echo old >$disk/run.pcapng
        dd if=/dev/zero of=$disk/filler bs=4k 2>/dev/null
        \"$@\" --json $disk/run.json; echo $? >$kept/code
        \"$@\" --pcap $disk/run.pcapng; echo $? >$kept/pcap-code
        rm $disk/filler; cp $disk/* $kept; ls -a $disk >$kept/names";
    let respond = stage.respond("--duration 0.2");
    let arguments: Vec<_> = respond.get_args().skip(3).map(ToOwned::to_owned).collect();
    let mut command = stage.server().command("sh");
    command.args(["-c", script, "sh"]).arg(&disk).arg(&kept).args(arguments);
    let ended = run(command);
    let read =
        |name: &str| fs::read_to_string(kept.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!((&*read("code"), &*read("pcap-code")), ("1\n", "1\n"), "{ended:?}");
    assert_eq!((&*read("run.json"), &*read("run.pcapng")), ("old\n", "old\n"), "{ended:?}");
    assert_eq!(read("names"), ".\n..\nrun.json\nrun.pcapng\n");
    assert!(ended.err.contains("No space left on device") && ended.err.contains("fix: "), "{ended:?}");
}

#[test]
fn what_is_no_regular_file_is_said_before_anything_is_touched() {
    let Some(stage) = stage() else { return };
    let (fifo, link, target) = (stage.file("fifo"), stage.file("link"), stage.file("target"));
    mkfifo(&fifo, Mode::S_IRWXU).expect("a pipe");
    fs::write(&target, "of another user").expect("a file");
    symlink(&target, &link).expect("a link");
    for (path, part) in [
        (fifo, "start the reader of the pipe first"),
        (link, "name the file itself: "),
        (stage.file("no/such/folder"), "name a file in a directory that you may write to"),
        (stage.folder().to_owned(), "Is a directory"),
        ("/proc/version.json".into(), "cannot write /proc/version.json"),
    ] {
        for option in ["--json", "--pcap", "--ready-file"] {
            let mut respond = stage.respond("--duration 30");
            respond.arg(option).arg(&path);
            let Ended { code, out, err, .. } = run(respond);
            assert_eq!(code, Some(1), "{option} {}: {out}{err}", path.display());
            assert!(err.contains(part), "{option} {}: no {part:?} in {err}", path.display());
            assert!(!out.contains("active"), "{option} {}: {out}", path.display());
        }
    }
    assert_eq!(fs::read_to_string(&target).expect("a file"), "of another user");
}

#[test]
fn streams_are_written_to_as_they_are() {
    let Some(stage) = stage() else { return };
    for name in ["-", "/dev/stdout"] {
        let mut respond = stage.respond("--duration 0.2 --json");
        respond.arg(name);
        let ended = run(respond);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        // By itself: the text goes to standard error.
        serde_json::from_str::<serde_json::Value>(&ended.out).expect("JSON");
        assert!(ended.err.contains("\nready: "), "{name}: {ended:?}");
    }
    for name in ["/dev/fd/1", "/proc/self/fd/1"] {
        let mut respond = stage.respond("--duration 0.2 --json");
        respond.arg(name);
        let ended = run(respond);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        // Behind the text, which is whole as well.
        let at = ended.out.find("\n{\n").unwrap_or_else(|| panic!("{name}: {ended:?}"));
        serde_json::from_str::<serde_json::Value>(&ended.out[at..]).expect("JSON to the end");
        assert!(ended.out.contains("\nready: "), "{name}: {ended:?}");
    }
    let mut respond = stage.respond("--duration 0.2 --json /dev/null --pcap /dev/null");
    respond.stdout(Stdio::null());
    assert_eq!(run(respond).code, Some(0));
    assert!(!Path::new("/dev/null").is_file(), "it is no device any more");
    let full = run(stage.respond("--duration 0.2 --json /dev/full"));
    assert_eq!(full.code, Some(1), "{full:?}");
    assert!(full.err.contains("cannot write /dev/full: No space left"), "{full:?}");
}

/// As `>(gzip …)` of a shell is one.
#[test]
fn a_pipe_with_a_reader_gets_the_result() {
    let Some(stage) = stage() else { return };
    let fifo = stage.file("fifo");
    mkfifo(&fifo, Mode::S_IRWXU).expect("a pipe");
    // Both ends, so that neither waits for the other.
    let flags = nix::libc::O_NONBLOCK;
    let mut reader =
        File::options().read(true).write(true).custom_flags(flags).open(&fifo).expect("both ends");
    let mut respond = stage.respond("--duration 0.2 --json");
    respond.arg(&fifo);
    let ended = run(respond);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let mut text = Vec::new();
    let emptied = reader.read_to_end(&mut text).expect_err("it ends in an empty pipe");
    assert_eq!(emptied.kind(), ErrorKind::WouldBlock);
    let summary: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    assert_eq!(summary["total"]["established"], 0);
}
