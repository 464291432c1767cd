/// A part of the display that can be selected.
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

/// The state of the user interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    pub pane: Pane,
    /// The selected row of each pane; the last one if there are fewer.
    pub rows: [usize; 5],
    pub help: bool,
    pub paused: bool,
    /// `false`: only bold and reverse.
    pub colour: bool,
    /// Draw ASCII only.
    pub ascii: bool,
    /// Printed, not interactive: no keys, no selection.
    pub still: bool,
    /// Why there are no further updates.
    pub ended: Option<String>,
}

impl View {
    /// Interactive, on a terminal.
    pub fn watched(colour: bool) -> View {
        View { colour, ..View::default() }
    }

    /// Printed as text.
    pub fn printed() -> View {
        View { still: true, ..View::default() }
    }

    pub fn row(&self, pane: Pane) -> usize {
        self.rows.get(pane as usize).copied().unwrap_or(0)
    }

    pub fn is_selected(&self, pane: Pane) -> bool {
        self.pane == pane && !self.still
    }

    /// Selects the next pane, or the previous one.
    pub fn select_pane(&mut self, forward: bool) {
        let step = if forward { 1 } else { PANES.len() - 1 };
        let at = (self.pane as usize + step) % PANES.len();
        self.pane = PANES.get(at).copied().unwrap_or_default();
    }

    /// Selects the next of `rows` rows of the pane, or the previous one.
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
    fn panes_cycle_in_both_directions() {
        let mut view = View::default();
        let forward: Vec<Pane> = std::iter::repeat_with(|| {
            view.select_pane(true);
            view.pane
        })
        .take(5)
        .collect();
        assert_eq!(forward, [Pane::Cores, Pane::Queues, Pane::Steering, Pane::Connections, Pane::Drops]);
        view.select_pane(false);
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
