use super::{Comparison, Row};
use crate::report::bench::format::rate;
use crate::report::bench::page::{escape, figure, page, table};
use crate::report::bench::plots::{Bar, bars};

/// Who is compared with the others.
const SUBJECT: &str = env!("CARGO_PKG_NAME");

impl Comparison {
    /// One page: bars and a table for each workload and mode.
    pub fn html(&self) -> String {
        let mut body = format!(
            "<h1>Connections per second, side by side</h1>\n<p class=\"muted\">{}, handfast {}</p>\n\
             <p>Ratios are of runs of the same round; bars and figures are medians over the rounds.</p>\n",
            escape(&self.setting.started_at),
            escape(&self.handfast),
        );
        for note in &self.setting.notes {
            body += &format!("<p>Note: {}</p>\n", escape(note));
        }
        for rows in self.tables() {
            let Some(first) = rows.first() else { continue };
            let title = format!("{}, {} mode", first.workload, first.mode);
            body += &figure(&title, &bars(&rows.iter().map(Self::bar).collect::<Vec<_>>()));
            let header = self.header(rows);
            let header: Vec<&str> = header.iter().map(String::as_str).collect();
            body += &table(&header, &self.cells(rows), 1);
        }
        let setting = [("command", &self.setting.command), ("machine", &self.setting.machine)];
        let rows = setting.map(|(name, value)| vec![name.to_owned(), value.clone()]);
        body += "<h2>What was run</h2>\n";
        body += &table(&[], &rows, 2);
        page("handfast lab bench", &body)
    }

    /// What is beside us, kernel and ceilings, is of another colour.
    fn bar(row: &Row) -> Bar {
        Bar {
            name: row.contestant.clone(),
            value: row.rate.median,
            text: format!("{}/s", rate(row.rate.median)),
            emphasis: row.contestant == SUBJECT,
        }
    }
}
