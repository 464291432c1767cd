use super::super::workload::Actions;
use handfast_stack::engine::{FourTuple, OpenError};
use handfast_stack::tcp::Time;

/// What the generator needs of the engine. Implemented over [`handfast_stack::engine::OpenContext`], and by a
/// script in tests.
pub(super) trait EngineApi {
    fn now(&self) -> Time;
    fn open(&mut self, ends: FourTuple) -> Result<u32, OpenError>;
    /// Sends a SYN and keeps no state.
    fn syn(&mut self, ends: FourTuple) -> Result<(), OpenError>;
    /// Returns false if there is no such connection.
    fn apply(&mut self, number: u32, actions: Actions) -> bool;
    fn capacity(&self) -> u32;
}
