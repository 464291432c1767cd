//! Text in columns.

use super::wrapped;

/// Between two columns.
const GAP: &str = "  ";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
}

/// A table, its header first, each column as wide as its widest cell: the first column aligned to the
/// left, the others to the right.
pub fn table(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column| {
        let of = |line: &Vec<String>| line.get(column).map_or(0, |cell: &String| cell.chars().count());
        lines.iter().map(of).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for cells in lines {
        for (index, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            text += GAP;
            text += &padded(cell, *width, if index == 0 { Align::Left } else { Align::Right });
        }
        text.push('\n');
    }
    text
}

/// Columns of a listing that is printed line by line: each is as wide as its widest cell so far, so that
/// no line waits for a later one.
#[derive(Clone, Debug)]
pub struct Growing<const N: usize> {
    columns: [(usize, Align); N],
}

impl<const N: usize> Growing<N> {
    /// With these widths to begin with.
    pub fn new(columns: [(usize, Align); N]) -> Growing<N> {
        Growing { columns }
    }

    /// Makes room for these cells.
    pub fn fit(&mut self, cells: [&str; N]) {
        for (cell, (width, _)) in cells.into_iter().zip(&mut self.columns) {
            *width = (*width).max(cell.chars().count());
        }
    }

    /// A line; the last cell is not padded if it is aligned to the left.
    pub fn line(&mut self, cells: [&str; N]) -> String {
        self.fit(cells);
        let mut line = String::new();
        for (index, (cell, (width, align))) in cells.into_iter().zip(&self.columns).enumerate() {
            if index > 0 {
                line += GAP;
            }
            line += &match align {
                Align::Left if index + 1 == N => cell.to_owned(),
                _ => padded(cell, *width, *align),
            };
        }
        line
    }
}

/// A label and the text beside it, which begins at `column` and is broken into lines of at most `width`
/// columns. A label that reaches the text has a line of its own.
pub fn labelled(label: &str, text: &str, column: usize, width: usize) -> String {
    let mut out = String::new();
    let mut label = label;
    if label.chars().count() >= column {
        out += label;
        out.push('\n');
        label = "";
    }
    for line in wrapped(text, width.saturating_sub(column)) {
        out += &format!("{label:column$}{line}\n");
        label = "";
    }
    out
}

fn padded(cell: &str, width: usize, align: Align) -> String {
    match align {
        Align::Left => format!("{cell:<width$}"),
        Align::Right => format!("{cell:>width$}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_as_wide_as_its_cells() {
        let line = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let text = table(&[line(["", "rate", "µs"]), line(["one", "5", "1,000"])]);
        assert_eq!(text, "       rate     µs\n  one     5  1,000\n");
        assert_eq!(table(&[]), "");
    }

    #[test]
    fn columns_grow_with_their_cells() {
        let mut columns = Growing::new([(3, Align::Left), (4, Align::Right), (0, Align::Left)]);
        assert_eq!(columns.line(["a", "1", "x"]), "a       1  x");
        assert_eq!(columns.line(["abcde", "2", ""]), "abcde     2  ");
        assert_eq!(columns.line(["a", "3", "y"]), "a         3  y");
    }

    #[test]
    fn text_stands_beside_its_label_or_below() {
        assert_eq!(labelled("  a", "one two", 5, 9), "  a  one\n     two\n");
        assert_eq!(labelled("  abc", "one", 5, 9), "  abc\n     one\n");
        assert_eq!(labelled("  a", "", 5, 9), "");
    }
}
