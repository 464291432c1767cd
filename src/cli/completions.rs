use std::io::Write;
use std::process::ExitCode;

use clap::{Args, CommandFactory, ValueEnum};

use super::Failure;
use super::args::Arguments;

/// Print what a shell needs to complete commands and options.
///
/// The Debian package has them in place already.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true, after_long_help = EXAMPLES)]
pub struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  For this user, from the next shell on:

    handfast completions bash >~/.local/share/bash-completion/completions/handfast
    handfast completions zsh >~/.zfunc/_handfast    # with fpath+=~/.zfunc before compinit
    handfast completions fish >~/.config/fish/completions/handfast.fish";

/// Those whose scripts are tested.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

pub(super) fn run(arguments: &CompletionsArgs) -> Result<ExitCode, Failure> {
    print(&script(arguments.shell))
}

/// All at once, to whom may have stopped reading: `| head` is no failure.
pub(super) fn print(text: &[u8]) -> Result<ExitCode, Failure> {
    match std::io::stdout().write_all(text) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn script(shell: Shell) -> Vec<u8> {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "handfast", &mut script);
    script
}
