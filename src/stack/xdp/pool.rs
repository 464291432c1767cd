//! Numbers for UMEMs: an address of a frame is only valid in its own UMEM.

use std::{
    io,
    sync::{Mutex, PoisonError},
};

/// Numbers that are in use, or that were retired.
#[derive(Debug)]
struct Numbers {
    /// Never used, from here on; `None`: all were.
    next: Option<u16>,
    returned: Vec<u16>,
}

static NUMBERS: Mutex<Numbers> = Mutex::new(Numbers { next: Some(0), returned: Vec::new() });

/// A number that no other UMEM of this process has, nor a frame of one that is gone.
///
/// # Errors
/// All 65,536 are in use, or were retired.
pub(super) fn number() -> io::Result<u16> {
    NUMBERS.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or_else(|| {
        io::Error::other("65536 queues are open, or were closed while the program held some of their frames")
    })
}

/// Returns the number of a UMEM that is gone and of which no frame exists. Any other is retired: it stays
/// taken.
pub(super) fn reuse(number: u16) {
    NUMBERS.lock().unwrap_or_else(PoisonError::into_inner).returned.push(number);
}

impl Numbers {
    fn take(&mut self) -> Option<u16> {
        if let Some(number) = self.returned.pop() {
            return Some(number);
        }
        let number = self.next?;
        self.next = number.checked_add(1);
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_taken_once_until_it_is_returned() {
        let mut numbers = Numbers { next: Some(u16::MAX - 1), returned: Vec::new() };
        assert_eq!((numbers.take(), numbers.take(), numbers.take()), (Some(65_534), Some(65_535), None));
        numbers.returned.push(7);
        assert_eq!((numbers.take(), numbers.take()), (Some(7), None));
    }
}
