//! An interface that another program uses: which one, and which command ends it. Doctor ends nothing by itself.

use std::os::fd::AsFd;

use handfast_lab::{Lab, SERVER_DEVICE};
use handfast_stack::xdp::{Device, Program, Queue, QueueConfig, SteeringRule};
use libbpf_rs::{Xdp, XdpFlags};
use support::{Process, program};

use crate::examination::{assert_responds, examine, examine_with, respond, type_into};

/// Names the queue to take, in the program that [`holder`] is.
const QUEUE: &str = "HF_DOCTOR_QUEUE";

/// The one finding, on which `--fix` does nothing; its command cures it.
fn cured_by_hand(lab: &Lab, name: &str, cure: impl FnOnce()) {
    let found = examine_with(lab, &["--fix"]);
    assert_eq!((found.errors(), found.code), (vec![name], Some(1)), "{:#}", found.json);
    assert_eq!(found.json["applied"].as_array().map(Vec::len), Some(0), "{:#}", found.json);
    type_into(lab.server(), &found.fix(name));
    cure();
    examine(lab).assert_content();
}

#[test]
#[ignore = "not a test: the program that another one starts to hold an AF_XDP socket"]
fn holder() {
    let Some(queue) = std::env::var(QUEUE).ok().and_then(|queue| queue.parse().ok()) else { return };
    let device = Device::open(SERVER_DEVICE).expect("the device");
    let queue = Queue::open(&QueueConfig::new(&device.name, device.index, queue)).expect("a free queue");
    println!("ready");
    std::thread::sleep(std::time::Duration::from_secs(60));
    drop(queue);
}

#[test]
fn a_queue_that_another_program_has_taken() {
    let Some(lab) = support::lab(|spec| handfast_lab::Spec { queues: 2, ..spec }) else { return };
    let mut command = lab.server().command(std::env::current_exe().expect("this program"));
    command.args(["--exact", "in_use::holder", "--ignored", "--nocapture"]).env(QUEUE, "1");
    let holder = Process::ready(command);
    let found = examine(&lab);
    let said = found.check("queue-sockets")["found"].as_str().expect("text").to_owned();
    assert!(said.contains("taken: 1; free: 0") && said.contains(&holder.id().to_string()), "{said}");
    cured_by_hand(&lab, "queue-sockets", || drop(holder.ended()));
    assert_responds(&lab);
}

#[test]
fn a_queue_that_appeared_under_a_running_responder() {
    let Some(lab) = support::lab(|spec| handfast_lab::Spec { queues: 2, ..spec }) else { return };
    type_into(lab.server(), "ethtool -L hf-s rx 1 tx 1");
    type_into(lab.client(), "ethtool -L hf-c rx 1 tx 1");
    let mut command = lab.server().command(program());
    command.args(respond()).args(["--mode", "generic"]);
    let _responder = Process::ready(command);
    let found = examine(&lab);
    found.assert_content();
    assert!(
        found.check("programs")["found"].as_str().is_some_and(|said| said.contains("a handfast is running"))
    );

    type_into(lab.server(), "ethtool -L hf-s rx 2 tx 2");
    assert!(examine(&lab).check("queue-sockets")["why"].as_str().is_some_and(|why| why.contains("dropped")));
    cured_by_hand(&lab, "queue-sockets", || {});
}

#[test]
fn a_program_that_a_process_keeps_attached() {
    let Some(lab) = support::lab(|spec| spec) else { return };
    let mut command = lab.server().command(program());
    command.args(["lab", "ceiling", "xdp-tx", "--dev", SERVER_DEVICE, "--tcp-port", "7000"]);
    let other = Process::ready(command);
    let found = examine(&lab);
    let said = found.check("programs")["found"].as_str().expect("text").to_owned();
    assert!(said.contains("generic mode") && said.contains(&other.id().to_string()), "{said}");
    cured_by_hand(&lab, "programs", || drop(other.ended()));
    assert_responds(&lab);
}

#[test]
fn a_program_that_was_left_attached() {
    let Some(lab) = support::lab(|spec| spec) else { return };
    for (flags, mode) in [(XdpFlags::SKB_MODE, "generic"), (XdpFlags::DRV_MODE, "native")] {
        let attach = || {
            let device = Device::open(SERVER_DEVICE).expect("the device");
            let program = Program::load::<SteeringRule>(&[], &[]).expect("a program");
            Xdp::new(program.as_fd()).attach(device.index as i32, flags).expect("attached by netlink");
        };
        lab.in_server(attach).expect("inside");
        let found = examine(&lab);
        let said = found.check("programs")["found"].as_str().expect("text").to_owned();
        assert!(said.contains(mode), "{said}");
        cured_by_hand(&lab, "programs", || {});
        assert_responds(&lab);
    }
}
