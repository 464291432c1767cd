use super::{ChangeVerdict, Diff, FigureChange, NoiseOf};
use crate::bench::format::{count, micros, rate, share, wrapped};
use crate::bench::page::{page, table};
use crate::bench::text::WIDTH;
use handfast_text::{columns, escape};

impl Diff {
    /// A sentence, a table, and notes, for a terminal.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut lines = |sentence: &str| {
            for line in wrapped(sentence, WIDTH) {
                text += &line;
                text.push('\n');
            }
        };
        lines(&self.sentence());
        lines(&format!("A: {}; B: {}", self.side(true), self.side(false)));
        let mut table = vec![HEADER.map(str::to_owned).to_vec()];
        table.extend(self.rows.iter().map(FigureChange::cells));
        text += &columns::table(&table);
        let mut lines = |name: &str, sentences: &[String]| {
            for line in sentences.iter().flat_map(|sentence| wrapped(&format!("{name}{sentence}"), WIDTH)) {
                text += &line;
                text.push('\n');
            }
        };
        lines("different: ", &self.differences);
        lines("note: ", &self.notes);
        text
    }

    /// The difference as an HTML page.
    pub fn html(&self) -> String {
        let mut body = format!("<h1>Two sets of runs</h1>\n<p>{}</p>\n", escape(&self.sentence()));
        body += &format!("<p>A: {}</p>\n<p>B: {}</p>\n", escape(&self.side(true)), escape(&self.side(false)));
        body += &table(&HEADER, &self.rows.iter().map(FigureChange::cells).collect::<Vec<_>>(), 1);
        for line in self.differences.iter().chain(&self.notes) {
            body += &format!("<p>Note: {}</p>\n", escape(line));
        }
        page("handfast report diff", &body)
    }

    /// The change of the first figure, the rate.
    pub fn sentence(&self) -> String {
        let Some(row) = self.rows.first() else {
            return "A and B have no figure in common.".to_owned();
        };
        let change = row.change.map_or_else(|| "not to be compared with 0".to_owned(), spoken_change);
        let beside = match (row.verdict, row.noise, row.noise_of) {
            (ChangeVerdict::NoiseUnknown, ..) | (_, None, _) => {
                "whether that is more than noise is not known".to_owned()
            }
            (ChangeVerdict::WithinNoise, Some(noise), _) => {
                format!("which is within the noise of {}", percent(noise))
            }
            (_, Some(noise), NoiseOf::Seconds) => {
                format!("more than the {} by which the seconds of these runs vary", percent(noise))
            }
            (_, Some(noise), _) => format!("more than the noise of {}", percent(noise)),
        };
        format!("{} of B is {change}, {beside}.", row.figure)
    }

    fn side(&self, first: bool) -> String {
        let set = if first { &self.a } else { &self.b };
        let runs = if set.runs == 1 { "run" } else { "runs" };
        format!("{} ({} {runs})", set.source, count(set.runs as u64))
    }
}

const HEADER: [&str; 6] = ["figure", "A", "B", "change", "noise", "verdict"];

impl FigureChange {
    fn cells(&self) -> Vec<String> {
        let value = |value: f64| match self.unit.as_str() {
            "µs" => micros(value),
            "share" => share(value),
            "frames" => format!("{value:.2}"),
            _ => rate(value),
        };
        let dash = || "-".to_owned();
        // Without the common part of the paths.
        let name = self.figure.trim_start_matches("latency_us.").trim_start_matches("cpu.").replace('_', " ");
        vec![
            name,
            value(self.a.mean),
            value(self.b.mean),
            self.change.map_or_else(dash, |change| format!("{:+.1} %", 100.0 * change)),
            self.noise.map_or_else(dash, |noise| format!("±{}", percent(noise))),
            match self.verdict {
                ChangeVerdict::Better => "better",
                ChangeVerdict::Worse => "worse",
                ChangeVerdict::Changed => "changed",
                ChangeVerdict::WithinNoise => "within noise",
                ChangeVerdict::NoiseUnknown => "not known",
            }
            .to_owned(),
        ]
    }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share.abs())
}

fn spoken_change(change: f64) -> String {
    match change {
        0.0 => "the same".to_owned(),
        more if more > 0.0 => format!("{} higher", percent(more)),
        less => format!("{} lower", percent(less)),
    }
}
