//! What runs on the host: a root for the guests, one guest after another, and the judgement.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cells;

mod expected;
mod guest;
mod image;
mod page;
mod verdict;

use expected::Table;
use verdict::Verdicts;

/// Everything here is relative to the repository, where make runs.
const WORK: &str = "target/nic";
/// Unless the environment has another, as HANDFAST.
const PROGRAM: &str = "target/release/handfast";
pub const EXPECTED: &str = "tests/nic/expected.tsv";
pub const PAGE: &str = "docs/drivers.md";

/// Where the lines to judge come from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    OfGuests,
    /// From its files: the table has changed since, and no guest is started.
    OfLastRun,
}

/// `KERNEL... [--nics LIST] [--cells LIST]`. Whether every cell was as expected.
pub fn run(args: &[&str], lines: Lines) -> Result<bool, String> {
    let wanted = Wanted::parse(args)?;
    let table = Table::read(&fs::read_to_string(EXPECTED).map_err(|error| format!("{EXPECTED}: {error}"))?)?;
    let work = Path::new(WORK);
    let handfast = std::env::var("HANDFAST").unwrap_or_else(|_| PROGRAM.to_owned());
    let root = match lines {
        Lines::OfGuests => image::root(&work.join("guest"), Path::new(&handfast))?,
        Lines::OfLastRun => Vec::new(),
    };
    let mut all = Vec::new();
    for kernel in &wanted.kernels {
        let verdicts = match lines {
            Lines::OfGuests => one(kernel, &wanted, &table, work, &root)?,
            Lines::OfLastRun => again(kernel, &wanted, &table, work)?,
        };
        if verdicts.whole() {
            page::write(Path::new(PAGE), &verdicts)?;
        }
        all.push(verdicts);
    }
    println!();
    all.iter().for_each(|verdicts| println!("{verdicts}"));
    let unexplained: usize = all.iter().map(Verdicts::unexplained).sum();
    println!("{unexplained} cells unexplained");
    Ok(unexplained == 0)
}

/// One kernel: a guest, its lines as they come, and what they are worth.
fn one(kernel: &str, wanted: &Wanted, table: &Table, work: &Path, root: &[u8]) -> Result<Verdicts, String> {
    let files = work.join("kernels").join(kernel);
    let mut verdicts = wanted.nothing_yet(kernel, work)?;
    let run = guest::Run {
        vmlinux: files.join("vmlinux"),
        image: image::complete(root, &files.join("modules"), &wanted.nics, &wanted.cells)?,
        logs: logs(work, kernel),
        nics: wanted.nics.clone(),
    };
    println!("nic-test: Linux {}, {} cells", verdicts.release, verdicts.cells.len());
    let ended = guest::run(&run, &mut |line| {
        if let Some(text) = verdicts.take(line, table) {
            println!("{text}");
        }
    });
    match ended {
        Ok(spent) => println!("nic-test: {spent}"),
        Err(error) => println!("nic-test: {error}; {} has the console", run.logs.display()),
    }
    Ok(verdicts)
}

/// The same from the file that the last guest left.
fn again(kernel: &str, wanted: &Wanted, table: &Table, work: &Path) -> Result<Verdicts, String> {
    let mut verdicts = wanted.nothing_yet(kernel, work)?;
    let results = logs(work, kernel).join("results");
    let text = fs::read_to_string(&results).map_err(|error| format!("{}: {error}", results.display()))?;
    text.lines().filter_map(|line| verdicts.take(line, table)).for_each(|text| println!("{text}"));
    Ok(verdicts)
}

fn logs(work: &Path, kernel: &str) -> PathBuf {
    work.join("logs").join(kernel)
}

struct Wanted {
    kernels: Vec<String>,
    nics: Vec<&'static str>,
    cells: Vec<&'static str>,
}

impl Wanted {
    fn parse(args: &[&str]) -> Result<Wanted, String> {
        let (mut kernels, mut nics, mut cells) = (Vec::new(), "", "");
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match *arg {
                "--nics" => nics = args.next().ok_or("--nics wants a list")?,
                "--cells" => cells = args.next().ok_or("--cells wants a list")?,
                kernel => kernels.push(kernel.to_owned()),
            }
        }
        match kernels.is_empty() {
            true => Err("no kernel is named".to_owned()),
            false => Ok(Wanted {
                kernels,
                nics: cells::choose(nics, &cells::nic_names())?,
                cells: cells::choose(cells, &cells::cell_names())?,
            }),
        }
    }

    /// The verdicts before any line has come.
    fn nothing_yet(&self, kernel: &str, work: &Path) -> Result<Verdicts, String> {
        let release = fs::read_to_string(work.join("kernels").join(kernel).join("release"));
        let release =
            release.map_err(|_| format!("kernel {kernel} is not here; fix: tests/nic/fetch {kernel}"))?;
        Ok(Verdicts::new(kernel, release.trim(), &self.nics, &self.cells))
    }
}

/// Runs a program of the host; what it prints.
fn output(program: &str, args: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(args).output().map_err(|error| format!("{program}: {error}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => {
            Err(format!("{program} {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
        }
    }
}

/// A program of the system's, wherever it lies.
fn program(name: &str) -> Result<PathBuf, String> {
    let path = std::env::var("PATH").unwrap_or_default();
    let places =
        path.split(':').chain(["/usr/sbin", "/sbin", "target/nic/root/usr/bin", "target/nic/root/bin"]);
    let mut paths = places.map(|place| Path::new(place).join(name));
    paths.find(|path| path.is_file()).ok_or_else(|| format!("there is no {name}; fix: tools/setup nic"))
}
