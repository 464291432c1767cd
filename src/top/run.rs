use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use thiserror::Error;

use super::draw::rows;
use super::{Feed, Model, Told, View, draw};
use handfast_control::{Client, ClientError};

/// How often is looked whether something was told, or a signal came. A key comes at once.
const LOOK: Duration = Duration::from_millis(100);

/// So long may a status take: longer than the talk itself waits.
pub(super) const PATIENCE: Duration = Duration::from_secs(45);

/// A view that is watched.
pub struct Interactive {
    pub interval: Duration,
    pub colour: bool,
    /// Nothing but ASCII.
    pub ascii: bool,
    /// True: leave. Signals set it.
    pub stop: Arc<AtomicBool>,
}

/// Why there is no view.
#[derive(Debug, Error)]
pub enum TopError {
    #[error(transparent)]
    Ask(#[from] ClientError),
    #[error("the terminal: {0}")]
    Terminal(#[from] io::Error),
    #[error("no thread to ask the program on: {0}")]
    Thread(io::Error),
    #[error("the program told nothing")]
    Silent,
}

/// Shows the program until somebody leaves. The terminal is as before, however this ends.
///
/// # Errors
/// [`TopError`]; a program that ends is none, if it has told anything before.
pub fn run(client: Client, how: &Interactive) -> Result<(), TopError> {
    let feed = Feed::start(client, how.interval).map_err(TopError::Thread)?;
    // An error of the first answer belongs on the screen that was there before.
    let view = View { ascii: how.ascii, ..View::watched(how.colour) };
    let mut watch = Watch { model: first(&feed)?, frozen: None, view, width: 0 };
    let mut screen = Screen::open()?;
    let mut changed = true;
    while !how.stop.load(Relaxed) {
        while let Some(told) = feed.poll() {
            watch.told(told);
            changed = true;
        }
        if changed {
            watch.show(&mut screen)?;
        }
        changed = event::poll(LOOK)?;
        if changed && watch.heard(&event::read()?) == Next::Leave {
            break;
        }
    }
    Ok(())
}

/// A model of the first status.
pub(super) fn first(feed: &Feed) -> Result<Model, TopError> {
    let mut early = None;
    loop {
        match feed.next(PATIENCE).ok_or(TopError::Silent)? {
            Told::Status(status) => {
                let mut model = Model::new(*status);
                early.into_iter().for_each(|states| model.count(states));
                return Ok(model);
            }
            Told::States(states) => early = Some(states),
            Told::ClosedConnection(error) => return Err(error.into()),
        }
    }
}

/// What an operator reads when a program tells nothing more.
pub(super) fn ended(error: &ClientError) -> String {
    match error {
        ClientError::Disconnected { .. } => "the program has ended".to_owned(),
        other => other.to_string(),
    }
}

/// The terminal, and the one who gives it back: also when a panic unwinds, and before its message.
struct Screen(DefaultTerminal);

impl Screen {
    fn open() -> io::Result<Screen> {
        ratatui::try_init().map(Screen)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.0.show_cursor();
        ratatui::restore();
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Stay,
    Leave,
}

struct Watch {
    model: Model,
    /// What is shown while paused; the model goes on.
    frozen: Option<Model>,
    view: View,
    /// Columns of the last picture.
    width: u16,
}

impl Watch {
    fn told(&mut self, told: Told) {
        match told {
            Told::Status(status) => self.model.take(*status),
            Told::States(states) => self.model.count(states),
            Told::ClosedConnection(error) => self.view.ended = Some(ended(&error)),
        }
    }

    fn show(&mut self, screen: &mut Screen) -> io::Result<()> {
        let model = self.frozen.as_ref().unwrap_or(&self.model);
        let frame = screen.0.draw(|frame| {
            let area = frame.area();
            draw(model, &self.view, area, frame.buffer_mut());
        })?;
        self.width = frame.area.width;
        Ok(())
    }

    fn heard(&mut self, event: &Event) -> Next {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => self.key(*key),
            // A new size is drawn like everything else.
            _ => Next::Stay,
        }
    }

    fn key(&mut self, key: KeyEvent) -> Next {
        let interrupted = key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c');
        if interrupted || self.view.ended.is_some() {
            return Next::Leave;
        }
        if std::mem::take(&mut self.view.help) {
            return Next::Stay;
        }
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return Next::Leave,
            KeyCode::Char('p' | ' ') => self.pause(),
            KeyCode::Char('?' | 'h') => self.view.help = true,
            KeyCode::Tab | KeyCode::Right => self.view.turn(true),
            KeyCode::BackTab | KeyCode::Left => self.view.turn(false),
            KeyCode::Down | KeyCode::Char('j') => self.step(true),
            KeyCode::Up | KeyCode::Char('k') => self.step(false),
            _ => {}
        }
        Next::Stay
    }

    fn pause(&mut self) {
        self.frozen = if self.frozen.is_some() { None } else { Some(self.model.clone()) };
        self.view.paused = self.frozen.is_some();
    }

    fn step(&mut self, down: bool) {
        let model = self.frozen.as_ref().unwrap_or(&self.model);
        let rows = rows(model, self.view.pane, self.width);
        self.view.step(down, rows);
    }
}
