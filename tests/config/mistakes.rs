//! Every mistake is named with file, line and column, its line and a caret, and what is allowed.

use std::process::Command;

use crate::file::File;

/// Exit code and message, with the file's name as `F`.
fn check(file: &str, more: &[&str]) -> (i32, String) {
    let mut command = Command::new(support::program());
    command.args(["respond", "--check", "--config", file]).args(more);
    let output = command.output().expect("runs");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).expect("UTF-8").replace(file, "F");
    (output.status.code().expect("not killed"), text)
}

const GOOD: &str = "dev = \"eth0\"\nlisten = \"10.0.0.1:80\"\n";

#[test]
fn each_mistake_has_its_place() {
    for (text, place, parts) in [
        // The language.
        ("dev = [\"eth0\"\nlisten = []", "F:2:1:", &["missing comma"][..]),
        ("dev = 'eth0\n", "F:1:12:", &["literal string"]),
        ("dev\n", "F:1:4:", &["key with no value"]),
        (
            "dev = \"a\"\nmss = 500\ndev = \"b\"",
            "F:3:1:",
            &["`dev` is there twice", "F:1:1: here for the first time"],
        ),
        ("ring = 64\n\"ring\" = 128", "F:2:1:", &["`ring` is there twice", "F:1:1:"]),
        // Keys.
        (
            "max_connections = 5",
            "F:1:1:",
            &["unknown key `max_connections`; did you mean `max-connections`?"],
        ),
        ("mss = 500\nlitsen = \"a\"", "F:2:1:", &["did you mean `listen`?"]),
        ("zzz = 1", "F:1:1:", &["unknown key `zzz`", "options of `handfast respond`"]),
        ("[respond]\nmss = 500", "F:1:2:", &["unknown key `respond`", "outside of any table"]),
        ("config = \"other\"", "F:1:1:", &["unknown key `config`"]),
        ("check = true", "F:1:1:", &["unknown key `check`"]),
        // Kinds.
        ("prefault = \"yes\"", "F:1:12:", &["`prefault` takes true or false, not a string"]),
        ("prefault = 1", "F:1:12:", &["true or false, not a number"]),
        ("mss = true", "F:1:7:", &["`mss` takes N, a string or a number, not true or false"]),
        ("ring = [64, 128]", "F:1:8:", &["not several values"]),
        ("duration = 1979-05-27", "F:1:12:", &["not a date"]),
        (
            "[[listen]]\nport = 80",
            "F:1:1:",
            &["`listen` takes strings, each ADDR:PORT=SERVICE", "not a table"],
        ),
        ("dev = [\"eth0\", [\"eth1\"]]", "F:1:16:", &["`dev` takes strings, each IF", "not several values"]),
        ("cores = [0, true]", "F:1:13:", &["as in [0, 2, 3]"]),
        // Values, by the options' own parsers.
        ("ring = 1000", "F:1:8:", &["invalid ring size `1000`", "as in 2048"]),
        ("mode = 'fast'", "F:1:8:", &["invalid value `fast` of `mode`: write one of auto, native, generic"]),
        ("mss = 5", "F:1:7:", &["5 is not in 64..=1730"]),
        ("mss = -0x5", "F:1:7:", &["cannot be signed"]),
        ("mss = 'x'", "F:1:7:", &["invalid value `x` of `mss`: invalid digit"]),
        ("msl = 1e9", "F:1:7:", &["at most one hour"]),
        ("cores = '3-1'", "F:1:9:", &["write 1-3"]),
        ("cores = [1, 0, 1]", "F:1:9:", &["core 1 is given twice"]),
        ("fault = 'lose=1%'", "F:1:9:", &["unknown fault `lose`; the faults are drop, reset and delay"]),
        ("dev = [\"eth0\",\n  \"a/b\"]", "F:2:3:", &["invalid interface name `a/b`"]),
        (
            "listen = [\n  \"10.0.0.1:80\",\n  \"10.0.0.1:81=telnet\",\n]",
            "F:3:3:",
            &["unknown service \"telnet\"; known are hold"],
        ),
        ("listen = [80]", "F:1:11:", &["write ADDR[/PREFIX]:PORT"]),
        ("listen = \"\u{fc}\u{fc}:80\"", "F:1:10:", &["neither an IPv4 nor an IPv6"]),
        // Several together.
        (
            "dev = ['a', 'b', 'a']\nlisten = '10.0.0.1:80'",
            "F:1:18:",
            &["interface a is given twice", "F:1:8:"],
        ),
        (
            "dev = 'a'\nlisten = [\n '10.0.0.1:80=http',\n '10.0.0.2:80',\n '10.0.0.1:80=echo']",
            "F:5:2:",
            &["port 80 of 10.0.0.1/32 is claimed twice", "narrow one of them", "F:3:2: the other one"],
        ),
        (
            "dev = 'a'\nlisten = '10.0.0.1:80'\ncopy = true\nzerocopy = true",
            "F:4:1:",
            &["'--copy' cannot be used with '--zerocopy'", "F:3:1: the other one"],
        ),
        (
            "dev = 'a'\nlisten = '10.0.0.1:80'\nsnaplen = 96\nmss = 500\nfilter = 80",
            "F:3:1:",
            &["`snaplen` requires `pcap`\n 3 | snaplen", "F:5:1: `filter` requires"],
        ),
        ("listen = \"10.0.0.1:80\"", "F: no interface", &["dev = [\"eth0\"]", "--dev"]),
        ("dev = \"eth0\"\nlisten = []", "F: no listener", &["--listen"]),
        ("", "F: no interface", &[]),
    ] {
        let file = File::new(text);
        let (code, said) = check(&file.path(), &[]);
        assert_eq!(code, 2, "{text}\n{said}");
        assert!(said.starts_with(&format!("handfast: {place}")), "{text}\n{said}");
        parts.iter().for_each(|part| assert!(said.contains(part), "no {part:?} for\n{text}\n{said}"));
    }
}

