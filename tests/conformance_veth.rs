//! The packet scripts over a veth pair: against Linux, which shows that they are right, and against
//! handfast. Needs root, iproute2 and ethtool.

mod script;
#[path = "support/top.rs"]
mod top;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

use script::kernel_device;
use script::language::{Role, Script, Setup};
use script::netns::{DEVICE_LINK, DEVICE_V4, DEVICE_V6, Stack, Wire};
use script::suite::{Outcome, assert_all_passed, assert_scripts_can_fail, chosen, play_all};

/// One device at a time: what a clock shows depends on who else wants the cores.
static TURN: Mutex<()> = Mutex::new(());

/// Scripts that Linux passes, and that fail when what it answered is spoilt.
#[test]
fn kernel_passes_the_scripts() {
    let _turn = TURN.lock();
    let Some(outcomes) = play_on_kernel(|script| !script.slow) else { return };
    assert_all_passed(&outcomes);
    assert_scripts_can_fail(&outcomes);
}

/// The same for scripts that wait for minutes.
#[test]
#[ignore = "takes six minutes"]
fn kernel_passes_the_slow_scripts() {
    let _turn = TURN.lock();
    let Some(outcomes) = play_on_kernel(|script| script.slow) else { return };
    assert_all_passed(&outcomes);
}

#[test]
fn handfast_passes_the_scripts() {
    let _turn = TURN.lock();
    let mut outcomes = Vec::new();
    for setup in [Setup::Plain, Setup::Cookies] {
        let scripts = chosen(|script| !script.slow && script.setup == setup);
        let Some(wire) = wire_or_skip(Stack::UserSpace) else { return };
        let _device = Responder::start(&wire, setup);
        outcomes.extend(play_all(scripts, &wire));
    }
    assert_all_passed(&outcomes);
}

/// Plays scripts on Linux, but for those where it rightly differs.
fn play_on_kernel(choose: impl Fn(&Script) -> bool) -> Option<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    for (setup, cookies) in [(Setup::Plain, 0), (Setup::Cookies, 2)] {
        let scripts =
            chosen(|script| choose(script) && script.setup == setup && script.kernel_skip.is_none());
        let wire = wire_or_skip(Stack::Kernel)?;
        wire.sysctl(&format!(
            "net.ipv4.tcp_syncookies={cookies} net.ipv4.tcp_synack_retries=2 \
             net.ipv4.tcp_no_metrics_save=1 net.ipv4.conf.all.rp_filter=1"
        ))
        .expect("the parameters exist");
        kernel_device::serve(&wire);
        outcomes.extend(play_all(scripts, &wire));
    }
    Some(outcomes)
}

fn wire_or_skip(stack: Stack) -> Option<Wire> {
    match Wire::new(stack) {
        Ok(wire) => Some(wire),
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "nothing may be skipped in CI: {error}");
            eprintln!("SKIPPED: no network namespaces: {error}");
            None
        }
    }
}

/// `handfast respond` in the device's namespace; killed when dropped.
struct Responder(Child);

impl Responder {
    fn start(wire: &Wire, setup: Setup) -> Self {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &wire.device, env!("CARGO_BIN_EXE_handfast"), "respond"]);
        command.args(["--dev", DEVICE_LINK, "--subnet", "192.0.2.0/24", "--subnet", "2001:db8:2::/64"]);
        for role in Role::SERVED {
            let (port, name) = (role.port(), role.name());
            command.args(["--listen", &format!("{DEVICE_V4}:{port}={name}")]);
            command.args(["--listen", &format!("[{DEVICE_V6}]:{port}={name}")]);
        }
        if setup == Setup::Cookies {
            command.args(["--cookies", "always"]);
        }
        let mut child = command.stdout(Stdio::piped()).spawn().expect("handfast can be started");
        let output = child.stdout.take().expect("its output is piped");
        let responder = Self(child);
        let (ready, is_ready) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if line.starts_with("ready") {
                    let _ = ready.send(());
                }
            }
        });
        is_ready.recv_timeout(Duration::from_secs(10)).expect("handfast says `ready`");
        responder
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
