//! The picture of the README, of a demo that runs: `make pictures`.

use std::fs;
use std::process::Command;

use handfast_top::svg;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

use crate::{collapsing, docs};

/// Seconds of the load that are shown: the others are like them.
const SECONDS: usize = 4;

#[test]
#[ignore = "half a minute, and it writes docs/demo.svg"]
fn the_demo_is_drawn_for_the_readme() {
    let Some(()) = support::root() else { return };
    let output = Command::new(support::program())
        .args(["lab", "demo", "--name", "picture"])
        .env("LC_ALL", "C.UTF-8")
        .output()
        .expect("runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    fs::write(docs().join("demo.svg"), drawn(&text)).expect("docs/demo.svg");
}

/// The parts of its output that the README shows, as SVG.
fn drawn(output: &str) -> String {
    let part = |from: &str, to: &str| {
        let (_, rest) =
            output.split_once(&format!("\n{from}")).unwrap_or_else(|| panic!("no {from}: {output}"));
        let (part, _) = rest.split_once(&format!("\n{to}")).unwrap_or_else(|| panic!("no {to}: {output}"));
        format!("{from}{part}")
    };
    let connections = part("One connection", "The summary of the responder");
    let mut lines: Vec<&str> = connections.lines().collect();
    let is_second = |line: &&str| line.ends_with('█');
    let seconds = lines.iter().filter(|line| is_second(line)).count();
    if let Some(first) = lines.iter().position(is_second).filter(|_| seconds > SECONDS) {
        lines.splice(first + SECONDS..first + seconds, ["     …"]);
    }
    let comparison = part("Side by side", "Cleaning up");
    lines.push("");
    lines.extend(comparison.trim_end().lines());
    let width = lines.iter().map(|line| line.chars().count()).max().unwrap_or_default();
    let size = |number: usize| u16::try_from(number).expect("a picture's size");
    let mut buffer = Buffer::empty(Rect::new(0, 0, size(width), size(lines.len())));
    for (number, line) in lines.iter().enumerate() {
        buffer.set_string(0, size(number), line, style(line));
    }
    svg(&buffer, "Output of make demo")
}

/// Its colours, which it has in a terminal only, and those of the segments that open and close.
fn style(line: &str) -> Style {
    let ours = line.trim_start().starts_with("handfast") && line.contains('%');
    match line {
        _ if line.ends_with('─') && !line.starts_with(' ') => Style::new().fg(Color::Green),
        _ if ours => Style::new().fg(Color::Green).add_modifier(Modifier::BOLD),
        _ if line.contains("SYN  ") || line.contains("SYN ACK") || line.contains("FIN ACK") => {
            Style::new().fg(Color::Cyan)
        }
        _ => Style::new(),
    }
}

#[test]
fn the_picture_keeps_every_column() {
    let second = |number: u32| format!("  {number:>4} s     29,454/s  ██");
    let seconds: Vec<String> = (1..=8).map(second).collect();
    let output = format!(
        "\nfirst\n\nOne connection, captured ───\n       0 µs  SYN-SENT      ─── SYN         seq 0\n\n\
         Kernel clients ──\n{}\n\nThe summary of the responder ──\n  x\n\nSide by side ──\n    handfast  2.73 x  10 %\n\nCleaning up ──\n",
        seconds.join("\n")
    );
    let picture = drawn(&output);
    assert_eq!(collapsing(&picture), [""; 0], "{picture}");
    assert!(
        picture.contains("…") && !picture.contains("5\u{a0}s") && !picture.contains("first"),
        "{picture}"
    );
    assert!(picture.contains("SYN\u{a0}\u{a0}\u{a0}\u{a0}\u{a0}\u{a0}\u{a0}\u{a0}\u{a0}seq 0"), "{picture}");
}
