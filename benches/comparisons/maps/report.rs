use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::map::{HANDFAST, Operation, Size, Task};

#[derive(Serialize, Deserialize)]
pub struct Results {
    pub load: f64,
    pub rounds: u32,
    pub huge_pages: bool,
    pub figures: Vec<Figure>,
}

/// One map and task. Times are nanoseconds per operation, of all threads together.
#[derive(Serialize, Deserialize)]
pub struct Figure {
    pub map: String,
    pub entries: u32,
    /// Threads that the map was created for, each with its share of the entries.
    pub made_for: usize,
    /// Threads in the measurement.
    pub threads: usize,
    pub operation: String,
    pub batched: bool,
    pub median: f64,
    pub min: f64,
    pub max: f64,
    /// By round.
    pub samples: Vec<f64>,
}

impl Figure {
    pub fn new(map: &str, size: &Size, task: Task, samples: Vec<f64>) -> Figure {
        let mut sorted = samples.clone();
        sorted.sort_by(f64::total_cmp);
        let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        Figure {
            map: map.to_owned(),
            entries: size.entries,
            made_for: size.threads,
            threads: task.threads,
            operation: task.operation.name().to_owned(),
            batched: task.batched,
            median: (low + high) / 2.0,
            min: sorted[0],
            max: sorted[sorted.len() - 1],
            samples,
        }
    }
}

/// A case of a figure, without the map.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Case {
    pub entries: u32,
    pub made_for: usize,
    pub threads: usize,
    pub operation: Operation,
    pub batched: bool,
}

impl Results {
    pub fn find(&self, map: &str, case: Case) -> Option<&Figure> {
        self.figures.iter().find(|figure| {
            figure.map == map
                && (figure.entries, figure.made_for) == (case.entries, case.made_for)
                && (figure.threads, figure.batched) == (case.threads, case.batched)
                && figure.operation == case.operation.name()
        })
    }

    /// Returns the sizes of maps for that number of threads, in ascending order.
    pub fn sizes(&self, made_for: usize) -> Vec<u32> {
        let of = self.figures.iter().filter(|figure| figure.made_for == made_for);
        let mut sizes: Vec<u32> = of.map(|figure| figure.entries).collect();
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }

    /// Returns the maps for that number of threads.
    pub fn maps(&self, made_for: usize) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for figure in self.figures.iter().filter(|figure| figure.made_for == made_for) {
            if !names.contains(&figure.map.as_str()) {
                names.push(&figure.map);
            }
        }
        names
    }
}

pub fn write(path: &Path, results: &Results) -> Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    let file = File::create(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(serde_json::to_writer_pretty(file, results)?)
}

pub fn read(path: &Path) -> Result<Results> {
    let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(serde_json::from_reader(file)?)
}

/// `1k`, `8M`.
pub fn short(entries: u32) -> String {
    match entries {
        million if million % (1 << 20) == 0 => format!("{}M", million >> 20),
        thousand if thousand % (1 << 10) == 0 => format!("{}k", thousand >> 10),
        other => other.to_string(),
    }
}

pub fn text(results: &Results) -> String {
    let pages = if results.huge_pages { "huge pages for all" } else { "huge pages for handfast alone" };
    let mut text = format!(
        "ns per operation, median of {} rounds (minimum to maximum); load {:.0} % of the requested \
         capacity; {pages}\n",
        results.rounds,
        results.load * 100.0
    );
    for entries in results.sizes(1) {
        let heading = format!("{} entries, 1 thread", short(entries));
        table(&mut text, results, &heading, Case { entries, made_for: 1, threads: 1, ..CASE });
    }
    for entries in results.sizes(1) {
        times(&mut text, results, Case { entries, ..CASE });
    }
    for entries in results.sizes(2) {
        for threads in [1, 2] {
            let heading = format!("{} entries shared by 2 threads, {threads} active", short(entries));
            table(&mut text, results, &heading, Case { entries, made_for: 2, threads, ..CASE });
        }
        scaling(&mut text, results, Case { entries, made_for: 2, ..CASE });
    }
    text
}

