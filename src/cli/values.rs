//! Parsers of single argument values. Each error names the invalid value and a valid form.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

pub(super) use super::units::{milliseconds, part, seconds, seconds_or_none, share};
use handfast_load::{Closer, WorkloadKind};
use handfast_stack::engine::FaultInjection;
use handfast_stack::wire::Mac;

/// A workload by its name.
pub(super) fn workload() -> impl TypedValueParser<Value = WorkloadKind> {
    let value = |kind: &WorkloadKind| PossibleValue::new(kind.name()).help(kind.summary());
    PossibleValuesParser::new(WorkloadKind::ALL.iter().map(value)).try_map(|name| name.parse())
}

/// The side that closes, by its name.
pub(super) fn closer() -> impl TypedValueParser<Value = Closer> {
    PossibleValuesParser::new(Closer::ALL.iter().map(|closer| closer.name())).try_map(|name| name.parse())
}

/// `0,2-3`: numbers of cores, each once, in the order given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoreList(pub Vec<usize>);

/// No host has more; a range beyond it is a typing error.
const MAX_CORE: usize = 4095;

impl FromStr for CoreList {
    type Err = String;

    fn from_str(text: &str) -> Result<CoreList, String> {
        let number = |word: &str| {
            let number = word.parse::<usize>().ok().filter(|core| *core <= MAX_CORE);
            // The whole text, where a number is missing.
            let shown = if word.is_empty() { text } else { word };
            number.ok_or_else(|| format!("invalid core `{shown}`: write numbers and ranges, as in 0,2-3"))
        };
        let mut cores = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return Err(format!("invalid range of cores `{first}-{last}`: write {last}-{first}"));
            }
            cores.extend(first..=last);
        }
        let mut seen = BTreeSet::new();
        match cores.iter().find(|core| !seen.insert(**core)) {
            Some(twice) => Err(format!("core {twice} is given twice")),
            None => Ok(CoreList(cores)),
        }
    }
}

/// `drop=SHARE,reset=SHARE,delay=MS`, each at most once, in any order.
pub(super) fn fault(text: &str) -> Result<FaultInjection, String> {
    let mut fault = FaultInjection::default();
    let mut seen = BTreeSet::new();
    for part in text.split(',') {
        let (name, value) = part
            .split_once('=')
            .ok_or_else(|| format!("invalid fault `{part}`: write drop=1%, reset=1% or delay=20ms"))?;
        if !seen.insert(name) {
            return Err(format!("`{name}` is given twice"));
        }
        match name {
            "drop" => fault.drop = share(value)?,
            "reset" => fault.reset = share(value)?,
            "delay" => fault.delay_ms = milliseconds(value, 60_000)?,
            _ => return Err(format!("unknown fault `{name}`; the faults are drop, reset and delay")),
        }
    }
    if fault.drop + fault.reset > 1.0 {
        return Err("drop and reset add up to more than 100% of the SYNs".into());
    }
    Ok(fault)
}

/// A time limit for silence: seconds, with an optional fraction; 0 is no limit.
pub(super) fn silence(text: &str) -> Result<Duration, String> {
    // Timers compare milliseconds modulo 2^32.
    let limit = Duration::from_secs(14 * 86_400);
    match seconds_or_none(text)? {
        long if long > limit => Err(format!("invalid duration `{text}`: at most 14 days")),
        silence => Ok(silence),
    }
}

/// A maximum segment lifetime: up to an hour, since twice that fits the timers' milliseconds with room.
pub(super) fn msl(text: &str) -> Result<Duration, String> {
    let limit = Duration::from_secs(3600);
    match seconds(text)? {
        long if long > limit => Err(format!("invalid duration `{text}`: at most one hour")),
        msl => Ok(msl),
    }
}

/// Milliseconds for the timers; at least one unless the time is 0.
pub(super) fn timer_ms(time: Duration) -> u32 {
    let millis = u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
    if time.is_zero() { 0 } else { millis.max(1) }
}

/// A number from 1 on, with `k` or `M` for thousands and millions, and `_` between digits.
pub(super) fn count(text: &str) -> Result<u32, String> {
    let (digits, factor) = match text.as_bytes().last() {
        Some(b'k') => (&text[..text.len() - 1], 1_000),
        Some(b'M') => (&text[..text.len() - 1], 1_000_000),
        _ => (text, 1),
    };
    let number = digits.replace('_', "").parse::<u32>().ok();
    number.and_then(|number| number.checked_mul(factor)).filter(|number| *number > 0).ok_or_else(|| {
        format!("invalid number `{text}`: write a number from 1 to {}, as in 262144, 100k or 1M", u32::MAX)
    })
}

