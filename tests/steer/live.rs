//! A peer's view: a kernel client at the other end of an interface with the program.

use std::io::ErrorKind::{ConnectionRefused, TimedOut};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use handfast_stack::xdp::Verdict::{DropNoSocket, PassPort};
use handfast_stack::xdp::{Mode, Program};
use nix::net::if_::if_nametoindex;
use nix::sched::{CloneFlags, unshare};

use crate::attach::{INTERFACE, ip, with_veth};
use crate::kernel::{addresses, rules};

/// Moves hf-b into another namespace, and runs `work` there on a thread while `meanwhile` has
/// returned here.
fn with_peer<T: Send>(meanwhile: impl FnOnce(), work: impl FnOnce() -> T + Send) -> T {
    let (tid_out, tid_in) = mpsc::channel();
    let (go_out, go_in) = mpsc::channel();
    std::thread::scope(|scope| {
        let peer = scope.spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            tid_out.send(nix::unistd::gettid()).unwrap();
            go_in.recv().unwrap();
            work()
        });
        let (process, thread) = (std::process::id(), tid_in.recv().unwrap());
        ip(&format!("link set dev hf-b netns /proc/{process}/task/{thread}/ns/net"));
        meanwhile();
        go_out.send(()).unwrap();
        peer.join().unwrap()
    })
}

/// Owned but without a socket: silence. Not owned on the same address: the kernel's reset.
#[test]
fn the_kernel_answers_what_is_not_owned_and_only_that() {
    for mode in [Mode::Native, Mode::Generic] {
        with_veth(|| {
            let mut program = Program::load(&rules(["10.0.0.1:80"]), &addresses(&["10.0.0.1"])).unwrap();
            let attach = || {
                ip("address add 10.0.0.1/24 dev hf-a");
                ip("link set dev hf-a up");
                program.attach(if_nametoindex(INTERFACE).unwrap(), INTERFACE, mode).unwrap();
            };
            let connect = |port, timeout| {
                let to = SocketAddr::from(([10, 0, 0, 1], port));
                TcpStream::connect_timeout(&to, Duration::from_millis(timeout)).unwrap_err().kind()
            };
            let (not_owned, owned) = with_peer(attach, || {
                ip("address add 10.0.0.2/24 dev hf-b");
                ip("link set dev hf-b up");
                (connect(81, 10_000), connect(80, 500))
            });
            assert_eq!((not_owned, owned), (ConnectionRefused, TimedOut), "{mode}");
            let counts = program.counters().unwrap();
            assert!(counts.sum(PassPort) > 0 && counts.sum(DropNoSocket) > 0, "{counts:?}");
        });
    }
}
