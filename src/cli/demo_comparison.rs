//! The end of the demo: the kernel's stack, handfast and the ceiling of both, in a short form of
//! `handfast lab bench`.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::lab_bench::{program, two_cores};
use super::styled_text::{StyledText, blank};
use super::{Failure, lab_comparison};
use handfast_lab::bench::comparison::{BenchClient, ComparisonPlan, FinishedRuns, RunEvent, ServerKind};
use handfast_lab::bench::workload::{Pattern, Workload};
use handfast_lab::{Lab, Spec};
use handfast_report::bench::comparison::{Comparison, Setting};
use handfast_stack::xdp::Mode;
use handfast_text::{ansi, grouped};

/// Two rounds of three runs: a quarter of a minute.
const DURATION: Duration = Duration::from_secs(2);
const SETTLE: Duration = Duration::from_millis(300);

/// Runs in this lab, while nothing else does.
pub(super) fn run(
    output: &StyledText,
    lab: &Lab,
    spec: &Spec,
    rounds: u32,
    stop: &AtomicBool,
) -> Result<(), Failure> {
    output.heading("Side by side: lifecycles, six packets each, one core on either end");
    if spec.queues > 1 || spec.vlan.is_some() {
        output.body("Left out: the ceiling is one queue without a tag.");
        return Ok(());
    }
    let Some(cores) = two_cores() else {
        output.body("Left out: this process may use one core only.");
        return Ok(());
    };
    let plan = ComparisonPlan {
        servers: vec![ServerKind::Kernel, ServerKind::Handfast, ServerKind::Replay],
        patterns: vec![Pattern { timestamps: true, ..Pattern::new(Workload::Lifecycle) }],
        // On veth the faster one.
        modes: vec![Mode::Generic],
        rounds,
        duration: DURATION,
        settle: SETTLE,
        cores,
        ipv6: spec.ipv6,
        ..ComparisonPlan::new(lab.name(), program()?)
    };
    output.body("The client is handfast bench: it opens and closes each, 256 at a time.");
    let finished = plan.run_in(lab, &BenchClient, stop, &mut |event| output.body(&line(event)))?;
    show(output, &plan, &finished);
    Ok(())
}

fn line(event: RunEvent<'_>) -> String {
    match event {
        RunEvent::Done(row) => {
            format!("  round {}  {:8}  {:>9}/s", row.round + 1, row.server, grouped(row.rate as u64))
        }
        RunEvent::Disturbed(result) => format!("  {}", lab_comparison::disturbed(result)),
        RunEvent::Failed(failed) => lab_comparison::failed(failed),
    }
}

fn show(output: &StyledText, plan: &ComparisonPlan, finished: &FinishedRuns) {
    let whole = lab_comparison::comparison(plan, finished, String::new(), String::new());
    // Its notes are for a report.
    let comparison = Comparison { setting: Setting::default(), ..whole };
    blank();
    for line in comparison.text().lines().filter(|line| !line.is_empty()) {
        let ours = line.trim_start().starts_with(ServerKind::Handfast.name());
        output.body(&if ours { output.paint(ansi::BOLD_GREEN, line) } else { line.to_owned() });
    }
    blank();
    output.body(
        "kernel: Linux's own stack, accept and close in a tight loop. replay: the same\n\
         packets from templates, without a TCP stack: the ceiling. Both ends share this\n\
         host, and figures from veth are not NIC figures.",
    );
    output.body(&output.paint(ansi::BOLD, "More of this, in 5 minutes: handfast lab bench"));
}
