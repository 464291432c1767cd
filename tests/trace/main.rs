//! `handfast lab trace` and `handfast trace`: every scenario segment by segment, the committed pictures, the
//! drawings' forms, and captures of every kind. Each test that needs a network makes its own (`hf-t…`) and
//! removes it; a test that cannot run prints `SKIPPED` and why, and fails in CI.

mod annotations;
mod captures;
mod command;
mod expected;
mod folder;
mod generated;
mod output;
mod scenarios;
