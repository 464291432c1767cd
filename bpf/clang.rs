//! Shared by the build scripts of this folder: clang, the headers it needs, and its command line.

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

const PACKAGES: &str = "On Debian: apt-get install clang libelf-dev zlib1g-dev pkg-config";

/// Compiles each `bpf/NAME.bpf.c` into `$OUT_DIR/NAME.bpf.o`.
///
/// # Errors
/// clang or a header is missing, or clang refuses a source.
pub(crate) fn compile(names: &[&str]) -> Result<(), Box<dyn Error>> {
    let sources = sources()?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    println!("cargo:rerun-if-changed={}", sources.display());
    println!("cargo:rerun-if-env-changed=CLANG");

    let clang = clang()?;
    // libbpf's headers, from the build script of libbpf-sys.
    let libbpf = env::var("DEP_BPF_INCLUDE")?;
    let kernel = kernel_headers(&clang)?;
    for name in names {
        // -g: libbpf finds maps and functions by the BTF that it adds.
        let status = Command::new(&clang)
            .args(["-target", "bpf", "-g", "-O2", "-Wall", "-Wextra", "-Werror", "-c"])
            .arg(format!("-I{libbpf}"))
            .arg(&kernel)
            .arg(sources.join(name).with_extension("bpf.c"))
            .arg("-o")
            .arg(out.join(name).with_extension("bpf.o"))
            .status()?;
        if !status.success() {
            return Err(format!("cannot compile bpf/{name}.bpf.c: {status}\n{PACKAGES}").into());
        }
    }
    Ok(())
}

/// The folder `bpf`, relative to a package two folders below the top.
pub(crate) fn sources() -> Result<PathBuf, Box<dyn Error>> {
    Ok(PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../bpf"))
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

/// `asm/types.h` is in a folder named after the host's architecture, which a compiler that targets BPF
/// does not search.
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

/// The line that a command prints; `None` if it cannot run or prints nothing.
fn command_line(program: &str, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).output().ok()?;
    let line = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !line.is_empty()).then_some(line)
}
