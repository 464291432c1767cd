use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::run::{TopError, ended};
use super::{Feed, Model, Told, View, draw};
use crate::control::Client;

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
    let mut model: Option<Model> = None;
    for _ in 0..wanted.statuses {
        match (feed.next(), &mut model) {
            (Some(Told::Sample(sample)), Some(model)) => model.take(*sample),
            (Some(Told::Sample(sample)), none) => *none = Some(Model::new(*sample)),
            (Some(Told::Ended(error)), Some(_)) => {
                view.ended = Some(ended(&error));
                break;
            }
            (Some(Told::Ended(error)), None) => return Err(TopError::Ask(error)),
            (None, _) => break,
        }
    }
    let model = model.ok_or(TopError::Silent)?;
    let height = wanted.height.unwrap_or_else(|| super::draw::height(&model, wanted.width));
    let area = Rect::new(0, 0, wanted.width, height);
    let mut buffer = Buffer::empty(area);
    draw(&model, &view, area, &mut buffer);
    Ok(buffer)
}
