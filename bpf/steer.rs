//! Build script of the stack: compiles `steer.bpf.c`, and generates Rust from the constants and verdicts
//! of `abi.h`.

mod clang;

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

fn main() {
    if let Err(error) = generate() {
        eprintln!("bpf/steer.rs: {error}");
        std::process::exit(1);
    }
}

fn generate() -> Result<(), Box<dyn Error>> {
    clang::compile(&["steer"])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let abi = fs::read_to_string(clang::sources()?.join("abi.h"))?;
    fs::write(out.join("verdict.rs"), verdict_enum(&abi)?)?;
    fs::write(out.join("constants.rs"), constants(&abi)?)?;
    Ok(())
}

/// Rust for the lines `#define NAME NUMBER` of `abi.h`.
fn constants(header: &str) -> Result<String, Box<dyn Error>> {
    let mut rust = String::new();
    for line in header.lines() {
        let mut words = line.split_whitespace();
        if let (Some("#define"), Some(name), Some(number)) = (words.next(), words.next(), words.next())
            && let Ok(number) = number.parse::<u32>()
        {
            writeln!(rust, "pub(crate) const {name}: u32 = {number};")?;
        }
    }
    Ok(rust)
}

/// Rust for the lines `X(NAME, "sentence")` of `abi.h`.
fn verdict_enum(header: &str) -> Result<String, Box<dyn Error>> {
    let verdicts: Vec<(&str, &str)> = header.lines().filter_map(verdict_line).collect();
    if verdicts.is_empty() {
        return Err("bpf/abi.h lists no verdict".into());
    }
    let mut rust = String::from(
        "/// The verdict of the steering program on a frame: its destination, and the reason.\n\
         #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]\n\
         #[repr(u32)]\n\
         pub enum Verdict {\n",
    );
    for (name, doc) in &verdicts {
        writeln!(rust, "    #[doc = {doc:?}]\n    {},", camel_case(name))?;
    }
    rust.push_str(
        "}\n\n/// Every verdict, in the order of their discriminants.\npub const VERDICTS: &[Verdict] = &[\n",
    );
    for (name, _) in &verdicts {
        writeln!(rust, "    Verdict::{},", camel_case(name))?;
    }
    rust.push_str("];\n\nimpl Verdict {\n");
    write_method(&mut rust, "The counter's name: snake case, stable.", "name", &verdicts, |(name, _)| {
        name.to_lowercase()
    })?;
    write_method(
        &mut rust,
        "The reason as one sentence, for the operator.",
        "describe",
        &verdicts,
        |(_, doc)| (*doc).to_owned(),
    )?;
    rust.push_str("}\n");
    Ok(rust)
}

fn verdict_line(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = line.trim().strip_prefix("X(")?.split_once(", \"")?;
    let (doc, _) = rest.rsplit_once("\")")?;
    Some((name, doc))
}

fn write_method(
    rust: &mut String,
    doc: &str,
    method: &str,
    verdicts: &[(&str, &str)],
    text: impl Fn(&(&str, &str)) -> String,
) -> Result<(), Box<dyn Error>> {
    writeln!(
        rust,
        "    /// {doc}\n    pub const fn {method}(self) -> &'static str {{\n        match self {{"
    )?;
    for verdict in verdicts {
        writeln!(rust, "            Verdict::{} => {:?},", camel_case(verdict.0), text(verdict))?;
    }
    rust.push_str("        }\n    }\n");
    Ok(())
}

fn camel_case(name: &str) -> String {
    let capitalised = |word: &str| word[..1].to_owned() + &word[1..].to_lowercase();
    name.split('_').filter(|word| !word.is_empty()).map(capitalised).collect()
}
