//! Servers side by side: medians, ratios to named references, spreads.
//!
//! A ratio is that of one round's runs, which were made one after the other on the same machine;
//! the table has the median over the rounds. So what changes from round to round cancels out, and what
//! changes within one does not: `doubts` says when that was so.

mod assemble;
mod data;
mod doubts;
mod html;
mod outliers;
#[cfg(test)]
pub(super) mod tests;
mod text;
mod verdict;

pub use data::{Comparison, Row, Run, SCHEMA, Setting, Spread};
