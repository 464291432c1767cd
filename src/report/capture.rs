use handfast_stack::capture::Report;
use handfast_text::grouped;

/// The result of a capture in one line.
pub fn capture_text(report: &Report) -> String {
    let mut text = format!(
        "{} of {} frames in {} ({} bytes)",
        grouped(report.captured),
        grouped(report.seen),
        report.file,
        grouped(report.bytes)
    );
    for (count, what) in
        [(report.left_out, "left out by --filter or --sample"), (report.dropped.sum(), "dropped")]
    {
        if count > 0 || what == "dropped" {
            text += &format!(", {} {what}", grouped(count));
        }
    }
    text
}

/// Notes on frames that are missing in the file.
pub fn capture_notes(report: &Report) -> Vec<String> {
    let dropped = &report.dropped;
    let mut notes = Vec::new();
    if let Some(error) = &report.error {
        notes.push(format!(
            "the capture ended early, {} frames are not in it: cannot write {}: {error}",
            grouped(dropped.unwritten),
            report.file
        ));
    }
    if dropped.over_budget > 0 {
        notes.push(format!(
            "{} frames were not captured because the CPU budget of copying was used up: --sample 1/N, \
             --snaplen N or --filter PORT need less, --pcap-cpu-percent N raises it",
            grouped(dropped.over_budget)
        ));
    }
    if dropped.ring_full > 0 {
        notes.push(format!(
            "{} frames were not captured because the file was written too slowly: --sample 1/N, --snaplen N \
             or --filter PORT write less; a file in memory (/dev/shm) or a free core is faster",
            grouped(dropped.ring_full)
        ));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use handfast_stack::capture::Dropped;

    fn report(dropped: Dropped, error: Option<&str>) -> Report {
        let error = error.map(str::to_owned);
        let file = "run.pcapng".to_owned();
        Report { file, seen: 12_345, captured: 1_234, bytes: 98_765, dropped, error, ..Report::default() }
    }

    #[test]
    fn a_whole_capture_needs_no_note() {
        let whole = report(Dropped::default(), None);
        let text = capture_text(&whole);
        assert_eq!(text, "1,234 of 12,345 frames in run.pcapng (98,765 bytes), 0 dropped");
        assert_eq!(capture_notes(&whole), Vec::<String>::new());
    }

    #[test]
    fn each_way_to_drop_has_a_note_with_its_count_and_cure() {
        let dropped = Dropped { ring_full: 1_001, over_budget: 1_002, unwritten: 1_003 };
        let notes = capture_notes(&report(dropped, Some("No space left on device"))).join("\n");
        for part in [
            "1,001",
            "1,002",
            "1,003",
            "No space left on device",
            "run.pcapng",
            "--sample",
            "--pcap-cpu-percent",
        ] {
            assert!(notes.contains(part), "no {part} in {notes}");
        }
    }
}
