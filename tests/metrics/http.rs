//! A client of HTTP that reads one answer, and one way to be rude.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use support::TIMEOUT;

pub struct Response {
    pub status: u16,
    pub head: String,
    pub body: String,
}

pub fn connect(at: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&at, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    Ok(stream)
}

/// Sends these bytes and reads until the other side closes.
pub fn say(at: SocketAddr, bytes: &[u8]) -> io::Result<Response> {
    let mut stream = connect(at)?;
    stream.write_all(bytes)?;
    read(&mut stream)
}

pub fn get(at: SocketAddr, path: &str) -> io::Result<Response> {
    say(at, format!("GET {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n").as_bytes())
}

pub fn read(stream: &mut TcpStream) -> io::Result<Response> {
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let wrong = || io::Error::other(format!("no answer: {text:?}"));
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(wrong)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(wrong)?;
    Ok(Response { status, head: head.to_owned(), body: body.to_owned() })
}

/// For the query of a URL.
pub fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
