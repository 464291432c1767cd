//! Shares and durations: every option uses the same forms.

use std::time::Duration;

/// A share from 0 to 1: `1%` or `0.01`.
pub(super) fn share(text: &str) -> Result<f64, String> {
    let (number, whole) = match text.strip_suffix('%') {
        Some(percent) => (percent, 100.0),
        None => (text, 1.0),
    };
    let share = number.parse::<f64>().ok().map(|number| number / whole);
    share.filter(|share| (0.0..=1.0).contains(share)).ok_or_else(|| {
        format!(
            "invalid share `{text}`: write a percentage, as in 2.5%, or a number from 0 to 1, as in 0.025"
        )
    })
}

/// A share below 1.
pub(super) fn part(text: &str) -> Result<f64, String> {
    match share(text)? {
        part if part < 1.0 => Ok(part),
        _ => Err(format!("invalid share `{text}`: write less than 100%, as in 0.1% or 0.001")),
    }
}

/// Above 0: `20` and `20s` are seconds, `500ms` is less.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    match seconds_or_none(text) {
        Ok(duration) if duration.is_zero() => Err(format!("invalid duration `{text}`: write more than 0")),
        other => other,
    }
}

/// As [`seconds`], 0 allowed.
pub(super) fn seconds_or_none(text: &str) -> Result<Duration, String> {
    duration(text, 1.0).ok_or_else(|| {
        format!(
            "invalid duration `{text}`: write seconds or a number with a unit, as in 20, 0.5, 500ms or 2m"
        )
    })
}

/// As [`seconds_or_none`], but a number without a unit is in milliseconds.
pub(super) fn milliseconds(text: &str, max: u32) -> Result<u32, String> {
    let millis = duration(text, 1e-3).and_then(|time| u32::try_from(time.as_millis()).ok());
    millis.filter(|millis| *millis <= max).ok_or_else(|| {
        format!(
            "invalid duration `{text}`: write milliseconds up to {max}, or a number with a unit, as in 20, 20ms or 0.5s"
        )
    })
}

/// `bare`: the unit, in seconds, of a number without one.
fn duration(text: &str, bare: f64) -> Option<Duration> {
    // More than a century is a typing error, and would not fit the timers.
    const MAX: f64 = 3.0e9;
    // TOML allows 1e3, which has no unit.
    let unit_at = match text.parse::<f64>() {
        Ok(_) => text.len(),
        Err(_) => text.find(|c: char| c.is_ascii_alphabetic() || !c.is_ascii()).unwrap_or(text.len()),
    };
    let (number, unit) = text.split_at(unit_at);
    let unit = match unit {
        "" => bare,
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    let seconds = number.parse::<f64>().ok()? * unit;
    (0.0..=MAX).contains(&seconds).then(|| Duration::try_from_secs_f64(seconds).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_percentages_or_numbers() {
        for (text, expected) in [
            ("1%", 0.01),
            ("0.01", 0.01),
            ("0", 0.0),
            ("0%", 0.0),
            ("100%", 1.0),
            ("1", 1.0),
            ("99.9%", 0.999),
        ] {
            assert!((share(text).unwrap() - expected).abs() < 1e-12, "{text}");
        }
        for text in ["", "%", "2", "101%", "-1%", "NaN", "NaN%", "inf", "1 %", "1/100"] {
            let error = share(text).expect_err(text);
            assert!(error.contains("write a percentage") && error.contains("invalid share"), "{error}");
        }
        assert_eq!(part("0.1%"), share("0.001"));
        assert!(part("1").unwrap_err().contains("invalid share `1`") && part("100%").is_err());
    }

    #[test]
    fn durations_are_seconds_or_have_a_unit() {
        for (text, millis) in [
            ("20", 20_000),
            ("20s", 20_000),
            ("0.5", 500),
            (".5s", 500),
            ("500ms", 500),
            ("500000us", 500),
            ("1.5m", 90_000),
            ("2min", 120_000),
            ("1h", 3_600_000),
        ] {
            assert_eq!(seconds(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(seconds_or_none("0"), Ok(Duration::ZERO));
        assert_eq!(seconds_or_none("0ms"), Ok(Duration::ZERO));
        for text in
            ["", "0", "0ms", "s", "-1", "inf", "NaN", "1e30", "1e400h", "1d", "20 s", "1m30s", "999999999h"]
        {
            let error = seconds(text).expect_err(text);
            assert!(error.contains(&format!("invalid duration `{text}`")), "{error}");
        }
    }

    #[test]
    fn a_bare_number_may_be_of_milliseconds() {
        for (text, millis) in [("20", 20), ("20ms", 20), ("1s", 1000), ("0", 0)] {
            assert_eq!(milliseconds(text, 1000), Ok(millis), "{text}");
        }
        assert!(["", "-1", "1001", "2s", "20x"].iter().all(|text| milliseconds(text, 1000).is_err()));
    }
}
