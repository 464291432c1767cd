use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Command};

use super::man_page::pages;
use super::result_file::ResultFile;
use super::{Failure, out};

/// Print the manual page of handfast, or write the pages of all commands to a directory.
///
/// The pages contain the text of --help. The Debian package installs them: man handfast-respond.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct ManArgs {
    /// Write handfast.1, handfast-respond.1 and so on to this directory; it is created if missing
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  Read the page:

    handfast man | man -l -

  Install the pages for the current user:

    handfast man ~/.local/share/man/man1";

/// `command`: the program with all its commands.
pub(super) fn run(arguments: &ManArgs, command: Command) -> Result<ExitCode, Failure> {
    let pages = pages(command);
    let Some(directory) = &arguments.directory else {
        out::data(pages.first().map_or(&[], |page| page.text.as_bytes()));
        return Ok(ExitCode::SUCCESS);
    };
    create(directory)?;
    for page in &pages {
        let path = directory.join(&page.file);
        ResultFile::check(&path)?.write(page.text.as_bytes())?;
    }
    println!("{} pages in {}", pages.len(), directory.display());
    Ok(ExitCode::SUCCESS)
}

fn create(directory: &Path) -> Result<(), Failure> {
    fs::create_dir_all(directory).map_err(|error| {
        Failure::new(format!("cannot create the directory {}: {error}", directory.display()))
            .fix("name a directory that you may write to")
    })
}
