//! Every workload against every kind of server: every failure has its reason.

use std::fs;
use std::net::SocketAddr;

use handfast_lab::{CLIENT_DEVICE, KERNEL_V4, KERNEL_V6, SOURCES_V6, Spec};
use nix::sys::signal::Signal;
use nix::unistd::{User, geteuid};
use support::{OWNED_V4, skipped};

use crate::programs::{Stage, stage};

/// One of the addresses that belong to the responder alone.
const SERVED_6: &str = "2001:db8:18::1:1";
const RUN: &str = "--duration 1 --concurrency 64";

#[test]
fn handfast_respond_completes_every_workload() {
    let Some(stage) = stage(|spec| spec) else { return };
    let listeners = ["7=echo", "9=discard", "80=http", "81=close", "82=hold"];
    let responder = stage.respond(&listeners, "");
    for (port, workload, packets) in [
        (9, "--workload handshake", 4.0),
        (9, "--workload lifecycle", 6.0),
        (81, "--workload lifecycle --closer server", 6.0),
        (7, "--workload request", 8.0),
        (80, "--workload request --http /", 8.0),
    ] {
        let results = stage.bench(&format!("{OWNED_V4}:{port} {workload} {RUN}"));
        results.assert_flawless();
        // Whatever was not sent again is what the workload is made of, and nothing besides.
        assert_eq!(results.number("retransmissions"), 0.0, "{}", results.text);
        let measured = results.number("packets_per_connection");
        match workload.contains("request") {
            // How segments and ACKs are merged is the peer's affair.
            true => assert!((6.0..=10.0).contains(&measured), "{workload}: {measured}"),
            false => assert_eq!(measured, packets, "{workload}: {}", results.text),
        }
        let (p50, max) = (results.number("latency_us.connect.p50"), results.number("latency_us.connect.max"));
        assert!(p50 > 0.0 && p50 <= max, "{}", results.text);
    }
    held(&stage, &format!("{OWNED_V4}:82"));
    let total = responder.stop();
    assert_eq!((&total["frames_lost"], &total["closed"]["handshake_timeout"]), (&0.into(), &0.into()));
}

/// The server closes first, so it has every 4-tuple in TIME-WAIT when the next run comes, and until
/// the end of this test.
#[test]
fn a_second_run_does_not_meet_what_the_first_left_behind() {
    let Some(stage) = stage(|spec| spec) else { return };
    let _responder = stage.respond(&["81=close"], "--msl 60");
    let run = |arguments: &str| {
        let common = "--closer server --concurrency 64 --timeout 2 --syn-retries 0";
        stage.bench(&format!("{OWNED_V4}:81 {common} {arguments}"))
    };
    let passes = |arguments: &str| {
        let results = run(&format!("--connections 2000 {arguments}"));
        // Of four billion 4-tuples: in one run of a few hundred, one has been used before.
        assert!(results.failures() <= 2, "{}", results.text);
        assert_eq!(results.connections("completed"), 2000 - results.failures(), "{}", results.text);
    };
    passes("");
    passes("");
    // Asked for, it can be had, and is named.
    passes("--seed 7 --syn-options mss");
    let met = run("--connections 64 --seed 7 --syn-options mss");
    // Of the SYNs one in two has a number beyond the connection before, and is welcome (RFC 6191).
    assert!(met.failures() > 8, "{}", met.text);
    met.assert_says(&["TIME-WAIT", "--seed"]);
}