/// Frames of a ring.
pub(super) fn ring(text: &str) -> Result<u32, String> {
    let fits = |frames: &u32| frames.is_power_of_two() && (64..=65_536).contains(frames);
    count(text).ok().filter(fits).ok_or_else(|| {
        format!("invalid ring size `{text}`: write a power of two from 64 to 65536, as in 2048")
    })
}

/// A MAC address: six bytes in hexadecimal, separated by colons.
pub(super) fn mac(text: &str) -> Result<Mac, String> {
    let mut bytes = text.split(':').map(|part| {
        u8::from_str_radix(part, 16).ok().filter(|_| (1..=2).contains(&part.len()) && !part.starts_with('+'))
    });
    let mac: Option<Vec<u8>> = bytes.by_ref().collect();
    mac.and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| format!("invalid MAC address `{text}`: write it as in 02:00:00:00:00:01"))
}

/// An interface's name, as the kernel allows it.
pub(super) fn device(text: &str) -> Result<String, String> {
    let odd = |c: char| c == '/' || c == ':' || c.is_whitespace();
    // An alternative name may be longer than the name (ALTIFNAMSIZ of linux/if.h).
    const MAX_LEN: usize = 127;
    match text {
        "" => Err("invalid interface name: it is empty".into()),
        _ if text.len() > MAX_LEN => {
            Err(format!("invalid interface name `{text}`: an alternative name has at most {MAX_LEN} bytes"))
        }
        // A label of addresses (`ip address add ... label eth0:1`) begins with its interface's name.
        _ if text.split_once(':').is_some_and(|(device, _)| !device.is_empty() && !device.contains(odd)) => {
            let (device, _) = text.split_once(':').unwrap_or_default();
            Err(format!(
                "invalid interface name `{text}`: if it is the label of an address, write `{device}`"
            ))
        }
        _ if text.contains(odd) => {
            Err(format!("invalid interface name `{text}`: a name has no /, : or space"))
        }
        _ => Ok(text.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_numbers_and_ranges() {
        for (text, cores) in [("0", Ok(vec![0])), ("0,1", Ok(vec![0, 1])), ("2-4,0", Ok(vec![2, 3, 4, 0]))]
            as [(&str, Result<Vec<usize>, &str>); 3]
        {
            assert_eq!(text.parse::<CoreList>().map(|cores| cores.0), cores.map_err(String::from), "{text}");
        }
        for (text, part) in [
            ("", "invalid core"),
            ("0,", "invalid core `0,`"),
            ("0-", "invalid core `0-`"),
            ("a", "invalid core `a`"),
            ("3-1", "write 1-3"),
            ("0-2,1", "core 1 is given twice"),
            ("0-99999999999", "invalid core"),
        ] {
            let error = text.parse::<CoreList>().expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn faults_are_shares_of_the_syns_and_a_delay() {
        let all = FaultInjection { drop: 0.5, reset: 0.025, delay_ms: 30 };
        assert_eq!(fault("drop=50%,reset=2.5%,delay=30"), Ok(all));
        assert_eq!(fault("drop=0.5,reset=0.025,delay=0.03s"), Ok(all));
        assert_eq!(fault("delay=30ms"), Ok(FaultInjection { delay_ms: 30, ..FaultInjection::default() }));
        for (text, part) in [
            ("", "invalid fault ``"),
            ("drop", "invalid fault `drop`"),
            ("drop=5", "write a percentage"),
            ("drop=101%", "write a percentage"),
            ("drop=NaN%", "write a percentage"),
            ("drop=1%,drop=2%", "given twice"),
            ("drop=60%,reset=60%", "more than 100%"),
            ("delay=-1", "write milliseconds"),
            ("delay=61s", "up to 60000"),
            ("lose=1%", "unknown fault `lose`"),
        ] {
            let error = fault(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn counts_and_names_have_their_bounds() {
        assert_eq!(count("1_048_576"), Ok(1_048_576));
        assert_eq!(count("100k"), Ok(100_000));
        assert_eq!(count("2M"), Ok(2_000_000));
        assert!(["", "0", "k", "-1", "5000M", "1G"].iter().all(|text| count(text).is_err()));
        assert!(device(&"a".repeat(127)).is_ok());
        assert!(["", "a/b", "a b", "a".repeat(128).as_str(), "a:1"].iter().all(|name| device(name).is_err()));
    }
}
