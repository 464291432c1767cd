//! `handfast top`: what two statuses come to, in virtual time; pictures on a terminal that is none,
//! compared with those in `*.txt`; and the command beside a responder and a
//! benchmark in a lab of its own, printed and in a pseudo-terminal. The last needs root; what cannot
//! run says `SKIPPED` and why, and in CI is a failure.

mod figures;
mod live;
mod model;
mod picture;
mod pictures;
mod pty;
