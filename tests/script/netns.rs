//! Two namespaces joined by a veth pair: the tester's, whose kernel has no address and so never answers,
//! and the device's. Dropping a [`Wire`] removes both.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sched::{CloneFlags, setns};

use super::frame::{Mac, Place};
use super::number::Family;

pub const CLIENT_MAC: Mac = [0x02, 0, 0, 0, 0x0c, 0x01];
pub const DEVICE_MAC: Mac = [0x02, 0, 0, 0, 0x0d, 0x01];
pub const DEVICE_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub const DEVICE_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 1);
/// The interface in the tester's namespace, and the one in the device's.
pub const CLIENT_LINK: &str = "tester0";
pub const DEVICE_LINK: &str = "device0";

/// Whose TCP answers in the device's namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stack {
    Kernel,
    /// A program that answers for addresses that the interface does not have.
    UserSpace,
}

pub struct Wire {
    pub tester: String,
    pub device: String,
}

impl Wire {
    /// Needs root. The error names the command that failed.
    pub fn new(stack: Stack) -> Result<Self, String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let unique = format!("hf-script-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let wire = Self { tester: format!("{unique}t"), device: format!("{unique}d") };
        let (tester, device) = (&wire.tester, &wire.device);
        run(&format!("ip netns add {tester}"))?;
        run(&format!("ip netns add {device}"))?;
        let quiet = "net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1";
        run(&format!("ip netns exec {tester} sysctl -qw {quiet}"))?;
        run(&format!(
            "ip -n {tester} link add {CLIENT_LINK} address {} type veth peer name {DEVICE_LINK} address {} netns {device}",
            mac_text(CLIENT_MAC),
            mac_text(DEVICE_MAC),
        ))?;
        if stack == Stack::UserSpace {
            run(&format!("ip netns exec {device} sysctl -qw {quiet}"))?;
        }
        for (namespace, link) in [(tester, CLIENT_LINK), (device, DEVICE_LINK)] {
            run(&format!("ip -n {namespace} link set lo up"))?;
            run(&format!("ip -n {namespace} link set {link} up"))?;
            let offloads = "tx off rx off gro off gso off tso off";
            run(&format!("ip netns exec {namespace} ethtool -K {link} {offloads}"))?;
        }
        if stack == Stack::Kernel {
            wire.give_addresses()?;
        }
        Ok(wire)
    }

    fn give_addresses(&self) -> Result<(), String> {
        let device = &self.device;
        run(&format!("ip -n {device} addr add {DEVICE_V4}/24 dev {DEVICE_LINK}"))?;
        run(&format!("ip -n {device} addr add {DEVICE_V6}/64 dev {DEVICE_LINK} nodad"))?;
        // Answers to addresses that no interface has must not fail for want of a route.
        for family in [Family::V4, Family::V6] {
            let gateway = client_address(family, 0);
            run(&format!("ip -n {device} route add default via {gateway} dev {DEVICE_LINK}"))?;
        }
        Ok(())
    }

    /// Sets kernel parameters in the device's namespace.
    pub fn sysctl(&self, settings: &str) -> Result<(), String> {
        run(&format!("ip netns exec {} sysctl -qw {settings}", self.device))
    }

    /// The place of client number `index`.
    pub fn place(&self, family: Family, index: u8) -> Place {
        Place {
            client_mac: CLIENT_MAC,
            device_mac: DEVICE_MAC,
            vlan: None,
            client: client_address(family, index),
            device: device_address(family),
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        for namespace in [&self.tester, &self.device] {
            let _ = run(&format!("ip netns del {namespace}"));
        }
    }
}

/// Client number `index`: at most 50 of them.
pub fn client_address(family: Family, index: u8) -> IpAddr {
    let last = 50 + index % 50;
    match family {
        Family::V4 => Ipv4Addr::new(192, 0, 2, last).into(),
        Family::V6 => Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, last.into()).into(),
    }
}

pub fn device_address(family: Family) -> IpAddr {
    match family {
        Family::V4 => DEVICE_V4.into(),
        Family::V6 => DEVICE_V6.into(),
    }
}

/// Moves this thread into a namespace, from which it does not return: call it on a new thread.
pub fn enter(namespace: &str) {
    let handle = File::open(format!("/var/run/netns/{namespace}")).expect("the namespace exists");
    setns(handle, CloneFlags::CLONE_NEWNET).expect("root may enter a namespace");
}

fn run(command: &str) -> Result<(), String> {
    let mut words = command.split(' ');
    let program = words.next().unwrap_or_default();
    let output = Command::new(program).args(words).output().map_err(|e| format!("{command}: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

fn mac_text(mac: Mac) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}
