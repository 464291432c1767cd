//! handfast: a TCP stack in user space for Linux, over AF_XDP, built for high connection rates.
//!
//! An eBPF program on the interface redirects the addresses and ports that a program names to AF_XDP
//! sockets. One pinned loop per core runs TCP and replies; all other traffic goes to the kernel as before.
//! This crate re-exports [`handfast_stack`], the stack alone. Depend on it with
//! `default-features = false`: the feature `cli` is the command line.
//!
//! # A server
//!
//! A service is a [`ConnectionHandler`], whose methods are called on connection events. Each core makes its
//! own value, so it needs no lock:
//!
//! ```no_run
//! use handfast::{Connection, ConnectionHandler, DataResult, DropReason, Stack, StackConfig};
//!
//! struct Echo;
//!
//! impl ConnectionHandler for Echo {
//!     fn on_data(&mut self, connection: &mut Connection<'_>, data: &[u8]) -> DataResult {
//!         if !connection.send(data) {
//!             return DataResult::Refused(DropReason::NoSendBuffer);
//!         }
//!         connection.consume(data.len());
//!         DataResult::Taken
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let stack = Stack::open(StackConfig {
//!     devices: vec!["eth0".to_owned()],
//!     listen: vec![("10.0.0.50:7".parse()?, Box::new(|| Box::new(Echo)))],
//!     ..StackConfig::default()
//! })?;
//! handfast::drop_privileges()?;
//! let running = stack.run()?;
//! std::thread::sleep(std::time::Duration::from_secs(60));
//! println!("{} connections", running.stop().snapshot.total().established);
//! # Ok(())
//! # }
//! ```
//!
//! # A client
//!
//! An [`Opener`] is polled once per iteration of the loop, opens connections, and is the handler of all of
//! them. The stack looks up the MAC address of the next hop in the kernel's tables:
//!
//! ```no_run
//! use std::net::SocketAddr;
//!
//! use handfast::{Connection, ConnectionHandler, FourTuple, Gateway, OpenContext, Opener};
//! use handfast::{Stack, StackConfig, Time};
//!
//! struct OneRequest {
//!     to: SocketAddr,
//!     is_open: bool,
//! }
//!
//! impl ConnectionHandler for OneRequest {
//!     fn on_established(&mut self, connection: &mut Connection<'_>) {
//!         connection.send(b"hello\n");
//!         connection.close();
//!     }
//! }
//!
//! impl Opener for OneRequest {
//!     fn poll_open(&mut self, cx: &mut dyn OpenContext) {
//!         let tuple = FourTuple { local: ([10, 0, 0, 50], 40_000).into(), remote: self.to };
//!         self.is_open = self.is_open || cx.open(tuple).is_ok();
//!     }
//!
//!     fn next_deadline_ms(&self, _now: Time, max: u32) -> u32 {
//!         if self.is_open { max } else { 0 }
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let to: SocketAddr = "10.0.0.7:80".parse()?;
//! let running = Stack::open(StackConfig {
//!     devices: vec!["eth0".to_owned()],
//!     owned: vec!["10.0.0.50:40000".parse()?],
//!     gateway: Some(Gateway::Toward(to.ip())),
//!     opener: Some(Box::new(move |_core, _cores| Box::new(OneRequest { to, is_open: false }))),
//!     ..StackConfig::default()
//! })?
//! .run()?;
//! # drop(running);
//! # Ok(())
//! # }
//! ```
//!
//! # The engine on a virtual clock
//!
//! The engine takes frames, time and randomness as arguments. A [`Simulation`](engine::simulation::Simulation)
//! runs it in memory, without privileges; hours pass in a moment:
//!
//! ```
//! use handfast::Service;
//! use handfast::engine::simulation::{MakeHandler, Setup, Simulation};
//! use handfast::wire::{Flags, FlowKey4, LinkHeader, Seq, TcpOptions, TxSegment, write_segment};
//!
//! let echo: MakeHandler = Box::new(|| Service::Echo.user());
//! let mut simulation = Simulation::new(Setup::default(), &[("192.0.2.1:80".parse().unwrap(), echo)]);
//! let syn = TxSegment {
//!     seq: Seq(1000),
//!     ack: Seq(0),
//!     flags: Flags::SYN,
//!     window: 65_535,
//!     options: TcpOptions::default(),
//! };
//! // The key of a frame to send: `local` is its source.
//! let key = FlowKey4 { local: [192, 0, 2, 9], remote: [192, 0, 2, 1], local_port: 40_000, remote_port: 80 };
//! let link = LinkHeader::untagged([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 9], 0x0800);
//! let mut frame = vec![0; 128];
//! frame[..14].copy_from_slice(link.as_bytes());
//! let len = write_segment(&mut frame, 14, &key, &syn, &[]).expect("a SYN fits");
//! simulation.inject(&frame[..len]);
//! simulation.run();
//! assert!(simulation.collect().is_some(), "the SYN-ACK");
//! simulation.advance_ms(1_000);
//! assert!(simulation.collect().is_some(), "the SYN-ACK again, after a second without an ACK (RFC 6298)");
//! ```

#![deny(missing_docs)]

pub use handfast_stack::*;

/// The Rust of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
