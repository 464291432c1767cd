//! Reads results. Errors state what is wrong with the text; the caller adds the file.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;

use super::latency::{Encoded, HistogramError, Latency};
use super::results::{Results, SCHEMA};
use handfast_text::printable;

/// A text is not the result of a benchmark.
#[derive(Debug, Error)]
pub enum ReadError {
    #[error("invalid JSON: {0}")]
    NoJson(serde_json::Error),
    #[error("no field `schema`: not a result of `handfast bench`")]
    NoSchema,
    #[error("its schema is {0}; this is handfast {version}, which reads {SCHEMA}", version = env!("CARGO_PKG_VERSION"))]
    Schema(String),
    #[error("invalid {SCHEMA}: {0}")]
    Fields(serde_json::Error),
    #[error("invalid histogram of {name} times: {error}")]
    Histogram { name: &'static str, error: HistogramError },
    #[error("the histogram of {name} times has {counted} measurements, the latencies have {stated}")]
    Count { name: &'static str, counted: u64, stated: u64 },
    #[error("invalid value of {0}")]
    Number(&'static str),
}

/// The field of every version.
#[derive(Deserialize)]
struct SchemaHeader {
    schema: Option<Value>,
}

/// Returns the schema of a text.
///
/// # Errors
/// [`ReadError`]: it is not JSON, or has no schema.
pub fn schema_of(text: &str) -> Result<String, ReadError> {
    let value = read(text)?;
    let header: SchemaHeader = serde_json::from_value(value).map_err(|_| ReadError::NoSchema)?;
    match header.schema {
        Some(Value::String(name)) => Ok(name),
        Some(other) => Ok(other.to_string()),
        None => Err(ReadError::NoSchema),
    }
}

/// Parses JSON and makes every string printable: files may come from other hosts.
fn read(text: &str) -> Result<Value, ReadError> {
    serde_json::from_str(text).map(shown).map_err(ReadError::NoJson)
}

/// Parses a text as a type.
pub(super) fn fields<T: DeserializeOwned>(text: &str) -> Result<T, ReadError> {
    serde_json::from_value(read(text)?).map_err(|error| {
        // The error for the text itself has a line number.
        let placed = serde_json::from_str::<T>(text).err();
        ReadError::Fields(placed.unwrap_or(error))
    })
}

fn shown(value: Value) -> Value {
    match value {
        Value::String(text) => printable(&text).into(),
        Value::Array(values) => values.into_iter().map(shown).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(name, value)| (printable(&name), shown(value))).collect()
        }
        other => other,
    }
}

impl Results {
    /// Reads what [`super::write_json`] wrote, and checks what its reader relies on.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn parse(text: &str) -> Result<Results, ReadError> {
        let schema = schema_of(text)?;
        if schema != SCHEMA {
            return Err(ReadError::Schema(schema));
        }
        let results: Results = fields(text)?;
        results.check()?;
        Ok(results)
    }

    fn check(&self) -> Result<(), ReadError> {
        if !(0.0..1e9).contains(&self.duration_s) {
            return Err(ReadError::Number("duration_s"));
        }
        addable(&self.drops, "drops")?;
        addable(&self.connections.failed, "connections.failed")?;
        addable(&self.connections.http_statuses, "connections.http_statuses")?;
        self.parts
            .iter()
            .try_for_each(|part| addable(&part.connections.failed, "parts.connections.failed"))?;
        if self.packets.received.checked_add(self.packets.sent).is_none() {
            return Err(ReadError::Number("packets"));
        }
        check_histogram("connect", &self.histograms.connect, &self.latency_us.connect)?;
        check_histogram("completion", &self.histograms.completion, &self.latency_us.completion)
    }
}

/// The counts are added up for display: their sum must not overflow.
fn addable(counts: &BTreeMap<String, u64>, name: &'static str) -> Result<(), ReadError> {
    let sum = counts.values().try_fold(0u64, |sum, count| sum.checked_add(*count));
    sum.map(|_| ()).ok_or(ReadError::Number(name))
}

