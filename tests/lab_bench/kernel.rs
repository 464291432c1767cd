//! `handfast lab serve-kernel`: the kernel's stack serves every workload.

use std::net::SocketAddr;

use handfast_lab::load::{self, ClientScript, Plan, Progress};
use handfast_lab::{KERNEL_V4, KERNEL_V6, Spec, client_addresses};

use crate::server::{Server, counts, replay_client};

const COUNT: u64 = 500;

#[test]
fn kernel_clients_see_every_workload_to_its_end_over_both_families() {
    let Some(lab) = support::lab(|spec| Spec { ipv6: true, ..spec }) else { return };
    let request = ClientScript::Request {
        request: b"GET / HTTP/1.1\r\n\r\n".into(),
        response_prefix: b"HTTP/1.1 200".into(),
    };
    for target in [SocketAddr::from((KERNEL_V4, 7000)), SocketAddr::from((KERNEL_V6, 7000))] {
        for (workload, closer, script) in [
            ("lifecycle", "client", ClientScript::CloseFirst),
            ("lifecycle", "server", ClientScript::PeerCloses),
            ("handshake", "client", ClientScript::PeerCloses),
            ("request", "server", request.clone()),
        ] {
            let listen = target.to_string();
            let arguments = ["lab", "serve-kernel", "--listen", &listen, "--workload", workload];
            let server = Server::start(lab.server(), &[&arguments[..], &["--closer", closer]].concat());
            let plan =
                Plan::parallel(target, COUNT, 50).sources(client_addresses(target.is_ipv6())).script(script);
            let tally =
                lab.in_client(|| load::run(&plan, &Progress::default())).expect("inside").expect("epoll");
            assert_eq!(
                (tally.completed, tally.failed()),
                (COUNT, 0),
                "{workload} {closer} {target}: {tally}"
            );
            let report = server.stop();
            let found = counts(&report, ["accepted", "closed", "failed"]);
            assert_eq!(found, [COUNT, COUNT, 0], "{workload} {closer}: {report}");
        }
    }
}

#[test]
fn the_bare_client_calls_the_kernel_from_routed_sources() {
    let Some(lab) = support::lab(|spec| Spec { ipv6: true, ..spec }) else { return };
    for peer in ["198.18.255.1:7000", "[2001:db8:18::ff:1]:7000"] {
        for (workload, closer) in [
            ("handshake", "client"),
            ("lifecycle", "client"),
            ("lifecycle", "server"),
            ("request", "server"),
            ("request", "client"),
        ] {
            for options in [&[][..], &["--timestamps"]] {
                let pattern = [&["--workload", workload, "--closer", closer], options].concat();
                let arguments = [&["lab", "serve-kernel", "--listen", peer], &pattern[..]].concat();
                let server = Server::start(lab.server(), &arguments);
                let client = [&["--count", "500", "--window", "64"], &pattern[..]].concat();
                let report = replay_client(&lab, peer, &client);
                let found = counts(&report, ["completed", "rst", "lost", "in_flight"]);
                assert_eq!(found, [COUNT, 0, 0, 0], "{peer} {pattern:?}: {report}");
                let report = server.stop();
                let found = counts(&report, ["accepted", "closed", "failed"]);
                assert_eq!(found, [COUNT, COUNT, 0], "{peer} {pattern:?}: {report}");
            }
        }
    }
}

#[test]
fn an_address_that_is_not_the_kernels_is_named() {
    let Some(lab) = support::lab(|spec| spec) else { return };
    let listen = "198.18.255.77:7000";
    let mut command = lab.server().command(support::program());
    let output = command.args(["lab", "serve-kernel", "--listen", listen]).output().expect("runs");
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && complaint.contains(listen), "{complaint}");
}
