//! Compiles `steer.bpf.c` into a skeleton, `lab_link.bpf.c` and `reflect_tx.bpf.c` into objects, and
//! turns the constants and verdicts of `abi.h` into Rust.

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use libbpf_cargo::SkeletonBuilder;

const PACKAGES: &str = "On Debian: apt-get install clang libelf-dev m4 zlib1g-dev pkg-config";

fn main() {
    if let Err(error) = generate() {
        eprintln!("bpf/build.rs: {error}");
        std::process::exit(1);
    }
}

fn generate() -> Result<(), Box<dyn Error>> {
    let sources = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("bpf");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    println!("cargo:rerun-if-changed={}", sources.display());
    println!("cargo:rerun-if-env-changed=CLANG");

    let abi = fs::read_to_string(sources.join("abi.h"))?;
    fs::write(out.join("verdict.rs"), verdict_enum(&abi)?)?;
    fs::write(out.join("constants.rs"), constants(&abi)?)?;
    let clang = clang()?;
    let headers = kernel_headers(&clang)?;
    let compile = |name: &str| {
        let mut builder = SkeletonBuilder::new();
        builder
            .source(sources.join(name).with_extension("bpf.c"))
            .obj(out.join(name).with_extension("bpf.o"))
            .clang(&clang)
            .clang_args(["-Wall", "-Wextra", "-Werror", &headers]);
        builder
    };
    compile("steer")
        .build_and_generate(out.join("steer.skel.rs"))
        .map_err(|error| failed("steer", &error))?;
    // Embedded as objects by src/lab/link_program.rs and src/lab/bench/xdp_tx.rs.
    for name in ["lab_link", "reflect_tx"] {
        compile(name).build().map_err(|error| failed(name, &error))?;
    }
    Ok(())
}

fn failed(name: &str, error: &dyn std::fmt::Display) -> String {
    format!("cannot compile bpf/{name}.bpf.c: {error:#}\n{PACKAGES}")
}

/// The compiler to use: `$CLANG`, or `clang` from the path.
fn clang() -> Result<PathBuf, Box<dyn Error>> {
    let clang = env::var_os("CLANG").map_or_else(|| "clang".into(), PathBuf::from);
    match Command::new(&clang).arg("--version").output() {
        Ok(output) if output.status.success() => Ok(clang),
        Ok(output) => Err(format!("`{} --version` failed: {}", clang.display(), output.status).into()),
        Err(error) => Err(format!(
            "cannot run `{}` ({error}): clang compiles the eBPF program. {PACKAGES}",
            clang.display()
        )
        .into()),
    }
}

/// `asm/types.h` of the host lies in a folder named after the machine, which a compiler that
/// targets BPF does not search.
fn kernel_headers(clang: &Path) -> Result<String, Box<dyn Error>> {
    let triplets = [
        command_line("gcc", "-print-multiarch"),
        command_line(&clang.to_string_lossy(), "-print-multiarch"),
        env::var("TARGET").ok().map(|target| target.replace("-unknown", "")),
    ];
    let folders = triplets.into_iter().flatten().map(|triplet| Path::new("/usr/include").join(triplet));
    let mut candidates = folders.chain([PathBuf::from("/usr/include")]);
    candidates
        .find(|folder| folder.join("asm/types.h").exists())
        .map(|folder| format!("-I{}", folder.display()))
        .ok_or_else(|| "cannot find asm/types.h. On Debian: apt-get install linux-libc-dev".into())
}

/// The one line that a command prints; `None` when it cannot run or prints none.
fn command_line(program: &str, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).output().ok()?;
    let line = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !line.is_empty()).then_some(line)
}

/// Rust for the lines `#define NAME NUMBER` of `abi.h`.
fn constants(header: &str) -> Result<String, Box<dyn Error>> {
    let mut rust = String::new();
    for line in header.lines() {
        let mut words = line.split_whitespace();
        if let (Some("#define"), Some(name), Some(number)) = (words.next(), words.next(), words.next())
            && let Ok(number) = number.parse::<u32>()
        {
            writeln!(rust, "pub const {name}: u32 = {number};")?;
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
        "/// What became of a frame at the interface: which way it took, and why.\n\
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
    write_method(&mut rust, "One sentence for the operator.", "describe", &verdicts, |(_, doc)| {
        (*doc).to_owned()
    })?;
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
