//! `handfast top`: what two statuses come to, in virtual time; pictures without a terminal, compared
//! with those in `*.txt`; and the command with a responder and a benchmark in a lab, printed and in a
//! pseudo-terminal. The last needs root; a test that cannot run prints `SKIPPED` and why, and fails in CI.

mod figures;
mod live;
mod model;
mod picture;
mod pictures;
mod pty;
