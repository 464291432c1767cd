//! The stack: everything between the rings of AF_XDP and a service, usable alone.

pub mod capture;
pub mod engine;
pub mod observe;
pub mod service;
pub mod table;
pub mod tcp;
pub mod wire;
pub mod xdp;
