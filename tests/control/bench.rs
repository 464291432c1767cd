use handfast_control::Client;
use handfast_lab::{CLIENT_DEVICE, SOURCES_V4};
use nix::sys::signal::Signal;
use support::{Process, lab, owned, program, wait_until};

use crate::asked::Asked;

/// A benchmark reports its progress, and lists the connections that it opened.
#[test]
fn a_benchmark_reports_its_progress() {
    let Some(lab) = lab(|spec| spec) else { return };
    let asked = Asked::start(&lab, &["--cores", "0", "--listen", &owned(false, "80=hold")]);
    let socket = asked.socket.with_file_name("bench.sock");
    let mut command = lab.client().command(program());
    command.args(["bench", "--dev", CLIENT_DEVICE, "--source", SOURCES_V4, "198.18.1.1:80", "--quiet"]);
    command.args(["--workload", "hold", "--connections", "50", "--duration", "600", "--poll", "adaptive"]);
    command.arg("--control").arg(&socket);
    let bench = Process::start(command);

    let status = || Client::connect(&socket).ok()?.status().ok();
    wait_until("all are open", || {
        status().and_then(|status| status.bench).is_some_and(|bench| bench.established == 50)
    });
    let status = status().expect("it answers");
    let progress = status.bench.expect("of a benchmark");
    assert_eq!((status.program.as_str(), progress.workload.as_str()), ("bench", "hold"));
    assert_eq!(progress.target, "198.18.1.1:80");
    assert_eq!((progress.attempted, progress.in_flight, progress.failed), (50, 50, 0));
    let connect = progress.connect_us.expect("measured");
    assert_eq!(connect.count, 50);
    assert!(connect.p50 > 0 && connect.p50 <= connect.p99 && connect.p999 <= connect.max, "{connect:?}");
    // The last ACK may still be on its way to the responder.
    let all = serde_json::json!({"ESTABLISHED": 50});
    wait_until("the responder has them too", || asked.counted(&[]) == all);
    bench.signal(Signal::SIGTERM);
    // Ended early, by a signal.
    assert_eq!(bench.ended().code, Some(4));
    assert!(!socket.exists());
    asked.responder.stop();
}
