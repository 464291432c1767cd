use std::fmt::Write;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};

use handfast_text::palette::terminal::{BLUE, GREEN, GREY, INK, PAPER, RED, YELLOW};
use handfast_text::{escape, svg_text};

/// Of a cell, pixels: what 14 pixels of a fixed pitch take.
const CELL: (f64, f64) = (8.43, 18.0);
/// Around the picture, pixels.
const MARGIN: f64 = 16.0;

/// The picture as SVG, in the colours of the demo's.
pub fn svg(buffer: &Buffer, label: &str) -> String {
    let (columns, lines) = (f64::from(buffer.area.width), f64::from(buffer.area.height));
    let width = (columns * CELL.0 + 2.0 * MARGIN).ceil();
    let height = (lines * CELL.1 + 2.0 * MARGIN).ceil();
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{}\">\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"{PAPER}\"/>\n\
         <g font-family=\"DejaVu Sans Mono, Menlo, Consolas, monospace\" font-size=\"14\">\n",
        escape(label)
    );
    for row in buffer.area.rows() {
        let cells: Vec<&Cell> = row.columns().filter_map(|at| buffer.cell(at.as_position())).collect();
        line(&mut out, f64::from(row.y - buffer.area.y), &cells);
    }
    out + "</g>\n</svg>\n"
}

/// Runs of one look. Bars and blocks are rectangles: fonts leave gaps between them.
fn line(out: &mut String, line: f64, cells: &[&Cell]) {
    let top = MARGIN + line * CELL.1;
    let mut at = 0;
    for run in cells.chunk_by(|a, b| look(a) == look(b)) {
        let Some(first) = run.first() else { continue };
        let reversed = first.modifier.contains(Modifier::REVERSED);
        let (ink, x) = (colour(first.fg), MARGIN + f64::from(at) * CELL.0);
        at += u16::try_from(run.len()).unwrap_or(0);
        if reversed {
            let width = run.len() as f64 * CELL.0;
            let _ = writeln!(
                out,
                "<rect x=\"{x:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"18\" fill=\"{ink}\"/>"
            );
        }
        let ink = if reversed { PAPER } else { ink };
        for (number, cell) in run.iter().enumerate() {
            if let Some((fill, opacity)) = block(cell.symbol()) {
                let (x, height) = (x + number as f64 * CELL.0, fill * CELL.1);
                let y = top + CELL.1 - height;
                let _ = writeln!(
                    out,
                    "<rect x=\"{x:.2}\" y=\"{y:.2}\" width=\"{:.2}\" height=\"{height:.2}\" fill=\"{ink}\" \
                     fill-opacity=\"{opacity}\"/>",
                    CELL.0 + 0.05
                );
            }
        }
        letters(out, run, x, top + 14.0, ink, first.modifier.contains(Modifier::BOLD));
    }
}

fn letters(out: &mut String, run: &[&Cell], x: f64, y: f64, ink: &str, bold: bool) {
    let letter = |cell: &&Cell| if block(cell.symbol()).is_some() { " " } else { cell.symbol() }.to_owned();
    let text: String = run.iter().map(letter).collect();
    if text.trim().is_empty() {
        return;
    }
    let weight = if bold { " font-weight=\"bold\"" } else { "" };
    // However wide the reader's font is, columns stay columns.
    let width = run.len() as f64 * CELL.0;
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" textLength=\"{width:.1}\" fill=\"{ink}\"{weight}>{}</text>",
        svg_text(&text)
    );
}

fn look(cell: &Cell) -> (Color, Modifier) {
    (cell.fg, cell.modifier)
}

/// How much of the cell it fills, from below, and how densely.
fn block(symbol: &str) -> Option<(f64, f64)> {
    let eighths = match symbol {
        "░" => return Some((1.0, 0.25)),
        "▁" => 1.0,
        "▂" => 2.0,
        "▃" => 3.0,
        "▄" => 4.0,
        "▅" => 5.0,
        "▆" => 6.0,
        "▇" => 7.0,
        "█" => 8.0,
        _ => return None,
    };
    Some((eighths / 8.0, 1.0))
}

fn colour(colour: Color) -> &'static str {
    match colour {
        Color::Green => GREEN,
        Color::Cyan => BLUE,
        Color::Yellow => YELLOW,
        Color::Red => RED,
        Color::DarkGray => GREY,
        _ => INK,
    }
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    use super::*;

    #[test]
    fn letters_keep_their_columns_and_blocks_are_drawn() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 12, 2));
        buffer.set_string(0, 0, "a<b ▄█", Style::new());
        buffer.set_string(0, 1, "x", Style::new().fg(Color::Green).add_modifier(Modifier::REVERSED));
        let text = svg(&buffer, "\"top\"");
        assert!(text.contains("a&lt;b\u{a0}") && text.contains("&quot;top&quot;"), "{text}");
        assert!(!text.contains('▄') && text.contains("height=\"9.00\""), "{text}");
        assert!(text.contains("height=\"18\" fill=\"#7fd1ae\""), "{text}");
    }
}
