//! A link that loses the first copy of every data segment, each way. (The kernel of the lab needs
//! no netem for that: the link's program drops it.)

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use handfast_lab::load::{ClientScript, Plan};
use handfast_lab::{Lab, Loss, SegmentKinds, Spec};
use support::{Responder, at, clients, lab, owned, tool};

/// What the client and the responder each lose once.
const LOSSES: [Loss; 2] = [
    Loss { to_server: SegmentKinds::DATA, to_client: SegmentKinds::NONE, ..Loss::NONE },
    Loss { to_server: SegmentKinds::NONE, to_client: SegmentKinds::DATA, ..Loss::NONE },
];

#[test]
fn an_echo_is_whole_though_a_segment_is_lost_either_way() {
    for loss in LOSSES {
        let Some(lab) = lab(|spec| Spec { loss, ..spec }) else { return };
        let mut responder = start(&lab);
        let answer = lab.in_client(converse).expect("the namespace");
        assert_eq!(answer, "a message that must arrive whole");
        responder.await_open(0);
        let summary = responder.stop();
        assert_eq!(summary.total("established"), 1, "{}", summary.text);
        assert_eq!(summary.closed("passive"), 1, "{}", summary.text);
        let sent_again = summary.total("retransmissions");
        assert_eq!(sent_again > 0, loss.to_client != SegmentKinds::NONE, "{loss:?}: {}", summary.text);
    }
}

#[test]
fn a_page_is_whole_though_a_segment_is_lost_either_way() {
    for loss in LOSSES {
        let Some(lab) = lab(|spec| Spec { loss, ..spec }) else { return };
        let responder = start(&lab);
        let request = b"GET / HTTP/1.1\r\nHost: handfast\r\n\r\n".to_vec();
        let response_prefix = b"HTTP/1.1 200 OK\r\n".to_vec();
        let script = ClientScript::Request { request, response_prefix };
        clients(&lab, &Plan::parallel(at(false, 80), 20, 20).script(script));
        let summary = responder.stop();
        let sent_again = summary.total("retransmissions");
        match loss.to_client {
            SegmentKinds::NONE => assert_eq!(sent_again, 0, "{}", summary.text),
            _ => assert!(sent_again >= 20, "each page twice: {}", summary.text),
        }
    }
}

#[test]
fn curl_gets_the_same_page_with_and_without_loss() {
    let both = Loss { to_server: SegmentKinds::DATA, to_client: SegmentKinds::DATA, ..Loss::NONE };
    let pages: Vec<String> = [Loss::NONE, both]
        .into_iter()
        .filter_map(|loss| {
            tool("curl")?;
            let lab = lab(|spec| Spec { loss, ..spec })?;
            let responder = start(&lab);
            let url = format!("http://{}/", at(false, 80));
            let page = lab.client().run(&["curl", "-sS", "-i", "--max-time", "10", &url]).expect("curl");
            let summary = responder.stop();
            assert_eq!(summary.total("retransmissions") > 0, loss == both, "{}", summary.text);
            Some(page)
        })
        .collect();
    let [clean, lossy] = pages.as_slice() else { return };
    assert!(clean.starts_with("HTTP/1.1 200 OK\r\n"), "{clean}");
    assert_eq!(clean, lossy);
}

fn start(lab: &Lab) -> Responder {
    Responder::start(lab, &["--listen", &owned(false, "7=echo"), "--listen", &owned(false, "80=http")])
}

fn converse() -> String {
    let mut stream = TcpStream::connect(at(false, 7)).expect("established");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("an option");
    let mut answer = vec![0; 32];
    stream.write_all(b"a message that must arrive whole").expect("sent");
    stream.read_exact(&mut answer).expect("the echo");
    stream.shutdown(Shutdown::Write).expect("our FIN");
    assert_eq!(stream.read_to_end(&mut Vec::new()).expect("a FIN"), 0, "nothing after the echo");
    String::from_utf8(answer).expect("as sent")
}
