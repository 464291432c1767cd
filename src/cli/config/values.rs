//! From TOML to the text of options on the command line.

use clap::{Arg, ArgAction};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::source::{ConfigError, Source, Span};

/// One key of the file.
#[derive(Clone, Debug)]
pub(super) struct FileSetting {
    /// The option's name.
    pub key: String,
    pub key_at: Span,
    /// Empty for a switch that is off.
    pub values: Vec<Value>,
}

/// One value, as it would be written on the command line.
#[derive(Clone, Debug)]
pub(super) struct Value {
    pub text: String,
    pub at: Span,
}

/// The kind of values of an option.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Switch,
    One,
    /// One value, a list separated by commas.
    List,
    Many,
}

/// The keys of the file in order, or all errors.
pub(super) fn settings(source: &Source, options: &[&Arg]) -> Result<Vec<FileSetting>, Vec<ConfigError>> {
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    if let Some(error) = errors.first() {
        return Err(vec![syntax(source, table.get_ref(), error)]);
    }
    let (mut settings, mut errors) = (Vec::new(), Vec::new());
    for (key, value) in table.get_ref() {
        match setting(source, options, key, value) {
            Ok(setting) => settings.push(setting),
            Err(error) => errors.push(error),
        }
    }
    settings.sort_by_key(|setting| setting.key_at.start);
    errors.sort_by_key(|error| error.at.as_ref().map(|at| at.start));
    if errors.is_empty() { Ok(settings) } else { Err(errors) }
}

/// An error of the parser; for a duplicate key with the first place.
fn syntax(source: &Source, table: &DeTable<'_>, error: &toml::de::Error) -> ConfigError {
    let Some(span) = error.span() else { return ConfigError::nowhere(error.message()) };
    let message = error.message().lines().next().unwrap_or("invalid TOML");
    if !message.contains("duplicate key") {
        return ConfigError::at(span, message);
    }
    let name = source.text.get(span.clone()).unwrap_or("").trim_matches(['"', '\'']);
    let first = table.iter().map(|(key, _)| key).find(|key| key.get_ref() == name && key.span() != span);
    let error = ConfigError::at(span, format!("`{name}` is there twice"));
    match first {
        Some(first) => error.also(first.span(), "here for the first time"),
        None => error,
    }
}

fn setting(
    source: &Source,
    options: &[&Arg],
    key: &Spanned<impl AsRef<str>>,
    value: &Spanned<DeValue<'_>>,
) -> Result<FileSetting, ConfigError> {
    let name = key.get_ref().as_ref();
    let option = options.iter().find(|option| option.get_long() == Some(name));
    let option = option.ok_or_else(|| ConfigError::at(key.span(), unknown(name, options)))?;
    let values = values(source, option, name, value)?;
    Ok(FileSetting { key: name.to_owned(), key_at: key.span(), values })
}

fn unknown(name: &str, options: &[&Arg]) -> String {
    /// Minimum similarity for a suggestion (Jaro-Winkler, 0 to 1).
    const ALIKE: f64 = 0.8;
    let alike = |known: &&str| strsim::jaro_winkler(name, known);
    let names = options.iter().filter_map(|option| option.get_long());
    match names.max_by(|a, b| alike(a).total_cmp(&alike(b))).filter(|nearest| alike(nearest) > ALIKE) {
        Some(nearest) => format!("unknown key `{name}`; did you mean `{nearest}`?"),
        None => format!(
            "unknown key `{name}`: the keys are the options of `handfast respond` without the leading dashes, \
             outside of any table"
        ),
    }
}

fn values(
    source: &Source,
    option: &Arg,
    name: &str,
    value: &Spanned<DeValue<'_>>,
) -> Result<Vec<Value>, ConfigError> {
    let takes = takes(option);
    let wrong = |value: &Spanned<DeValue<'_>>| {
        let is = kind(value.get_ref());
        ConfigError::at(value.span(), format!("`{name}` takes {}, not {is}", what(option, takes)))
    };
    let one = |value| scalar(source, value).ok_or_else(|| wrong(value));
    match (takes, value.get_ref()) {
        (Takes::Switch, DeValue::Boolean(true)) => Ok(vec![Value { text: "true".into(), at: value.span() }]),
        (Takes::Switch, DeValue::Boolean(false)) => Ok(Vec::new()),
        (Takes::Switch, _) => Err(wrong(value)),
        (Takes::Many, DeValue::Array(elements)) => elements.iter().map(one).collect(),
        (Takes::List, DeValue::Array(elements)) => {
            let parts = elements.iter().map(one).collect::<Result<Vec<_>, _>>()?;
            let parts: Vec<String> = parts.into_iter().map(|part| part.text).collect();
            Ok(vec![Value { text: parts.join(","), at: value.span() }])
        }
        _ => Ok(vec![one(value)?]),
    }
}

/// The text on the command line; `None`: neither a string nor a number.
fn scalar(source: &Source, value: &Spanned<DeValue<'_>>) -> Option<Value> {
    let at = value.span();
    let text = match value.get_ref() {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) if number.radix() == 10 => plain(source.text.get(at.clone())?),
        DeValue::Integer(number) => {
            u64::from_str_radix(&number.as_str().replace('_', ""), number.radix()).ok()?.to_string()
        }
        DeValue::Float(_) => plain(source.text.get(at.clone())?),
        _ => return None,
    };
    Some(Value { text, at })
}

/// A number without the sign and underscores of TOML.
fn plain(number: &str) -> String {
    number.trim_start_matches('+').replace('_', "")
}

fn takes(option: &Arg) -> Takes {
    let list = option.get_value_names().is_some_and(|names| names.iter().any(|name| name.as_str() == "LIST"));
    match option.get_action() {
        ArgAction::SetTrue | ArgAction::SetFalse | ArgAction::Count => Takes::Switch,
        ArgAction::Append => Takes::Many,
        _ if list => Takes::List,
        _ => Takes::One,
    }
}

fn what(option: &Arg, takes: Takes) -> String {
    let names = option.get_value_names().unwrap_or_default();
    let name = names.first().map_or("VALUE", |name| name.as_str());
    match takes {
        Takes::Switch => "true or false".into(),
        Takes::One => format!("{name}, a string or a number"),
        Takes::List => "a string as in \"0,2-3\", or numbers as in [0, 2, 3]".into(),
        Takes::Many => format!("strings, each {name}, as in [\"\u{2026}\", \"\u{2026}\"]"),
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "several values",
        DeValue::Table(_) => "a table",
    }
}
