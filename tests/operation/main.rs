//! What an operator counts on: output that goes wrong, files that stay whole, signals, foreign text, limits,
//! and quiet where no terminal is. Tests that need a network make labs of their own (`hf-t…`) and remove
//! them even when they fail. Those need root; a test that cannot run prints `SKIPPED` and why, and fails in
//! CI.

mod commands;
mod cookie_tier;
mod files;
mod foreign;
mod labs;
mod limits;
mod output;
mod quiet;
mod signals;
