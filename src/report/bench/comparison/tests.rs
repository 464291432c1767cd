use super::*;
use crate::bench::write_json;

const REFERENCES: [&str; 2] = ["bare replay", "kernel"];

pub(super) fn run(round: u32, server: &str, workload: &str, rate: f64) -> Run {
    Run {
        round,
        server: server.into(),
        workload: workload.into(),
        mode: "generic".into(),
        rate,
        failures: u64::from(round == 2),
        syn: None,
        others: Some(0.0),
        busiest: None,
        steal: Some(0.0),
        disturbed: false,
        attempts: 1,
        outlier: false,
    }
}

pub(in crate::bench) fn comparison() -> Comparison {
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
        [spread.median, spread.min, spread.max].iter().all(|ratio| (ratio - expected).abs() < 1e-9)
    };
    assert!(near(&row.ratios["bare replay"], 0.95) && near(&row.ratios["kernel"], 2.85), "{row:?}");
    assert_eq!(row.rate, Spread { median: 285_000.0, min: 142_500.0, max: 570_000.0 });
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
Not to be relied on: the runs of one row are far apart: bare replay,
lifecycle, generic from 50 % to 200 % of the median; kernel, lifecycle,
generic from 50 % to 200 % of the median; handfast, lifecycle, generic from 50
% to 200 % of the median; and 2 more.
handfast completes 2.85 to 3.75 times as many connections a second as the
kernel and reaches 95 % of the ceiling bare replay.

lifecycle, generic mode, 3 runs each
  server       of bare replay  of kernel  median/s      min      max  spread  failed
  bare replay         100.0 %     3.00 x   300,000  150,000  600,000   150 %       1
  kernel               33.3 %     1.00 x   100,000   50,000  200,000   150 %       1
  handfast             95.0 %     2.85 x   285,000  142,500  570,000   150 %       1

request, generic mode, 3 runs each
  server    of kernel  median/s     min      max  spread  failed
  handfast     3.75 x   150,000  75,000  300,000   150 %       1
  kernel       1.00 x    40,000  20,000   80,000   150 %       1

Figures from veth are not NIC figures.
";
    assert_eq!(text, expected);
}

/// The same unit from run to run, whatever the figures are: factors of the kernel, shares of a ceiling.
#[test]
fn units_do_not_change_between_runs() {
    for rates in [[100.0, 95.0, 40.0, 310.0], [100.0, 786.0, 900.0, 5.0], [100.0, 30.0, 31.0, 32.0]] {
        let names = ["bare replay", "handfast", "kernel", "driver"];
        let runs = names.iter().zip(rates).map(|(name, rate)| run(1, name, "lifecycle", rate));
        let comparison = Comparison::new(Setting::default(), &REFERENCES, runs.collect());
        for row in comparison.cells(&comparison.rows) {
            assert!(row[1].ends_with(" %") && row[2].ends_with(" x"), "{row:?}");
        }
    }
}

/// Quiet runs with these rates, in rounds.
fn quiet(rates: &[(&str, &[f64])]) -> Vec<Run> {
    let of = |(name, rates): &(&str, &[f64])| {
        let name = (*name).to_owned();
        let round = move |(rate, round): (&f64, u32)| run(round, &name, "lifecycle", *rate);
        rates.iter().zip(1..).map(round).collect::<Vec<Run>>()
    };
    rates.iter().flat_map(of).collect()
}

fn compared(runs: Vec<Run>) -> Comparison {
    Comparison::new(Setting::default(), &REFERENCES, runs)
}

const STEADY: [(&str, &[f64]); 3] = [
    ("bare replay", &[300.0, 305.0, 295.0, 301.0, 299.0]),
    ("kernel", &[100.0, 102.0, 98.0, 101.0, 99.0]),
    ("handfast", &[285.0, 290.0, 280.0, 286.0, 284.0]),
];

