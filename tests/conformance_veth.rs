//! The packet scripts over a veth pair: against Linux, which shows that they are right, and against
//! handfast. Needs root, iproute2 and ethtool.

#[path = "support/repository.rs"]
mod repository;
mod script;

use std::process::Command;
use std::sync::Mutex;

use nix::sys::signal::Signal;
use script::kernel_device;
use script::language::{Role, Script, Setup};
use script::netns::{DEVICE_LINK, DEVICE_V4, DEVICE_V6, Stack, Wire};
use script::suite::{Outcome, assert_all_passed, assert_scripts_can_fail, chosen, play_all};
use support::{Process, program, skipped};

/// One device at a time: times depend on what else runs on the cores.
static TURN: Mutex<()> = Mutex::new(());

/// Scripts that Linux passes, and that fail when what it answered is disturbed.
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
    // Those of cookies twice: the cores answer the SYNs, then the eBPF program.
    for (setup, tier) in [(Setup::Plain, "auto"), (Setup::Cookies, "engine"), (Setup::Cookies, "ebpf")] {
        let scripts = chosen(|script| !script.slow && script.setup == setup);
        let Some(wire) = wire_or_skip(Stack::UserSpace) else { return };
        let device = responder(&wire, setup, tier);
        outcomes.extend(play_all(scripts, &wire));
        device.signal(Signal::SIGTERM);
        let summary = device.ended().text;
        assert_eq!(summary.contains("tx_syn_ack"), tier == "ebpf", "{summary}");
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
        Err(error) => skipped(format!("no network namespaces: {error}")),
    }
}

/// `handfast respond` in the device's namespace.
fn responder(wire: &Wire, setup: Setup, tier: &str) -> Process {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &wire.device, program(), "respond"]);
    command.args(["--dev", DEVICE_LINK, "--subnet", "192.0.2.0/24", "--subnet", "2001:db8:2::/64"]);
    for role in Role::SERVED {
        let (port, name) = (role.port(), role.name());
        command.args(["--listen", &format!("{DEVICE_V4}:{port}={name}")]);
        command.args(["--listen", &format!("[{DEVICE_V6}]:{port}={name}")]);
    }
    if setup == Setup::Cookies {
        command.args(["--cookies", "always", "--cookie-tier", tier]);
    }
    Process::ready(command)
}
