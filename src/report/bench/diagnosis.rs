//! Finds the bottleneck: the client, the target, or neither. The rules are tried in this order; the first
//! that holds gives the verdict:
//!
//! 1. for a part of the time the client had no 4-tuple or slot for the next connection: the client (in a
//!    closed loop no connection fails by that, and it would look like a slow target);
//! 2. no connection was attempted: unknown;
//! 3. the client had no 4-tuple, slot, frame, buffer or time for some connections: the client;
//! 4. answers were dropped for partial checksums: the client; not one SYN was answered: the target;
//! 5. its receive rings overflowed: the client;
//! 6. most connections failed: the target (a client that is late still gets its answers);
//! 7. open loop, and too few connections were opened, or too late: the client;
//! 8. many connections failed: the target (whatever the client's cores did meanwhile);
//! 9. closed loop, and the client's cores had no idle time: the client. (In an open loop on schedule, a core
//!    that spins between two connections is not a limit.)
//! 10. some failed, too few were completed in time, or the target became slower: the target;
//! 11. neither.

mod hints;

use super::bottleneck::{Bottleneck, Verdict};
use super::counted::Counted;
use super::figures::{Loop, Second};
use super::format::{count, rate, share, spoken, whole};
use super::results::Results;
use hints::{cores, loss, meaning, same, shared_cores, tuples};

/// Failures caused by the client: the reason, what was missing, and the fix.
const LOCAL: [(&str, &str, &str); 5] = [
    ("no-tuple", "free 4-tuple", "use more source addresses or ports (--source)"),
    ("no-slot", "free connection slot", "raise --max-connections"),
    ("no-frame", "free frame to send", "lower the load, or use more cores"),
    ("no-buffer", "free buffer for a request", "lower the load, or use more cores"),
    ("client-late", "time to open them", "lower the load, or use more cores"),
];
/// Drops that show that the client received too slowly.
const OVERFLOWS: [&str; 3] = ["kernel_rx_ring_full", "kernel_fill_ring_empty", "kernel_rx_dropped"];
/// Shares of connections or frames below this are noise.
const NOTICEABLE: f64 = 0.001;
/// In a closed loop, waiting for less than this share of the time is not a limit.
const WAITED: f64 = 0.05;
/// With a larger share of failures, the other figures are not meaningful.
const MANY: f64 = 0.1;
/// A share of failures that a slow client does not explain.
const MAJORITY: f64 = 0.5;
/// A rate below this part of the requested one has not reached it.
const REACHED: f64 = 0.99;
/// The same for connections completed within the measured time: a pause of the host at the end moves
/// connections out of it.
const LATELY: f64 = 0.95;
/// Median lag that is acceptable, microseconds: an iteration of the loop is much shorter. The mean is not
/// used, since a single pause of the host makes it large.
const LATE_US: u64 = 1000;
/// A core with a smaller idle share is busy.
const MIN_IDLE: f64 = 0.05;
/// By which factor the last quarter of the run must differ from the first.
const GREW: f64 = 1.5;
const FELL: f64 = 0.8;
/// Growth below this number of connections in flight is ignored.
const FEW: f64 = 10.0;

impl Bottleneck {
    /// Finds the bottleneck from everything else in `results`.
    pub fn find(results: &Results) -> Bottleneck {
        let rules: [fn(&Results) -> Option<Bottleneck>; 12] = [
            blocked,
            no_attempts,
            client_shortage,
            partial_checksums,
            unanswered,
            overflow,
            most_failures,
            behind_schedule,
            many_failures,
            busy_client,
            failures,
            slow_target,
        ];
        let mut found = rules.iter().find_map(|rule| rule(results)).unwrap_or_else(|| neither(results));
        for note in [loss(results), shared_cores(results)].into_iter().flatten() {
            found.sentence += &note;
        }
        found
    }

    fn client(why: String) -> Option<Bottleneck> {
        Some(Bottleneck { verdict: Verdict::Client, sentence: format!("the client was the limit: {why}") })
    }

    fn target(why: String) -> Option<Bottleneck> {
        let sentence = format!("the target (or the path to it) was the limit: {why}");
        Some(Bottleneck { verdict: Verdict::Target, sentence })
    }
}

fn blocked(results: &Results) -> Option<Bottleneck> {
    let waited = results.load.waited_s;
    if results.load.kind == Loop::Open || waited.tuple.max(waited.slot) < WAITED * results.duration_s {
        return None;
    }
    let (seconds, why) = match waited.tuple >= waited.slot {
        true => (waited.tuple, format!("4-tuple was free{}", tuples(results))),
        false => (waited.slot, "connection slot was free; raise --max-connections".to_owned()),
    };
    Bottleneck::client(format!("for {seconds:.1} of {:.1} s no {why}", results.duration_s))
}

