//! The packet scripts against handfast's engine in memory, under a virtual clock: all of them, also
//! those that wait for minutes, in a moment and without privileges.

mod script;

use script::backend_memory::Memory;
use script::frame::Place;
use script::language::Script;
use script::netns::{CLIENT_MAC, DEVICE_MAC, client_address, device_address};
use script::suite::{Outcome, assert_all_passed, assert_scripts_can_fail, chosen};

#[test]
fn the_engine_passes_the_scripts() {
    let outcomes: Vec<Outcome> = chosen(|_| true).into_iter().map(|script| play(script, None)).collect();
    assert_all_passed(&outcomes);
}

#[test]
fn the_engine_passes_the_scripts_with_a_vlan_tag() {
    let outcomes: Vec<Outcome> = chosen(|_| true).into_iter().map(|script| play(script, Some(7))).collect();
    assert_all_passed(&outcomes);
}

#[test]
fn every_script_fails_on_a_broken_device() {
    let outcomes: Vec<Outcome> = chosen(|_| true).into_iter().map(|script| play(script, None)).collect();
    assert_scripts_can_fail(&outcomes);
}

/// Each script gets an engine of its own; afterwards no frame may be missing.
fn play(script: Script, vlan: Option<u16>) -> Outcome {
    let place = Place {
        client_mac: CLIENT_MAC,
        device_mac: DEVICE_MAC,
        vlan,
        client: client_address(script.family, 0),
        device: device_address(script.family),
    };
    let mut memory = Memory::new(script.setup);
    let mut outcome = Outcome::of(script, place, &mut memory);
    if memory.lost_frames() > 0 && outcome.result.is_ok() {
        outcome.result = Err(format!("{}: {} frames are lost", outcome.script.name, memory.lost_frames()));
    }
    outcome
}
