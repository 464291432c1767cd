//! Kernel clients of a responder that is flooded: do they notice?
//!
//! One link: the flood leaves the client's end through AF_XDP, from sources that are on no interface; honest
//! clients are the sockets of the client's kernel on the same interface. Both arrive in the one receive queue
//! of the responder. On veth the sender's core receives, so the core of the flood does the work of a NIC's
//! interrupts. The honest clients have another core: that of the responder, unless there is a third.
//!
//! - `plan`: the parts of a measurement; `run`: carries it out.
//! - `observe`: counts of link, kernel and responder at one moment; `figures`: of the report.
//! - `judge`: the contract.

mod figures;
mod judge;
mod observe;
mod plan;
mod run;

pub use figures::{ClientFigures, FloodReport, LinkFigures, ResponderFigures, SCHEMA};
pub use judge::{FloodRequirement, requirements};
pub use plan::{FloodCores, FloodPlan};
