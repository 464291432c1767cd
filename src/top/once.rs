use std::time::{Duration, Instant};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::run::{PATIENCE, TopError, ended, first};
use super::{Feed, Told, View, draw};
use handfast_control::Client;

/// So long are states waited for, when everything else is there.
const STATES: Duration = Duration::from_secs(5);

/// One picture.
#[derive(Clone, Debug)]
pub struct Once {
    /// Between two statuses: rates are over the last of them.
    pub interval: Duration,
    /// Statuses; at least two, for there to be rates.
    pub statuses: u32,
    pub width: u16,
    /// `None`: what shows everything.
    pub height: Option<u16>,
    pub view: View,
}

/// Asks as often as is wanted, and draws what that came to. A program that ends meanwhile is drawn as
/// it was at last.
///
/// # Errors
/// Nothing was told at all.
pub fn once(client: Client, wanted: &Once) -> Result<Buffer, TopError> {
    let feed = Feed::start(client, wanted.interval).map_err(TopError::Thread)?;
    let mut view = wanted.view.clone();
    let mut model = first(&feed)?;
    let mut left = wanted.statuses.saturating_sub(1);
    let mut deadline = None;
    // Then the states, if they take longer: but not for ever.
    while left > 0 || model.states().is_none() {
        let end = (left == 0).then(|| *deadline.get_or_insert_with(|| Instant::now() + STATES));
        let patience = end.map_or(PATIENCE, |end| end.saturating_duration_since(Instant::now()));
        match feed.next(patience) {
            Some(Told::Status(status)) if left > 0 => {
                model.take(*status);
                left -= 1;
            }
            Some(Told::Status(_)) => {}
            Some(Told::States(states)) => model.count(states),
            Some(Told::ClosedConnection(error)) => {
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