fn no_attempts(results: &Results) -> Option<Bottleneck> {
    (results.connections.attempted == 0).then(|| Bottleneck {
        verdict: Verdict::Unknown,
        sentence: "unknown: no connection was attempted in the measured time".to_owned(),
    })
}

fn client_shortage(results: &Results) -> Option<Bottleneck> {
    let short = |&(reason, what, fix): &(&str, &'static str, &'static str)| {
        let failed = failed_by(results, reason);
        (results.connections.share(failed) >= NOTICEABLE).then_some((failed, what, fix))
    };
    let (failed, what, fix) = LOCAL.iter().find_map(short)?;
    let fix = if what == "free 4-tuple" { tuples(results) } else { format!("; {fix}") };
    Bottleneck::client(format!(
        "for {} of {} connections it had no {what}{fix}",
        count(failed),
        count(results.connections.attempted)
    ))
}

/// Replies arrived and were dropped for partial checksums.
fn partial_checksums(results: &Results) -> Option<Bottleneck> {
    let dropped = *results.drops.get("tcp_partial_checksum")?;
    (dropped > 0 && dropped as f64 >= NOTICEABLE * results.packets.received as f64).then_some(())?;
    Bottleneck::client(format!(
        "it dropped {} of {} received packets because of partial checksums, which are left to hardware; on veth: \
         ethtool -K PEER tx off at the target's end, or --accept-partial-checksums here",
        count(dropped),
        count(results.packets.received)
    ))
}

/// No SYN was answered; the run may have ended before the connections failed.
fn unanswered(results: &Results) -> Option<Bottleneck> {
    let connections = &results.connections;
    let silent = failed_by(results, "connect-timeout").saturating_add(connections.in_flight);
    let all = connections.established == 0 && silent == connections.attempted;
    let all = all && results.path.received.is_none_or(|received| received == 0);
    (all && results.workload != "flood").then_some(())?;
    Bottleneck::target(format!(
        "none of {} SYNs was answered{}",
        count(connections.attempted),
        meaning("connect-timeout", results)
    ))
}

fn behind_schedule(results: &Results) -> Option<Bottleneck> {
    let (asked, lag) = (asked_rate(results)?, results.load.lag_us.unwrap_or_default());
    let opened = per_second(results, results.connections.attempted);
    let late = lag.p50 > LATE_US;
    // Held connections are opened in a part of the time only, and Poisson arrivals vary in number.
    let chance = is_held(results) || results.load.arrivals.as_deref() == Some("poisson");
    let too_few = opened < REACHED * asked && !chance;
    let delay = format!("{:.1} ms late or more", lag.p50 as f64 / 1e3);
    let opened = format!("it opened {} of the asked {} connections/s", rate(opened), rate(asked));
    let why = match (too_few, late) {
        (false, false) => return None,
        (true, false) => opened,
        (true, true) => format!("{opened}, half of them {delay}"),
        (false, true) => format!("it opened half of the connections {delay}"),
    };
    Bottleneck::client(why + &cores(results))
}

fn overflow(results: &Results) -> Option<Bottleneck> {
    // The replies to a flood are not needed.
    if results.workload == "flood" {
        return None;
    }
    let lost: u64 = OVERFLOWS.iter().filter_map(|name| results.drops.get(*name)).sum();
    let all = results.packets.received.saturating_add(lost);
    (lost > 0 && lost as f64 >= NOTICEABLE * all as f64).then_some(())?;
    Bottleneck::client(format!(
        "it lost {} of {} packets because its receive ring was full{}",
        count(lost),
        count(all),
        cores(results)
    ))
}

fn most_failures(results: &Results) -> Option<Bottleneck> {
    failed_at_target(results, MAJORITY)
}

fn many_failures(results: &Results) -> Option<Bottleneck> {
    failed_at_target(results, MANY)
}

fn busy_client(results: &Results) -> Option<Bottleneck> {
    if results.load.kind == Loop::Open {
        return None;
    }
    let busy = match results.cpu.client_idle {
        Some(idle) => idle < MIN_IDLE,
        None => results.cpu.client_cores().any(|core| core.busy() + core.steal > 1.0 - MIN_IDLE),
    };
    busy.then(|| Bottleneck::client(format!("it had no idle time{}", cores(results)))).flatten()
}

