//! The examples as their reader would run them: in a lab, with a kernel client and a kernel server.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use handfast_lab::{SERVER_DEVICE, client_addresses};
use support::{Process, lab, run};

/// Builds it, or finds it built: with the features of the whole workspace, as the tests have them.
fn example(name: &str) -> PathBuf {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--locked", "--workspace", "--example", name])
        .status()
        .unwrap();
    assert!(built.success());
    let deps = std::env::current_exe().unwrap();
    deps.parent().and_then(|deps| deps.parent()).unwrap().join("examples").join(name)
}

#[test]
fn the_example_greets_and_echoes_in_capitals() {
    let Some(lab) = lab(|spec| spec) else { return };
    let mut command = lab.server().command(example("responder"));
    command.args([SERVER_DEVICE, "198.18.1.1:4000", "3"]);
    let process = Process::ready(command);

    let said = lab.in_client(converse).unwrap();
    assert_eq!(said, "hello 198.18.0.1\nWELL SAID");

    let ended = process.ended();
    assert_eq!((ended.code, ended.out.as_str()), (Some(0), "ready\n1 connections\n"), "{}", ended.err);
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

/// Its next hop is looked up by the stack.
#[test]
fn the_client_sends_a_line_and_prints_the_reply() {
    let Some(lab) = lab(|spec| spec) else { return };
    let address = client_addresses(false).next().unwrap();
    let listener = lab.in_client(|| TcpListener::bind((address, 7)).unwrap()).unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut line = String::new();
        stream.read_to_string(&mut line).unwrap();
        stream.write_all(line.to_uppercase().as_bytes()).unwrap();
    });
    let mut command = lab.server().command(example("client"));
    command.args([SERVER_DEVICE, "198.18.1.9:40000", &format!("{address}:7")]);
    let ended = run(&mut command);
    assert_eq!((ended.code, ended.out.as_str()), (Some(0), "HELLO\nclosed: active\n"), "{}", ended.err);
    server.join().unwrap();
}
