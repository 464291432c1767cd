//! A comparison from its runs.

use super::data::{Comparison, Row, Run, SCHEMA, Setting, Spread};
use super::syn::{self, SynRow};
use super::{doubts, outliers, verdict};

impl Comparison {
    /// Of these runs; `references` are names of servers.
    pub fn new(setting: Setting, references: &[&str], runs: Vec<Run>) -> Comparison {
        let mut names: Vec<(&str, &str, &str)> = Vec::new();
        for run in &runs {
            let name = (run.workload.as_str(), run.mode.as_str(), run.server.as_str());
            if !names.contains(&name) {
                names.push(name);
            }
        }
        // Rows of one table stand together, in the order of the tables' first runs.
        let tables: Vec<_> = names.iter().map(|(workload, mode, _)| (*workload, *mode)).collect();
        names.sort_by_key(|(workload, mode, _)| tables.iter().position(|table| *table == (*workload, *mode)));
        let names: Vec<(String, String, String)> =
            names.iter().map(|&(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned())).collect();
        let mut runs = runs;
        outliers::mark(&mut runs);
        let rows: Vec<Row> = names.iter().filter_map(|(a, b, c)| row((a, b, c), references, &runs)).collect();
        let comparison = Comparison {
            schema: SCHEMA.to_owned(),
            handfast: env!("CARGO_PKG_VERSION").to_owned(),
            setting,
            references: references.iter().map(|&name| name.to_owned()).collect(),
            verdict: String::new(),
            doubts: Vec::new(),
            goals: syn::goals(&rows),
            rows,
            runs,
        };
        Comparison { verdict: verdict::sentence(&comparison), doubts: doubts::of(&comparison), ..comparison }
    }
}

fn row(name: (&str, &str, &str), references: &[&str], runs: &[Run]) -> Option<Row> {
    let (workload, mode, server) = name;
    let of = |server: &str| {
        let found = runs.iter().filter(move |run| run.workload == workload && run.mode == mode);
        found.filter(|run| run.server == server).collect::<Vec<_>>()
    };
    let own = of(server);
    let rates: Vec<f64> = own.iter().map(|run| run.rate).collect();
    let ratio = |&reference: &&str| {
        let theirs = of(reference);
        let pairs = own.iter().filter_map(|run| {
            let other = theirs.iter().find(|other| other.round == run.round)?;
            (other.rate > 0.0).then(|| run.rate / other.rate)
        });
        Some((reference.to_owned(), Spread::of(&pairs.collect::<Vec<_>>())?))
    };
    Some(Row {
        server: server.to_owned(),
        workload: workload.to_owned(),
        mode: mode.to_owned(),
        runs: own.len(),
        outliers: own.iter().filter(|run| run.outlier).count(),
        failures: own.iter().fold(0, |sum, run| sum.saturating_add(run.failures)),
        rate: Spread::of(&rates)?,
        ratios: references.iter().filter_map(ratio).collect(),
        syn: SynRow::of(
            &own,
            &references.iter().copied().find(|name| syn::is_ceiling(name)).map_or_else(Vec::new, &of),
        ),
    })
}