const CASE: Case = Case { entries: 0, made_for: 1, threads: 1, operation: Operation::Hit, batched: false };

fn table(text: &mut String, results: &Results, heading: &str, case: Case) {
    let operations = Operation::ALL.into_iter().filter(|operation| {
        results.find(HANDFAST, Case { operation: *operation, ..case }).is_some()
            || results
                .maps(case.made_for)
                .iter()
                .any(|name| results.find(name, Case { operation: *operation, ..case }).is_some())
    });
    let operations: Vec<Operation> = operations.collect();
    let _ = write!(text, "\n{heading:29}");
    for operation in &operations {
        let _ = write!(text, "{:>22}", operation.name());
    }
    text.push('\n');
    for name in results.maps(case.made_for) {
        for batched in [false, true] {
            let figures = operations
                .iter()
                .map(|operation| results.find(name, Case { operation: *operation, batched, ..case }));
            let figures: Vec<Option<&Figure>> = figures.collect();
            if figures.iter().all(Option::is_none) {
                continue;
            }
            let name = if batched { format!("{name}, batched") } else { name.to_owned() };
            let _ = write!(text, "  {name:27}");
            for figure in figures {
                let cell = figure.map_or(String::new(), |figure| {
                    format!("{:.1} ({:.0} to {:.0})", figure.median, figure.min, figure.max)
                });
                let _ = write!(text, "{cell:>22}");
            }
            text.push('\n');
        }
    }
}

/// Returns the median over the rounds of the ratio of two figures.
fn ratio(over: &Figure, under: &Figure) -> Option<f64> {
    let pairs = over.samples.iter().zip(&under.samples);
    let mut ratios: Vec<f64> = pairs.map(|(over, under)| over / under).collect();
    ratios.sort_by(f64::total_cmp);
    ratios.get(ratios.len() / 2).copied()
}

/// Prints the times of the other maps relative to the table's.
fn times(text: &mut String, results: &Results, case: Case) {
    let _ = writeln!(text, "\n{} entries: time relative to {HANDFAST}'s", short(case.entries));
    for name in results.maps(1).into_iter().filter(|name| *name != HANDFAST) {
        let _ = write!(text, "  {name:27}");
        for operation in Operation::ALL {
            for batched in [false, true] {
                // A map without a batched interface handles a batch one by one.
                let theirs = results
                    .find(name, Case { operation, batched, ..case })
                    .or_else(|| results.find(name, Case { operation, ..case }));
                let ours = results.find(HANDFAST, Case { operation, batched, ..case });
                let Some(times) = theirs.zip(ours).and_then(|(theirs, ours)| ratio(theirs, ours)) else {
                    continue;
                };
                let what = if batched { "batched" } else { operation.name() };
                let _ = write!(text, "{times:>6.2} x {what}");
            }
        }
        text.push('\n');
    }
}

/// Returns the rate of two threads relative to one.
pub fn scale(results: &Results, map: &str, case: Case) -> Option<f64> {
    let one = results.find(map, Case { threads: 1, ..case })?;
    let two = results.find(map, Case { threads: 2, ..case })?;
    ratio(one, two)
}

fn scaling(text: &mut String, results: &Results, case: Case) {
    let _ = writeln!(text, "\n{} entries: rate of 2 threads relative to 1", short(case.entries));
    for name in results.maps(case.made_for) {
        for batched in [false, true] {
            let ratio = |operation| scale(results, name, Case { operation, batched, ..case });
            let [Some(hit), Some(miss), Some(mixed)] =
                [Operation::Hit, Operation::Miss, Operation::Mixed].map(ratio)
            else {
                continue;
            };
            let name = if batched { format!("{name}, batched") } else { name.to_owned() };
            let _ = writeln!(text, "  {name:27}{hit:>6.2} x hit {miss:>6.2} x miss {mixed:>6.2} x mixed");
        }
    }
}
