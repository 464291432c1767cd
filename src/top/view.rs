/// A part of the picture that can be chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pane {
    Connections,
    #[default]
    Drops,
    Cores,
    Queues,
    Steering,
}

const PANES: [Pane; 5] = [Pane::Connections, Pane::Drops, Pane::Cores, Pane::Queues, Pane::Steering];

/// What the person at the keys has chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    pub pane: Pane,
    /// The row that is chosen in each pane; the picture takes the last one if there are fewer.
    pub rows: [usize; 5],
    pub help: bool,
    pub paused: bool,
    /// `false`: nothing but bold and reverse.
    pub colour: bool,
    /// Nothing but ASCII.
    pub ascii: bool,
    /// Printed, not watched: no keys, nothing chosen.
    pub still: bool,
    /// Why nothing more is told.
    pub ended: Option<String>,
}

impl View {
    /// On a terminal.
    pub fn watched(colour: bool) -> View {
        View { colour, ..View::default() }
    }

    /// As text.
    pub fn printed() -> View {
        View { still: true, ..View::default() }
    }

    pub fn row(&self, pane: Pane) -> usize {
        self.rows.get(pane as usize).copied().unwrap_or(0)
    }

    pub fn is_chosen(&self, pane: Pane) -> bool {
        self.pane == pane && !self.still
    }

    /// The next pane, or the one before.
    pub fn turn(&mut self, forward: bool) {
        let step = if forward { 1 } else { PANES.len() - 1 };
        let at = (self.pane as usize + step) % PANES.len();
        self.pane = PANES.get(at).copied().unwrap_or_default();
    }

    /// The next row of the chosen pane, or the one before; `rows` there are.
    pub fn step(&mut self, down: bool, rows: usize) {
        if let Some(row) = self.rows.get_mut(self.pane as usize) {
            let last = rows.saturating_sub(1);
            *row = if down { (*row + 1).min(last) } else { (*row).min(last).saturating_sub(1) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panes_go_round_both_ways() {
        let mut view = View::default();
        let forward: Vec<Pane> = std::iter::repeat_with(|| {
            view.turn(true);
            view.pane
        })
        .take(5)
        .collect();
        assert_eq!(forward, [Pane::Cores, Pane::Queues, Pane::Steering, Pane::Connections, Pane::Drops]);
        view.turn(false);
        assert_eq!(view.pane, Pane::Connections);
    }

    #[test]
    fn rows_end_where_the_pane_does() {
        let mut view = View::default();
        for (down, rows, row) in
            [(false, 3, 0), (true, 3, 1), (true, 3, 2), (true, 3, 2), (false, 2, 0), (true, 0, 0)]
        {
            view.step(down, rows);
            assert_eq!(view.row(Pane::Drops), row);
        }
    }
}
