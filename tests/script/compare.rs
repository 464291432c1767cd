//! Compares what came with what a script expects.

use super::conversation::Conversation;
use super::inspect::{Options, Received};
use super::number::Number;
use super::pattern::{ACK, Length, Opt, PSH, Packet, Value, flag_letters};

/// Says what differs, if anything does. PSH never matters (RFC 9293 3.9.1.2 leaves it to the sender).
pub fn compare(got: &Received, want: &Packet, conversation: &Conversation) -> Result<(), String> {
    if (got.flags ^ want.flags) & !PSH != 0 {
        return Err(format!("flags are {}", flag_letters(got.flags)));
    }
    match want.sequence {
        Number::Any => {}
        Number::Higher | Number::Different => conversation.unlike_before(want.sequence, got.sequence)?,
        number => same("seq", got.sequence, conversation.expected_of_device(number)?)?,
    }
    match want.length {
        Length::Exactly(length) => same("length", got.payload.len() as u32, length)?,
        Length::Some if got.payload.is_empty() => return Err("there is no data".into()),
        Length::Some => {}
    }
    match want.acknowledgement {
        None | Some(Number::Any) => {}
        Some(number) if got.flags & ACK != 0 => {
            same("ack", got.acknowledgement, conversation.ours(number)?)?;
        }
        Some(_) => {}
    }
    if let Some(window) = want.window {
        value("win", u32::from(got.window), window)?;
    }
    want.options.as_ref().map_or(Ok(()), |list| options(&got.options, list, conversation))
}

fn same(field: &str, got: u32, want: u32) -> Result<(), String> {
    if got == want {
        return Ok(());
    }
    Err(format!("{field} is off by {}", got.wrapping_sub(want) as i32))
}

fn value(field: &str, got: u32, want: Value) -> Result<(), String> {
    match want {
        Value::Exactly(number) if got != number => Err(format!("{field} is {got}, not {number}")),
        Value::Positive if got == 0 => Err(format!("{field} is zero")),
        _ => Ok(()),
    }
}

/// The packet has exactly the options that are listed, in any order.
fn options(got: &Options, want: &[Opt], conversation: &Conversation) -> Result<(), String> {
    let mut left = got.clone();
    for option in want {
        let missing = || format!("{option:?} is missing");
        match option {
            Opt::Mss(wanted) => {
                value("mss", u32::from(left.mss.take().ok_or_else(missing)?), *wanted)?;
            }
            Opt::WindowScale(wanted) => {
                value("ws", u32::from(left.window_scale.take().ok_or_else(missing)?), *wanted)?;
            }
            Opt::SackPermitted => {
                if !std::mem::take(&mut left.sack_permitted) {
                    return Err(missing());
                }
            }
            Opt::Timestamps(sent, echoed) => {
                let (stamp, echo) = left.timestamps.take().ok_or_else(missing)?;
                value("TSval", stamp, *sent)?;
                value("TSecr", echo, *echoed)?;
            }
            Opt::Sack(blocks) => {
                let edge = |offset: i64| conversation.ours(Number::Relative(offset));
                let wanted: Result<Vec<_>, String> =
                    blocks.iter().map(|(first, last)| Ok((edge(*first)?, edge(*last)?))).collect();
                if left.sack.take() != Some(wanted?) {
                    return Err("the SACK blocks differ".into());
                }
            }
            Opt::NoOperation | Opt::End | Opt::Raw(_) => {}
        }
    }
    if left == Options::default() { Ok(()) } else { Err(format!("more options than expected: {left:?}")) }
}
