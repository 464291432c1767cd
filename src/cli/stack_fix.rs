//! The fix for each error of the stack, with the options and commands of an operator. The stack's
//! own errors state facts only.

use super::{Listen, at_work};
use handfast_stack::engine::stack::StartError;
use handfast_stack::table::TableError;
use handfast_stack::xdp::{
    AttachError, AttachedProgram, BpfRefusal, ProgramError, XdpError, bpf_refusal, missing_capabilities,
};

/// The capabilities that handfast needs to start, as `setcap` writes them.
const CAPABILITIES: &str = "cap_bpf,cap_perfmon,cap_net_admin,cap_net_raw+ep";

/// The fix for a stack that could not start on `devices`. `listeners`: what it was to answer, if
/// anything. Errors of an interface also refer to `handfast doctor`.
pub(super) fn start(error: &StartError, devices: &[String], listeners: &[Listen]) -> Option<String> {
    let fix = cause(error, listeners);
    let checked = match error {
        StartError::Xdp(XdpError::Loopback { .. }) => false,
        StartError::Program(ProgramError::Attach(AttachError::Busy { holder, .. })) => !holder.is_handfast(),
        StartError::Xdp(_) | StartError::Program(_) | StartError::CookieTier { .. } => true,
        _ => false,
    };
    let message = error.to_string();
    let named = devices.iter().find(|device| message.contains(device.as_str()));
    let doctor = named.or(devices.first()).filter(|_| checked);
    let doctor = doctor.map(|device| format!("`handfast doctor --dev {device}` shows more"));
    match (fix, doctor) {
        (Some(fix), Some(doctor)) => Some(format!("{fix}; {doctor}")),
        (fix, doctor) => fix.or(doctor),
    }
}

fn cause(error: &StartError, listeners: &[Listen]) -> Option<String> {
    let fix = match error {
        StartError::NoDevice => "--dev IF",
        StartError::Twice { .. } => "give --dev once for each interface",
        StartError::NoListener => "--listen ADDR:PORT",
        StartError::NoGateway => "--gateway MAC",
        StartError::Xdp(error) => return xdp(error),
        StartError::Program(error) => return program(error, listeners),
        StartError::CookieTier { .. } => {
            "--cookie-tier auto, with which the cores answer where the eBPF program cannot; or --mode generic"
        }
        StartError::NoCpu { .. } => "choose among the available CPUs with --cores",
        StartError::Prefault(_) => "leave out --prefault, or give fewer connections: --max-connections",
        StartError::Table(TableError::Memory { .. }) => {
            "fewer connections need less: --max-connections; or raise the limit: ulimit -v, vm.overcommit_memory"
        }
        StartError::Table(_) => "choose another number of connections: --max-connections",
        StartError::Capture(_) => "give another file: --pcap FILE",
        StartError::Schedule { .. } => {
            "start as root, or with CAP_SYS_NICE; in a systemd unit: LimitRTPRIO=99, LimitNICE=-20 and \
             RestrictRealtime=no; in a container: a cgroup that may run real-time threads"
        }
        StartError::BusyRealtime => "leave out --poll busy, or the fifo of --priority",
        _ => return None,
    };
    Some(fix.to_owned())
}

/// The fix for an interface or a queue that cannot be used.
pub(super) fn xdp(error: &XdpError) -> Option<String> {
    Some(match error {
        XdpError::NoInterface { .. } => "name one of these interfaces; `ip link` shows them".into(),
        XdpError::Loopback { .. } => {
            "name another interface; to try handfast without one: handfast lab up".into()
        }
        XdpError::NotEthernet { ifname, .. } => format!(
            "name the Ethernet interface on which the tunnel's packets arrive, or create a tunnel interface with \
             Ethernet headers: ip tuntap add {ifname} mode tap"
        ),
        XdpError::InterfaceDown { ifname } => format!("ip link set {ifname} up"),
        XdpError::Mtu { ifname, advised, .. } => format!("ip link set {ifname} mtu {advised}"),
        XdpError::NotPermitted { .. } => privileges(),
        XdpError::QueueInUse { ifname, .. } => {
            format!("`ss --xdp -p` and `bpftool net show dev {ifname}` show the program that uses it")
        }
        XdpError::NoQueue { ifname, .. } => {
            format!("for more queues: ethtool -L {ifname} combined N (veth: rx N tx N)")
        }
        XdpError::NoZeroCopy { .. } => "leave out --zerocopy, or give --copy".into(),
        XdpError::ZeroCopyInGeneric { .. } => "--mode native, or leave out --zerocopy".into(),
        XdpError::Memlock { .. } => {
            "ulimit -l unlimited, or systemd's LimitMEMLOCK=infinity, or CAP_IPC_LOCK; or a smaller --ring"
                .into()
        }
        XdpError::Config { .. } | XdpError::Call { .. } | XdpError::List(_) => return None,
        _ => return None,
    })
}

