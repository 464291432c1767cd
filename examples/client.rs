//! Opens one connection, sends a line, and prints the reply.
//!
//! ```text
//! cargo run -p handfast-stack --example client -- INTERFACE SOURCE:PORT TARGET:PORT
//! ```
//! Needs root, or the capabilities that the error names. SOURCE is an address that the target can reply to
//! through the interface; handfast takes SOURCE:PORT over from the kernel.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use handfast_stack::{
    Closed, ClosedConnection, Connection, ConnectionHandler, DataResult, FourTuple, Gateway, OpenContext,
    Opener, Stack, StackConfig, Time,
};

struct Client {
    tuple: FourTuple,
    is_open: bool,
    /// Outside of the packet path: one message for the whole run.
    reply: Sender<Vec<u8>>,
}

impl ConnectionHandler for Client {
    fn on_established(&mut self, connection: &mut Connection<'_>) {
        connection.send(b"hello\n");
        connection.shutdown();
    }

    fn on_data(&mut self, connection: &mut Connection<'_>, data: &[u8]) -> DataResult {
        connection.consume(data.len());
        let _ = self.reply.send(data.to_vec());
        DataResult::Taken
    }

    fn on_closed(&mut self, _: &ClosedConnection<'_>, how: Closed) {
        let _ = self.reply.send(format!("closed: {}\n", how.name()).into_bytes());
    }
}

impl Opener for Client {
    fn poll_open(&mut self, cx: &mut dyn OpenContext) {
        self.is_open = self.is_open || cx.open(self.tuple).is_ok();
    }

    fn next_deadline_ms(&self, _now: Time, max: u32) -> u32 {
        if self.is_open { max } else { 0 }
    }
}

fn main() {
    if let Err(error) = run() {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let device = arguments.next().ok_or("which interface?")?;
    let local: SocketAddr = arguments.next().ok_or("which source address and port?")?.parse()?;
    let remote: SocketAddr = arguments.next().ok_or("which target address and port?")?.parse()?;
    let (sender, reply) = channel();
    let running = Stack::open(StackConfig {
        devices: vec![device],
        owned: vec![local.to_string().parse()?],
        gateway: Some(Gateway::Toward(remote.ip())),
        opener: Some(Box::new(move |_core, _cores| {
            let tuple = FourTuple { local, remote };
            Box::new(Client { tuple, is_open: false, reply: sender.clone() })
        })),
        cores: vec![0],
        ..StackConfig::default()
    })?
    .run()?;
    while let Ok(text) = reply.recv_timeout(Duration::from_secs(5)) {
        print!("{}", String::from_utf8_lossy(&text));
        if text.starts_with(b"closed") {
            break;
        }
    }
    running.stop();
    Ok(())
}
