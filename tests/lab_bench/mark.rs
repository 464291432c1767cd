//! Interfaces that may be flooded: those of a lab, with both ends in it.

use std::process::Command;

use handfast_lab::{
    BRIDGE_TO_CLIENT, CLIENT_DEVICE, Lab, Namespace, SERVER_DEVICE, Spec, WhyNot, is_lab_interface,
};

#[test]
fn both_ends_of_a_lab_are_its_own() {
    for bridge in [false, true] {
        let Some(lab) = support::lab(|spec| Spec { bridge, ..spec }) else { return };
        assert_eq!(lab.in_client(|| is_lab_interface(CLIENT_DEVICE)).expect("inside"), Ok(()));
        assert_eq!(lab.in_server(|| is_lab_interface(SERVER_DEVICE)).expect("inside"), Ok(()));
    }
}

#[test]
fn another_lab_is_no_hindrance() {
    let (Some(one), Some(other)) = (support::lab(|spec| spec), support::lab(|spec| spec)) else { return };
    for lab in [one, other] {
        assert_eq!(lab.in_client(|| is_lab_interface(CLIENT_DEVICE)).expect("inside"), Ok(()));
    }
}

#[test]
fn loopback_and_what_is_not_there_are_refused() {
    let Some(lab) = support::lab(|spec| spec) else { return };
    let ask = |name| lab.in_client(|| is_lab_interface(name)).expect("inside").expect_err(name);
    assert_eq!(ask("lo"), WhyNot::NotVeth { interface: "lo".into() });
    assert!(matches!(ask("hf-nowhere"), WhyNot::Unknown { .. }));
}

#[test]
fn a_veth_without_the_mark_is_refused() {
    let Some(lab) = support::lab(|spec| spec) else { return };
    let unmarked = Err(WhyNot::NoMark { interface: CLIENT_DEVICE.into() });
    for alias in ["", "something else", "handfast-la"] {
        ip(lab.client(), &["link", "set", CLIENT_DEVICE, "alias", alias]);
        assert_eq!(lab.in_client(|| is_lab_interface(CLIENT_DEVICE)).expect("inside"), unmarked, "{alias:?}");
    }
    // Nor is its peer trusted now.
    let beside = WhyNot::PeerOutside { interface: SERVER_DEVICE.into(), lab: lab.name().into() };
    assert_eq!(lab.in_server(|| is_lab_interface(SERVER_DEVICE)).expect("inside"), Err(beside));
}

#[test]
fn the_mark_of_a_lab_that_is_not_there_is_refused() {
    let Some(lab) = support::lab(|spec| spec) else { return };
    for (alias, named) in
        [("handfast-lab:gone", "gone"), ("handfast-lab:", ""), ("handfast-lab:../x", "../x")]
    {
        ip(lab.client(), &["link", "set", CLIENT_DEVICE, "alias", alias]);
        let outside = WhyNot::Outside { interface: CLIENT_DEVICE.into(), lab: named.into() };
        assert_eq!(lab.in_client(|| is_lab_interface(CLIENT_DEVICE)).expect("inside"), Err(outside));
    }
}

#[test]
fn an_end_that_was_moved_out_is_refused_on_both_sides() {
    let Some(lab) = support::lab(|spec| spec) else { return };
    let Some(elsewhere) = support::lab(|spec| spec) else { return };
    // The other lab's namespace stands for any other place; its own end makes room.
    ip(elsewhere.server(), &["link", "set", SERVER_DEVICE, "name", "hf-own"]);
    ip(lab.server(), &["link", "set", SERVER_DEVICE, "netns", elsewhere.server().name()]);

    let name = lab.name().to_string();
    let beside = WhyNot::PeerOutside { interface: CLIENT_DEVICE.into(), lab: name.clone() };
    assert_eq!(lab.in_client(|| is_lab_interface(CLIENT_DEVICE)).expect("inside"), Err(beside));
    let outside = WhyNot::Outside { interface: SERVER_DEVICE.into(), lab: name };
    assert_eq!(elsewhere.in_server(|| is_lab_interface(SERVER_DEVICE)).expect("inside"), Err(outside));
}

#[test]
fn a_copied_mark_does_not_make_a_lab() {
    let Some(lab) = support::lab(|spec| spec) else { return };
    // A second pair inside, marked at our end: its other end is in another namespace, unmarked.
    let Some(elsewhere) = support::lab(|spec| spec) else { return };
    let (ours, theirs) = (lab.client().name(), elsewhere.client().name());
    ip(lab.client(), &["link", "add", "hf-x", "type", "veth", "peer", "name", "hf-y", "netns", theirs]);
    let mark = format!("handfast-lab:{}", lab.name());
    ip(lab.client(), &["link", "set", "hf-x", "alias", &mark]);
    let beside =
        |interface: &str| WhyNot::PeerOutside { interface: interface.into(), lab: lab.name().into() };
    assert_eq!(lab.in_client(|| is_lab_interface("hf-x")).expect("inside"), Err(beside("hf-x")), "{ours}");

    // Both ends here, one without the mark.
    ip(lab.client(), &["link", "add", "hf-v", "type", "veth", "peer", "name", "hf-w"]);
    ip(lab.client(), &["link", "set", "hf-v", "alias", &mark]);
    assert_eq!(lab.in_client(|| is_lab_interface("hf-v")).expect("inside"), Err(beside("hf-v")));
}

#[test]
fn a_bridge_with_a_port_to_elsewhere_is_refused() {
    let Some(lab) = support::lab(|spec| Spec { bridge: true, ..spec }) else { return };
    let bridge = lab.bridge().expect("a bridge");
    ip(bridge, &["link", "add", "hf-out", "type", "veth", "peer", "name", "hf-far"]);
    let refused = lab.in_client(|| is_lab_interface(CLIENT_DEVICE)).expect("inside").expect_err("refused");
    assert!(matches!(&refused, WhyNot::ForeignPort { .. }), "{refused}");
    assert!(!refused.fix().is_empty());
    ip(bridge, &["link", "delete", "hf-out"]);
    assert_eq!(lab.in_client(|| is_lab_interface(CLIENT_DEVICE)).expect("inside"), Ok(()));
    ip(bridge, &["link", "set", BRIDGE_TO_CLIENT, "alias", ""]);
    assert!(lab.in_client(|| is_lab_interface(CLIENT_DEVICE)).expect("inside").is_err());
}

#[test]
fn a_lab_with_a_bridge_is_removed_whole() {
    let Some(lab) = support::lab(|spec| Spec { bridge: true, ..spec }) else { return };
    let name = lab.name().to_string();
    let removed = lab.remove().expect("down");
    let expected = ["client", "server", "bridge"].map(|side| format!("hf-{name}-{side}"));
    assert_eq!((removed.namespaces, removed.links.len()), (expected.to_vec(), 2));
    assert!(Lab::down(&name).expect("down again").is_empty());
}

fn ip(namespace: &Namespace, arguments: &[&str]) {
    let mut command = Command::new("ip");
    let output = command.args(["-n", namespace.name()]).args(arguments).output().expect("ip");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
