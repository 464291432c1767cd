use std::process::ExitCode;

use clap::{Args, Command, ValueEnum};
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::{self, CompleteEnv, EnvCompleter};
use nix::net::if_::if_nameindex;

use super::{Failure, out};
use handfast_lab::trace::{SCENARIOS, Scenario};

const NAME: &str = "handfast";
/// The variable by which a shell requests completions; its value names the shell.
const REQUEST: &str = "HANDFAST_COMPLETE";

/// Print a shell script that completes commands, options, interfaces and scenarios.
///
/// The script runs handfast for each completion, so handfast must be in PATH. The Debian package
/// installs these scripts.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true, after_long_help = EXAMPLES)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  Install for the current user; takes effect in the next shell:

    handfast completions bash >~/.local/share/bash-completion/completions/handfast
    handfast completions zsh >~/.zfunc/_handfast    # with fpath+=~/.zfunc before compinit
    handfast completions fish >~/.config/fish/completions/handfast.fish";

/// The shells whose scripts are tested.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

pub(super) fn run(arguments: &CompletionsArgs) -> Result<ExitCode, Failure> {
    out::data(&script(arguments.shell)?);
    Ok(ExitCode::SUCCESS)
}

/// The script for the shell. It runs this program for the candidates.
fn script(shell: Shell) -> Result<Vec<u8>, Failure> {
    let completer: &dyn EnvCompleter = match shell {
        Shell::Bash => &env::Bash,
        Shell::Zsh => &env::Zsh,
        Shell::Fish => &env::Fish,
    };
    let mut script = Vec::new();
    completer.write_registration(REQUEST, NAME, NAME, NAME, &mut script).map_err(Failure::of)?;
    if matches!(shell, Shell::Zsh) {
        // As _handfast in fpath it is loaded by the first completion, and must answer that one as well.
        script.extend_from_slice(
            format!("[ \"$funcstack[1]\" = _{NAME} ] && _clap_dynamic_completer_{NAME} \"$@\"\n").as_bytes(),
        );
    }
    Ok(script)
}

/// Answers a shell that requests completions, and then ends the process.
/// `command`: the program with all its commands.
pub(super) fn answer(command: fn() -> Command) {
    CompleteEnv::with_factory(|| with_values(command())).var(REQUEST).bin(NAME).complete();
}

/// Adds the values of this host.
fn with_values(command: Command) -> Command {
    let known = command.mut_args(|argument| match (argument.get_long(), argument.get_id().as_str()) {
        (Some("dev"), _) => argument.add(ArgValueCandidates::new(interfaces)),
        (None, "scenario") => argument.add(ArgValueCandidates::new(scenarios)),
        _ => argument,
    });
    known.mut_subcommands(with_values)
}

fn interfaces() -> Vec<CompletionCandidate> {
    let Ok(interfaces) = if_nameindex() else { return Vec::new() };
    interfaces.iter().map(|one| one.name().to_string_lossy().into_owned().into()).collect()
}

fn scenarios() -> Vec<CompletionCandidate> {
    let candidate = |scenario: &Scenario| {
        CompletionCandidate::new(scenario.name).help(Some(scenario.title.to_owned().into()))
    };
    SCENARIOS.iter().map(candidate).collect()
}