fn failures(results: &Results) -> Option<Bottleneck> {
    failed_at_target(results, NOTICEABLE)
}

/// Whether a failure was caused by the client.
pub(super) fn is_local(reason: &str) -> bool {
    LOCAL.iter().any(|(local, ..)| same(local, reason))
}

fn failed_at_target(results: &Results, min: f64) -> Option<Bottleneck> {
    let connections = &results.connections;
    let mut reasons: Vec<_> = connections.failed.iter().filter(|(name, _)| !is_local(name)).collect();
    reasons.sort_by_key(|(_, failed)| std::cmp::Reverse(**failed));
    let all = reasons.iter().fold(0u64, |sum, (_, failed)| sum.saturating_add(**failed));
    (connections.share(all) >= min).then_some(())?;
    let (name, first) = reasons.first()?;
    Bottleneck::target(format!(
        "{} of the connections failed, most of them ({}) by {}{}",
        share(connections.share(all)),
        count(**first),
        spoken(name),
        meaning(name, results)
    ))
}

fn slow_target(results: &Results) -> Option<Bottleneck> {
    if is_held(results) {
        return None;
    }
    let completed = per_second(results, results.connections.completed);
    let asked = asked_rate(results);
    if let Some((first, last)) = quarters(results, |second| second.in_flight)
        && asked.is_some()
        && last > GREW * first
        && last > FEW
    {
        return Bottleneck::target(format!(
            "it became slower: connections in flight grew from {} to {}",
            whole(first),
            whole(last)
        ));
    }
    // With Poisson arrivals fewer may have been opened.
    let opened = per_second(results, results.connections.attempted);
    if let Some(asked) = asked.filter(|asked| completed < REACHED * asked.min(opened)) {
        return Bottleneck::target(format!(
            "{} of the asked {} connections/s were completed, although all were opened in time",
            rate(completed),
            rate(asked)
        ));
    }
    if let (Some(asked), Some(meanwhile)) = (asked, results.meanwhile())
        && meanwhile < LATELY * asked.min(opened)
    {
        return Bottleneck::target(format!(
            "{} of the asked {} connections/s were completed in the measured time, the others later",
            rate(meanwhile),
            rate(asked)
        ));
    }
    let (first, last) = quarters(results, |second| second.completed)?;
    (asked.is_none() && last < FELL * first).then_some(())?;
    Bottleneck::target(format!(
        "the rate fell from {} to {} connections/s while the client had idle time",
        whole(first),
        whole(last)
    ))
}

fn neither(results: &Results) -> Bottleneck {
    let completed = per_second(results, results.connections.completed);
    let sentence = match (results.load.rate, results.load.concurrency) {
        _ if is_held(results) => "neither: all connections were opened and answered their probe".to_owned(),
        (Some(asked), _) => format!(
            "neither: the load asked for was reached, {} of {} connections/s",
            rate(completed),
            rate(asked)
        ),
        (None, Some(concurrency)) => format!(
            "neither: the load asked for was reached, {} at a time, and the client had idle \
             time; a higher --concurrency may give more",
            count(concurrency)
        ),
        (None, None) => "neither: the load asked for was reached".to_owned(),
    };
    Bottleneck { verdict: Verdict::Neither, sentence }
}

/// Held connections all complete at the end: their rate is meaningless.
fn is_held(results: &Results) -> bool {
    results.workload == "hold"
}

fn asked_rate(results: &Results) -> Option<f64> {
    results.load.rate.filter(|_| results.load.kind == Loop::Open)
}

/// Over the time in which connections were opened, without the time that the last ones took.
fn per_second(results: &Results, number: u64) -> f64 {
    if results.opening() > 0.0 { number as f64 / results.opening() } else { 0.0 }
}

fn failed_by(results: &Results, reason: &str) -> u64 {
    results.connections.failed.iter().filter(|(name, _)| same(name, reason)).map(|(_, failed)| failed).sum()
}

/// Means over the first and the last quarter of the seconds in which connections were opened, of four
/// seconds at least.
fn quarters(results: &Results, of: impl Fn(&Second) -> u64) -> Option<(f64, f64)> {
    let series = Counted::of(&results.workload).seconds(&results.series, results.opening_s);
    let quarter = series.len() / 4;
    let mean = |seconds: &[Second]| seconds.iter().map(&of).sum::<u64>() as f64 / quarter as f64;
    (quarter > 0).then_some(())?;
    let first = series.get(..quarter)?;
    let last = series.get(series.len() - quarter..)?;
    Some((mean(first), mean(last)))
}

#[cfg(test)]
mod tests;
