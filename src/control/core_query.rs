use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_queue::ArrayQueue;
use thiserror::Error;

use handfast_stack::engine::Worker;
use handfast_stack::engine::stack::Running;
use handfast_stack::xdp::Queue;

/// Maximum time for a core to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// Interval between two checks for the answer: waking this thread would cost the core time.
const POLL_INTERVAL: Duration = Duration::from_micros(50);

/// A core did not answer in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("core {0} is not responding: its thread has exited or is starved of CPU")]
pub(super) struct CoreTimeout(usize);

/// Runs `fill` on a core between two iterations of its loop, and returns the filled `form`. The core
/// allocates nothing: the memory of the form is moved there and back.
pub(super) fn query<T: Send + 'static>(
    running: &Running,
    core: usize,
    mut form: T,
    fill: impl FnOnce(&Worker<Queue>, &mut T) + Send + 'static,
) -> Result<T, CoreTimeout> {
    let answers = Arc::new(ArrayQueue::new(1));
    let answer = answers.clone();
    let order = Box::new(move |worker: &mut Worker<Queue>| {
        fill(worker, &mut form);
        // It has room for one, and this is the one.
        let _ = answer.push(form);
    });
    running.order(core, order).map_err(|_| CoreTimeout(core))?;
    let deadline = Instant::now() + ANSWER_TIMEOUT;
    loop {
        if let Some(form) = answers.pop() {
            return Ok(form);
        }
        if Instant::now() >= deadline {
            return Err(CoreTimeout(core));
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}
