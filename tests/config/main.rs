//! `handfast respond --config FILE`: every mistake with its place, without rights; and, as root in
//! labs of their own (`hf-v…`), reloading on SIGHUP without losing a connection.

mod documented;
mod file;
mod mistakes;
mod reload;
mod traffic;

#[allow(dead_code, reason = "shared with tests/veth")]
#[path = "../veth/responder.rs"]
mod responder;
#[allow(dead_code, reason = "shared with tests/veth")]
#[path = "../veth/stage.rs"]
mod stage;
#[allow(dead_code, reason = "shared with tests/veth")]
#[path = "../veth/summary.rs"]
mod summary;
