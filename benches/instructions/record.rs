use std::fmt;
use std::str::FromStr;

use super::conditions::Conditions;

/// What was counted, and under which conditions: docs/instructions.txt.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    pub conditions: Conditions,
    /// By path: instructions per operation.
    pub counts: Vec<(String, f64)>,
}

const HEAD: &str = "\
# Instructions per operation (engine: per connection, or per segment), counted by callgrind.
# `make counts` compares with this file and fails above +3 %; `make counts-update` writes it.
";

impl Record {
    pub fn of(&self, path: &str) -> Option<f64> {
        self.counts.iter().find(|(name, _)| name == path).map(|(_, count)| *count)
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HEAD)?;
        self.conditions.0.iter().try_for_each(|(name, value)| writeln!(f, "{name}: {value}"))?;
        self.counts.iter().try_for_each(|(path, count)| writeln!(f, "{path:<32} {count:>9.1}"))
    }
}

impl FromStr for Record {
    type Err = String;

    fn from_str(text: &str) -> Result<Record, String> {
        let mut record = Record::default();
        let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
        for (at, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            if let Some((name, value)) = line.split_once(": ") {
                record.conditions.0.push((name.to_owned(), value.to_owned()));
                continue;
            }
            let mut words = line.split_whitespace();
            match (words.next(), words.next().map(str::parse), words.next()) {
                (Some(path), Some(Ok(count)), None) if count > 0.0 => {
                    record.counts.push((path.to_owned(), count));
                }
                _ => return Err(format!("line {at} is no path with a count: {line}")),
            }
        }
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let record = Record {
            conditions: Conditions(vec![("compiler".to_owned(), "rustc 1.88.0 (a b)".to_owned())]),
            counts: vec![("wire/a".to_owned(), 12.5), ("engine/b".to_owned(), 1234.0)],
        };
        assert_eq!(record.to_string().parse(), Ok(record));
    }

    #[test]
    fn what_is_no_count_is_refused_with_its_line() {
        for line in ["wire/a", "wire/a many", "wire/a 1 2", "wire/a 0", "wire/a NaN"] {
            let text = format!("# head\n{line}\n");
            assert!(text.parse::<Record>().is_err_and(|error| error.starts_with("line 2 ")), "{line}");
        }
    }
}
