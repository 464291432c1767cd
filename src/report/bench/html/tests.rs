use super::super::merge;
use super::super::sample::{active, lag, measured, open_loop, results};
use super::super::{Measured, Results};

#[test]
fn the_page_has_every_figure_and_points_nowhere() {
    let results = results();
    let page = results.html().unwrap();
    for cell in [
        "123,456",
        "&gt;99.99 %",
        "987,685",
        "987,648",
        "987,683",
        "2,962,955",
        "2,962,944",
        "connect timeout",
        "6.00",
        "272 µs",
        "3.18 ms",
        "5,000",
        "154,320",
        "An old timestamp",
        "512 at a time",
        "198.18.255.1:80",
        "neither: the load",
        "65,536 per family, 8 MiB",
        "handfast-bench/1",
        "closer",
    ] {
        assert!(page.contains(cell), "{cell:?} is not in the page");
    }
    for foreign in ["http", "src=", "href=", "url(", "@import", "<script", "<link"] {
        assert!(!page.contains(foreign), "{foreign:?} is in the page");
    }
    assert_eq!(page.matches("<svg").count(), 4);
}

#[test]
fn what_others_wrote_stays_text() {
    let mut results = results();
    let evil = "<script>alert(\"x\")</script>";
    for text in [
        &mut results.workload,
        &mut results.target,
        &mut results.command,
        &mut results.host,
        &mut results.kernel,
        &mut results.mode,
        &mut results.handfast,
        &mut results.started_at,
        &mut results.schema,
        &mut results.bottleneck.sentence,
        &mut results.active.polling,
    ] {
        *text = evil.into();
    }
    results.load.arrivals = Some(evil.into());
    results.notes.push(evil.into());
    results.options.insert(evil.into(), evil.into());
    results.drops.insert(evil.into(), 1);
    results.connections.failed.insert(evil.into(), 1);
    results.cpu.per_core.iter_mut().for_each(|core| core.source = evil.into());
    results.active.devices.iter_mut().for_each(|device| device.name = evil.into());
    let both = [(evil.to_owned(), results.clone()), ("b".to_owned(), results)];
    let page = merge(&both, true).unwrap().html().unwrap();
    assert!(!page.contains("<script") && !page.contains("<b>here"), "{page}");
    assert!(page.matches("&lt;script&gt;").count() > 20);
}

#[test]
fn an_open_loop_says_what_was_asked_and_an_empty_run_is_a_page_too() {
    let late = Measured { lag: lag(1500.0), ..measured(8, 1000) };
    let page = Results::new(&open_loop(1250.0), &active(), &late).html().unwrap();
    assert!(page.contains("1,250, of which 80.00 % were reached") && page.contains("1.50 ms mean"), "{page}");
    let mut empty = measured(0, 0);
    empty.failed.clear();
    let page = Results::new(&open_loop(0.0), &active(), &empty).html().unwrap();
    assert!(page.contains("None failed") && !page.contains("NaN"), "{page}");
}
