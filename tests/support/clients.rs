//! The kernel's clients of a lab.

use handfast_lab::Lab;
use handfast_lab::load::{self, Plan, Progress, Tally};

/// Carries the plan out as the client's kernel; every connection must complete.
#[track_caller]
pub fn clients(lab: &Lab, plan: &Plan) {
    let tally = attempts(lab, plan);
    let count = plan.count.expect("a plan with a count");
    assert_eq!((tally.completed, tally.failed()), (count, 0), "{:?}: {tally}", plan.targets);
}

/// Carries the plan out as the client's kernel.
pub fn attempts(lab: &Lab, plan: &Plan) -> Tally {
    lab.in_client(|| load::run(plan, &Progress::default())).expect("the namespace").expect("epoll")
}
