//! An interface as `ip` and `ethtool` describe it.

use std::collections::HashMap;

use serde::Deserialize;

use super::command::{CommandError, output};
use super::netns::Netns;

/// What `ip -json -details link show` says of one interface, as far as it is used.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Link {
    pub ifindex: u32,
    pub ifname: String,
    #[serde(default)]
    pub flags: Vec<String>,
    #[serde(default)]
    pub mtu: u32,
    /// The peer's index, of a veth.
    pub link_index: Option<u32>,
    /// The peer's namespace, if it is another one.
    pub link_netnsid: Option<i32>,
    #[serde(default)]
    linkinfo: LinkInfo,
    #[serde(default)]
    xdp: Xdp,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct LinkInfo {
    #[serde(default)]
    info_kind: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Xdp {
    #[serde(default)]
    attached: Vec<AttachedProgram>,
}

/// An XDP program on the interface.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct AttachedProgram {
    /// `XDP_ATTACHED_*`.
    mode: u32,
    pub prog: ProgramIdentity,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct ProgramIdentity {
    pub id: u32,
    /// Told to `CAP_SYS_ADMIN` alone.
    pub name: Option<String>,
}

impl AttachedProgram {
    pub(super) fn mode(&self) -> &'static str {
        match self.mode {
            1 => "native",
            2 => "generic",
            3 => "offloaded",
            _ => "an unknown",
        }
    }

    /// What `ip link set dev IF … off` calls the mode.
    pub(super) fn keyword(&self) -> &'static str {
        match self.mode {
            1 => "xdpdrv",
            2 => "xdpgeneric",
            3 => "xdpoffload",
            _ => "xdp",
        }
    }
}

impl Link {
    pub(super) fn ask(netns: &Netns, name: &str) -> Result<Link, CommandError> {
        Link::listed(netns, &["show", "dev", name])
    }

    /// The one with this index.
    pub(super) fn by_index(netns: &Netns, index: u32) -> Result<Link, CommandError> {
        let stdout = output(&netns.words(["ip", "-json", "-details", "link", "show"]))?;
        let links: Vec<Link> = parsed(&stdout)?;
        links.into_iter().find(|link| link.ifindex == index).ok_or_else(|| nothing(&stdout))
    }

    fn listed(netns: &Netns, which: &[&str]) -> Result<Link, CommandError> {
        let command = ["ip", "-json", "-details", "link"].iter().chain(which).copied();
        let stdout = output(&netns.words(command))?;
        parsed(&stdout)?.into_iter().next().ok_or_else(|| nothing(&stdout))
    }

    pub(super) fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|has| has == flag)
    }

    pub(super) fn is_veth(&self) -> bool {
        self.linkinfo.info_kind == "veth"
    }

    pub(super) fn programs(&self) -> &[AttachedProgram] {
        &self.xdp.attached
    }
}

fn parsed(stdout: &str) -> Result<Vec<Link>, CommandError> {
    serde_json::from_str(stdout)
        .map_err(|error| CommandError::Failed { program: "ip".into(), message: error.to_string() })
}

fn nothing(stdout: &str) -> CommandError {
    let stdout: String = stdout.chars().take(200).collect();
    CommandError::Failed { program: "ip".into(), message: format!("no such interface in {stdout:?}") }
}

/// What a driver's switches stand at: `ethtool -k`.
#[derive(Clone, Debug, Default)]
pub(super) struct Features(HashMap<String, Feature>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Feature {
    pub on: bool,
    /// The driver has no switch for it.
    pub fixed: bool,
}

impl Features {
    pub(super) fn ask(netns: &Netns, name: &str) -> Result<Features, CommandError> {
        output(&netns.words(["ethtool", "-k", name])).map(|stdout| Features::parse(&stdout))
    }

    fn parse(stdout: &str) -> Features {
        let feature = |line: &str| {
            let (name, state) = line.split_once(':')?;
            let mut words = state.split_whitespace();
            let on = match words.next()? {
                "on" => true,
                "off" => false,
                _ => return None,
            };
            Some((name.trim().to_owned(), Feature { on, fixed: words.any(|word| word == "[fixed]") }))
        };
        Features(stdout.lines().filter_map(feature).collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<Feature> {
        self.0.get(name).copied()
    }
}

/// Queues as `ethtool -l` counts them, now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ChannelCounts {
    pub rx: u32,
    pub tx: u32,
    pub combined: u32,
}

impl ChannelCounts {
    pub(super) fn ask(netns: &Netns, name: &str) -> Result<ChannelCounts, CommandError> {
        output(&netns.words(["ethtool", "-l", name])).map(|stdout| ChannelCounts::parse(&stdout))
    }

    fn parse(stdout: &str) -> ChannelCounts {
        let (_, now) = stdout.split_once("Current hardware settings:").unwrap_or_default();
        let count = |name: &str| {
            let line = now.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
        };
        ChannelCounts { rx: count("RX"), tx: count("TX"), combined: count("Combined") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_with_a_program_is_read() {
        let stdout = r#"[{"ifindex":2,"link_index":3,"ifname":"hf-s","flags":["UP","LOWER_UP"],"mtu":1500,
            "xdp":{"mode":2,"prog":{"id":7,"name":"steer"},"attached":[{"mode":2,"prog":{"id":7,"name":"steer"}}]},
            "link_netnsid":0,"linkinfo":{"info_kind":"veth"}}]"#;
        let link = parsed(stdout).expect("JSON").remove(0);
        assert!(link.is_veth() && link.has("LOWER_UP") && !link.has("LOOPBACK"));
        assert_eq!((link.link_index, link.link_netnsid, link.mtu), (Some(3), Some(0), 1500));
        let program = &link.programs()[0];
        assert_eq!((program.prog.id, program.mode(), program.keyword()), (7, "generic", "xdpgeneric"));
        assert_eq!(program.prog.name.as_deref(), Some("steer"));
    }

    #[test]
    fn switches_are_read_with_those_that_cannot_be_moved() {
        let stdout = "Features for hf-s:\nrx-checksumming: on\n\ttx-checksum-ipv4: off [fixed]\nlro: odd\n";
        let features = Features::parse(stdout);
        assert_eq!(features.get("rx-checksumming"), Some(Feature { on: true, fixed: false }));
        assert_eq!(features.get("tx-checksum-ipv4"), Some(Feature { on: false, fixed: true }));
        assert_eq!((features.get("lro"), features.get("none")), (None, None));
    }

    #[test]
    fn queues_are_those_of_now() {
        let stdout = "Channel parameters for hf-s:\nPre-set maximums:\nRX:\t\t8\nTX:\t\t8\nCombined:\tn/a\n\
            Current hardware settings:\nRX:\t\t2\nTX:\t\t3\nOther:\t\tn/a\nCombined:\tn/a\n";
        assert_eq!(ChannelCounts::parse(stdout), ChannelCounts { rx: 2, tx: 3, combined: 0 });
        assert_eq!(ChannelCounts::parse("nonsense"), ChannelCounts::default());
    }
}
