//! Tables for spreadsheets (RFC 4180, but for line feeds alone at the ends of lines).

use serde_json::json;

use super::comparison::Comparison;
use super::diff::Diff;
use super::results::Results;

impl Results {
    /// A line for each whole second of the measured time.
    pub fn csv(&self) -> String {
        let mut text = "second,completed,established,failed,in_flight\n".to_owned();
        for (second, counts) in (1..).zip(&self.series) {
            let numbers = [counts.completed, counts.established, counts.failed, counts.in_flight];
            text += &format!("{second},{}\n", numbers.map(|number| number.to_string()).join(","));
        }
        text
    }
}

impl Comparison {
    /// A line for each run.
    pub fn csv(&self) -> String {
        let mut text = "round,server,workload,mode,rate,failures\n".to_owned();
        for run in &self.runs {
            let words = [&run.server, &run.workload, &run.mode].map(|word| quoted(word)).join(",");
            text += &format!("{},{words},{},{}\n", run.round, run.rate, run.failures);
        }
        text
    }
}

impl Diff {
    /// A line for each figure; what is not known is empty.
    pub fn csv(&self) -> String {
        let mut text = "figure,unit,a,b,change,noise,noise_of,verdict\n".to_owned();
        let maybe = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        // The names are those of the JSON.
        let name = |value: serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        for row in &self.rows {
            let (noise_of, verdict) = (json!(row.noise_of), json!(row.verdict));
            text += &[
                quoted(&row.figure),
                quoted(&row.unit),
                row.a.mean.to_string(),
                row.b.mean.to_string(),
                maybe(row.change),
                maybe(row.noise),
                name(noise_of),
                name(verdict),
            ]
            .join(",");
            text.push('\n');
        }
        text
    }
}

/// A field, in quotes where it needs them.
fn quoted(text: &str) -> String {
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::comparison::tests::comparison;
    use super::super::sample;

    #[test]
    fn a_line_for_each_second_or_run() {
        let csv = sample::small().csv();
        assert_eq!(
            csv.lines().collect::<Vec<_>>()[..2],
            ["second,completed,established,failed,in_flight", "1,5,5,0,512"]
        );
        assert_eq!(csv.lines().count(), 1 + 4);
        let runs = [("a".to_owned(), sample::small())];
        let csv = super::Diff::of_runs(("a", &runs), ("a", &runs)).csv();
        assert!(csv.contains("\nrate.mean,connections/s,5,5,0,,unknown,noise-unknown\n"), "{csv}");
        let mut odd = comparison();
        odd.runs[0].server = "a,\"b".into();
        let csv = odd.csv();
        assert!(csv.contains("\n1,\"a,\"\"b\",lifecycle,generic,300000,0\n"), "{csv}");
        assert_eq!(csv.lines().count(), 1 + odd.runs.len());
    }
}
