use std::path::Path;
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

/// Instructions per operation of every path, in their order. The profiles stay in target/, for
/// `callgrind_annotate`.
///
/// # Errors
/// The first path that could not be counted, and why.
pub fn all(paths: &[&str]) -> Result<Vec<(String, f64)>, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let folder = program.with_file_name("callgrind");
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let taken = AtomicUsize::new(0);
    let counted = Mutex::new(Vec::new());
    let work = || {
        while let Some((at, path)) = next(&taken, paths) {
            let count = one(&program, path, &folder.join(path.replace('/', "-")));
            counted.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push((at, count));
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let mut counted = counted.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    counted.sort_by_key(|(at, _)| *at);
    let named = |(at, count): (usize, Result<f64, String>)| {
        let path = paths[at];
        count.map(|count| (path.to_owned(), count)).map_err(|error| format!("{path}: {error}"))
    };
    counted.into_iter().map(named).collect()
}

/// A path that nobody has taken, and its place.
fn next<'a>(taken: &AtomicUsize, paths: &[&'a str]) -> Option<(usize, &'a str)> {
    let at = taken.fetch_add(1, Relaxed);
    paths.get(at).map(|path| (at, *path))
}

fn one(program: &Path, path: &str, file: &Path) -> Result<f64, String> {
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=*only_this_is_counted*"])
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(program)
        .args(["run", path])
        .output()
        .map_err(|error| format!("cannot run valgrind: {error}\nfix: tools/setup counts"))?;
    let operations: f64 = printed(&run)?.trim().parse().map_err(|_| "it printed no number".to_owned())?;
    let profile = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    match total(&profile) {
        Some(instructions) if instructions >= operations => Ok(instructions / operations),
        _ => Err("callgrind counted nothing: is the program stripped of its symbols?".to_owned()),
    }
}

fn printed(run: &Output) -> Result<String, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if run.status.success() {
        Ok(text(&run.stdout))
    } else {
        Err(format!("{}\n{}", run.status, text(&run.stderr)))
    }
}

/// Instructions, out of callgrind's file.
fn total(profile: &str) -> Option<f64> {
    profile.lines().find_map(|line| line.strip_prefix("totals: "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_total_is_found() {
        assert_eq!(super::total("events: Ir\n\nfn=(1) main\n1 7\n\ntotals: 1234\n"), Some(1234.0));
        assert_eq!(super::total("events: Ir\n"), None);
    }
}
