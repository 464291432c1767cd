use super::random::Random;
use super::timeline::{NEVER, Timeline};

/// The distribution of the starts of an open loop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arrivals {
    /// At equal intervals.
    #[default]
    Steady,
    /// As of independent clients: intervals are exponentially distributed.
    Poisson,
}

const MICROS: f64 = 1e6;

/// The intended starts of one core in an open loop, one after another.
///
/// The arrivals of all cores are numbered from 0. At `y` arrivals since the start the time
/// is `curve(y)`: the inverse of the rate's integral over ramp-up, plateau and ramp-down. Steady:
/// core i of n has the arrivals i, i + n, i + 2n, ..., on the plateau in whole numbers with the
/// remainder carried along, so they stay exact for days. Poisson: each core is a
/// process of its own with 1/n of the rate, and together they are one with all of it.
#[derive(Clone, Debug)]
pub(super) struct ArrivalSchedule {
    next_us: u64,
    kind: ScheduleKind,
    cores: u64,
    shape: Shape,
}

#[derive(Clone, Debug)]
enum ScheduleKind {
    Steady { number: u64, plateau: Option<Plateau> },
    Poisson { reached: f64, random: Random },
}

/// The rate over time, microseconds.
#[derive(Clone, Copy, Debug)]
struct Shape {
    per_second: u64,
    ramp_up: u64,
    down_from: u64,
    down_to: u64,
}

/// The time of a steady arrival on the plateau, in whole numbers: `us + rest / (2 × rate)`.
#[derive(Clone, Copy, Debug)]
struct Plateau {
    us: u64,
    rest: u64,
}

impl ArrivalSchedule {
    pub(super) fn new(
        per_second: u64,
        arrivals: Arrivals,
        line: &Timeline,
        (core, cores): (u32, u32),
        seed: u64,
    ) -> ArrivalSchedule {
        let per_second = per_second.max(1);
        let shape = Shape {
            per_second,
            ramp_up: line.ramped_up,
            down_from: line.measured_to,
            down_to: line.opens_to,
        };
        let cores = u64::from(cores.max(1));
        let kind = match arrivals {
            Arrivals::Steady => ScheduleKind::Steady { number: u64::from(core), plateau: None },
            Arrivals::Poisson => {
                let mut random = Random::new(seed, u64::from(core));
                ScheduleKind::Poisson { reached: random.exponential() * cores as f64, random }
            }
        };
        let mut schedule = ArrivalSchedule { next_us: 0, kind, cores, shape };
        schedule.update();
        schedule
    }

    /// The next intended start; [`NEVER`] after the end.
    #[inline]
    pub(super) fn next_us(&self) -> u64 {
        self.next_us
    }

    /// Advances to the one after it.
    #[inline]
    pub(super) fn advance(&mut self) {
        let ArrivalSchedule { kind, cores, shape, .. } = self;
        match kind {
            ScheduleKind::Steady { number, plateau } => {
                *number += *cores;
                if let Some(plateau) = plateau {
                    plateau.advance(*cores, shape.per_second);
                }
            }
            ScheduleKind::Poisson { reached, random } => *reached += random.exponential() * *cores as f64,
        }
        self.update();
    }

    #[inline]
    fn update(&mut self) {
        let shape = &self.shape;
        self.next_us = match &mut self.kind {
            ScheduleKind::Poisson { reached, .. } => shape.curve(*reached),
            ScheduleKind::Steady { number, plateau } => {
                if plateau.is_none() && shape.on_plateau(*number) {
                    *plateau = Some(shape.plateau(*number));
                }
                match plateau {
                    Some(plateau) if plateau.us < shape.down_from => plateau.us,
                    _ => shape.curve(*number as f64),
                }
            }
        };
    }
}

impl Shape {
    /// When the `y`th arrival is. On a ramp the rate grows as t, so arrivals as t²: the inverse is
    /// a root, exact to the microsecond in a float for ramps of hours.
    fn curve(&self, y: f64) -> u64 {
        let rate = self.per_second as f64 / MICROS;
        let up = self.ramp_up as f64;
        if y < rate * up / 2.0 {
            return (2.0 * up * y / rate).sqrt() as u64;
        }
        let at = up / 2.0 + y / rate;
        let from = self.down_from as f64;
        if self.down_from == NEVER || at < from {
            return at as u64;
        }
        let down = self.down_to as f64 - from;
        let left = rate * (from - up / 2.0 + down / 2.0) - y;
        if left <= 0.0 { NEVER } else { (self.down_to as f64 - (2.0 * down * left / rate).sqrt()) as u64 }
    }

    /// Whether the ramp-up is over at this arrival.
    fn on_plateau(&self, number: u64) -> bool {
        2_000_000 * u128::from(number) >= u128::from(self.per_second) * u128::from(self.ramp_up)
    }

    /// (ramp-up / 2 + number / rate), over 2 × rate to have no halves.
    fn plateau(&self, number: u64) -> Plateau {
        let denominator = 2 * u128::from(self.per_second);
        let time = u128::from(self.per_second) * u128::from(self.ramp_up) + 2_000_000 * u128::from(number);
        Plateau { us: (time / denominator) as u64, rest: (time % denominator) as u64 }
    }
}

