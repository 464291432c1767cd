use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_queue::ArrayQueue;
use thiserror::Error;

use handfast_stack::engine::Worker;
use handfast_stack::engine::stack::Running;
use handfast_stack::xdp::Queue;

/// So long may a core take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often the answer is looked for: a core that had to wake somebody would pay for it.
const LOOK: Duration = Duration::from_micros(50);

/// A core does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("core {0} does not answer: it has ended, or does not get to run")]
pub(super) struct Silent(usize);

/// Has a core fill a form in, between two turns. The form's memory goes to it and comes back: it
/// frees nothing but the order itself.
pub(super) fn ask<T: Send + 'static>(
    running: &Running,
    core: usize,
    mut form: T,
    fill: impl FnOnce(&Worker<Queue>, &mut T) + Send + 'static,
) -> Result<T, Silent> {
    let answers = Arc::new(ArrayQueue::new(1));
    let answer = answers.clone();
    let order = Box::new(move |worker: &mut Worker<Queue>| {
        fill(worker, &mut form);
        // It has room for one, and this is the one.
        let _ = answer.push(form);
    });
    running.order(core, order).map_err(|_| Silent(core))?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(form) = answers.pop() {
            return Ok(form);
        }
        if Instant::now() >= deadline {
            return Err(Silent(core));
        }
        std::thread::sleep(LOOK);
    }
}
