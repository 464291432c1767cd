//! Servers side by side: medians, ratios to named references, spreads.
//!
//! A ratio compares runs of one round, made one after the other on the same host; the table has the median
//! over the rounds. Changes between rounds cancel out, changes within a round do not: `doubts` reports them.

mod assemble;
mod data;
mod doubts;
mod html;
mod outliers;
mod syn;
#[cfg(test)]
pub(super) mod syn_tests;
#[cfg(test)]
pub(super) mod tests;
mod text;
mod verdict;

pub use data::{Comparison, Row, Run, SCHEMA, Setting, Spread};
pub use syn::{Goal, SynFigures, SynRow};
