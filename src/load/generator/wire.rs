use super::super::workload::Act;
use handfast_stack::engine::{FourTuple, OpenError};
use handfast_stack::tcp::Time;

/// The way to the engine. [`handfast_stack::engine::OpenContext`] behind a handle is one, a script in a test is
/// another.
pub(super) trait Wire {
    fn now(&self) -> Time;
    fn open(&mut self, ends: FourTuple) -> Result<u32, OpenError>;
    /// A SYN alone.
    fn syn(&mut self, ends: FourTuple) -> Result<(), OpenError>;
    /// False: no such connection.
    fn act(&mut self, number: u32, act: Act) -> bool;
    fn capacity(&self) -> u32;
}
