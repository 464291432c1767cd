//! A service of one's own on the engine: greets, then echoes in capitals.
//!
//! ```text
//! cargo run -p handfast-stack --example responder -- INTERFACE ADDRESS:PORT [SECONDS]
//! ```
//! Needs root, or the capabilities that the error names. Try it in a lab:
//! `handfast lab up`, then run it with `handfast lab exec --side server -- …`.

use std::error::Error;
use std::time::Duration;

use handfast_stack::{
    Connection, ConnectionHandler, DataResult, DropReason, EndpointRange, Stack, StackConfig,
};

struct Shout;

impl ConnectionHandler for Shout {
    fn on_established(&mut self, connection: &mut Connection<'_>) {
        connection.send(format!("hello {}\n", connection.remote().ip()).as_bytes());
    }

    fn on_data(&mut self, connection: &mut Connection<'_>, data: &[u8]) -> DataResult {
        if !connection.send(&data.to_ascii_uppercase()) {
            return DataResult::Refused(DropReason::NoSendBuffer);
        }
        connection.consume(data.len());
        DataResult::Taken
    }

    fn on_fin(&mut self, connection: &mut Connection<'_>) {
        connection.shutdown();
    }
}

fn main() {
    // Its errors say what to do: to be read, not as `main` would print them.
    if let Err(error) = run() {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let device = arguments.next().ok_or("which interface?")?;
    let owned: EndpointRange = arguments.next().ok_or("which address and port?")?.parse()?;
    let seconds = arguments.next().map_or(Ok(60), |text| text.parse())?;

    let responder = Stack::open(StackConfig {
        devices: vec![device],
        listen: vec![(owned, Box::new(|| Box::new(Shout)))],
        ..StackConfig::default()
    })?;
    handfast_stack::drop_privileges()?;
    let running = responder.run()?;
    println!("ready");
    std::thread::sleep(Duration::from_secs(seconds));
    let finished = running.stop();
    println!("{} connections", finished.snapshot.total().established);
    Ok(())
}
