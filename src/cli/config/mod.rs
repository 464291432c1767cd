//! `handfast respond --config FILE`: a TOML file with the names of the options.
//!
//! - `source`: the text, and the display of errors; `values`: from TOML to the text of options;
//!   `layer`: combines the file with the command line, with the parsers of the options.

mod layer;
pub(super) mod source;
mod values;

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::ArgMatches;

use super::RespondArgs;
use super::root_files::RootFiles;
use handfast_stack::engine::listeners::{ListenerError, Listeners};
use layer::{CliValues, Layered, layer};
use source::{ConfigError, Source};
use values::FileSetting;

/// The sources of the settings of a run, read again at each SIGHUP.
pub(crate) struct Config {
    path: PathBuf,
    /// The command line, which overrides the file.
    above: CliValues,
    /// The settings at the start of the run.
    begun: CliValues,
}

/// Why a file is invalid: all errors, each with its place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadConfig {
    text: String,
}

impl fmt::Display for BadConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Errors shown at most.
const SHOWN: usize = 10;

impl BadConfig {
    fn new(source: &Source, errors: &[ConfigError]) -> BadConfig {
        let mut shown: Vec<String> =
            errors.iter().take(SHOWN).map(|error| source.show(error).to_string()).collect();
        if errors.len() > SHOWN {
            shown.push(format!("and {} more errors", errors.len() - SHOWN));
        }
        BadConfig { text: shown.join("\n") }
    }
}

impl Config {
    /// Reads the file for the first time. `matches` are those of `handfast respond`.
    ///
    /// # Errors
    /// [`BadConfig`].
    pub(crate) fn open(path: &Path, matches: &ArgMatches) -> Result<(Config, RespondArgs), BadConfig> {
        let above = layer::given(matches);
        let Layered { arguments, given, .. } = read(path, &above, None)?;
        Ok((Config { path: path.to_owned(), above, begun: given }, arguments))
    }

    /// Reads the file again; by `files` if this process may not.
    ///
    /// # Errors
    /// [`BadConfig`].
    pub(crate) fn again(&self, files: Option<&RootFiles>) -> Result<Reread, BadConfig> {
        let Layered { arguments, given, .. } = read(&self.path, &self.above, files)?;
        let names = self.begun.keys().chain(given.keys());
        let differs = |name: &&String| self.begun.get(*name) != given.get(*name);
        let live = |name: &&String| !LIVE.contains(&name.as_str());
        let mut restart: Vec<String> = names.filter(differs).filter(live).cloned().collect();
        restart.sort();
        restart.dedup();
        Ok(Reread { arguments, restart })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// The keys that can change while the stack runs.
const LIVE: [&str; 3] = ["listen", "fault", "take-over"];

/// The result of reading the file again.
pub(crate) struct Reread {
    pub arguments: RespondArgs,
    /// Keys that differ from what the run began with, and cannot change while it runs.
    pub restart: Vec<String>,
}

fn read(path: &Path, above: &CliValues, files: Option<&RootFiles>) -> Result<Layered, BadConfig> {
    let source = Source::read(path, files).map_err(|text| BadConfig { text })?;
    let layered = layer(&source, &OsString::from(path), above);
    let layered = layered.map_err(|errors| BadConfig::new(&source, &errors))?;
    match check(&layered) {
        Some(error) => Err(BadConfig::new(&source, &[error])),
        None => Ok(layered),
    }
}

/// The checks that concern several values.
fn check(layered: &Layered) -> Option<ConfigError> {
    let Layered { arguments, settings, .. } = layered;
    if arguments.devices.is_empty() {
        return Some(ConfigError::nowhere("no interface: write dev = [\"eth0\"], or give --dev IF"));
    }
    if arguments.listeners.is_empty() {
        return Some(ConfigError::nowhere(
            "no listener: write listen = [\"10.0.0.50:80=http\"], or give --listen",
        ));
    }
    device_twice(settings).or_else(|| collision(arguments, settings)).or_else(|| {
        let failure = arguments.check().err()?;
        Some(ConfigError::nowhere(failure.to_string().trim_start_matches("handfast: ")))
    })
}

fn device_twice(settings: &[FileSetting]) -> Option<ConfigError> {
    let devices = &settings.iter().find(|setting| setting.key == "dev")?.values;
    let before = |place: usize| devices[..place].iter().find(|device| device.text == devices[place].text);
    let (twice, first) = (0..devices.len()).find_map(|place| Some((&devices[place], before(place)?)))?;
    let error = ConfigError::at(twice.at.clone(), format!("interface {} is given twice", twice.text));
    Some(error.also(first.at.clone(), "first given here"))
}

/// Two listeners that conflict.
fn collision(arguments: &RespondArgs, settings: &[FileSetting]) -> Option<ConfigError> {
    let rule = |listen: &super::Listen| (listen.owned.prefix, listen.owned.ports.clone(), ());
    let error = Listeners::new(arguments.listeners.iter().map(rule)).err()?;
    let setting = settings.iter().find(|setting| setting.key == "listen");
    let place = |place: usize| setting?.values.get(place - 1).map(|value| value.at.clone());
    let ListenerError::Ambiguous { first, second, port } = &error else {
        let at = setting.map(|setting| setting.key_at.clone());
        return Some(ConfigError { message: error.to_string(), at, also: None });
    };
    let message = format!(
        "port {port} of {} is claimed twice, and neither listener has the longer prefix or fewer ports: \
         narrow one of them",
        second.net
    );
    match (place(first.place), place(second.place)) {
        (Some(first), Some(second)) => Some(ConfigError::at(second, message).also(first, "the other one")),
        _ => Some(ConfigError::nowhere(error.to_string())),
    }
}
