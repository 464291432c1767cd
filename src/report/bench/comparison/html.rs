use super::data::{Comparison, Row, SUBJECT, is_ceiling};
use super::syn;
use crate::bench::format::rate;
use crate::bench::page::{figure, page, table};
use crate::bench::plots::{Bar, BarKind, bars};
use handfast_text::escape;

/// The legend of the colours.
const LEGEND: [(&str, BarKind); 3] =
    [(SUBJECT, BarKind::Subject), ("kernel", BarKind::Rival), ("ceiling", BarKind::Plain)];

impl Comparison {
    /// One page: the verdict, then for each workload and mode bars and a table, then notes.
    pub fn html(&self) -> String {
        let mut body = format!(
            "<h1>{}, side by side</h1>\n{}\
             <p class=\"muted\">{}, handfast {}. Bars and figures are medians over the rounds, whiskers the \
             minimum and maximum; ratios are of runs of the same round.</p>\n",
            match self.rows.iter().all(|row| row.syn.is_some()) && !self.rows.is_empty() {
                true => "SYNs answered per second",
                false => "Connections per second",
            },
            self.verdict_box(),
            escape(&self.setting.started_at),
            escape(&self.handfast),
        );
        for rows in self.tables() {
            let Some(first) = rows.first() else { continue };
            let title = format!("{}, {} mode", first.workload, first.mode);
            body += &figure(&title, &bars(&rows.iter().map(Self::bar).collect::<Vec<_>>(), &LEGEND));
            let header = self.header(rows);
            let header: Vec<&str> = header.iter().map(String::as_str).collect();
            body += &table(&header, &self.cells(rows), 1);
            let syns = syn::cells(rows);
            if !syns.is_empty() {
                body += &format!("<p>{title}: {}</p>\n", syn::CAPTION);
                body += &table(&syn::HEADER, &syns, 1);
            }
        }
        if !self.goals.is_empty() {
            body += "<h2>Goals</h2>\n";
            body += &table(&syn::GOAL_HEADER, &syn::goal_cells(&self.goals), 2);
        }
        body += "<h2>Notes</h2>\n";
        for note in &self.setting.notes {
            body += &format!("<p>{}</p>\n", escape(note));
        }
        let setting = [("command", &self.setting.command), ("machine", &self.setting.machine)];
        let rows = setting.map(|(name, value)| vec![name.to_owned(), value.clone()]);
        body += "<h2>What was run</h2>\n";
        body += &table(&[], &rows, 2);
        page("handfast lab bench", &body)
    }

    /// In red if the comparison is not reliable.
    fn verdict_box(&self) -> String {
        let class = if self.doubts.is_empty() { "neither" } else { "target" };
        let lines: String =
            self.sentences().iter().map(|line| format!("<p>{}</p>\n", escape(line))).collect();
        format!("<div class=\"limit {class}\">{lines}</div>\n")
    }

    fn bar(row: &Row) -> Bar {
        Bar {
            name: row.server.clone(),
            value: row.rate.median,
            text: format!("{}/s", rate(row.rate.median)),
            kind: match row.server.as_str() {
                own if own.starts_with(SUBJECT) => BarKind::Subject,
                ceiling if is_ceiling(ceiling) => BarKind::Plain,
                _ => BarKind::Rival,
            },
            whisker: (row.runs > 1).then_some((row.rate.min, row.rate.max)),
        }
    }
}
