//! Interfaces as `ip -json link` reports them.

use serde::Deserialize;

use super::namespace::{Namespace, run};
use super::spec::MARK;

/// Whether one of these namespaces carries the mark of that lab. One that another program created under the
/// name does not.
pub(super) fn is_marked(lab: &str, namespaces: &[&Namespace]) -> bool {
    let mark = format!("{MARK}{lab}");
    let existing = namespaces.iter().filter(|namespace| namespace.exists());
    let mut links = existing.flat_map(|namespace| links(Some(namespace), None).unwrap_or_default());
    links.any(|link| link.ifalias.as_ref() == Some(&mark))
}

/// An interface in the output of `ip -json link`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Link {
    pub ifindex: u32,
    pub ifname: String,
    pub ifalias: Option<String>,
    /// Of a veth: the peer's index, in the peer's namespace.
    pub link_index: Option<u32>,
    /// Id of the peer's namespace, if it is another.
    pub link_netnsid: Option<i32>,
    #[serde(default)]
    linkinfo: LinkKind,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct LinkKind {
    info_kind: Option<String>,
}

impl Link {
    pub(crate) fn is_veth(&self) -> bool {
        self.linkinfo.info_kind.as_deref() == Some("veth")
    }

    pub(crate) fn is_veth_or(&self, name: &str) -> bool {
        self.is_veth() || self.ifname == name
    }
}

/// Returns the interfaces of a namespace, or of the calling thread's.
pub(super) fn links(namespace: Option<&Namespace>, name: Option<&str>) -> Result<Vec<Link>, String> {
    let mut arguments = vec!["-j", "-d"];
    if let Some(namespace) = namespace {
        arguments.extend(["-n", namespace.name()]);
    }
    arguments.extend(["link", "show"]);
    if let Some(name) = name {
        arguments.extend(["dev", name]);
    }
    // For a kernel field without a name `ip` prints an empty object.
    let all: Vec<serde_json::Value> = json(&arguments)?;
    Ok(all.into_iter().filter_map(|link| serde_json::from_value(link).ok()).collect())
}

pub(super) fn json<T: for<'de> Deserialize<'de>>(arguments: &[&str]) -> Result<T, String> {
    let text = run("ip", arguments).map_err(|error| error.to_string())?;
    let text = if text.trim().is_empty() { "[]" } else { text.trim() };
    serde_json::from_str(text)
        .map_err(|error| format!("`ip {}` printed {text:?}: {error}", arguments.join(" ")))
}
