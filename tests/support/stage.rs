//! The network of one test.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use handfast_lab::{Lab, SERVED_V4, SERVED_V6, Spec};
use tempfile::TempDir;

use crate::root;

/// One of the addresses that belong to the responder alone.
pub const OWNED_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 18, 1, 1));
/// As [`OWNED_V4`].
pub const OWNED_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0x18, 0, 0, 0, 1, 1));

/// A name that no other test's lab has.
pub fn lab_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("t{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A lab of this test's own, removed when it is dropped. `None` without root.
pub fn lab(change: impl FnOnce(Spec) -> Spec) -> Option<Lab> {
    root()?;
    Some(Lab::up(&change(Spec::new(lab_name()))).expect("the lab"))
}

/// A lab, and a folder for the files of its programs.
pub struct Stage {
    lab: Lab,
    folder: TempDir,
}

/// As [`lab`].
pub fn stage(change: impl FnOnce(Spec) -> Spec) -> Option<Stage> {
    Some(Stage { lab: lab(change)?, folder: TempDir::new().expect("a directory") })
}

impl Deref for Stage {
    type Target = Lab;

    fn deref(&self) -> &Lab {
        &self.lab
    }
}

impl Stage {
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A file for a program of this test to write.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }
}

/// `PORT=SERVICE` on every address that is the responder's alone, for `--listen`.
pub fn owned(ipv6: bool, listener: &str) -> String {
    match (ipv6, SERVED_V6.split_once('/')) {
        (true, Some((address, length))) => format!("[{address}]/{length}:{listener}"),
        _ => format!("{SERVED_V4}:{listener}"),
    }
}

/// A port of [`OWNED_V4`] or [`OWNED_V6`].
pub fn at(ipv6: bool, port: u16) -> SocketAddr {
    SocketAddr::new(if ipv6 { OWNED_V6 } else { OWNED_V4 }, port)
}
