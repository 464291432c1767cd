//! Plots as SVG, to stand inside a page: its style sheet gives them their dark colours.

mod bars;
mod canvas;
mod curves;

pub(super) use bars::{Bar, BarKind, bars, cpu};
pub(super) use canvas::attribute;
pub(super) use curves::{latency, rate};

#[cfg(test)]
mod tests {
    use hdrhistogram::Histogram;

    use super::super::counted::Counted;
    use super::super::sample::{measured, results};
    use super::*;
    use handfast_text::palette::page::PLOT;

    fn all() -> [String; 4] {
        let (results, measured) = (results(), measured(8, 1000));
        let bar = |name: &str, kind, whisker| Bar {
            name: name.into(),
            value: 2.0,
            text: "2".into(),
            kind,
            whisker,
        };
        let legend = [("<b>", BarKind::Rival)];
        [
            rate(&results.series, Counted::Completed, 1000.0),
            latency(("connect", &measured.connect_us), ("completion", &measured.completion_us)),
            bars(&[bar("<b>", BarKind::Plain, None), bar("b", BarKind::Subject, Some((1.0, 3.0)))], &legend),
            cpu(&results.cpu.per_core),
        ]
    }

    #[test]
    fn every_colour_has_a_dark_one() {
        let known: Vec<String> = PLOT.iter().map(attribute).collect();
        let mut seen = 0;
        for svg in all() {
            assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{svg}");
            for piece in svg.split("=\"#").skip(1) {
                let colour = format!("#{}", piece.split('"').next().unwrap());
                assert!(known.contains(&colour), "{colour} in {svg}");
                seen += 1;
            }
        }
        assert!(seen > 50);
    }

    #[test]
    fn plots_point_nowhere_and_their_text_stays_text() {
        for svg in all() {
            assert!(!svg.contains("http") && !svg.contains("<b>"), "{svg}");
        }
    }

    #[test]
    fn nothing_to_plot_is_said_or_drawn_empty() {
        let empty = Histogram::new_with_bounds(1, 1000, 3).unwrap();
        assert!(latency(("connect", &empty), ("completion", &empty)).contains("nothing was measured"));
        assert!(cpu(&[]).contains("nothing was measured"));
        for svg in [rate(&[], Counted::Completed, 0.0), bars(&[], &[])] {
            assert!(svg.starts_with("<svg") && !svg.contains("NaN"), "{svg}");
        }
        let one = measured(1, 1);
        assert!(latency(("connect", &one.connect_us), ("completion", &empty)).starts_with("<svg"));
    }

    #[test]
    fn a_probe_is_not_timed_from_the_intended_start() {
        let one = measured(2, 10);
        let plot = |name| latency(("connect", &one.connect_us), (name, &one.completion_us));
        assert!(plot("completion").contains("time from the intended start"));
        let probes = plot("probe round trip");
        assert!(probes.contains("probe round trip") && !probes.contains("intended start"), "{probes}");
    }
}
