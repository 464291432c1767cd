#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

mod allocator;

#[global_allocator]
static ALLOCATOR: allocator::Allocator = allocator::Allocator;

fn main() -> ExitCode {
    handfast_cli::run()
}
