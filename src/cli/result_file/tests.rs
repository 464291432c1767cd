use std::os::unix::fs::symlink;
use std::thread;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tempfile::TempDir;

use super::*;

fn names(folder: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(folder.path()).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_check_changes_nothing_and_a_run_that_ends_early_leaves_what_was_there() {
    let folder = TempDir::new().unwrap();
    let (old, new) = (folder.path().join("old"), folder.path().join("new"));
    fs::write(&old, "better than nothing").unwrap();
    for hold in [false, true] {
        for path in [&old, &new] {
            let mut file = ResultFile::check(path).unwrap();
            if hold {
                file.hold().unwrap();
            }
            drop(file);
            let (mut growing, _) = ResultFile::growing(path).unwrap();
            assert!(!hold || growing.hold().is_ok());
            assert!(hold || names(&folder).len() == 2, "beside it, under another name");
            drop(growing);
            assert_eq!(hold && path == &old, fs::read_to_string(&old).unwrap().is_empty());
            fs::write(&old, "better than nothing").unwrap();
            let _ = fs::remove_file(&new);
        }
    }
    assert_eq!(names(&folder), ["old"]);
}

#[test]
fn a_whole_file_takes_the_old_ones_place_with_its_mode() {
    let folder = TempDir::new().unwrap();
    let (path, other) = (folder.path().join("run.json"), folder.path().join("other"));
    fs::write(&path, "a longer text than the next").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    fs::hard_link(&path, &other).unwrap();
    ResultFile::check(&path).unwrap().write(b"short").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"short");
    assert_eq!(fs::read(&other).unwrap(), b"a longer text than the next", "its other name keeps it");
    fs::remove_file(&other).unwrap();
    let mut file = ResultFile::check(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    file.hold().unwrap();
    file.write(b"again").unwrap();
    assert_eq!(
        (fs::read(&path).unwrap(), fs::metadata(&path).unwrap().mode() & 0o777),
        (b"again".to_vec(), 0o640)
    );
    assert_eq!(names(&folder), ["run.json"]);
}

#[test]
fn without_the_right_to_rename_it_is_written_in_its_place() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"a longer text than the next").unwrap();
    overwrite(&mut file, b"short").unwrap();
    assert_eq!(file.metadata().unwrap().len(), 5);
}

#[test]
fn what_is_no_file_is_written_to_as_it_is_and_never_waited_for() {
    let folder = TempDir::new().unwrap();
    let fifo = folder.path().join("fifo");
    mkfifo(&fifo, Mode::S_IRWXU).unwrap();
    let failure = ResultFile::check(&fifo).unwrap_err().to_string();
    assert!(failure.contains("start the reader of the pipe first"), "{failure}");

    let reader = File::options().read(true).write(true).open(&fifo).unwrap();
    ResultFile::check(&fifo).unwrap().write(b"read me").unwrap();
    let more = vec![0; 1 << 20];
    let failure = ResultFile::check(&fifo).unwrap().write(&more).unwrap_err().to_string();
    assert!(failure.contains("its reader does not read"), "{failure}");
    drop(reader);

    ResultFile::check(Path::new("/dev/null")).unwrap().write(&more).unwrap();
    let failure = ResultFile::check(Path::new("/dev/full")).unwrap().write(b"x").unwrap_err().to_string();
    assert!(failure.contains("No space left"), "{failure}");
    assert!(Path::new("/dev/full").exists() && fifo.exists(), "neither is replaced");
}

#[test]
fn what_cannot_be_written_is_said_at_once() {
    let folder = TempDir::new().unwrap();
    for (path, part) in [
        (folder.path().to_owned(), "Is a directory"),
        (folder.path().join("missing/run.json"), "No such file or directory"),
        ("/proc/run.json".into(), "cannot write /proc/run.json"),
    ] {
        for failure in [ResultFile::check(&path).unwrap_err(), ResultFile::growing(&path).unwrap_err()] {
            let failure = failure.to_string();
            assert!(failure.contains(part) && failure.contains("fix: "), "{failure}");
        }
    }
}

#[test]
fn root_follows_no_link() {
    let folder = TempDir::new().unwrap();
    let (target, link) = (folder.path().join("target"), folder.path().join("link"));
    fs::write(&target, "of another user").unwrap();
    symlink(&target, &link).unwrap();
    match ResultFile::check(&link) {
        Ok(file) => {
            assert!(!geteuid().is_root());
            file.write(b"new").unwrap();
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        }
        Err(failure) => {
            let failure = failure.to_string();
            assert!(failure.contains("symbolic link") && failure.contains("fix: name the file itself"));
            assert_eq!(fs::read_to_string(&target).unwrap(), "of another user");
        }
    }
}

#[test]
fn a_reader_that_takes_its_time_gets_all_of_it() {
    let folder = TempDir::new().unwrap();
    let fifo = folder.path().join("fifo");
    mkfifo(&fifo, Mode::S_IRWXU).unwrap();
    let reader = File::options().read(true).write(true).open(&fifo).unwrap();
    let content = vec![7; 300_000];
    let file = ResultFile::check(&fifo).unwrap();
    let length = content.len();
    let reads = thread::spawn(move || {
        let mut read = vec![0; length];
        io::Read::read_exact(&mut &reader, &mut read).unwrap();
        read
    });
    file.write(&content).unwrap();
    assert!(reads.join().unwrap() == content);
}
