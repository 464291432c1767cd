use std::os::unix::process::CommandExt;
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use caps::{CapSet, Capability};
use nix::unistd::geteuid;

use super::args::{LabAction, LabArgs, LabExec, LabSide, LabSpec};
use super::{Failure, demo, lab_bench, lab_engine, lab_flood, lab_programs, lab_trace, signals};
use handfast_lab::{
    BRIDGE_DEVICE, CLIENT_DEVICE, KERNEL_V4, KERNEL_V6, Lab, LabError, SERVED_V4, SERVED_V6, SERVER_DEVICE,
    Spec,
};
use handfast_text::counted;

pub(super) fn run(arguments: &LabArgs) -> Result<ExitCode, Failure> {
    match &arguments.action {
        LabAction::Up(spec) => up(spec),
        LabAction::Down { all: true, .. } => down_all(),
        LabAction::Down { name, .. } => down(name),
        LabAction::Exec(exec) => self::exec(exec),
        LabAction::ServeKernel(arguments) => lab_programs::serve_kernel(arguments),
        LabAction::Ceiling(arguments) => lab_programs::ceiling(arguments),
        LabAction::Bench(arguments) => lab_bench::run(arguments),
        LabAction::Engine(arguments) => lab_engine::run(arguments),
        LabAction::Flood(arguments) => lab_flood::run(arguments),
        LabAction::Trace(arguments) => lab_trace::run(arguments),
        LabAction::Demo(arguments) => demo::run(arguments),
    }
}

impl LabSpec {
    pub(super) fn spec(&self) -> Spec {
        Spec { bridge: self.bridge, ..self.link.spec(&self.name) }
    }
}

fn up(arguments: &LabSpec) -> Result<ExitCode, Failure> {
    let spec = arguments.spec();
    // On an interrupt the lab is removed again.
    let stop = signals::stop()?;
    let made = Lab::up(&spec);
    // The signal ends the commands that make it, too, so it may have failed for that.
    if stop.load(Ordering::Relaxed) {
        return Ok(ExitCode::from(signals::INTERRUPTED));
    }
    let lab = made?;
    println!("{}", description(&lab, &spec));
    lab.keep();
    Ok(ExitCode::SUCCESS)
}

/// The description of the lab, and the next commands.
fn description(lab: &Lab, spec: &Spec) -> String {
    let (client, server) = (lab.client().name(), lab.server().name());
    let width = client.len().max(server.len());
    let (mut kernel, mut served) = (KERNEL_V4.to_string(), SERVED_V4.to_string());
    if spec.ipv6 {
        kernel += &format!(", {KERNEL_V6}");
        served += &format!(" and {SERVED_V6}");
    }
    let clients = if spec.ipv6 { "198.18.0.1 to .32, 2001:db8:18::1 to ::20" } else { "198.18.0.1 to .32" };
    let tag = spec.vlan.map(|id| format!(", VLAN {id}")).unwrap_or_default();
    let name = match lab.name() {
        "lab" => String::new(),
        name => format!(" --name {name}"),
    };
    let bridge = match lab.bridge() {
        Some(bridge) => {
            format!("{:<width$}  {BRIDGE_DEVICE}  between the two, for captures\n", bridge.name())
        }
        None => String::new(),
    };
    format!(
        "{client:<width$}  {CLIENT_DEVICE}  {clients}\n\
         {server:<width$}  {SERVER_DEVICE}  {kernel}; free for the responder: {served}\n\
         {bridge}\
         {queues} each way, offloads off{tag}\n\
         \n\
         next:  handfast lab exec{name} --side server -- \\\n         \
         \x20 handfast respond --dev {SERVER_DEVICE} --listen {SERVED_V4}:80=http\n\
         then:  handfast lab exec{name} -- curl http://198.18.1.1/\n\
         last:  handfast lab down{name}",
        queues = counted(spec.queues.into(), "queue"),
    )
}

fn down(name: &str) -> Result<ExitCode, Failure> {
    // It is finished despite an interrupt: it takes seconds.
    let _stop = signals::stop()?;
    println!("{}", Lab::down(name)?);
    Ok(ExitCode::SUCCESS)
}

/// Removes every lab, even if some cannot be removed.
fn down_all() -> Result<ExitCode, Failure> {
    if !geteuid().is_root() {
        return Err(LabError::NotRoot.into());
    }
    let _stop = signals::stop()?;
    let labs = Lab::all();
    if labs.is_empty() {
        println!("nothing to remove");
    }
    let mut outcome = Ok(ExitCode::SUCCESS);
    for name in labs {
        match Lab::down(&name) {
            Ok(removed) => println!("{removed}"),
            Err(error) => outcome = Err(Failure::from(error).of_what(&format!("lab {name}"))),
        }
    }
    outcome
}

fn exec(arguments: &LabExec) -> Result<ExitCode, Failure> {
    let lab = Lab::open(&arguments.name)?;
    let namespace = match arguments.side {
        LabSide::Client => lab.client(),
        LabSide::Server => lab.server(),
        LabSide::Bridge => lab.bridge().ok_or_else(|| {
            Failure::new(format!("lab {} has no bridge", arguments.name))
                .fix(format!("handfast lab up --bridge --name {}", arguments.name))
        })?,
    };
    let Some((program, rest)) = arguments.command.split_first() else {
        return Err(Failure::new("no command to run"));
    };
    if !geteuid().is_root()
        && !caps::has_cap(None, CapSet::Effective, Capability::CAP_SYS_ADMIN).unwrap_or(false)
    {
        return Err(LabError::NotRoot.into());
    }
    // From here on this process is the command: its signals, its exit code.
    let error = namespace.command(program).args(rest).exec();
    Err(Failure::new(format!("cannot run `ip`: {error}")).fix("apt-get install iproute2"))
}