#[test]
fn what_can_be_relied_on_is_one_sentence() {
    let comparison = compared(quiet(&STEADY));
    assert_eq!(comparison.doubts, Vec::<String>::new());
    let sentence = "handfast completes 2.85 times as many connections a second as the kernel and reaches \
                    95 % of the ceiling bare replay.";
    assert_eq!(comparison.sentences(), [sentence]);
    assert!(comparison.html().contains(&format!(
        "<h1>Connections per second, side by side</h1>\n<div class=\"limit neither\"><p>{sentence}"
    )));
    let alone = compared(quiet(&[("handfast", &[1.0])]));
    assert_eq!(alone.verdict, "handfast was measured alone.");
    assert_eq!(compared(quiet(&[("kernel", &[1.0])])).verdict, "handfast itself was not measured.");
}

#[test]
fn what_contradicts_itself_or_was_disturbed_is_not_to_be_relied_on() {
    // The ceiling was held up: 786 % of it is a contradiction.
    let held_up = [STEADY[1], STEADY[2], ("bare replay", &[36.0, 36.5, 35.5, 36.2, 36.1])];
    let doubts = compared(quiet(&held_up)).doubts;
    assert!(
        doubts.len() == 1 && doubts[0].contains("above a ceiling") && doubts[0].contains("78"),
        "{doubts:?}"
    );
    // One run far out, and by that the row wide.
    let far = [STEADY[0], STEADY[1], ("handfast", &[285.0, 290.0, 280.0, 286.0, 40.0])];
    let comparison = compared(quiet(&far));
    let out: Vec<f64> = comparison.runs.iter().filter(|run| run.outlier).map(|run| run.rate).collect();
    assert_eq!(out, [40.0]);
    assert_eq!(comparison.row("lifecycle", "generic", "handfast").unwrap().outliers, 1);
    let doubts = comparison.doubts.join("\n");
    assert!(doubts.contains("far apart: handfast") && doubts.contains("far from the others: 1"), "{doubts}");
    // Other programs and the hypervisor. What is shown under two names is counted once.
    let mut runs = quiet(&STEADY);
    runs[2] = Run {
        others: Some(0.43),
        busiest: Some("cc1".into()),
        disturbed: true,
        attempts: 3,
        ..runs[2].clone()
    };
    runs[7] = Run { steal: Some(0.08), disturbed: true, ..runs[7].clone() };
    runs.push(Run { server: "reflector/3".into(), ..runs[2].clone() });
    let comparison = compared(runs);
    let doubt = "2 of 15 runs were disturbed, also when they were made again: other programs took up to 43 % of \
                 their cores, most of it `cc1`, the hypervisor up to 8 % (steal)";
    assert_eq!(comparison.doubts, [doubt]);
    let mut json = Vec::new();
    write_json(&mut json, &comparison).unwrap();
    for text in
        [comparison.text(), comparison.markdown(), comparison.html(), String::from_utf8(json).unwrap()]
    {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains("2 of 15 runs were disturbed"), "{text}");
    }
    assert!(comparison.html().contains("limit target\"><p>Not to be relied on: 2 of 15"));
}

/// The verdict, then bars with whiskers and a legend, then the table, then notes.
#[test]
fn the_page_has_its_order() {
    let page = comparison().html();
    let mut rest = page.as_str();
    for part in [
        "<h1>",
        "class=\"limit",
        "<svg",
        "ceiling",
        "min to max",
        "<table",
        "<h2>Notes",
        "not NIC figures",
        "<h2>What was run",
    ] {
        let at = rest.find(part).unwrap_or_else(|| panic!("no {part:?} there: {rest}"));
        rest = &rest[at..];
    }
    // Two tables with a legend and a whisker of three lines, and one for each bar.
    assert_eq!(page.matches("<polyline").count(), 3 * (2 + 5), "{page}");
}

#[test]
fn a_document_has_the_same_figures() {
    let text = comparison().markdown();
    assert!(
        text.contains("| handfast | 95.0 % | 2.85 x | 285,000 | 142,500 | 570,000 | 150 % | 3 | 1 |"),
        "{text}"
    );
    assert!(text.contains("|---|---:|---:|---:|---:|---:|---:|---:|---:|"), "{text}");
    let mut odd = comparison();
    odd.rows[0].server = "a|b*".into();
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
