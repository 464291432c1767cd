//! Build script of the lab: compiles the program of its link and the `XDP_TX` reflector.

mod clang;

fn main() {
    if let Err(error) = clang::compile(&["lab_link", "reflect_tx"]) {
        eprintln!("bpf/lab.rs: {error}");
        std::process::exit(1);
    }
}
