use std::time::{Duration, Instant};

use crate::Result;
use crate::report::{Figure, Results};
use crate::rivals::{Contestant, Entrant, Operation, Size, Task, Until};

pub struct Plan {
    pub entries: Vec<u32>,
    pub threaded: Option<u32>,
    pub load: f64,
    pub rounds: u32,
    pub slice: Duration,
    pub only: Vec<String>,
    pub huge_pages: bool,
}

/// Octets of one entry, its share of a half empty table included: the greediest contestant's.
const OCTETS: u64 = 192;

pub fn all(plan: &Plan) -> Result<Results> {
    let mut figures = Vec::new();
    let one: Vec<Task> = Operation::ALL.into_iter().flat_map(|operation| both(operation, 1)).collect();
    for entries in &plan.entries {
        heat(plan, &Size::new(*entries, plan.load, 1), &one, &mut figures)?;
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if let Some(entries) = plan.threaded.filter(|_| cores > 1) {
        let operations = [Operation::Hit, Operation::Miss, Operation::Mixed];
        let tasks = operations
            .into_iter()
            .flat_map(|operation| [1, 2].into_iter().flat_map(move |threads| both(operation, threads)));
        let size = Size::new(entries, plan.load, 2);
        heat(plan, &size, &tasks.collect::<Vec<_>>(), &mut figures)?;
    }
    Ok(Results { load: plan.load, rounds: plan.rounds, huge_pages: plan.huge_pages, figures })
}

fn both(operation: Operation, threads: usize) -> [Task; 2] {
    [false, true].map(|batched| Task { operation, batched, threads })
}

/// All contestants of one size, filled side by side, through all tasks in turn.
fn heat(plan: &Plan, size: &Size, tasks: &[Task], figures: &mut Vec<Figure>) -> Result<()> {
    let wanted =
        |entrant: &Entrant| plan.only.is_empty() || plan.only.iter().any(|name| name == entrant.name);
    let entrants: Vec<Entrant> = Entrant::all(size.threads).into_iter().filter(wanted).collect();
    has_room(entrants.len(), size)?;
    let start = Instant::now();
    let mut filled: Vec<Box<dyn Contestant>> = entrants.iter().map(|entrant| entrant.fill(size)).collect();
    eprintln!("{} entries, {} thread(s): filled in {:.1?}", size.entries, size.threads, start.elapsed());
    let turns = || {
        let each = |(at, entrant): (usize, &Entrant)| {
            let batched = entrant.batched;
            let able = tasks.iter().filter(move |task| batched || !task.batched);
            able.map(move |task| (at, *task)).collect::<Vec<_>>()
        };
        entrants.iter().enumerate().flat_map(each)
    };
    let mut samples: Vec<Vec<f64>> = turns().map(|_| Vec::new()).collect();
    // The first round warms up.
    for round in 0..=plan.rounds {
        for (turn, (at, task)) in turns().enumerate() {
            let ns = filled[at].measure(task, Until { operations: u64::MAX, time: plan.slice });
            if round > 0 {
                samples[turn].push(ns);
            }
        }
    }
    eprintln!("  measured in {:.1?}", start.elapsed());
    for ((at, task), samples) in turns().zip(samples) {
        figures.push(Figure::new(entrants[at].name, size, task, samples));
    }
    Ok(())
}

/// # Errors
/// When filling all contestants would take more memory than is free.
fn has_room(contestants: usize, size: &Size) -> Result<()> {
    let needed = contestants as u64 * u64::from(size.entries) * OCTETS;
    let text = std::fs::read_to_string("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()).and_then(|kib| kib.parse::<u64>().ok());
    let available = kib.ok_or("no MemAvailable in /proc/meminfo")? << 10;
    if needed > available {
        let needed = needed >> 20;
        return Err(format!(
            "{contestants} contestants with {} entries take up to {needed} MiB, and {} are available: \
             fewer with --entries and --threaded, or some contestants with --only",
            size.entries,
            available >> 20
        )
        .into());
    }
    Ok(())
}
