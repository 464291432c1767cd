//! `make nic-test`: handfast on the drivers of NICs, under several kernels, in guests of QEMU.
//!
//! One program with two ends. `run` is the host's: it makes a root for the guest, starts one guest per
//! kernel, compares what each cell came to with `expected.tsv`, and draws the matrix of
//! `docs/drivers.md`; `judge` does the same with what the last run left. The others run in the guest: `guest` goes through the cells, with `client` and
//! `server` as the kernel's ends of connections.
//!
//! A guest that QEMU emulates says nothing about rates: only counts and modes are judged.

use std::process::ExitCode;

mod cells;
mod guest;
mod host;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["run", rest @ ..] => host::run(rest, host::Lines::OfGuests),
        ["judge", rest @ ..] => host::run(rest, host::Lines::OfLastRun),
        ["guest", nics, cells] => guest::run(nics, cells).map(|()| true),
        ["client", target, count, dialogue] => guest::client::run(target, count, dialogue).map(|()| true),
        ["server", listen] => guest::server::run(listen).map(|()| true),
        _ => Err("usage: nic-test run|judge KERNEL... [--nics LIST] [--cells LIST]".to_owned()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("nic-test: {error}");
            ExitCode::FAILURE
        }
    }
}
