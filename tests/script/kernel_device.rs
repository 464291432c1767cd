//! Linux as the device: sockets that play every role, to try the scripts on a stack that is trusted.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use socket2::SockRef;

use super::language::Role;
use super::netns::{Wire, device_address, enter};
use super::number::Family;

const PAGE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nhi\n";

/// Opens the listeners of all roles in the device's namespace. They live as long as the process.
pub fn serve(wire: &Wire) {
    for family in [Family::V4, Family::V6] {
        for role in Role::SERVED {
            let namespace = wire.device.clone();
            let address = SocketAddr::new(device_address(family), role.port());
            let (ready, listening) = std::sync::mpsc::channel();
            thread::spawn(move || {
                enter(&namespace);
                let listener = TcpListener::bind(address).expect("the port is free in a new namespace");
                let _ = ready.send(());
                accept(&listener, role);
            });
            listening.recv().expect("the listener started");
        }
    }
}

fn accept(listener: &TcpListener, role: Role) {
    let mut held = Vec::new();
    for stream in listener.incoming().flatten() {
        match role {
            Role::Close | Role::Closed => drop(stream),
            Role::Hold => held.push(stream),
            Role::Reset => {
                let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
            }
            Role::Echo | Role::Discard | Role::Http => {
                thread::spawn(move || converse(stream, role));
            }
        }
    }
}

fn converse(mut stream: TcpStream, role: Role) -> Option<()> {
    let mut buffer = [0; 65_536];
    stream.set_nodelay(true).ok()?;
    loop {
        let length = stream.read(&mut buffer).ok().filter(|length| *length > 0)?;
        match role {
            Role::Echo => stream.write_all(&buffer[..length]).ok()?,
            Role::Http => return stream.write_all(PAGE).ok(),
            _ => {}
        }
    }
}