/// A next hop of IPv6 is waited for, and a packet has 20 bytes more.
#[test]
fn everything_goes_over_ipv6_too() {
    let Some(stage) = stage(|spec| Spec { ipv6: true, ..spec }) else { return };
    let responder = stage.respond(&[&format!("[{SERVED_6}]:9=discard")], "");
    let bench = |target: &str, arguments: &str| {
        let from = (stage.client(), CLIENT_DEVICE, SOURCES_V6);
        stage.report(stage.start_at(from, &format!("{target} {RUN} {arguments}")))
    };
    for (workload, packets) in [("handshake", 4.0), ("lifecycle", 6.0)] {
        let results = bench(&format!("[{SERVED_6}]:9"), &format!("--workload {workload}"));
        results.assert_flawless();
        assert_eq!(results.number("packets_per_connection"), packets, "{}", results.text);
    }
    responder.stop();
    let at = SocketAddr::new(KERNEL_V6.into(), 7000);
    let kernel = stage.serve_kernel(at, "--workload lifecycle");
    bench(&at.to_string(), "").assert_flawless();
    kernel.signal(Signal::SIGTERM);
    assert_eq!(kernel.ended().code, Some(0));
    let closed = SocketAddr::new(KERNEL_V6.into(), 7001);
    let from = (stage.client(), CLIENT_DEVICE, SOURCES_V6);
    let refused = stage.report_of(stage.start_at(from, &format!("{closed} --connections 100")), 5);
    assert_eq!((refused.failed("refused"), refused.connections("attempted")), (100, 100), "{}", refused.text);
}

fn held(stage: &Stage, target: &str) {
    let results = stage.bench(&format!("{target} --workload hold --connections 2000 --concurrency 64"));
    results.assert_flawless();
    assert_eq!(results.connections("completed"), 2000);
    results.assert_says(&["probe round trip"]);
    assert!(!results.text.contains("completion"), "{}", results.text);
}

#[test]
fn the_kernel_completes_every_workload() {
    let Some(stage) = stage(|spec| spec) else { return };
    let at = SocketAddr::new(KERNEL_V4.into(), 7000);
    for (workload, server) in [
        ("--workload handshake", "--workload handshake"),
        ("--workload lifecycle", "--workload lifecycle"),
        ("--workload lifecycle --closer server", "--workload lifecycle --closer server"),
        ("--workload request", "--workload request --closer client"),
    ] {
        let kernel = stage.serve_kernel(at, server);
        let results = stage.bench(&format!("{at} {workload} {RUN}"));
        results.assert_flawless();
        kernel.signal(Signal::SIGTERM);
        let ended = kernel.ended();
        assert_eq!(ended.code, Some(0), "{}", ended.text);
    }
    // It waits for its peer to close first, which is long enough.
    let _kernel = stage.serve_kernel(at, "--workload lifecycle");
    held(&stage, &at.to_string());
}

#[test]
fn nginx_answers_every_request() {
    if !std::path::Path::new("/usr/sbin/nginx").exists() {
        return skipped("nginx is not installed: apt-get install nginx-light").unwrap_or_default();
    }
    let Some(stage) = stage(|spec| spec) else { return };
    let (at, files) = (SocketAddr::new(KERNEL_V4.into(), 8080), stage.file("nginx"));
    fs::create_dir(&files).expect("a directory");
    let directory = files.to_str().expect("UTF-8");
    let user = User::from_uid(geteuid()).ok().flatten().map_or("root".to_owned(), |user| user.name);
    let config = format!(
        "daemon off;\nmaster_process off;\nuser {user};\npid {directory}/pid;\nerror_log stderr;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\n\
             access_log off;\n\
             client_body_temp_path {directory}/body;\n\
             proxy_temp_path {directory}/proxy;\n\
             fastcgi_temp_path {directory}/fastcgi;\n\
             uwsgi_temp_path {directory}/uwsgi;\n\
             scgi_temp_path {directory}/scgi;\n\
             server {{\n\
                 listen {at} backlog=4096;\n\
                 location = / {{ return 200 'hello\\n'; }}\n\
             }}\n\
         }}\n"
    );
    let file = files.join("nginx.conf");
    fs::write(&file, config).expect("written");
    let mut command = stage.server().command("/usr/sbin/nginx");
    command.args(["-p", directory, "-c"]).arg(&file);
    let nginx = stage.serve(command, at);

    let results = stage.bench(&format!("{at} --workload request --http / {RUN}"));
    results.assert_flawless();
    let missing = stage.bench(&format!("{at} --workload request --http /none --connections 100"));
    let failed = (missing.failed("http-status"), missing.connections("completed"));
    assert_eq!(failed, (100, 0), "{}", missing.text);
    missing.assert_says(&["404: 100", "by http status: by status, 404: 100"]);
    assert_eq!(missing.number("connections.http_statuses.404"), 100.0);
    nginx.signal(Signal::SIGTERM);
    assert_eq!(nginx.ended().code, Some(0));
}
