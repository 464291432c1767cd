//! Compiles the BPF programs with clang.

use std::env;
use std::path::{Path, PathBuf};

use libbpf_cargo::SkeletonBuilder;

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    compile_lab_link(&out);
}

/// The lab's link program: an object without a skeleton, embedded by `src/lab/link_program.rs`.
fn compile_lab_link(out: &Path) {
    println!("cargo::rerun-if-changed=bpf/lab_link.bpf.c");
    let mut builder = SkeletonBuilder::new();
    builder.source("bpf/lab_link.bpf.c").obj(out.join("lab_link.bpf.o"));
    let arch = env::var("CARGO_CFG_TARGET_ARCH").expect("cargo sets CARGO_CFG_TARGET_ARCH");
    builder.clang_args([format!("-I/usr/include/{arch}-linux-gnu"), "-Wall".into(), "-Werror".into()]);
    builder.build().expect("clang compiles bpf/lab_link.bpf.c (make setup installs it)");
}
