//! The small words of the language: numbers, sequence numbers, spans of time.

use std::time::Duration;

/// IPv4 or IPv6. A script is read once for each family that it is played in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    V4,
    V6,
}

/// A sequence or acknowledgement number as a script writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// Counted from the initial sequence number of the side whose number it is.
    Relative(i64),
    /// Counted from the next number that the script would send (`next`).
    Next(i64),
    /// Counted from the end of what the device has sent (`end`).
    End(i64),
    /// As on the wire (`=N`).
    Absolute(u32),
    /// Whatever it is (`*`); only expected, never sent.
    Any,
    /// An initial sequence number beyond all that the previous connection used (`higher`).
    Higher,
    /// An initial sequence number that is not the previous connection's (`different`).
    Different,
}

impl Number {
    /// Reads `12`, `next+1`, `end-1`, `=99`, `*`, `higher` or `different`; `4/6` gives each family its own.
    pub fn parse(word: &str, family: Family) -> Result<Self, String> {
        let offset = |rest: &str| if rest.is_empty() { Ok(0) } else { integer(rest, family) };
        match word {
            "*" => Ok(Self::Any),
            "higher" => Ok(Self::Higher),
            "different" => Ok(Self::Different),
            _ if word.starts_with("next") => offset(&word[4..]).map(Self::Next),
            _ if word.starts_with("end") => offset(&word[3..]).map(Self::End),
            _ if word.starts_with('=') => Ok(Self::Absolute(integer(&word[1..], family)? as u32)),
            _ => integer(word, family).map(Self::Relative),
        }
    }

    /// The distance to another number that is counted from the same place; `None` where it is not.
    pub fn until(self, end: Self) -> Option<i64> {
        match (self, end) {
            (Self::Relative(first), Self::Relative(end))
            | (Self::Next(first), Self::Next(end))
            | (Self::End(first), Self::End(end)) => Some(end - first),
            (Self::Absolute(first), Self::Absolute(end)) => Some(i64::from(end.wrapping_sub(first))),
            _ => None,
        }
    }
}

/// Reads a decimal integer with an optional sign, or `A/B`: A for IPv4 and B for IPv6.
pub fn integer(word: &str, family: Family) -> Result<i64, String> {
    let word = match (word.split_once('/'), family) {
        (Some((v4, _)), Family::V4) => v4,
        (Some((_, v6)), Family::V6) => v6,
        (None, _) => word,
    };
    word.parse().map_err(|_| format!("`{word}` is not a number"))
}

/// Reads an unsigned integer that fits `T`.
pub fn unsigned<T: TryFrom<i64>>(word: &str, family: Family) -> Result<T, String> {
    integer(word, family)?.try_into().map_err(|_| format!("`{word}` is out of range"))
}

/// Reads `250ms`, `3s` or `2m`.
pub fn duration(word: &str) -> Result<Duration, String> {
    let digits = word.trim_end_matches(char::is_alphabetic);
    let value: f64 = digits.parse().map_err(|_| format!("`{word}` is not a duration"))?;
    match &word[digits.len()..] {
        "ms" => Ok(Duration::from_secs_f64(value / 1000.0)),
        "s" => Ok(Duration::from_secs_f64(value)),
        "m" => Ok(Duration::from_secs_f64(value * 60.0)),
        unit => Err(format!("`{unit}` is not a unit of time")),
    }
}
