use ratatui::layout::Rect;

/// Rates that are drawn.
pub(super) const RATES: u16 = 6;
/// Latencies of a benchmark, with their heading.
const LATENCY: u16 = 3;
/// Minimum height of connections and drops, including the heading.
const MIN_MIDDLE: u16 = 5;
/// Their height before the other panes get more than their minimum.
const MIDDLE_FIRST: u16 = 6;
/// Minimum height of cores, queues and steering: a heading and a line.
const MIN_PANE: u16 = 2;

/// Heights that would show everything, including headings.
pub(super) struct Preferred {
    pub latency: bool,
    pub middle: u16,
    pub cores: u16,
    pub queues: u16,
    pub steering: u16,
}

/// The lines of each pane.
pub(super) struct Layout {
    pub title: Rect,
    pub rates: Rect,
    pub latency: Rect,
    pub middle: Rect,
    pub cores: Rect,
    pub queues: Rect,
    pub steering: Rect,
    pub footer: Rect,
}

/// The height of a display that shows everything.
pub(super) fn height(preferred: &Preferred) -> u16 {
    let latency = if preferred.latency { LATENCY } else { 0 };
    let parts = [preferred.middle.max(MIN_MIDDLE), preferred.cores, preferred.queues, preferred.steering];
    parts.iter().fold(3 + 1 + RATES + latency, |sum, part| sum.saturating_add((*part).max(MIN_PANE)))
}

impl Layout {
    /// Gives each pane its minimum, then more in a fixed order. If the minimum does not fit, the last panes
    /// are left out first.
    pub(super) fn new(area: Rect, preferred: &Preferred) -> Layout {
        let mut left = area.height.saturating_sub(3);
        let mut grant = |lines: u16| {
            let granted = lines.min(left);
            left -= granted;
            granted
        };
        let mut rates = grant(1 + RATES);
        let latency = grant(if preferred.latency { LATENCY } else { 0 });
        let mut middle = grant(MIN_MIDDLE);
        let (mut cores, mut queues, mut steering) = (grant(MIN_PANE), grant(MIN_PANE), grant(MIN_PANE));
        middle += grant(MIDDLE_FIRST - MIN_MIDDLE);
        cores += grant(preferred.cores.saturating_sub(cores));
        queues += grant(preferred.queues.saturating_sub(queues));
        steering += grant(preferred.steering.saturating_sub(steering));
        middle += grant(preferred.middle.saturating_sub(middle));
        // A bar of three lines has three times the resolution.
        rates += RATES * (left / RATES).min(2);
        let mut from = area.y;
        let mut take = |height: u16| {
            let part = Rect { y: from, height, ..area };
            from += height;
            part
        };
        Layout {
            title: take(2),
            rates: take(rates),
            latency: take(latency),
            middle: take(middle),
            cores: take(cores),
            queues: take(queues),
            steering: take(steering),
            footer: Rect { y: area.bottom().saturating_sub(1), height: 1, ..area },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preferred() -> Preferred {
        Preferred { latency: true, middle: 12, cores: 9, queues: 9, steering: 4 }
    }

    #[test]
    fn parts_follow_one_another_and_end_above_the_footer() {
        for height in 12..70 {
            let layout = Layout::new(Rect::new(0, 0, 80, height), &preferred());
            let parts = [
                layout.title,
                layout.rates,
                layout.latency,
                layout.middle,
                layout.cores,
                layout.queues,
                layout.steering,
            ];
            for pair in parts.windows(2) {
                assert_eq!(pair[0].bottom(), pair[1].y, "{height}");
            }
            assert!(layout.steering.bottom() <= layout.footer.y, "{height}");
        }
    }

    #[test]
    fn the_height_that_it_asks_for_shows_everything() {
        let layout = Layout::new(Rect::new(0, 0, 80, height(&preferred())), &preferred());
        let got = (layout.middle.height, layout.cores.height, layout.queues.height, layout.steering.height);
        assert_eq!(got, (12, 9, 9, 4));
    }

    #[test]
    fn in_24_lines_every_part_has_a_line() {
        let layout = Layout::new(Rect::new(0, 0, 80, 24), &preferred());
        for part in [layout.cores, layout.queues, layout.steering] {
            assert!(part.height >= 2);
        }
        assert!(layout.middle.height >= 5);
    }
}
