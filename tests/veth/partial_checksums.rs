//! A veth peer with transmit offload sends checksums of the pseudo-header only.

use std::io::Write;
use std::time::Duration;

use handfast_lab::CLIENT_DEVICE;
use handfast_lab::load::Plan;
use support::{Responder, at, attempts, clients, lab, owned};

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
    assert!(
        warning.is_some_and(|line| line.contains("ethtool -K PEER tx off tso off gso off")),
        "{}",
        summary.text
    );

    // While it runs, not only at its end.
    let mut responder = Responder::start(&lab, &["--listen", &listener]);
    attempts(&lab, &short);
    responder
        .await_line_where(|line| line.starts_with("warning: ") && line.contains("only a partial checksum"));
    responder.stop();

    let responder = Responder::start(&lab, &["--listen", &listener, "--accept-partial-checksums"]);
    clients(&lab, &Plan::sequential(at(false, 7001), 100));
    let summary = responder.stop();
    assert_eq!(summary.total("established"), 100, "{}", summary.text);
    assert_eq!(summary.dropped("tcp_partial_checksum"), 0, "{}", summary.text);
}

/// Accepted without a word they would be a trap: the first large packet of an upload fits no frame.
#[test]
fn packets_larger_than_a_frame_are_said_when_they_come() {
    let Some(lab) = lab(|spec| spec) else { return };
    lab.client()
        .run(&["ethtool", "-K", CLIENT_DEVICE, "tx", "on", "tso", "on", "gso", "on"])
        .expect("ethtool");
    let listener = owned(false, "7=discard");
    let arguments = ["--mode", "generic", "--accept-partial-checksums", "--listen", &listener];
    let mut responder = Responder::start(&lab, &arguments);
    let to = at(false, 7);
    let upload = lab.in_client(|| -> std::io::Result<std::net::TcpStream> {
        let mut stream = std::net::TcpStream::connect_timeout(&to, Duration::from_secs(20))?;
        stream.set_nonblocking(true)?;
        // As much as the socket takes: the window lets some segments go at once.
        while stream.write(&[7; 64 << 10]).is_ok() {}
        Ok(stream)
    });
    let stream = upload.expect("the namespace").expect("it listens");
    let line = responder.await_line_where(|line| line.contains("larger than a frame"));
    assert!(line.contains("at the peer: ethtool -K PEER tso off gso off"), "{line}");
    drop(stream);
    responder.stop();
}