impl Plateau {
    #[inline]
    fn advance(&mut self, cores: u64, per_second: u64) {
        let (step, denominator) = (cores * 2_000_000, 2 * per_second);
        // Most often the quotient is small; the division of 64 bits is a few nanoseconds.
        self.us += step / denominator;
        self.rest += step % denominator;
        if self.rest >= denominator {
            self.rest -= denominator;
            self.us += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const ENDLESS: Timeline =
        Timeline { ramped_up: 0, measured_from: 0, measured_to: NEVER, opens_to: NEVER };

    fn line(ramp_up_ms: u64, measured_ms: u64, ramp_down_ms: u64) -> Timeline {
        let ms = Duration::from_millis;
        Timeline::new(ms(ramp_up_ms), Duration::ZERO, Some(ms(measured_ms)), ms(ramp_down_ms))
    }

    /// All intended starts before `end`, core by core.
    fn starts(rate: u64, arrivals: Arrivals, line: &Timeline, cores: u32, end: u64) -> Vec<u64> {
        let mut all: Vec<u64> = (0..cores)
            .flat_map(|core| {
                let mut schedule = ArrivalSchedule::new(rate, arrivals, line, (core, cores), 5);
                std::iter::from_fn(move || {
                    let at = schedule.next_us();
                    schedule.advance();
                    Some(at).filter(|at| *at < end)
                })
            })
            .collect();
        all.sort_unstable();
        all
    }

    #[test]
    fn a_day_at_an_odd_rate_has_no_drift() {
        let (rate, ramp_up) = (7, 1_500_001);
        for (core, cores) in [(0, 1), (2, 3)] {
            let line = Timeline { ramped_up: ramp_up, ..ENDLESS };
            let mut schedule = ArrivalSchedule::new(rate, Arrivals::Steady, &line, (core, cores), 0);
            let mut number = u128::from(core);
            while number < 86_400 * u128::from(rate) {
                schedule.advance();
                number += u128::from(cores);
                let exact = (u128::from(ramp_up * rate) + 2_000_000 * number) / (2 * u128::from(rate));
                assert!(number < 12 || u128::from(schedule.next_us()) == exact, "{number}");
            }
        }
    }

    #[test]
    fn a_ramp_opens_half_of_what_the_plateau_does() {
        let line = line(2000, 3000, 1000);
        for arrivals in [Arrivals::Steady, Arrivals::Poisson] {
            let all = starts(20_000, arrivals, &line, 2, NEVER);
            let within = |from: u64, to: u64| all.iter().filter(|at| (from..to).contains(*at)).count() as f64;
            for (from, to, expected) in [
                (0, 1_000_000, 5_000.0),
                (1_000_000, 2_000_000, 15_000.0),
                (2_000_000, 5_000_000, 60_000.0),
                (5_000_000, 5_500_000, 7_500.0),
                (5_500_000, 6_000_000, 2_500.0),
            ] {
                let near = if arrivals == Arrivals::Steady { 2.0 } else { 5.0 * f64::sqrt(expected) };
                let opened = within(from, to);
                assert!((opened - expected).abs() <= near, "{arrivals:?} {from}: {opened}, not {expected}");
            }
            assert!(all.iter().all(|at| *at < 6_000_000));
        }
    }

    #[test]
    fn poisson_gaps_vary_as_they_should() {
        // Two cores' processes merged are one: mean gap 100 µs, deviation the same.
        let all = starts(10_000, Arrivals::Poisson, &ENDLESS, 2, 20_000_000);
        let gaps: Vec<f64> = all.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let deviation = (gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64).sqrt();
        assert!((mean - 100.0).abs() < 1.5 && (deviation - 100.0).abs() < 3.0, "{mean} {deviation}");
    }

    proptest! {
        /// Whatever the rate and the number of cores: each second has its exact number of starts.
        #[test]
        fn every_second_has_its_number(rate in 1u64..3000, cores in 1u32..9, ramp_ms in 0u64..1500) {
            let line = Timeline { ramped_up: ramp_ms * 1000, ..ENDLESS };
            let all = starts(rate, Arrivals::Steady, &line, cores, 5_000_000);
            for second in 2..5u64 {
                let range = second * 1_000_000..(second + 1) * 1_000_000;
                let starts = all.iter().filter(|at| range.contains(*at)).count() as u64;
                // With a ramp a start may lie between two seconds' borders in thirds.
                let slack = u64::from(ramp_ms > 0);
                prop_assert!(starts.abs_diff(rate) <= slack, "{starts} in second {second}");
            }
        }

        #[test]
        fn time_never_runs_backwards(rate in 1u64..2000, cores in 1u32..4, poisson: bool, up in 0u64..900,
                                     down in 0u64..900) {
            let arrivals = if poisson { Arrivals::Poisson } else { Arrivals::Steady };
            for core in 0..cores {
                let mut schedule = ArrivalSchedule::new(rate, arrivals, &line(up, 500, down), (core, cores), 1);
                let mut last = 0;
                while schedule.next_us() < (up + 500 + down) * 1000 {
                    prop_assert!(schedule.next_us() >= last);
                    last = schedule.next_us();
                    schedule.advance();
                }
            }
        }
    }
}
