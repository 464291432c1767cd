//! Formats of numbers in reports.

use serde_json::Value;

pub(super) use handfast_text::{grouped as count, wrapped};

/// Rounded to a whole number, with commas.
pub(super) fn whole(number: f64) -> String {
    count(number.max(0.0).round() as u64)
}

/// A rate: whole, or one decimal below a hundred.
pub(super) fn rate(number: f64) -> String {
    if number < 100.0 { format!("{number:.1}") } else { whole(number) }
}

/// Of a share from 0 to 1: `99.98 %`. Never rounded up to all or down to nothing.
pub(super) fn share(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        p if p > 0.0 && p < 0.01 => "<0.01 %".to_owned(),
        p if p < 100.0 && p > 99.99 => ">99.99 %".to_owned(),
        p => format!("{p:.2} %"),
    }
}

/// Of a share from 0 to 1, as a whole number: `41 %`.
pub(super) fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// Microseconds in the unit that fits: `82 µs`, `1.25 ms`, `3.10 s`.
pub(super) fn micros(micros: f64) -> String {
    match micros {
        m if m < 10.0 && m.fract() > 0.0 => format!("{m:.1} µs"),
        m if m < 999.5 => format!("{m:.0} µs"),
        m if m < 999_500.0 => digits(m / 1e3, "ms"),
        m => digits(m / 1e6, "s"),
    }
}

/// Three digits.
fn digits(value: f64, unit: &str) -> String {
    match value {
        v if v < 9.995 => format!("{v:.2} {unit}"),
        v if v < 99.95 => format!("{v:.1} {unit}"),
        v => format!("{v:.0} {unit}"),
    }
}

/// The time, or a dash where nothing was measured.
pub(super) fn maybe_micros(value: Option<u64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| micros(value as f64))
}

/// An option's value: the same whether a file has it as a number or as text.
pub(super) fn option(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => number.as_f64().unwrap_or_default().to_string(),
        other => other.to_string(),
    }
}

/// A reason's or a drop's name for people: `connect timeout`.
pub(super) fn spoken(name: &str) -> String {
    name.replace(['_', '-'], " ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_read_well() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), text);
        }
        for (value, text) in [
            (json!(1), "1"),
            (json!(1.0), "1"),
            (json!("1"), "1"),
            (json!(0.5), "0.5"),
            (json!(true), "true"),
        ] {
            assert_eq!(option(&value), text);
        }
        for (number, text) in [(12.34, "12.3"), (279_956.4, "279,956")] {
            assert_eq!(rate(number), text);
        }
        for (number, text) in
            [(0.0, "0.00 %"), (0.5, "50.00 %"), (1.0, "100.00 %"), (0.99999, ">99.99 %"), (1e-6, "<0.01 %")]
        {
            assert_eq!(share(number), text);
        }
        for (number, text) in [
            (0.0, "0 µs"),
            (2.5, "2.5 µs"),
            (82.4, "82 µs"),
            (999.7, "1.00 ms"),
            (12_345.0, "12.3 ms"),
            (999_900.0, "1.00 s"),
            (120e6, "120 s"),
        ] {
            assert_eq!(micros(number), text, "{number}");
        }
    }
}
