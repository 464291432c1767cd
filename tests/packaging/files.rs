//! Files that name the program's own things, which could be renamed there alone.

const UNIT: &str = include_str!("../../packaging/handfast.service");
const CARGO: &str = include_str!("../../Cargo.toml");
const PRIVILEGES: [&str; 4] = ["CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN", "CAP_NET_RAW"];

fn value<'a>(key: &str) -> &'a str {
    let line = UNIT.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    line.unwrap_or_else(|| panic!("the unit has no {key}"))
}

#[test]
fn the_unit_has_the_capabilities_that_help_names_and_no_other() {
    let help = String::from_utf8(super::handfast(&["respond", "--help"])).unwrap();
    for key in ["AmbientCapabilities", "CapabilityBoundingSet"] {
        let there: Vec<&str> = value(key).split(' ').collect();
        assert_eq!(there, PRIVILEGES, "{key}");
    }
    let named = PRIVILEGES.map(|name| name.trim_start_matches("CAP_"));
    assert!(named.iter().all(|name| help.contains(name)), "{help}");
}

#[test]
fn the_unit_runs_what_is_installed_where_it_is_installed() {
    let started = value("ExecStart");
    let (program, rest) = started.split_once(' ').unwrap();
    let configuration = rest.rsplit(' ').next().unwrap();
    assert!(
        CARGO.contains(r#"["target/release/handfast", "usr/bin/", "755"]"#) && program == "/usr/bin/handfast"
    );
    assert!(CARGO.contains(&format!("conf-files = [\"{configuration}\"]")), "{configuration}");
}

/// systemd's own opinion of it, where systemd is.
#[test]
fn systemd_knows_every_key_of_the_unit() {
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("handfast.service");
    // It looks for the program, and for the pages, where nothing is installed.
    let text =
        UNIT.replace("/usr/bin/handfast respond", "/bin/true respond").replace("man:handfast-respond(1)", "");
    std::fs::write(&unit, text).unwrap();
    let Some(output) = super::other("systemd-analyze", "systemd", &["verify"], &unit) else { return };
    let ours: Vec<String> = super::said(&output)
        .lines()
        .filter(|line| line.contains("handfast.service"))
        .map(str::to_owned)
        .collect();
    assert!(output.status.success() && ours.is_empty(), "{ours:#?}");
}

/// An address that is not read is worse than none.
#[test]
fn nobody_is_named_who_is_not_there() {
    for (name, text) in [
        ("Cargo.toml", CARGO),
        ("handfast.service", UNIT),
        ("copyright", include_str!("../../packaging/copyright")),
    ] {
        for placeholder in [".invalid", ".example", "example.com", "example.org", "localhost"] {
            assert!(!text.contains(placeholder), "{name} names {placeholder}");
        }
    }
    let has = |key: &str| CARGO.lines().any(|line| line.starts_with(&format!("{key} = ")));
    assert!(["keywords", "categories", "license", "description"].iter().all(|key| has(key)));
}

#[test]
fn who_builds_the_package_maintains_it() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tools/maintainer");
    let maintainer = |name: &str, address: &str| {
        let mut command = std::process::Command::new(script);
        let output = command.env("DEBFULLNAME", name).env("DEBEMAIL", address).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(maintainer("Ada Byron", "ada@host.net"), "Ada Byron <ada@host.net>\n");
    assert_eq!(maintainer("", "Ada Byron <ada@host.net>"), "Ada Byron <ada@host.net>\n");
    // Of git, or of this host.
    let found = maintainer("", "");
    let (name, address) = found.trim().split_once(" <").unwrap();
    assert!(!name.is_empty() && address.contains('@') && address.ends_with('>'), "{found}");
}
