//! The first window of a connection, which its service gives before the connection exists.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

use handfast_stack::engine::simulation::{MakeHandler, Setup, Simulation};
use handfast_stack::tcp::{ConnectionHandler, CookieMode};
use handfast_stack::wire::ParseConfig;

use crate::client::{Client, FAMILIES, Lab, SERVER_MAC};

/// A service whose first window is its free memory.
struct Varying(Arc<AtomicU16>);

impl ConnectionHandler for Varying {
    fn window(&self) -> u16 {
        self.0.load(Relaxed)
    }
}

fn varying(fast_path: bool, cookies: CookieMode) -> (Arc<AtomicU16>, Lab) {
    let window = Arc::new(AtomicU16::new(1000));
    let make = || {
        let window = window.clone();
        Box::new(move || Box::new(Varying(window.clone())) as Box<dyn ConnectionHandler>) as MakeHandler
    };
    let services = [("192.0.2.1:80".parse().unwrap(), make()), ("[2001:db8::1]:80".parse().unwrap(), make())];
    let mut setup = Setup {
        policy: ParseConfig { mac: Some(SERVER_MAC), ..ParseConfig::default() },
        capacity: 64,
        ..Setup::default()
    };
    setup.bounds.fast_path = fast_path;
    setup.config.cookies = cookies;
    let start = setup.start;
    let sim = Simulation::new(setup, &services);
    (window, Lab::around(sim, start))
}

/// A SYN-ACK announces the window that the service gives when the SYN's batch arrives.
#[test]
fn the_first_window_is_asked_for_in_each_batch() {
    for cookies in [CookieMode::Never, CookieMode::Always] {
        for (family, fast_path) in FAMILIES.into_iter().flat_map(|f| [(f, false), (f, true)]) {
            let (window, mut lab) = varying(fast_path, cookies);
            for (port, now) in [(4000, 1000), (4001, 0), (4002, 65_535)] {
                window.store(now, Relaxed);
                lab.send(&Client::new(family, port).syn());
                assert_eq!(
                    lab.expect("S.").info.window,
                    now,
                    "{family:?}, {cookies:?}, fast path: {fast_path}"
                );
            }
        }
    }
}
