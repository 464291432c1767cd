//! The kernel's end of connections to handfast.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// In flight at a time, and how many of the first must all fail before the rest is not tried.
const PARALLEL: u64 = 16;
/// A connection whose next step takes longer has failed: many times what an emulated machine needs.
const TIMEOUT: Duration = Duration::from_secs(60);

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: nic-test\r\nConnection: close\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200";

/// What a connection does.
enum Dialogue {
    /// Requests a page, and reads until the server closes.
    Http,
    /// Sends so many bytes, wants the same back, and closes.
    Echo(usize),
}

/// Prints `COMPLETED of TRIED`, and below it why the others failed.
/// The dialogue is `http`, or `echo:BYTES`.
pub fn run(target: &str, count: &str, dialogue: &str) -> Result<(), String> {
    let target: SocketAddr = target.parse().map_err(|_| format!("{target} is no address with a port"))?;
    let count: u64 = count.parse().map_err(|_| format!("{count} is no number"))?;
    let dialogue = Dialogue::parse(dialogue).ok_or_else(|| format!("there is no dialogue {dialogue}"))?;
    let failures = Mutex::new(BTreeMap::new());
    let first = count.min(PARALLEL);
    let (mut completed, mut tried) = (connect(target, first, &dialogue, &failures), first);
    if completed > 0 && count > first {
        completed += connect(target, count - first, &dialogue, &failures);
        tried = count;
    }
    println!("{completed} of {tried}");
    for (failure, times) in failures.lock().map_err(|error| error.to_string())?.iter() {
        println!("{times} failed: {failure}");
    }
    Ok(())
}

/// Opens `count` connections, and returns how many went to their end.
fn connect(
    target: SocketAddr,
    count: u64,
    dialogue: &Dialogue,
    failures: &Mutex<BTreeMap<String, u64>>,
) -> u64 {
    let (begun, completed) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..PARALLEL.min(count) {
            scope.spawn(|| {
                while begun.fetch_add(1, Ordering::Relaxed) < count {
                    match dialogue.hold(target) {
                        Ok(()) => _ = completed.fetch_add(1, Ordering::Relaxed),
                        Err(error) => {
                            if let Ok(mut failures) = failures.lock() {
                                *failures.entry(error.to_string()).or_default() += 1;
                            }
                        }
                    }
                }
            });
        }
    });
    completed.into_inner()
}

impl Dialogue {
    fn parse(text: &str) -> Option<Dialogue> {
        match text.strip_prefix("echo:") {
            Some(size) => size.parse().ok().map(Dialogue::Echo),
            None => (text == "http").then_some(Dialogue::Http),
        }
    }

    fn hold(&self, target: SocketAddr) -> io::Result<()> {
        let mut stream = TcpStream::connect_timeout(&target, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        let mut answer = Vec::new();
        match self {
            Dialogue::Http => {
                stream.write_all(REQUEST)?;
                stream.read_to_end(&mut answer)?;
                wanted(answer.starts_with(ANSWER))
            }
            Dialogue::Echo(size) => {
                let sent: Vec<u8> = (0..*size).map(|n| n as u8).collect();
                stream.write_all(&sent)?;
                answer.resize(*size, 0);
                stream.read_exact(&mut answer)?;
                wanted(answer == sent)?;
                stream.shutdown(Shutdown::Write)?;
                wanted(stream.read(&mut [0])? == 0)
            }
        }
    }
}

fn wanted(so: bool) -> io::Result<()> {
    if so { Ok(()) } else { Err(io::Error::new(ErrorKind::InvalidData, "answered with other bytes")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::server;

    #[test]
    fn a_server_of_the_kernel_is_a_server() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let target = listener.local_addr().unwrap();
        thread::spawn(move || server::serve(&listener));
        let failures = Mutex::new(BTreeMap::new());
        assert_eq!(connect(target, 40, &Dialogue::Http, &failures), 40);
        assert!(failures.into_inner().unwrap().is_empty());
    }

    #[test]
    fn other_bytes_are_a_failure() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let target = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"xy").unwrap();
            let _ = stream.read(&mut [0; 8]);
        });
        let failures = Mutex::new(BTreeMap::new());
        assert_eq!(connect(target, 1, &Dialogue::Echo(2), &failures), 0);
        assert_eq!(failures.into_inner().unwrap()["answered with other bytes"], 1);
    }
}
