//! Where SYNs go: the next hop's MAC, from the kernel's own tables, with the fix of each failure.

use std::net::IpAddr;

use super::Failure;
use handfast_report::bench::Status;
use handfast_stack::wire::Mac;
pub(super) use handfast_stack::xdp::Route;
use handfast_stack::xdp::{self, RouteError};

/// The MAC that frames for `target` go to by `route`.
pub(super) fn mac(route: &Route, target: IpAddr) -> Result<Mac, Failure> {
    xdp::next_hop_mac(route, target).map_err(failure)
}

/// The kernel's route to `target`; `device`: through this interface.
pub(super) fn route(device: Option<&str>, target: IpAddr) -> Result<Route, Failure> {
    xdp::route(device, target).map_err(failure)
}

fn failure(error: RouteError) -> Failure {
    let failure = Failure::of(&error);
    match error {
        RouteError::NoRoute { target, device: Some(device) } => failure
            .fix(format!("ip route add {target} dev {device}, or name the next hop's MAC with --gateway")),
        RouteError::NoRoute { target, device: None } => {
            failure.fix(format!("ip route add {target} dev IF, or name the interface with --dev"))
        }
        RouteError::OwnAddress { .. } => {
            failure.fix("choose a target on another host; two ends on one host need two namespaces")
        }
        RouteError::Send { device, .. } => failure.fix(format!("ip link set {device} up")),
        RouteError::NoAnswer { .. } => failure
            .fix("check the link and its other end, or name the next hop's MAC with --gateway")
            .code(Status::Unreachable.exit_code()),
        _ => failure.fix("name the next hop's MAC with --gateway"),
    }
}
