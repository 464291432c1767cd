//! `--fix` applies the safe changes, prints how to undo them, and leaves the rest.

use handfast_lab::SERVER_DEVICE;
use serde_json::Value;
use support::program;

use crate::findings::{SPOILT, spoil};

use crate::examination::{assert_responds, examine, examine_with, type_into};

#[test]
fn everything_safe_is_cured_at_once_and_can_be_taken_back() {
    let Some(lab) = support::lab(|spec| spec) else { return };
    for (side, line, ..) in SPOILT {
        spoil(&lab, side, line);
    }
    let before = examine(&lab);
    let fixed = examine_with(&lab, &["--fix"]);
    fixed.assert_content();
    assert_eq!(fixed.json["counts"]["warning"], 0, "{:#}", fixed.json);
    assert_responds(&lab);

    let applied = fixed.json["applied"].as_array().expect("what was done");
    for (_, _, name, level) in SPOILT {
        assert_eq!(before.level(name), level, "{:#}", before.json);
        let done = applied.iter().find(|one| one["check"] == name);
        assert_eq!(done.map(|one| &one["error"]), Some(&Value::Null), "{name}: {applied:#?}");
    }
    for one in applied.iter().rev() {
        type_into(lab.server(), one["undo"].as_str().expect("a way back"));
    }
    let after = examine(&lab);
    let found = |examination: &crate::examination::Examination| -> Vec<(Value, Value)> {
        let checks = examination.json["checks"].as_array().expect("checks");
        checks.iter().map(|check| (check["name"].clone(), check["level"].clone())).collect()
    };
    assert_eq!(found(&after), found(&before), "everything is as it was");
}

#[test]
fn the_text_names_each_command_and_its_undo_in_reverse() {
    let Some(lab) = support::lab(|spec| spec) else { return };
    type_into(lab.server(), "ip link set dev hf-s mtu 9000 && ethtool -K hf-s rxvlan on");
    let fix = || {
        let mut command = lab.server().command(program());
        let output =
            command.args(["doctor", "--dev", SERVER_DEVICE, "--fix"]).output().expect("ip netns exec");
        assert!(output.status.success());
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let text = fix();
    let expected = "\
ran:  ip link set dev hf-s mtu 3046
ran:  ethtool -K hf-s rxvlan off
undo: ethtool -K hf-s rxvlan on
undo: ip link set dev hf-s mtu 9000

";
    assert!(text.starts_with(expected), "{text}");
    assert!(
        text.lines().last().is_some_and(|line| line.starts_with("hf-s: 0 errors, 0 warnings, ")),
        "{text}"
    );
    assert!(fix().starts_with("no safe fix to apply\n"), "a second time there is nothing to do");
}
