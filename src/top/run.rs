use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use thiserror::Error;

use super::draw::rows;
use super::{Model, Poller, Update, View, draw};
use handfast_control::{Client, ClientError};

/// Interval between two checks for updates and signals. Keys are handled at once.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Maximum time for a status: longer than the timeout of the client.
pub(super) const STATUS_TIMEOUT: Duration = Duration::from_secs(45);

/// Settings of the interactive view.
pub struct Interactive {
    pub interval: Duration,
    pub colour: bool,
    /// Draw ASCII only.
    pub ascii: bool,
    /// True: quit. Signals set it.
    pub stop: Arc<AtomicBool>,
}

/// Why the program cannot be shown.
#[derive(Debug, Error)]
pub enum TopError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("cannot use the terminal: {0}")]
    Terminal(#[from] io::Error),
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    #[error("the program did not send a status in time")]
    Timeout,
}

/// Shows the program until the user quits. The terminal is restored in any case.
///
/// # Errors
/// [`TopError`]; a program that ends after its first status is no error.
pub fn run(client: Client, how: &Interactive) -> Result<(), TopError> {
    let poller = Poller::start(client, how.interval).map_err(TopError::Thread)?;
    // An error of the first answer is printed on the normal screen.
    let view = View { ascii: how.ascii, ..View::watched(how.colour) };
    let mut watch = TopWatch { model: first(&poller)?, frozen: None, view, width: 0 };
    let mut screen = Screen::open()?;
    let mut changed = true;
    while !how.stop.load(Relaxed) {
        while let Some(update) = poller.poll() {
            watch.update(update);
            changed = true;
        }
        if changed {
            watch.show(&mut screen)?;
        }
        changed = event::poll(POLL_INTERVAL)?;
        if changed && watch.handle(&event::read()?) == NextEvent::Quit {
            break;
        }
    }
    Ok(())
}

/// A model of the first status.
pub(super) fn first(poller: &Poller) -> Result<Model, TopError> {
    let mut early = None;
    loop {
        match poller.next(STATUS_TIMEOUT).ok_or(TopError::Timeout)? {
            Update::Status(status) => {
                let mut model = Model::new(*status);
                early.into_iter().for_each(|states| model.count(states));
                return Ok(model);
            }
            Update::States(states) => early = Some(states),
            Update::ClosedConnection(error) => return Err(error.into()),
        }
    }
}

/// The message for the end of the updates.
pub(super) fn ended(error: &ClientError) -> String {
    match error {
        ClientError::Disconnected { .. } => "the program has ended".to_owned(),
        other => other.to_string(),
    }
}

/// The terminal. Dropping it restores the terminal, also when a panic unwinds.
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
enum NextEvent {
    Continue,
    Quit,
}

struct TopWatch {
    model: Model,
    /// The model that is shown while paused; `model` is updated meanwhile.
    frozen: Option<Model>,
    view: View,
    /// Columns of the last frame.
    width: u16,
}

impl TopWatch {
    fn update(&mut self, update: Update) {
        match update {
            Update::Status(status) => self.model.take(*status),
            Update::States(states) => self.model.count(states),
            Update::ClosedConnection(error) => self.view.ended = Some(ended(&error)),
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

    fn handle(&mut self, event: &Event) -> NextEvent {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => self.key(*key),
            // A resize only needs a redraw.
            _ => NextEvent::Continue,
        }
    }

    fn key(&mut self, key: KeyEvent) -> NextEvent {
        let interrupted = key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c');
        if interrupted || self.view.ended.is_some() {
            return NextEvent::Quit;
        }
        if std::mem::take(&mut self.view.help) {
            return NextEvent::Continue;
        }
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return NextEvent::Quit,
            KeyCode::Char('p' | ' ') => self.pause(),
            KeyCode::Char('?' | 'h') => self.view.help = true,
            KeyCode::Tab | KeyCode::Right => self.view.select_pane(true),
            KeyCode::BackTab | KeyCode::Left => self.view.select_pane(false),
            KeyCode::Down | KeyCode::Char('j') => self.step(true),
            KeyCode::Up | KeyCode::Char('k') => self.step(false),
            _ => {}
        }
        NextEvent::Continue
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
