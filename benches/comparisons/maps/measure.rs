use std::time::{Duration, Instant};

use crate::Result;
use crate::map::{FilledMap, MapKind, Operation, Size, Task, Until};
use crate::report::{Figure, Results};

pub struct Plan {
    pub entries: Vec<u32>,
    pub threaded: Option<u32>,
    pub load: f64,
    pub rounds: u32,
    pub slice: Duration,
    pub only: Vec<String>,
    pub huge_pages: bool,
}

/// Maximum bytes of one entry of any map, including its share of a half-empty table.
const BYTES_PER_ENTRY: u64 = 192;

pub fn all(plan: &Plan) -> Result<Results> {
    let mut figures = Vec::new();
    let one: Vec<Task> = Operation::ALL.into_iter().flat_map(|operation| both(operation, 1)).collect();
    for entries in &plan.entries {
        measure_size(plan, &Size::new(*entries, plan.load, 1), &one, &mut figures)?;
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if let Some(entries) = plan.threaded.filter(|_| cores > 1) {
        let operations = [Operation::Hit, Operation::Miss, Operation::Mixed];
        let tasks = operations
            .into_iter()
            .flat_map(|operation| [1, 2].into_iter().flat_map(move |threads| both(operation, threads)));
        let size = Size::new(entries, plan.load, 2);
        measure_size(plan, &size, &tasks.collect::<Vec<_>>(), &mut figures)?;
    }
    Ok(Results { load: plan.load, rounds: plan.rounds, huge_pages: plan.huge_pages, figures })
}

fn both(operation: Operation, threads: usize) -> [Task; 2] {
    [false, true].map(|batched| Task { operation, batched, threads })
}

/// Fills all maps of one size, and measures all tasks in turn.
fn measure_size(plan: &Plan, size: &Size, tasks: &[Task], figures: &mut Vec<Figure>) -> Result<()> {
    let wanted = |kind: &MapKind| plan.only.is_empty() || plan.only.iter().any(|name| name == kind.name);
    let kinds: Vec<MapKind> = MapKind::all(size.threads).into_iter().filter(wanted).collect();
    check_memory(kinds.len(), size)?;
    let start = Instant::now();
    let mut filled: Vec<Box<dyn FilledMap>> = kinds.iter().map(|kind| kind.fill(size)).collect();
    eprintln!("{} entries, {} thread(s): filled in {:.1?}", size.entries, size.threads, start.elapsed());
    let turns = || {
        let each = |(at, kind): (usize, &MapKind)| {
            let batched = kind.batched;
            let able = tasks.iter().filter(move |task| batched || !task.batched);
            able.map(move |task| (at, *task)).collect::<Vec<_>>()
        };
        kinds.iter().enumerate().flat_map(each)
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
        figures.push(Figure::new(kinds[at].name, size, task, samples));
    }
    Ok(())
}

/// # Errors
/// When filling all maps would take more memory than is free.
fn check_memory(maps: usize, size: &Size) -> Result<()> {
    let needed = maps as u64 * u64::from(size.entries) * BYTES_PER_ENTRY;
    let text = std::fs::read_to_string("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()).and_then(|kib| kib.parse::<u64>().ok());
    let available = kib.ok_or("no MemAvailable in /proc/meminfo")? << 10;
    if needed > available {
        let needed = needed >> 20;
        return Err(format!(
            "{maps} maps with {} entries take up to {needed} MiB, and {} are available: \
             fewer with --entries and --threaded, or some maps with --only",
            size.entries,
            available >> 20
        )
        .into());
    }
    Ok(())
}
