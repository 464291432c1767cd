use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

use crate::View;
use handfast_text::grouped;

/// Counts from here on are shown in millions.
const LARGE: u64 = 100_000_000_000;

/// Cells to draw on, and what to draw with.
pub(super) struct Canvas<'a> {
    buffer: &'a mut Buffer,
    colour: bool,
}

/// A list, of which a part may be seen.
pub(super) struct List<'a> {
    pub rows: &'a [String],
    /// The row that has to be seen.
    pub row: usize,
    /// Keys move among these rows: the row is marked.
    pub chosen: bool,
}

impl<'a> Canvas<'a> {
    pub(super) fn new(buffer: &'a mut Buffer, view: &View) -> Canvas<'a> {
        Canvas { buffer, colour: view.colour }
    }

    pub(super) fn buffer(&mut self) -> &mut Buffer {
        self.buffer
    }

    /// Plain where there are no colours.
    pub(super) fn ink(&self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    /// A line of the area, cut at its end.
    pub(super) fn line(&mut self, area: Rect, line: u16, text: &str) {
        self.styled(area, line, text, Style::new());
    }

    pub(super) fn styled(&mut self, area: Rect, line: u16, text: &str, style: Style) {
        if line < area.height && area.width > 0 {
            let text = cut(text, usize::from(area.width));
            self.buffer.set_stringn(area.x, area.y + line, text, usize::from(area.width), style);
        }
    }

    /// The same, but it ends where the area does.
    pub(super) fn right(&mut self, area: Rect, line: u16, text: &str, style: Style) {
        let width = u16::try_from(text.chars().count()).unwrap_or(u16::MAX).min(area.width);
        self.styled(Rect { x: area.right() - width, width, ..area }, line, text, style);
    }

    /// The first line: a rule with the pane's name, and the columns' names over them.
    pub(super) fn heading(&mut self, area: Rect, name: &str, columns: &str, chosen: bool) {
        let width = usize::from(area.width);
        let rule = self.ink(Color::DarkGray);
        self.styled(area, 0, &ruled(&format!("{columns:<width$}")), rule);
        let style = self.ink(Color::Cyan).add_modifier(Modifier::BOLD);
        let style = if chosen { style.add_modifier(Modifier::REVERSED) } else { style };
        let place = Rect { x: area.x + 2, width: area.width.saturating_sub(2), ..area };
        self.styled(place, 0, &format!(" {name} "), style);
    }

    /// A heading and rows. Where there is one line for several, the heading says which one it is.
    pub(super) fn pane(&mut self, area: Rect, name: &str, columns: &str, list: &List<'_>) {
        let row = list.row.min(list.rows.len().saturating_sub(1)) + 1;
        let name = match list.rows.len() {
            rows if rows > 1 && area.height == 2 => format!("{name} {row}/{rows}"),
            _ => name.to_owned(),
        };
        self.heading(area, &name, columns, list.chosen);
        self.list(area, list);
    }

    /// Rows below the heading. Where not all of them fit, the last line says how many follow.
    fn list(&mut self, area: Rect, list: &List<'_>) {
        let room = usize::from(area.height.saturating_sub(1));
        if room == 0 {
            return;
        }
        let row = list.row.min(list.rows.len().saturating_sub(1));
        let (first, shown) = window(list.rows.len(), room, row);
        for (line, (number, text)) in (1..).zip(list.rows.iter().enumerate().skip(first).take(shown)) {
            let chosen = list.chosen && number == row;
            let style = if chosen { Style::new().add_modifier(Modifier::REVERSED) } else { Style::new() };
            let width = usize::from(area.width);
            let text = if chosen { format!("{text:<width$}") } else { text.clone() };
            self.styled(area, line, &text, style);
        }
        let behind = list.rows.len() - first - shown;
        if behind > 0 && room > 1 {
            let style = self.ink(Color::DarkGray);
            self.styled(area, area.height - 1, &format!(" … {behind} more"), style);
        }
    }
}

/// The first row that is seen, and how many are: all, or those around `row` with a line left for
/// what follows.
fn window(rows: usize, room: usize, row: usize) -> (usize, usize) {
    if rows <= room {
        return (0, rows);
    }
    // At the end nothing follows, and the line is a row's.
    if row + room > rows || room == 1 {
        let first = (rows - room).min(row.max(rows - room));
        return if room == 1 { (row, 1) } else { (first, room) };
    }
    ((row + 2).saturating_sub(room), room - 1)
}

/// With gaps between words filled by a rule.
fn ruled(text: &str) -> String {
    let gap = |run: &str| match run.chars().count() {
        0 => String::new(),
        1 | 2 => " ".repeat(run.len()),
        length => format!(" {} ", "─".repeat(length - 2)),
    };
    let (mut out, mut run) = (String::new(), String::new());
    for letter in text.chars() {
        if letter == ' ' {
            run.push(letter);
        } else {
            out += &gap(&run);
            run.clear();
            out.push(letter);
        }
    }
    out += &gap(&run);
    // The rule begins at the edge and ends there.
    let mut letters: Vec<char> = out.chars().collect();
    if let Some(end) = letters.first_mut().filter(|end| **end == ' ') {
        *end = '─';
    }
    if letters.ends_with(&['─', ' ']) {
        letters.pop();
        letters.push('─');
    }
    letters.into_iter().collect()
}

/// At most `width` characters; what is cut off is marked.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// `1,234`; in millions where that would be too long.
pub(super) fn count(number: u64) -> String {
    if number < LARGE { grouped(number) } else { format!("{} M", grouped(number / 1_000_000)) }
}

/// A rate: whole, but for one below ten, which shows its tenths.
pub(super) fn rate(per_second: f64) -> String {
    match per_second {
        none if none <= 0.0 => "0".to_owned(),
        few if few < 9.95 => format!("{few:.1}"),
        many => count(many.round() as u64),
    }
}

/// An average, with tenths.
pub(super) fn average(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_row_that_is_chosen_is_seen() {
        for rows in 0..12 {
            for room in 1..8 {
                for row in 0..rows {
                    let (first, shown) = window(rows, room, row);
                    assert!(
                        first <= row && row < first + shown,
                        "{row} of {rows} in {room}: {first}, {shown}"
                    );
                    let more = usize::from(first + shown < rows && room > 1);
                    assert!(shown + more <= room && first + shown <= rows, "{row} of {rows} in {room}");
                }
            }
        }
    }

    #[test]
    fn rules_fill_the_gaps_between_columns() {
        assert_eq!(ruled("     total  x   "), "──── total  x ──");
        assert_eq!(ruled("        "), "────────");
    }

    #[test]
    fn numbers_keep_to_their_columns() {
        assert_eq!(count(99_999_999_999), "99,999,999,999");
        assert_eq!(count(1_234_567_890_123), "1,234,567 M");
        assert_eq!([0.0, 0.04, 9.94, 9.96, 1234.5].map(rate), ["0", "0.0", "9.9", "10", "1,235"]);
    }
}
