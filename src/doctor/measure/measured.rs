use std::fmt;

use serde::Serialize;

use super::program::Program;
use handfast_stack::xdp::Mode;
use handfast_text::grouped;

/// The results.
#[derive(Clone, Debug, Serialize)]
pub struct MeasuredRates {
    pub pair: String,
    /// Of each run.
    pub seconds: f64,
    pub ceilings: Vec<Ceiling>,
}

/// Frames there and back per second.
#[derive(Clone, Debug, Serialize)]
pub struct Ceiling {
    pub program: &'static str,
    pub mode: String,
    /// One for each round.
    pub rates: Vec<f64>,
    pub median: f64,
}

/// 0 of no rounds.
pub(super) fn median(rates: &[f64]) -> f64 {
    handfast_report::bench::median(rates).unwrap_or(0.0)
}

/// The medians, beside each other.
impl fmt::Display for MeasuredRates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounds = self.ceilings.first().map_or(0, |ceiling| ceiling.rates.len());
        writeln!(f, "ceilings of {}: frames there and back a second", self.pair)?;
        writeln!(f, "  {:<18}{:>12}{:>12}", "", "native", "generic")?;
        for program in [Program::AfXdp, Program::XdpTx] {
            let of = |mode: Mode| {
                let found = self
                    .ceilings
                    .iter()
                    .find(|ceiling| ceiling.program == program.name() && ceiling.mode == mode.to_string());
                grouped(found.map_or(0.0, |ceiling| ceiling.median) as u64)
            };
            writeln!(f, "  {:<18}{:>12}{:>12}", program.name(), of(Mode::Native), of(Mode::Generic))?;
        }
        let runs = match rounds {
            1 => "One run".into(),
            several => format!("Medians of {several} runs"),
        };
        writeln!(f, "  {runs} of {} s, one core each side. A veth is not a NIC.", self.seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        for (rates, expected) in [(&[][..], 0.0), (&[3.0], 3.0), (&[9.0, 1.0, 2.0], 2.0), (&[4.0, 2.0], 3.0)]
        {
            assert_eq!(median(rates), expected);
        }
    }
}