#[test]
fn the_line_is_shown_and_the_caret_stands_below() {
    let file = File::new("# one\nring = 1000 # few\n");
    let (_, said) = check(&file.path(), &[]);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[1..], [" 2 | ring = 1000 # few", "   |        ^^^^"], "{said}");
}

#[test]
fn all_mistakes_are_said_at_once_in_their_order() {
    let file = File::new("ring = 1\nmsl = 'x'\nmode = 'y'\n");
    let (_, said) = check(&file.path(), &[]);
    let places: Vec<usize> =
        ["F:1:8", "F:2:7", "F:3:8"].iter().filter_map(|place| said.find(place)).collect();
    assert!(places.len() == 3 && places.is_sorted(), "{said}");
    let many: Vec<String> = (0..1000).map(|n| format!("\"10.0.0.1:{n}=x\"")).collect();
    let file = File::new(format!("listen = [\n{}]", many.join(",\n")));
    let (_, said) = check(&file.path(), &[]);
    assert!(said.contains("and 990 more errors") && said.lines().count() < 40, "{said}");
}

#[test]
fn what_is_no_file_of_text_is_refused() {
    let file = File::new(b"dev = 'a'\n\xc3\xbc = \xff\n");
    assert_eq!(check(&file.path(), &[]), (2, "handfast: F:2:5: invalid UTF-8\n".into()));
    for (path, part) in
        [("/nowhere/f", "No such file"), ("/dev/zero", "not a regular file"), ("/tmp", "not a regular file")]
    {
        let (code, said) = check(path, &[]);
        assert!(code == 2 && said.contains(part), "{code} {said}");
    }
    let file = File::new(" ".repeat((16 << 20) + 1));
    let (code, said) = check(&file.path(), &[]);
    assert!(code == 2 && said.contains("longer than 16 MiB"), "{code} {said}");
}

#[test]
fn the_command_line_wins() {
    let file = File::new(format!("{GOOD}copy = true\nring = 64\nprefault = false\n"));
    for (more, part) in [
        (&[][..], "listens to 10.0.0.1:80=discard on eth0"),
        (&["--listen", "10.9.9.9:1=echo"], "listens to 10.9.9.9:1=echo on eth0"),
        (&["--dev", "eth7", "--ring", "128", "--prefault"], "on eth7"),
        (&["--zerocopy"], "fine"),
    ] {
        let (code, said) = check(&file.path(), more);
        assert!(code == 0 && said.contains(part), "{more:?}: {said}");
    }
    // A value that the command line overrides must be valid all the same.
    let file = File::new(format!("{GOOD}ring = 65\n"));
    assert_eq!(check(&file.path(), &["--ring", "128"]).0, 2);
    // It may also have what the file's keys need, or a key that needs what is missing.
    let file = File::new(format!("{GOOD}snaplen = 96\n"));
    assert_eq!(check(&file.path(), &["--pcap", "/tmp/f"]).0, 0);
    // A collision among the arguments has no place in the file.
    let file = File::new("dev = 'eth0'");
    let (code, said) = check(&file.path(), &["--listen", "10.0.0.1:80", "--listen", "10.0.0.1:80=echo"]);
    assert!(code == 2 && said.starts_with("handfast: F: listeners 1"), "{said}");
}

#[test]
fn every_form_of_a_value_is_taken() {
    for text in [
        "max-connections = 0x1000",
        "max-connections = 1_048_576",
        "max-connections = '4M'",
        "max-connections = +5",
        "duration = 0.5",
        "duration = 1_0.5",
        "cores = 0",
        "cores = '0-3'",
        "cores = [0, 1]",
        "interval = 0",
        "accept-partial-checksums = true",
        "subnet = ['10.0.0.0/24', '2001:db8::/64']",
    ] {
        let file = File::new(format!("{GOOD}{text}\n"));
        let (code, said) = check(&file.path(), &[]);
        assert_eq!((code, said.contains("F: fine")), (0, true), "{text}: {said}");
    }
}

#[test]
fn check_wants_a_file_and_no_file_wants_the_rest() {
    for (arguments, part) in [
        (&["respond", "--check", "--dev", "a", "--listen", "10.0.0.1:80"][..], "--config <FILE>"),
        (&["respond", "--dev", "a"], "--listen"),
        (&["respond", "--listen", "10.0.0.1:80"], "--dev"),
    ] {
        let output = Command::new(support::program()).args(arguments).output().expect("runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && said.contains(part), "{arguments:?}: {said}");
    }
}
