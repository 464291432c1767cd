//! Combines the command line and the file to the arguments of `handfast respond`.
//!
//! The keys of a file are the names of the options, and its values go through the parsers of the
//! options, so a new option is available in the file without further code.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as _;
use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use super::source::{ConfigError, Source};
use super::values::{FileSetting, Value, settings};
use crate::RespondArgs;

/// Options that are not allowed in the file.
const NOT_KEYS: [&str; 3] = ["config", "check", "help"];

/// The values of each option, by its name; `true` for a switch.
pub(super) type CliValues = BTreeMap<String, Vec<OsString>>;

/// The combined arguments.
pub(super) struct Layered {
    pub arguments: RespondArgs,
    pub given: CliValues,
    /// The settings of the file that the command line does not override.
    pub settings: Vec<FileSetting>,
}

/// The command `handfast respond`.
pub(super) fn command() -> Command {
    let mut command = RespondArgs::augment_args(Command::new("respond"));
    command.build();
    command
}

/// The options that are allowed in a file.
pub(super) fn options(command: &Command) -> Vec<&Arg> {
    let named = |option: &&Arg| option.get_long().is_some_and(|name| !NOT_KEYS.contains(&name));
    command.get_arguments().filter(named).collect()
}

/// The values of the command line, without defaults.
pub(super) fn given(matches: &ArgMatches) -> CliValues {
    let command = command();
    let by_hand =
        |option: &&Arg| matches.value_source(option.get_id().as_str()) == Some(ValueSource::CommandLine);
    let texts = |option: &Arg| {
        let raw = matches.get_raw(option.get_id().as_str()).into_iter().flatten();
        Some((option.get_long()?.to_owned(), raw.map(OsString::from).collect()))
    };
    options(&command).into_iter().filter(by_hand).filter_map(texts).collect()
}

/// Overrides the settings of the file by the command line. `path`: the path of the file as given.
pub(super) fn layer(
    source: &Source,
    path: &OsString,
    above: &CliValues,
) -> Result<Layered, Vec<ConfigError>> {
    let mut command = command();
    let settings = settings(source, &options(&command))?;
    let errors: Vec<ConfigError> =
        settings.iter().flat_map(|setting| refused(&mut command, path, setting)).collect();
    if !errors.is_empty() {
        return Err(errors);
    }
    let settled: BTreeSet<String> = above.keys().flat_map(|name| conflicting(&command, name)).collect();
    let settings: Vec<FileSetting> =
        settings.into_iter().filter(|setting| !settled.contains(&setting.key)).collect();
    let mut given = above.clone();
    for setting in settings.iter().filter(|setting| !setting.values.is_empty()) {
        let texts = setting.values.iter().map(|value| OsString::from(&value.text));
        given.insert(setting.key.clone(), texts.collect());
    }
    let line = line(&command, path, &given);
    let arguments = command.try_get_matches_from_mut(line);
    let arguments = arguments.and_then(|matches| RespondArgs::from_arg_matches(&matches));
    match arguments {
        Ok(arguments) => Ok(Layered { arguments, given, settings }),
        Err(error) => {
            let alone = missing_companion(&mut command, path, &settings, &error);
            Err(if alone.is_empty() { vec![cross_field_error(&settings, &error)] } else { alone })
        }
    }
}

/// An option and those that conflict with it: their settings in the file are overridden.
fn conflicting(command: &Command, name: &str) -> Vec<String> {
    let named = |option: &&Arg| option.get_long() == Some(name);
    let Some(option) = command.get_arguments().find(named) else { return Vec::new() };
    let conflicts = |one: &Arg, other: &Arg| {
        command.get_arg_conflicts_with(one).iter().any(|conflict| conflict.get_id() == other.get_id())
    };
    let conflict = |other: &&Arg| {
        other.get_id() == option.get_id() || conflicts(option, other) || conflicts(other, option)
    };
    let names = command.get_arguments().filter(conflict).filter_map(Arg::get_long);
    names.map(str::to_owned).collect()
}

/// The equivalent command line.
fn line(command: &Command, path: &OsString, given: &CliValues) -> Vec<OsString> {
    let is_switch = |name: &str| {
        let option = command.get_arguments().find(|option| option.get_long() == Some(name));
        option.is_some_and(|option| matches!(option.get_action(), ArgAction::SetTrue))
    };
    let mut line = vec![OsString::from("respond"), with_value("config", path)];
    for (name, texts) in given {
        match is_switch(name) {
            true => line.push(OsString::from(format!("--{name}"))),
            false => line.extend(texts.iter().map(|text| with_value(name, text))),
        }
    }
    line
}

