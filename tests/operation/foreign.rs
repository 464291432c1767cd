//! Text from files and names: nothing of it moves the cursor, sets colours, or adds a line.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use support::{Ended, program, run};
use tempfile::TempDir;

/// Moves the cursor, sets the title, colours, rings, fakes a line; also in one character (C1).
const EVIL: &str = "\x1b[2J\x1b]0;t\x07\x1b[31mA\r\nfix: rm -rf /\u{9b}1m\u{202e}\u{7f}";

fn handfast(arguments: &[&OsStr]) -> Ended {
    let mut command = Command::new(program());
    command.args(arguments);
    run(command)
}

fn assert_plain(what: &str, ended: &Ended) {
    for text in [&ended.out, &ended.err] {
        let evil = text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t') || *c == '\u{202e}');
        assert_eq!(evil, None, "{what}: {text:?}");
        assert!(!text.lines().any(|line| line.starts_with("fix: rm")), "{what}: {text:?}");
    }
}

/// With that after every string and name of it, except those that its reader needs.
fn poisoned(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text + EVIL),
        Value::Array(values) => values.into_iter().map(poisoned).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| {
                let kept = ["schema", "started_at", "kind"].contains(&name.as_str());
                (name, if kept { value } else { poisoned(value) })
            })
            .collect(),
        other => other,
    }
}

#[test]
fn results_of_other_machines_are_shown_as_text() {
    let folder = TempDir::new().expect("a folder");
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/report");
    let mut shown = 0;
    for entry in fs::read_dir(&kept).expect("files").flatten() {
        let text = fs::read_to_string(entry.path()).expect("text");
        let Ok(mut value) = serde_json::from_str::<Value>(&text) else { continue };
        value = poisoned(value);
        if let Some(options) = value.get_mut("options").and_then(Value::as_object_mut) {
            options.insert(EVIL.to_owned(), EVIL.into());
        }
        let path = folder.path().join("results.json");
        fs::write(&path, value.to_string()).expect("a file");
        let ended = handfast(&["report".as_ref(), "show".as_ref(), path.as_os_str()]);
        shown += u32::from(ended.code == Some(0));
        assert_plain(&entry.path().display().to_string(), &ended);
    }
    assert!(shown > 0, "none could be read any more");
    // The error quotes what is there.
    for text in [r#"{"schema": "EVIL"}"#, r#"{"schema": "handfast-bench/1", "mode": 1, "EVIL": 2}"#, "[EVIL"]
    {
        let evil = serde_json::to_string(EVIL).expect("JSON");
        let path = folder.path().join("bad.json");
        fs::write(&path, text.replace("EVIL", &evil[1..evil.len() - 1])).expect("a file");
        let ended = handfast(&["report".as_ref(), "show".as_ref(), path.as_os_str()]);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert_plain(text, &ended);
    }
}

#[test]
fn files_are_named_as_text() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join(EVIL.replace('/', ""));
    fs::write(&path, "nothing that anybody reads").expect("a file");
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/report/right.json");
    let below = path.join("out");
    for arguments in [
        &["report".as_ref(), "show".as_ref(), path.as_os_str()][..],
        &["report".as_ref(), "merge".as_ref(), path.as_os_str(), path.as_os_str()],
        &["report".as_ref(), "show".as_ref(), results.as_os_str(), "--json".as_ref(), below.as_os_str()],
        &["trace".as_ref(), "--pcap".as_ref(), path.as_os_str()],
        &["respond".as_ref(), "--config".as_ref(), path.as_os_str()],
        &["respond".as_ref(), "--config".as_ref(), below.as_os_str()],
        &["doctor".as_ref(), "--dev".as_ref(), "\x1b[2J\x07".as_ref()],
        &["lab".as_ref(), "trace".as_ref(), EVIL.as_ref()],
        &["respond".as_ref(), "--dev".as_ref(), EVIL.as_ref(), "--listen".as_ref(), EVIL.as_ref()],
        &[EVIL.as_ref()],
    ] {
        let ended = handfast(arguments);
        assert!(matches!(ended.code, Some(1 | 2)), "{arguments:?}: {ended:?}");
        // An argument may have lines.
        let typed = ["lab", "respond"].map(OsStr::new).contains(&arguments[0]) || arguments.len() == 1;
        let ended = if typed { Ended { err: ended.err.replace("\nfix: rm", ""), ..ended } } else { ended };
        assert_plain(&format!("{arguments:?}"), &ended);
    }
}

#[test]
fn what_a_configuration_says_is_quoted_as_text() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("handfast.toml");
    for text in [
        "dev = [\"\u{9b}2J\"]\nlisten = [\"\u{9b}2J\u{202e}\"]\n",
        "\u{9b}2J = 1\n",
        "\"\\u001b[2J\\n\\rfix: rm\" = 1\n",
        "dev = [\"\\u001b[2J\\n\\rfix: rm\"]\nlisten = [\"\\u001b]0;t\\u0007\\nfix: rm\"]\n",
        "dev = [\"eth0\", \"eth0\\u001b[2J\"]\nlisten = [\"10.0.0.1:80=\\u001b[31m\"]\nmode = \"\\u001bc\"\n",
        "x = \x1b[2J\n",
    ] {
        fs::write(&path, text).expect("a file");
        let ended =
            handfast(&["respond".as_ref(), "--config".as_ref(), path.as_os_str(), "--check".as_ref()]);
        assert_eq!(ended.code, Some(2), "{text:?}: {ended:?}");
        assert_plain(text, &ended);
    }
}

#[test]
fn a_report_reads_no_more_than_results_can_be() {
    for endless in ["/dev/zero", "/dev/urandom"] {
        let ended = handfast(&["report".as_ref(), "show".as_ref(), endless.as_ref()]);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.err.contains("longer than 64 MiB") || ended.err.contains("UTF-8"), "{ended:?}");
    }
}