fn check_histogram(name: &'static str, cells: &Encoded, latency: &Latency) -> Result<(), ReadError> {
    let histogram = cells.decode().map_err(|error| ReadError::Histogram { name, error })?;
    match histogram.len() == latency.count {
        true => Ok(()),
        false => Err(ReadError::Count { name, counted: histogram.len(), stated: latency.count }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{merge, sample, write_json};
    use super::*;

    fn written(results: &Results) -> String {
        let mut text = Vec::new();
        write_json(&mut text, results).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn what_is_written_is_read_back() {
        let results = sample::results();
        assert_eq!(Results::parse(&written(&results)).unwrap(), results);
    }

    #[test]
    fn fields_of_a_later_version_do_no_harm() {
        let mut value: Value = serde_json::from_str(&written(&sample::results())).unwrap();
        value["something_new"] = json!({"a": 1});
        assert!(Results::parse(&value.to_string()).is_ok());
    }

    #[test]
    fn bad_files_are_told_apart() {
        let good: Value = serde_json::from_str(&written(&sample::results())).unwrap();
        let changed = |pointer: &str, new: Value| {
            let mut value = good.clone();
            *value.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = new;
            value.to_string()
        };
        let cut = written(&sample::results());
        let cases = [
            (String::new(), "invalid JSON"),
            (cut[..cut.len() / 2].to_owned(), "line"),
            ("[1, 2]".to_owned(), "no field `schema`"),
            ("{}".to_owned(), "no field `schema`"),
            (changed("/schema", json!(1)), "its schema is 1;"),
            (changed("/schema", json!("handfast-bench/2")), "reads handfast-bench/1"),
            (changed("/duration_s", json!("ten")), "expected f64"),
            (changed("/duration_s", json!(-1.0)), "duration_s"),
            (changed("/connections", json!({})), "attempted"),
            (changed("/connections/failed", json!({"a": u64::MAX, "b": 1})), "connections.failed"),
            (changed("/packets/sent", json!(u64::MAX)), "packets"),
            (changed("/histograms/connect/significant_digits", json!(9)), "9 digits"),
            (changed("/histograms/completion/counts", json!([[5, 1]])), "has 1 measurements"),
            (changed("/latency_us/connect/count", json!(3)), "the latencies have 3"),
        ];
        for (text, part) in cases {
            let error = Results::parse(&text).unwrap_err().to_string();
            assert!(error.contains(part), "{part:?} is not in: {error}");
        }
    }

    #[test]
    fn strings_are_made_fit_for_the_terminal() {
        let mut value: Value = serde_json::from_str(&written(&sample::results())).unwrap();
        value["notes"] = json!(["\x1b[2Ja\nfix: b"]);
        value["options"]["\x1b]0;title\x07"] = json!("\u{9b}31m");
        let results = Results::parse(&value.to_string()).unwrap();
        assert_eq!(results.notes, ["\\u{1b}[2Ja\\u{a}fix: b"]);
        assert!(!results.text().contains(|c: char| c.is_control() && c != '\n'), "{}", results.text());
    }

    /// Pointers to all numbers, of long lists to the first ones.
    fn numbers(value: &Value, at: &str, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(k, v)| numbers(v, &format!("{at}/{k}"), found)),
            Value::Array(list) => {
                list.iter().take(2).enumerate().for_each(|(n, v)| numbers(v, &format!("{at}/{n}"), found));
            }
            Value::Number(_) | Value::Null => found.push(at.to_owned()),
            _ => {}
        }
    }

    #[test]
    fn no_number_in_a_file_breaks_the_reader() {
        let inputs = ["a", "b"].map(|name| (name.to_owned(), sample::small()));
        let sum = merge(&inputs, false).unwrap();
        let good: Value = serde_json::from_str(&written(&sum)).unwrap();
        let mut pointers = Vec::new();
        numbers(&good, "", &mut pointers);
        let mut read = 0;
        for pointer in &pointers {
            for extreme in [json!(0), json!(u64::MAX), json!(1e300), json!(-1e300)] {
                let mut value = good.clone();
                *value.pointer_mut(pointer).unwrap() = extreme;
                let Ok(results) = Results::parse(&value.to_string()) else { continue };
                read += 1;
                assert!(!results.text().contains("NaN"));
                assert!(!results.html().unwrap().contains("NaN"), "{pointer}");
                let _ = merge(&[("c".to_owned(), results), inputs[0].clone()], true);
            }
        }
        assert!(pointers.len() > 80 && read > 200, "{} {read}", pointers.len());
    }
}
