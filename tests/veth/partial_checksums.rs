//! A veth peer with transmit offload sends checksums of the pseudo-header only.

use std::time::Duration;

use handfast::lab::CLIENT_DEVICE;
use handfast::lab::load::Plan;

use crate::responder::Responder;
use crate::stage::{at, attempts, clients, lab, owned};

#[test]
fn are_refused_and_explained_and_taken_if_asked() {
    let Some(lab) = lab(|spec| spec) else { return };
    lab.client().run(&["ethtool", "-K", CLIENT_DEVICE, "tx", "on"]).expect("ethtool");
    let listener = owned(false, "7001=close");

    let responder = Responder::start(&lab, &["--listen", &listener]);
    let short = Plan { timeout: Duration::from_millis(500), ..Plan::sequential(at(false, 7001), 1) };
    assert_eq!(attempts(&lab, &short).established, 0);
    let summary = responder.stop();
    assert!(summary.dropped("tcp_partial_checksum") > 0, "{}", summary.text);
    assert_eq!(summary.dropped("tcp_checksum"), 0, "{}", summary.text);
    let warning = summary.text.lines().find(|line| line.starts_with("warning:"));
    assert!(warning.is_some_and(|line| line.contains("ethtool -K PEER tx off")), "{}", summary.text);

    let responder = Responder::start(&lab, &["--listen", &listener, "--accept-partial-checksums"]);
    clients(&lab, &Plan::sequential(at(false, 7001), 100));
    let summary = responder.stop();
    assert_eq!(summary.total("established"), 100, "{}", summary.text);
    assert_eq!(summary.dropped("tcp_partial_checksum"), 0, "{}", summary.text);
}