/// The fix for a steering program that was not loaded or attached.
pub(super) fn program(error: &ProgramError, listeners: &[Listen]) -> Option<String> {
    Some(match error {
        ProgramError::LoadPermission { .. } => privileges(),
        ProgramError::Load { .. } => {
            "handfast needs Linux 5.10 or newer with CONFIG_BPF_SYSCALL and CONFIG_XDP_SOCKETS".into()
        }
        ProgramError::TooManyRules { .. } => "give fewer listeners, or wider prefixes".into(),
        ProgramError::Queue { .. } => "give the interface fewer queues: ethtool -L IF combined N".into(),
        ProgramError::Attach(error) => attach(error, listeners),
        _ => return None,
    })
}

fn attach(error: &AttachError, listeners: &[Listen]) -> String {
    match error {
        AttachError::Busy { holder, .. } if holder.is_handfast() => {
            at_work::fix(holder.process.as_ref(), listeners)
        }
        AttachError::Busy { interface, holder, .. } => {
            format!("remove that program: {}", removal(interface, holder))
        }
        AttachError::UpperDevice { .. } => {
            "name that device with --dev, or remove its program: `ip link set dev DEVICE xdp off`".into()
        }
        AttachError::Mtu { interface, .. } => {
            format!("`ip link set dev {interface} mtu 3498` (veth: at both ends), or --mode generic")
        }
        AttachError::Queues { interface, .. } => format!(
            "`ethtool -L {interface} rx N` (veth) or `ethtool -L {interface} combined N`, or --mode generic"
        ),
        AttachError::Unsupported { interface, .. } => {
            format!("--mode generic (`ethtool -i {interface}` names the driver)")
        }
        AttachError::Permission { .. } => privileges(),
        AttachError::NoInterface { .. } => "`ip link` lists the interfaces of this namespace".into(),
        AttachError::Invalid { interface, .. } => {
            format!("`ethtool -K {interface} lro off`, or Linux 5.10 or newer")
        }
        _ => "`dmesg | tail` may show the cause".into(),
    }
}

/// The command that removes the program of another process.
fn removal(interface: &str, holder: &AttachedProgram) -> String {
    let netlink = format!("`ip link set dev {interface} {} off`", holder.mode.ip_link_keyword());
    match (holder.link_id, &holder.name) {
        (Some(link), _) => format!("stop its process, or `bpftool link detach id {link}`"),
        // Whoever sees the name would see a link as well.
        (None, Some(_)) => netlink,
        (None, None) => format!("{netlink}; if a link holds it, stop its process (`bpftool link`)"),
    }
}

/// How to get the permissions, by what refuses them.
fn privileges() -> String {
    if !missing_capabilities().is_empty() {
        let binary = std::env::current_exe().unwrap_or_else(|_| "BINARY".into());
        return format!("run as root, or: setcap {CAPABILITIES} {}", binary.display());
    }
    match bpf_refusal() {
        BpfRefusal::Seccomp => {
            "docker run --security-opt seccomp=unconfined, or a profile that allows bpf(2) (Docker's own does from \
             23.0 on, with --cap-add BPF); in a systemd unit: SystemCallFilter=bpf"
        }
        BpfRefusal::UserNamespace => "run it as root of the host",
        BpfRefusal::Unknown => "`dmesg | tail` may show what refuses it",
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use handfast_stack::xdp::Mode;

    #[test]
    fn the_fix_names_the_options_and_the_interface() {
        let ifname = || "eth0".to_owned();
        for (error, part) in [
            (StartError::NoCpu { cpu: 9, available: "0-1".into() }, "--cores"),
            (StartError::CookieTier { interface: ifname(), why: "no XDP_TX".into() }, "--cookie-tier auto"),
            (XdpError::InterfaceDown { ifname: ifname() }.into(), "ip link set eth0 up"),
            (
                XdpError::Mtu { ifname: ifname(), mtu: 9000, max: 3818, advised: 3046 }.into(),
                "ip link set eth0 mtu 3046",
            ),
            (XdpError::NotEthernet { ifname: ifname(), hardware: 512 }.into(), "mode tap"),
            (XdpError::ZeroCopyInGeneric { ifname: ifname() }.into(), "--mode native"),
            (ProgramError::TooManyRules { entries: 9, max: 8 }.into(), "wider prefixes"),
        ] {
            let fix = start(&error, &[], &[]).unwrap_or_default();
            assert!(fix.contains(part), "{error}: {fix}");
        }
    }

    #[test]
    fn a_program_of_another_process_is_removed_the_way_it_was_attached() {
        let holder = |name: Option<&str>, link_id| AttachedProgram {
            program_id: 7,
            name: name.map(str::to_owned),
            mode: Mode::Generic,
            link_id,
            process: None,
        };
        for (holder, part) in [
            (holder(Some("other"), Some(3)), "bpftool link detach id 3"),
            (holder(Some("other"), None), "`ip link set dev eth0 xdpgeneric off`"),
            (holder(None, None), "if a link holds it"),
        ] {
            let command = removal("eth0", &holder);
            assert!(command.contains(part), "{command}");
        }
    }
}
