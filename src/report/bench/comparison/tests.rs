use super::*;
use crate::report::bench::write_json;

const REFERENCES: [&str; 2] = ["bare replay", "kernel"];

fn run(round: u32, contestant: &str, workload: &str, rate: f64) -> Run {
    Run {
        round,
        contestant: contestant.into(),
        workload: workload.into(),
        mode: "generic".into(),
        rate,
        failures: u64::from(round == 2),
    }
}

pub(in crate::report::bench) fn comparison() -> Comparison {
    let mut runs = Vec::new();
    // The machine is twice as fast in the second round, and half in the third.
    for (round, speed) in [(1, 1.0), (2, 2.0), (3, 0.5)] {
        runs.push(run(round, "bare replay", "lifecycle", 300_000.0 * speed));
        runs.push(run(round, "kernel", "lifecycle", 100_000.0 * speed));
        runs.push(run(round, "handfast", "lifecycle", 285_000.0 * speed));
        runs.push(run(round, "handfast", "request", 150_000.0 * speed));
        runs.push(run(round, "kernel", "request", 40_000.0 * speed));
    }
    let setting = Setting {
        command: "handfast lab bench --rounds 3".into(),
        started_at: "2026-11-22T17:00:00Z".into(),
        machine: "2 cores <at> 2.6 GHz".into(),
        notes: vec!["Figures from veth are not NIC figures.".into()],
    };
    Comparison::new(setting, &REFERENCES, runs)
}

#[test]
fn ratios_are_of_the_same_round() {
    let comparison = comparison();
    let row = comparison.row("lifecycle", "generic", "handfast").unwrap();
    let near = |spread: &Spread, expected: f64| {
        [spread.median, spread.least, spread.most].iter().all(|ratio| (ratio - expected).abs() < 1e-9)
    };
    assert!(near(&row.ratios["bare replay"], 0.95) && near(&row.ratios["kernel"], 2.85), "{row:?}");
    assert_eq!(row.rate, Spread { median: 285_000.0, least: 142_500.0, most: 570_000.0 });
    assert_eq!((row.runs, row.failures), (3, 1));
}

#[test]
fn what_has_no_partner_has_no_ratio() {
    let runs = vec![
        run(1, "kernel", "lifecycle", 0.0),
        run(1, "handfast", "lifecycle", 10.0),
        run(2, "kernel", "lifecycle", 5.0),
        run(3, "handfast", "lifecycle", 20.0),
    ];
    let comparison = Comparison::new(Setting::default(), &REFERENCES, runs);
    assert!(comparison.row("lifecycle", "generic", "handfast").unwrap().ratios.is_empty());
    let text = comparison.text();
    assert!(text.contains('-') && !text.contains("of bare replay"), "{text}");
    assert!(comparison.row("lifecycle", "native", "handfast").is_none());
    assert_eq!(Comparison::new(Setting::default(), &[], Vec::new()).text(), "");
}

#[test]
fn the_terminal_has_a_table_for_each_workload_ratios_first() {
    let text = comparison().text();
    let expected = "\
lifecycle, generic mode
  contestant   of bare replay  of kernel  median/s    least     most  runs  failed
  bare replay         100.0 %     3.00 x   300,000  150,000  600,000     3       1
  kernel               33.3 %     1.00 x   100,000   50,000  200,000     3       1
  handfast             95.0 %     2.85 x   285,000  142,500  570,000     3       1

request, generic mode
  contestant  of kernel  median/s   least     most  runs  failed
  handfast       3.75 x   150,000  75,000  300,000     3       1
  kernel         1.00 x    40,000  20,000   80,000     3       1

Figures from veth are not NIC figures.
";
    assert_eq!(text, expected);
}

#[test]
fn one_far_ahead_does_not_make_factors_of_shares() {
    let runs = [("bare replay", 100.0), ("handfast", 95.0), ("kernel", 40.0), ("driver", 310.0)];
    let runs = runs.map(|(contestant, rate)| run(1, contestant, "lifecycle", rate));
    let text = Comparison::new(Setting::default(), &REFERENCES, runs.to_vec()).text();
    let line = text.lines().find(|line| line.contains("handfast")).unwrap();
    assert!(line.contains("95.0 %") && line.contains("2.38 x"), "{text}");
    assert!(text.contains("310.0 %"), "{text}");
}

#[test]
fn a_document_has_the_same_figures() {
    let text = comparison().markdown();
    assert!(text.contains("| handfast | 95.0 % | 2.85 x | 285,000 | 142,500 | 570,000 | 3 | 1 |"), "{text}");
    assert!(text.contains("|---|---:|---:|---:|---:|---:|---:|---:|"), "{text}");
    let mut odd = comparison();
    odd.rows[0].contestant = "a|b*".into();
    assert!(odd.markdown().contains(r"| a\|b\* |"), "{}", odd.markdown());
}

#[test]
fn json_is_read_back_and_other_files_are_not() {
    let mut text = Vec::new();
    write_json(&mut text, &comparison()).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert_eq!(Comparison::parse(&text).unwrap(), comparison());
    let other = text.replace(SCHEMA, "handfast-comparison/2");
    assert!(Comparison::parse(&other).unwrap_err().to_string().contains("handfast-comparison/2"));
}

#[test]
fn the_page_has_bars_and_figures_and_points_nowhere() {
    let page = comparison().html();
    for cell in ["285,000/s", "95.0 %", "3.75 x", "142,500", "2 cores &lt;at&gt; 2.6 GHz", "not NIC figures"]
    {
        assert!(page.contains(cell), "{cell:?}: {page}");
    }
    assert_eq!(page.matches("<svg").count(), 2);
    assert!(!page.contains("http") && !page.contains("src="));
}
