//! `handfast lab demo` from end to end, as `make demo` runs it, but shorter.

use std::process::Command;

#[test]
fn the_demo_ends_with_a_table_that_fits_80_columns_and_leaves_nothing() {
    let Some(()) = support::root() else { return };
    let name = support::lab_name();
    let output = Command::new(support::program())
        .args(["lab", "demo", "--name", &name, "--duration", "1", "--rounds", "1"])
        .output()
        .expect("runs");
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && errors.is_empty(), "{text}{errors}");
    let (_, end) = text.split_once("Side by side").expect("the comparison");
    let wide = end.lines().find(|line| line.chars().count() > 80);
    assert_eq!(wide, None, "{end}");
    for row in ["kernel ", "handfast ", "replay "] {
        let line = end.lines().rfind(|line| line.trim_start().starts_with(row) && line.contains('%'));
        let line = line.unwrap_or_else(|| panic!("{row}: {end}"));
        assert!(line.ends_with(" 0"), "no failures: {line}");
    }
    assert!(end.contains(&format!("removed namespace  hf-{name}-client")), "{end}");
}