fn with_value(name: &str, value: &OsString) -> OsString {
    let mut word = OsString::from(format!("--{name}="));
    word.push(value);
    word
}

/// The errors of the option's parser, by value. All values are parsed at once first, since there may
/// be thousands.
fn refused(command: &mut Command, path: &OsString, setting: &FileSetting) -> Vec<ConfigError> {
    let is_switch = setting.values.iter().all(|value| value.text == "true");
    if is_switch || parse(command, path, setting, &setting.values).is_ok() {
        return Vec::new();
    }
    let said = |value: &Value| {
        let error = parse(command, path, setting, std::slice::from_ref(value)).err()?;
        Some(ConfigError::at(value.at.clone(), reason(setting, value, &error)))
    };
    setting.values.iter().filter_map(said).collect()
}

fn parse(
    command: &mut Command,
    path: &OsString,
    setting: &FileSetting,
    values: &[Value],
) -> Result<(), clap::Error> {
    // A required option may be elsewhere in the file: `missing_companion` checks that.
    by_itself(command, path, setting, values)
        .or_else(|error| if missing(&error).is_empty() { Err(error) } else { Ok(()) })
}

fn by_itself(
    command: &mut Command,
    path: &OsString,
    setting: &FileSetting,
    values: &[Value],
) -> Result<(), clap::Error> {
    let mut line = vec![OsString::from("respond"), with_value("config", path)];
    line.extend(values.iter().map(|value| with_value(&setting.key, &OsString::from(&value.text))));
    command.try_get_matches_from_mut(line).map(drop)
}

/// Why a value is refused, and which are allowed.
fn reason(setting: &FileSetting, value: &Value, error: &clap::Error) -> String {
    let (key, text) = (&setting.key, &value.text);
    if let (ErrorKind::InvalidValue, Some(ContextValue::Strings(allowed))) =
        (error.kind(), error.get(ContextKind::ValidValue))
    {
        return format!("invalid value `{text}` of `{key}`: write one of {}", allowed.join(", "));
    }
    match error.source().map(ToString::to_string) {
        Some(reason) if reason.contains(text.as_str()) => format!("`{key}`: {reason}"),
        Some(reason) => format!("invalid value `{text}` of `{key}`: {reason}"),
        None => format!("`{key}`: {}", first_line(error)),
    }
}

/// The error of several values that are valid each by itself.
fn cross_field_error(settings: &[FileSetting], error: &clap::Error) -> ConfigError {
    // If the file has no such key, it is on the command line.
    let message = match missing(error).as_slice() {
        [] => first_line(error),
        keys => format!("{} is missing, but other keys require it", keys.join(", ")),
    };
    let named = |setting: &&FileSetting| {
        let option = format!("--{}", setting.key);
        message.split(|c: char| c != '-' && !c.is_alphanumeric()).any(|word| word == option)
    };
    let mut places = settings.iter().filter(named);
    match (places.next(), places.next()) {
        (Some(first), Some(second)) => {
            ConfigError::at(second.key_at.clone(), &message).also(first.key_at.clone(), "the other one")
        }
        (Some(only), None) => ConfigError::at(only.key_at.clone(), &message),
        _ => ConfigError::nowhere(&message),
    }
}

/// The keys that require another one, which was not given.
fn missing_companion(
    command: &mut Command,
    path: &OsString,
    settings: &[FileSetting],
    error: &clap::Error,
) -> Vec<ConfigError> {
    let wanted = missing(error);
    let needs = |setting: &FileSetting| {
        let error = by_itself(command, path, setting, &setting.values).err()?;
        let needed = missing(&error).into_iter().find(|key| wanted.contains(key))?;
        let message = format!("`{}` requires {needed}", setting.key);
        Some(ConfigError::at(setting.key_at.clone(), message))
    };
    settings.iter().filter_map(needs).collect()
}

/// The keys that others require.
fn missing(error: &clap::Error) -> Vec<String> {
    let (ErrorKind::MissingRequiredArgument, Some(ContextValue::Strings(options))) =
        (error.kind(), error.get(ContextKind::InvalidArg))
    else {
        return Vec::new();
    };
    let key =
        |option: &String| format!("`{}`", option.trim_start_matches('-').split(' ').next().unwrap_or(option));
    options.iter().map(key).collect()
}

fn first_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let line = text.lines().next().unwrap_or("refused");
    line.trim_start_matches("error: ").to_owned()
}
