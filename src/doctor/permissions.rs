//! Permissions of the process that runs doctor: `handfast respond` of the same user has no others.

use caps::{CapSet, Capability};
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
use nix::unistd::geteuid;

use super::Action;
use super::check::{Check, Fix};
use super::host::line;
use handfast_stack::xdp::{QueueConfig, missing_capabilities};

const NEEDED: [Capability; 4] =
    [Capability::CAP_BPF, Capability::CAP_PERFMON, Capability::CAP_NET_ADMIN, Capability::CAP_NET_RAW];
/// Including the one that lifts the limit of locked memory.
const GRANT: &str = "cap_bpf,cap_perfmon,cap_net_admin,cap_net_raw,cap_ipc_lock+ep";

/// `queues`: those of the interface; `frame_size`: bytes of a frame.
pub(super) fn checks(queues: u32, frame_size: u32) -> Vec<Check> {
    vec![capabilities(), locked_memory(queues, frame_size), unprivileged_bpf()]
}

/// Whether no capability is missing to start.
pub(super) fn may_start() -> bool {
    missing().is_empty()
}

fn has(set: CapSet, capability: Capability) -> bool {
    caps::has_cap(None, set, capability).unwrap_or(false)
}

fn missing() -> Vec<Capability> {
    let to_bind = (!has(CapSet::Effective, Capability::CAP_NET_RAW)).then_some(Capability::CAP_NET_RAW);
    missing_capabilities().into_iter().chain(to_bind).collect()
}

fn capabilities() -> Check {
    let missing = missing();
    let named = |list: &[Capability]| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if missing.is_empty() {
        return Check::ok("capabilities", named(&NEEDED));
    }
    let check = Check::error("capabilities", format!("missing: {}", named(&missing)));
    let why = "handfast needs them to load, attach and bind; it drops all of them before the first packet.";
    // A file capability cannot exceed the bounding set.
    match missing.iter().all(|capability| has(CapSet::Bounding, *capability)) {
        true => check.why(why).fix(grant()),
        false => check.why(format!(
            "{why} They are not in the bounding set of this process: a container needs --cap-add for each, a \
             systemd unit AmbientCapabilities= and CapabilityBoundingSet=."
        )),
    }
}

/// Gives this binary its capabilities, for every user.
fn grant() -> Option<Fix> {
    let path = std::env::current_exe().ok()?.display().to_string();
    let undo = Action::run(["setcap", "-r", &path]);
    Some(Fix::by_hand(Action::run(["setcap", GRANT, &path])).undone_by(undo))
}

fn locked_memory(queues: u32, frame_size: u32) -> Check {
    let name = "locked-memory";
    let exempt = [Capability::CAP_IPC_LOCK, Capability::CAP_SYS_RESOURCE]
        .into_iter()
        .any(|capability| has(CapSet::Effective, capability));
    if exempt {
        return Check::ok(name, "no limit for this process");
    }
    let config = QueueConfig { frame_size, ..QueueConfig::new("", 0, 0) };
    let needed = u64::from(queues.max(1)) * config.memory();
    let Ok((_, hard)) = getrlimit(Resource::RLIMIT_MEMLOCK) else {
        return Check::unknown(name, "the limit cannot be read");
    };
    match hard {
        RLIM_INFINITY => Check::ok(name, "no limit"),
        _ => {
            let found = format!("up to {} KiB; {} KiB are needed", hard >> 10, needed >> 10);
            if hard >= needed {
                return Check::ok(name, found);
            }
            let check = Check::error(name, found).why("The frames of every queue are locked memory.");
            check.fix(if geteuid().is_root() { raise() } else { grant() })
        }
    }
}

/// Raises the limit of the shell that started doctor.
fn raise() -> Option<Fix> {
    let shell = nix::unistd::getppid().to_string();
    Some(Fix::by_hand(Action::run(["prlimit", "--memlock=unlimited:unlimited", "--pid", &shell])))
}

fn unprivileged_bpf() -> Check {
    let name = "unprivileged-bpf";
    match line("/proc/sys/kernel/unprivileged_bpf_disabled").as_deref() {
        Some("0") => {
            Check::ok(name, "on: some programs load without capabilities, but not those of handfast")
        }
        Some(_) => Check::ok(name, "off: loading needs CAP_BPF"),
        None => Check::unknown(name, "the kernel does not report it"),
    }
}
