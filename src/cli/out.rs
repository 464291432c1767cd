//! `print!` and `println!` of this folder. The standard library's panic when the reader of a pipe has
//! gone (`| head`), which is no failure, and no reason to stop before the results are in their files.

use std::fmt::Arguments;
use std::io::{self, Write};

use super::charset;
use crate::text::ascii;

macro_rules! print {
    ($($text:tt)*) => { $crate::cli::out::say(format_args!($($text)*)) };
}

macro_rules! println {
    () => { $crate::cli::out::say(format_args!("\n")) };
    ($($text:tt)*) => { $crate::cli::out::say(format_args!("{}\n", format_args!($($text)*))) };
}

macro_rules! eprintln {
    ($($text:tt)*) => { $crate::cli::out::warn(format_args!("{}\n", format_args!($($text)*))) };
}

/// At once, for whoever waits behind a pipe. What cannot be written any more is left out.
pub(super) fn say(text: Arguments<'_>) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(shown(text.to_string()).as_bytes()).and_then(|()| out.flush());
}

/// To standard error.
pub(super) fn warn(text: Arguments<'_>) {
    let _ = io::stderr().write_all(shown(text.to_string()).as_bytes());
}

/// In what the terminal's character set has.
pub(super) fn shown(text: String) -> String {
    if charset::is_utf8() || text.is_ascii() { text } else { ascii(&text) }
}
