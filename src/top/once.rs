use std::time::{Duration, Instant};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::run::{STATUS_TIMEOUT, TopError, ended, first};
use super::{Poller, Update, View, draw};
use handfast_control::Client;

/// Maximum time to wait for the states after everything else.
const STATES_TIMEOUT: Duration = Duration::from_secs(5);

/// Settings of one printed display.
#[derive(Clone, Debug)]
pub struct Once {
    /// Time between two statuses; rates are those of the last interval.
    pub interval: Duration,
    /// Number of statuses; rates need at least two.
    pub statuses: u32,
    pub width: u16,
    /// `None`: enough to show everything.
    pub height: Option<u16>,
    pub view: View,
}

/// Reads as many statuses as requested, and draws the result. If the program ends meanwhile, the last
/// status is drawn.
///
/// # Errors
/// There was no status at all.
pub fn once(client: Client, wanted: &Once) -> Result<Buffer, TopError> {
    let poller = Poller::start(client, wanted.interval).map_err(TopError::Thread)?;
    let mut view = wanted.view.clone();
    let mut model = first(&poller)?;
    let mut left = wanted.statuses.saturating_sub(1);
    let mut deadline = None;
    // Then wait for the states, with a timeout.
    while left > 0 || model.states().is_none() {
        let end = (left == 0).then(|| *deadline.get_or_insert_with(|| Instant::now() + STATES_TIMEOUT));
        let timeout = end.map_or(STATUS_TIMEOUT, |end| end.saturating_duration_since(Instant::now()));
        match poller.next(timeout) {
            Some(Update::Status(status)) if left > 0 => {
                model.take(*status);
                left -= 1;
            }
            Some(Update::Status(_)) => {}
            Some(Update::States(states)) => model.count(states),
            Some(Update::ClosedConnection(error)) => {
                view.ended = Some(ended(&error));
                break;
            }
            None => break,
        }
    }
    let height = wanted.height.unwrap_or_else(|| super::draw::height(&model, wanted.width));
    let area = Rect::new(0, 0, wanted.width, height);
    let mut buffer = Buffer::empty(area);
    draw(&model, &view, area, &mut buffer);
    Ok(buffer)
}
