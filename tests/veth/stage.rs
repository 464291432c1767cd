//! The network of one test, and what runs in it besides the responder.

#[path = "../support/skip.rs"]
mod skip;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use handfast_lab::load::{self, Plan, Progress, Tally};
use handfast_lab::{Lab, SERVED_V4, SERVED_V6, Spec};

pub use skip::{root, skipped};

/// One of the addresses that belong to the responder alone.
pub const OWNED_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 18, 1, 1));
pub const OWNED_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0x18, 0, 0, 0, 1, 1));

/// A lab of this test's own. `None`, said loudly, where it cannot be made.
pub fn lab(change: impl FnOnce(Spec) -> Spec) -> Option<Lab> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    root()?;
    let name = format!("v{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    Some(Lab::up(&change(Spec::new(name))).expect("the lab"))
}

/// Whether a tool of the test is there: skips if not.
pub fn tool(name: &str) -> Option<()> {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v {name}")])
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if found { Some(()) } else { skipped(format!("{name} is not installed: apt-get install {name}")) }
}

/// `PORT=SERVICE` on every address that is the responder's alone, for `--listen`.
pub fn owned(ipv6: bool, listener: &str) -> String {
    match (ipv6, SERVED_V6.split_once('/')) {
        (true, Some((address, length))) => format!("[{address}]/{length}:{listener}"),
        _ => format!("{SERVED_V4}:{listener}"),
    }
}

pub fn at(ipv6: bool, port: u16) -> SocketAddr {
    SocketAddr::new(if ipv6 { OWNED_V6 } else { OWNED_V4 }, port)
}

/// Carries the plan out as the client's kernel; every connection must go to its end.
pub fn clients(lab: &Lab, plan: &Plan) {
    let tally = attempts(lab, plan);
    let count = plan.count.expect("a plan with a count");
    assert_eq!((tally.completed, tally.failed()), (count, 0), "{:?}: {tally}", plan.targets);
}

pub fn attempts(lab: &Lab, plan: &Plan) -> Tally {
    lab.in_client(|| load::run(plan, &Progress::default())).expect("the namespace").expect("epoll")
}

/// Waits until it holds, looking often.
pub fn wait_until(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
