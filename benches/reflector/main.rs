//! A bare AF_XDP reflector: the ceiling of anything that answers one frame with one frame. The same
//! as `handfast lab ceiling reflector`, and as its arguments say.
//!
//! ```sh
//! cargo run --release --example reflector -- --dev veth0 --own 10.0.0.0/24:80 --core 0
//! ```

use std::process::ExitCode;

fn main() -> ExitCode {
    let program = ["handfast", "lab", "ceiling", "reflector"].map(String::from);
    handfast_cli::run_with(program.into_iter().chain(std::env::args().skip(1)))
}
