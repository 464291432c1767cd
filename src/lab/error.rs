use std::io;

/// Why a lab cannot be created, entered or removed.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    #[error("invalid lab name, {reason}: use 1 to 16 letters, digits or dashes")]
    Name { reason: String },
    #[error("invalid number of queues {queues}: use 1 to 64")]
    Queues { queues: u32 },
    #[error("invalid VLAN {id}: use 1 to 4094")]
    Vlan { id: u16 },
    #[error("namespaces and veth pairs need root (CAP_SYS_ADMIN and CAP_NET_ADMIN)")]
    NotRoot,
    #[error("cannot run `{program}`: {source}")]
    Tool { program: String, source: io::Error },
    #[error("`{command}` failed: {message}")]
    Command { command: String, message: String },
    #[error("there is no lab named {name} (namespace hf-{name}-client)")]
    Absent { name: String },
    #[error("cannot enter namespace {namespace}: {source}")]
    Enter { namespace: String, source: io::Error },
    #[error("cannot set {path} to `{value}`: {source}")]
    Sysctl { path: String, value: String, source: io::Error },
    #[error("cannot attach the link program to {device} ({hook}): {source}")]
    LinkProgram { device: String, hook: &'static str, source: libbpf_rs::Error },
}

impl LabError {
    /// The command or the change that fixes it, if there is one.
    pub fn fix(&self) -> Option<String> {
        match self {
            LabError::NotRoot => Some("run it as root, with sudo".into()),
            LabError::Tool { program, source } if source.kind() == io::ErrorKind::NotFound => {
                Some(format!("apt-get install {}", package_of(program)))
            }
            LabError::Absent { name } => Some(format!("handfast lab up --name {name}")),
            LabError::LinkProgram { .. } => {
                Some("a kernel with CONFIG_NET_CLS_BPF and CONFIG_NET_SCH_INGRESS, and CAP_BPF".into())
            }
            _ => None,
        }
    }
}

fn package_of(program: &str) -> &str {
    match program {
        "ip" | "tc" => "iproute2",
        other => other,
    }
}
