//! The eBPF program on the link, `bpf/lab_link.bpf.c`: tags, distribution over queues, losses.

use std::os::fd::AsFd;

use libbpf_rs::{ObjectBuilder, Program, TC_EGRESS, TC_INGRESS, TcAttachPoint, TcHookBuilder};
use nix::net::if_::if_nametoindex;

use super::error::LabError;
use super::loss::Loss;
use super::spec::Spec;

static OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/lab_link.bpf.o"));

/// Attaches to the client's end. Call it inside its namespace.
pub(super) fn attach_client(device: &str, spec: &Spec) -> Result<(), LabError> {
    let queues = if spec.scatter { spec.queues as u16 } else { 0 };
    let config = LinkConfig { vlan: spec.vlan.unwrap_or(0), queues, loss: spec.loss };
    attach(device, &config)
}

/// Attaches to the server's end, for its kernel. Call it inside its namespace.
pub(super) fn attach_server(device: &str, vlan: u16) -> Result<(), LabError> {
    attach(device, &LinkConfig { vlan, queues: 0, loss: Loss::NONE })
}

/// `struct config` of the C program.
struct LinkConfig {
    vlan: u16,
    queues: u16,
    loss: Loss,
}

impl LinkConfig {
    fn bytes(&self) -> [u8; 8] {
        let ([v0, v1], [q0, q1]) = (self.vlan.to_ne_bytes(), self.queues.to_ne_bytes());
        let [n0, n1] = self.loss.one_in.to_ne_bytes();
        [v0, v1, q0, q1, self.loss.to_server.bits(), self.loss.to_client.bits(), n0, n1]
    }
}

fn attach(device: &str, config: &LinkConfig) -> Result<(), LabError> {
    let fail = |hook| move |source| LabError::LinkProgram { device: device.into(), hook, source };
    let index = if_nametoindex(device)
        .map_err(|errno| fail("interface")(libbpf_rs::Error::from_raw_os_error(errno as i32)))?;
    let mut object = ObjectBuilder::default().open_memory(OBJECT).map_err(fail("open"))?;
    for mut map in object.maps_mut() {
        if map.name().to_string_lossy().ends_with(".rodata") {
            map.set_initial_value(&config.bytes()).map_err(fail("configuration"))?;
        }
    }
    let object = object.load().map_err(fail("load"))?;
    for (turn, program) in object.progs().enumerate() {
        let (hook, point) = match program.name().to_str() {
            Some("outbound") => ("clsact egress", TC_EGRESS),
            _ => ("clsact ingress", TC_INGRESS),
        };
        attach_one(&program, index as i32, point, turn == 0).map_err(fail(hook))?;
    }
    // The interface keeps the programs, and they the map: the object can be dropped.
    Ok(())
}

/// `first`: creates the clsact queueing discipline, which both directions use.
fn attach_one(program: &Program<'_>, index: i32, point: TcAttachPoint, first: bool) -> libbpf_rs::Result<()> {
    let mut builder = TcHookBuilder::new(program.as_fd());
    let mut hook = builder.ifindex(index).replace(true).handle(1).priority(1).hook(point);
    if first {
        hook.create()?;
    }
    hook.attach().map(drop)
}
