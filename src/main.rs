use std::process::ExitCode;

fn main() -> ExitCode {
    handfast::cli::run()
}
