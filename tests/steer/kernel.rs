//! The kernel's side of the tests: a program with or without a socket, and test runs of it.

#![allow(unsafe_code, reason = "BPF_PROG_TEST_RUN and AF_XDP sockets by their C interface")]

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use caps::{CapSet, Capability};
use handfast_stack::wire::endpoint_range::EndpointRange;
use handfast_stack::xdp::{Program, VERDICTS, Verdict};
use libbpf_rs::libbpf_sys;

pub const XDP_DROP: u32 = 1;
pub const XDP_PASS: u32 = 2;
pub const XDP_TX: u32 = 3;
pub const XDP_REDIRECT: u32 = 4;

/// Whether this process has the privileges that the tests need. If not, prints it; in CI that is a failure.
pub fn privileged() -> bool {
    let missing = [Capability::CAP_BPF, Capability::CAP_NET_ADMIN, Capability::CAP_SYS_ADMIN]
        .into_iter()
        .find(|&capability| !caps::has_cap(None, CapSet::Effective, capability).unwrap_or(false));
    if let Some(capability) = missing {
        println!("SKIPPED: needs {capability}");
        assert!(std::env::var_os("CI").is_none(), "no test may be skipped in CI");
    }
    missing.is_none()
}

pub fn rules<S: AsRef<str>>(rules: impl IntoIterator<Item = S>) -> Vec<EndpointRange> {
    rules.into_iter().map(|rule| rule.as_ref().parse().unwrap()).collect()
}

pub fn addresses(addresses: &[&str]) -> Vec<IpAddr> {
    addresses.iter().map(|address| address.parse().unwrap()).collect()
}

/// A program that is attached nowhere, and the socket of its queue 0.
pub struct Bench {
    pub program: Program,
    _socket: Option<OwnedFd>,
}

impl Bench {
    pub fn new(rules: &[EndpointRange], local: &[&str]) -> Self {
        let bench = Self::without_socket(rules, local);
        let socket = xdp_socket();
        bench.program.set_socket(0, socket.as_fd()).unwrap();
        Self { _socket: Some(socket), ..bench }
    }

    pub fn without_socket(rules: &[EndpointRange], local: &[&str]) -> Self {
        Self { program: Program::load(rules, &addresses(local)).unwrap(), _socket: None }
    }

    /// The verdict by the counters, checked against what the program returned.
    pub fn verdict(&self, frame: &[u8]) -> Verdict {
        let before = self.program.counters().unwrap();
        let action = run(&self.program, frame, 1).0;
        let after = self.program.counters().unwrap();
        assert_eq!(after.total(), before.total() + 1, "one frame, one count");
        let verdict = *VERDICTS.iter().find(|&&v| after.sum(v) > before.sum(v)).unwrap();
        assert_eq!(action, action_of(verdict), "{verdict:?}");
        verdict
    }

    pub fn redirects(&self, frame: &[u8]) -> bool {
        run(&self.program, frame, 1).0 == XDP_REDIRECT
    }
}

/// What the program returns for a verdict.
pub fn action_of(verdict: Verdict) -> u32 {
    match (verdict.is_socket(), verdict.is_tx(), verdict.is_drop()) {
        (true, ..) => XDP_REDIRECT,
        (_, true, _) => XDP_TX,
        (.., true) => XDP_DROP,
        _ => XDP_PASS,
    }
}

/// The action for `frame`, and the frame behind the program.
pub fn run_with_output(program: &Program, frame: &[u8]) -> (u32, Vec<u8>) {
    let mut output = vec![0; frame.len() + 256];
    let mut options = libbpf_sys::bpf_test_run_opts {
        sz: size_of::<libbpf_sys::bpf_test_run_opts>() as libbpf_sys::size_t,
        data_in: frame.as_ptr().cast(),
        data_size_in: frame.len() as u32,
        data_out: output.as_mut_ptr().cast(),
        data_size_out: output.len() as u32,
        repeat: 1,
        ..Default::default()
    };
    // SAFETY: `frame`, `output` and `options` outlive the call, and the sizes are theirs.
    let result = unsafe { libbpf_sys::bpf_prog_test_run_opts(program.as_fd().as_raw_fd(), &raw mut options) };
    assert_eq!(result, 0, "test run of {} bytes: {}", frame.len(), io::Error::from_raw_os_error(-result));
    output.truncate(options.data_size_out as usize);
    (options.retval, output)
}

/// The action for `frame`, and the mean time of `repeat` runs in nanoseconds.
pub fn run(program: &Program, frame: &[u8], repeat: i32) -> (u32, u32) {
    let mut options = libbpf_sys::bpf_test_run_opts {
        sz: size_of::<libbpf_sys::bpf_test_run_opts>() as libbpf_sys::size_t,
        data_in: frame.as_ptr().cast(),
        data_size_in: frame.len() as u32,
        repeat,
        ..Default::default()
    };
    // SAFETY: `frame` and `options` outlive the call, and the sizes are theirs.
    let result = unsafe { libbpf_sys::bpf_prog_test_run_opts(program.as_fd().as_raw_fd(), &raw mut options) };
    assert_eq!(result, 0, "test run of {} bytes: {}", frame.len(), io::Error::from_raw_os_error(-result));
    (options.retval, options.duration)
}

/// A socket that is bound to nothing: enough for a redirect to find it.
pub fn xdp_socket() -> OwnedFd {
    // SAFETY: no pointers; the result is checked, and the descriptor is new.
    unsafe {
        let fd = libc::socket(libc::AF_XDP, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0);
        assert!(fd >= 0, "AF_XDP socket: {}", io::Error::last_os_error());
        OwnedFd::from_raw_fd(fd)
    }
}

/// One more descriptor for what this number stands for, if it still does.
pub fn copy(number: i32) -> Option<OwnedFd> {
    // SAFETY: no pointers; the result is checked, and the descriptor is new.
    unsafe {
        let fd = libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 0);
        (fd >= 0).then(|| OwnedFd::from_raw_fd(fd))
    }
}
