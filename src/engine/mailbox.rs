use crossbeam::queue::ArrayQueue;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst, fence};

/// Room for one frame on its way to another core.
const LETTER_LEN: usize = 3840;
/// Letters on their way to one core. On a veth pair whose queues change, about one batch of each
/// other core is under way at a time.
const LETTERS: usize = 1024;

/// Segments that arrived on one core's queue and belong to another core's connection. Bounded;
/// letters are made once and go round, so that nothing is allocated on the way.
pub struct Mailbox {
    full: ArrayQueue<Box<Letter>>,
    empty: ArrayQueue<Box<Letter>>,
    /// The owner is about to sleep or sleeps: whoever posts must wake it.
    sleeping: AtomicBool,
}

pub(super) struct Letter {
    len: usize,
    /// Which device the frame came from.
    pub device: usize,
    bytes: [u8; LETTER_LEN],
}

impl Mailbox {
    /// An empty mailbox.
    #[allow(clippy::new_without_default, reason = "allocates 4 MB: say so at the call")]
    pub fn new() -> Mailbox {
        let empty = ArrayQueue::new(LETTERS);
        for _ in 0..LETTERS {
            // The queue has room for all of them.
            let _ = empty.push(Box::new(Letter { len: 0, device: 0, bytes: [0; LETTER_LEN] }));
        }
        Mailbox { full: ArrayQueue::new(LETTERS), empty, sleeping: AtomicBool::new(false) }
    }

    /// Copies a frame in. False: no letter is free, or it is too long.
    pub(super) fn post(&self, frame: &[u8], device: usize) -> bool {
        let Some(mut letter) = self.empty.pop() else {
            return false;
        };
        let fits = frame.len() <= LETTER_LEN;
        if fits {
            letter.len = frame.len();
            letter.device = device;
            letter.bytes[..frame.len()].copy_from_slice(frame);
            // As many letters as places: there is room.
            let _ = self.full.push(letter);
        } else {
            let _ = self.empty.push(letter);
        }
        fits
    }

    /// The next frame that was posted.
    pub(super) fn take(&self) -> Option<Box<Letter>> {
        self.full.pop()
    }

    pub(super) fn give_back(&self, letter: Box<Letter>) {
        let _ = self.empty.push(letter);
    }

    /// Said by the owner before it sleeps. False: something came meanwhile, it must not sleep.
    pub fn fall_asleep(&self) -> bool {
        // SeqCst, matches `must_wake`: either the poster sees the flag or we see its letter.
        self.sleeping.store(true, SeqCst);
        fence(SeqCst);
        if self.full.is_empty() {
            return true;
        }
        self.sleeping.store(false, SeqCst);
        false
    }

    /// Said by the owner when it is awake.
    pub fn wake(&self) {
        self.sleeping.store(false, SeqCst);
    }

    /// Said by a poster after it has posted: whether the owner has to be woken.
    pub fn must_wake(&self) -> bool {
        fence(SeqCst);
        self.sleeping.load(SeqCst) && self.sleeping.swap(false, SeqCst)
    }
}

impl Letter {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}
