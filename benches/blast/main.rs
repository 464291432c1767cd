//! A bare AF_XDP load source: SYNs from ever new 4-tuples, and a count of what comes back. The same
//! as `handfast lab ceiling replay-client --workload syn`, and as its arguments say. With
//! `--establish` each SYN-ACK gets its ACK, so that connections become established, and stay.
//!
//! ```sh
//! cargo run --release --example blast -- --dev veth1 --peer 10.0.0.1:80 --peer-mac 02:00:00:00:00:01 \
//!     --window 1024 --seconds 5 --core 1
//! ```

use std::process::ExitCode;

fn main() -> ExitCode {
    let (establish, given): (Vec<_>, Vec<_>) =
        std::env::args().skip(1).partition(|word| word == "--establish");
    let workload = if establish.is_empty() { "syn" } else { "establish" };
    let program = ["handfast", "lab", "ceiling", "replay-client", "--workload", workload].map(String::from);
    handfast::cli::run_with(program.into_iter().chain(given))
}
