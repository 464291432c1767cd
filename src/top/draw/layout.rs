use ratatui::layout::Rect;

/// Rates that are drawn.
pub(super) const RATES: u16 = 6;
/// Latencies of a benchmark, with their heading.
const LATENCY: u16 = 3;
/// The least of the connections and drops, with their heading.
const MIDDLE: u16 = 5;
/// What they get before the others get more than their least.
const MIDDLE_FIRST: u16 = 6;
/// The least of cores, queues and steering: a heading and a line.
const LEAST: u16 = 2;

/// Lines that would show everything, headings included.
pub(super) struct Wants {
    pub latency: bool,
    pub middle: u16,
    pub cores: u16,
    pub queues: u16,
    pub steering: u16,
}

/// Who gets which lines.
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

/// Of a picture that has room for all.
pub(super) fn height(wants: &Wants) -> u16 {
    let latency = if wants.latency { LATENCY } else { 0 };
    let parts = [wants.middle.max(MIDDLE), wants.cores, wants.queues, wants.steering];
    parts.iter().fold(3 + 1 + RATES + latency, |sum, part| sum.saturating_add((*part).max(LEAST)))
}

impl Layout {
    /// Everybody the least, then more in an order; where not even that fits, the last panes go first.
    pub(super) fn new(area: Rect, wants: &Wants) -> Layout {
        let mut left = area.height.saturating_sub(3);
        let mut grant = |lines: u16| {
            let granted = lines.min(left);
            left -= granted;
            granted
        };
        let mut rates = grant(1 + RATES);
        let latency = grant(if wants.latency { LATENCY } else { 0 });
        let mut middle = grant(MIDDLE);
        let (mut cores, mut queues, mut steering) = (grant(LEAST), grant(LEAST), grant(LEAST));
        middle += grant(MIDDLE_FIRST - MIDDLE);
        cores += grant(wants.cores.saturating_sub(cores));
        queues += grant(wants.queues.saturating_sub(queues));
        steering += grant(wants.steering.saturating_sub(steering));
        middle += grant(wants.middle.saturating_sub(middle));
        // A bar of three lines tells three times as much.
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

    fn wants() -> Wants {
        Wants { latency: true, middle: 12, cores: 9, queues: 9, steering: 4 }
    }

    #[test]
    fn parts_follow_one_another_and_end_above_the_footer() {
        for height in 12..70 {
            let layout = Layout::new(Rect::new(0, 0, 80, height), &wants());
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
        let layout = Layout::new(Rect::new(0, 0, 80, height(&wants())), &wants());
        let got = (layout.middle.height, layout.cores.height, layout.queues.height, layout.steering.height);
        assert_eq!(got, (12, 9, 9, 4));
    }

    #[test]
    fn in_24_lines_every_part_has_a_line() {
        let layout = Layout::new(Rect::new(0, 0, 80, 24), &wants());
        for part in [layout.cores, layout.queues, layout.steering] {
            assert!(part.height >= 2);
        }
        assert!(layout.middle.height >= 5);
    }
}
