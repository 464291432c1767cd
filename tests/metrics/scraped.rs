//! A scrape, read again.

use std::collections::BTreeMap;

/// Each series as it is written, with its value.
pub struct Scraped(BTreeMap<String, f64>);

impl Scraped {
    pub fn read(text: &str) -> Scraped {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let series = lines.map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line:?}"));
            (series.to_owned(), value.parse().unwrap_or_else(|_| panic!("no number: {line:?}")))
        });
        Scraped(series.collect())
    }

    pub fn value(&self, series: &str) -> f64 {
        *self.0.get(series).unwrap_or_else(|| panic!("no {series} among {:?}", self.0.keys()))
    }

    /// Over all its labels.
    pub fn sum(&self, metric: &str) -> f64 {
        let series = self.0.iter().filter(|(series, _)| series.split('{').next() == Some(metric));
        series.map(|(_, value)| value).sum()
    }

    /// Names of metrics and, for each, its labels' names.
    pub fn names(&self) -> BTreeMap<&str, Vec<&str>> {
        self.0.keys().map(|series| (series.split('{').next().unwrap_or(series), labels(series))).collect()
    }
}

/// No value of a label has a `=` in it, or a comma.
fn labels(series: &str) -> Vec<&str> {
    let list = series.split_once('{').map_or("", |(_, list)| list.trim_end_matches('}'));
    list.split(',').filter_map(|pair| pair.split_once('=')).map(|(name, _)| name).collect()
}
