use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::rivals::{OURS, Operation, Size, Task};

#[derive(Serialize, Deserialize)]
pub struct Results {
    pub load: f64,
    pub rounds: u32,
    pub huge_pages: bool,
    pub figures: Vec<Figure>,
}

/// One contestant at one task. Times are nanoseconds per operation, of all threads together.
#[derive(Serialize, Deserialize)]
pub struct Figure {
    pub contestant: String,
    pub entries: u32,
    /// Threads that the contestant was made for, each with its share of the entries.
    pub made_for: usize,
    /// Threads that worked.
    pub threads: usize,
    pub operation: String,
    pub batched: bool,
    pub median: f64,
    pub least: f64,
    pub most: f64,
    /// In the order of the rounds.
    pub samples: Vec<f64>,
}

impl Figure {
    pub fn new(contestant: &str, size: &Size, task: Task, samples: Vec<f64>) -> Figure {
        let mut sorted = samples.clone();
        sorted.sort_by(f64::total_cmp);
        let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        Figure {
            contestant: contestant.to_owned(),
            entries: size.entries,
            made_for: size.threads,
            threads: task.threads,
            operation: task.operation.name().to_owned(),
            batched: task.batched,
            median: (low + high) / 2.0,
            least: sorted[0],
            most: sorted[sorted.len() - 1],
            samples,
        }
    }
}

/// What a figure is about, beside its contestant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Case {
    pub entries: u32,
    pub made_for: usize,
    pub threads: usize,
    pub operation: Operation,
    pub batched: bool,
}

impl Results {
    pub fn find(&self, contestant: &str, case: Case) -> Option<&Figure> {
        self.figures.iter().find(|figure| {
            figure.contestant == contestant
                && (figure.entries, figure.made_for) == (case.entries, case.made_for)
                && (figure.threads, figure.batched) == (case.threads, case.batched)
                && figure.operation == case.operation.name()
        })
    }

    /// Sizes of the contestants made for so many threads, smallest first.
    pub fn sizes(&self, made_for: usize) -> Vec<u32> {
        let of = self.figures.iter().filter(|figure| figure.made_for == made_for);
        let mut sizes: Vec<u32> = of.map(|figure| figure.entries).collect();
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }

    /// Contestants made for so many threads, in their own order.
    pub fn contestants(&self, made_for: usize) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for figure in self.figures.iter().filter(|figure| figure.made_for == made_for) {
            if !names.contains(&figure.contestant.as_str()) {
                names.push(&figure.contestant);
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
        "ns per operation, median of {} rounds (least to most); filled to {:.0} % of the capacity asked \
         for; {pages}\n",
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
            let heading =
                format!("{} entries shared by 2 threads, {threads} of them at work", short(entries));
            table(&mut text, results, &heading, Case { entries, made_for: 2, threads, ..CASE });
        }
        scaling(&mut text, results, Case { entries, made_for: 2, ..CASE });
    }
    text
}

const CASE: Case = Case { entries: 0, made_for: 1, threads: 1, operation: Operation::Hit, batched: false };

fn table(text: &mut String, results: &Results, heading: &str, case: Case) {
    let operations = Operation::ALL.into_iter().filter(|operation| {
        results.find(OURS, Case { operation: *operation, ..case }).is_some()
            || results
                .contestants(case.made_for)
                .iter()
                .any(|name| results.find(name, Case { operation: *operation, ..case }).is_some())
    });
    let operations: Vec<Operation> = operations.collect();
    let _ = write!(text, "\n{heading:29}");
    for operation in &operations {
        let _ = write!(text, "{:>22}", operation.name());
    }
    text.push('\n');
    for name in results.contestants(case.made_for) {
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
                    format!("{:.1} ({:.0} to {:.0})", figure.median, figure.least, figure.most)
                });
                let _ = write!(text, "{cell:>22}");
            }
            text.push('\n');
        }
    }
}

/// How often one goes into the other, round by round: the median.
fn ratio(over: &Figure, under: &Figure) -> Option<f64> {
    let pairs = over.samples.iter().zip(&under.samples);
    let mut ratios: Vec<f64> = pairs.map(|(over, under)| over / under).collect();
    ratios.sort_by(f64::total_cmp);
    ratios.get(ratios.len() / 2).copied()
}

/// How many times as long as the table others take.
fn times(text: &mut String, results: &Results, case: Case) {
    let _ = writeln!(text, "\n{} entries: time in times of {OURS}'s, like with like", short(case.entries));
    for name in results.contestants(1).into_iter().filter(|name| *name != OURS) {
        let _ = write!(text, "  {name:27}");
        for operation in Operation::ALL {
            for batched in [false, true] {
                // Whoever has nothing better for a batch goes through it one by one.
                let theirs = results
                    .find(name, Case { operation, batched, ..case })
                    .or_else(|| results.find(name, Case { operation, ..case }));
                let ours = results.find(OURS, Case { operation, batched, ..case });
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

/// How many times the rate of one thread two have.
pub fn scale(results: &Results, contestant: &str, case: Case) -> Option<f64> {
    let one = results.find(contestant, Case { threads: 1, ..case })?;
    let two = results.find(contestant, Case { threads: 2, ..case })?;
    ratio(one, two)
}

fn scaling(text: &mut String, results: &Results, case: Case) {
    let _ = writeln!(text, "\n{} entries: rate of 2 threads in rates of 1", short(case.entries));
    for name in results.contestants(case.made_for) {
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
