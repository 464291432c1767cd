//! `examples/responder.rs` as its reader would run it: in a lab, against a kernel client.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use handfast_lab::{Lab, SERVER_DEVICE, Spec};

/// Builds it, or finds it built: with the features of the whole workspace, as the tests have them.
fn example() -> PathBuf {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--locked", "--workspace", "--example", "responder"])
        .status()
        .unwrap();
    assert!(built.success());
    let deps = std::env::current_exe().unwrap();
    deps.parent().and_then(|deps| deps.parent()).unwrap().join("examples/responder")
}

#[test]
fn the_example_greets_and_echoes_in_capitals() {
    if !nix::unistd::geteuid().is_root() {
        assert!(std::env::var_os("CI").is_none(), "CI must run as root");
        println!("SKIPPED: the example needs root for namespaces and XDP");
        return;
    }
    let lab = Lab::up(&Spec::new(format!("ex{}", std::process::id()))).unwrap();
    let mut child = lab
        .server()
        .command(example())
        .args([SERVER_DEVICE, "198.18.1.1:4000", "3"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");

    let said = lab.in_client(converse).unwrap();
    assert_eq!(said, "hello 198.18.0.1\nWELL SAID");

    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "1 connections\n");
    assert!(child.wait().unwrap().success());
    lab.remove().unwrap();
}

fn converse() -> String {
    let mut stream = TcpStream::connect("198.18.1.1:4000").unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut greeting = [0; 17];
    stream.read_exact(&mut greeting).unwrap();
    stream.write_all(b"well said").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut echo = String::new();
    stream.read_to_string(&mut echo).unwrap();
    String::from_utf8_lossy(&greeting).into_owned() + &echo
}
