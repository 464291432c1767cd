//! `--metrics` and sd_notify: the text is Prometheus', the page and the dashboard name what is served, the
//! server stands what clients do to it, and a real Prometheus that scrapes a responder has what the summary
//! has. Those with a network make a lab of their own (`hf-t…`) and need root; a test that cannot run prints
//! `SKIPPED` and why, and fails in CI.

mod at_work;
mod documentation;
mod http;
mod programs;
mod prometheus;
mod sample;
mod scraped;
mod server;
mod service_manager;
mod text;
