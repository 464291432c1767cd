//! `handfast report` on files that an earlier program wrote (tests/report/). Needs no rights.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use std::process::Command;
use tempfile::TempDir;

struct Ended {
    code: i32,
    out: String,
    err: String,
}

fn report(arguments: &[&str]) -> Ended {
    let mut command = Command::new(support::program());
    let output = command.arg("report").args(arguments).output().expect("runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Ended {
        code: output.status.code().expect("not killed"),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/report").join(name)
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).expect("a file")).expect("JSON")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// The kept file with something changed, in `folder`.
fn changed(folder: &TempDir, name: &str, pointer: &str, new: Value) -> PathBuf {
    let mut value = json(&kept("right.json"));
    *value.pointer_mut(pointer).expect(pointer) = new;
    let path = folder.path().join(name);
    fs::write(&path, value.to_string()).expect("written");
    path
}

#[test]
fn help_explains_with_examples_and_fits_the_terminal() {
    for (arguments, part) in [
        (&["--help"][..], "handfast report merge left.json right.json"),
        (&["merge", "--help"], "--force"),
        (&["show", "--help"], "--html <FILE>"),
        (&["diff", "--help"], "95 % confidence interval"),
    ] {
        let mut command = Command::new(support::program());
        let output = command.arg("report").args(arguments).env("COLUMNS", "100").output().expect("runs");
        let help = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(help.contains(part), "{help}");
        assert_eq!(help.lines().find(|line| line.chars().count() > 100), None, "{arguments:?}");
    }
}

#[test]
fn two_machines_are_one_report() {
    let folder = TempDir::new().expect("a folder");
    let (out, page) = (folder.path().join("sum.json"), folder.path().join("sum.html"));
    let (left, right) = (kept("left.json"), kept("right.json"));
    let ended = report(&["merge", text(&left), text(&right), "--json", text(&out), "--html", text(&page)]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let (sum, left, right) = (json(&out), json(&left), json(&right));
    let number =
        |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_u64).expect(pointer);
    for pointer in [
        "/connections/attempted",
        "/connections/completed",
        "/connections/failed/reset",
        "/latency_us/connect/count",
        "/packets/sent",
        "/retransmissions",
        "/series/0/completed",
        "/drops/paws",
        "/load/concurrency",
    ] {
        assert_eq!(number(&sum, pointer), number(&left, pointer) + number(&right, pointer), "{pointer}");
    }
    assert_eq!(sum["rate"]["mean"], json!(2001.0));
    assert_eq!(sum["parts"][1]["source"], "right.json");
    assert_eq!(sum["host"], "left-host, right-host");
    for part in ["2,001/s mean", "left.json", "right.json"] {
        assert!(ended.out.contains(part), "{part:?} is not in:\n{}", ended.out);
    }
    let page = fs::read_to_string(&page).expect("a page");
    assert!(page.contains("2,001") && page.contains("right-host") && !page.contains("http"), "{page}");
}

#[test]
fn a_sum_is_a_file_like_any_other() {
    let folder = TempDir::new().expect("a folder");
    let (first, second) = (folder.path().join("first.json"), folder.path().join("second.json"));
    let (left, right) = (kept("left.json"), kept("right.json"));
    assert_eq!(report(&["merge", text(&left), text(&right), "--json", text(&first)]).code, 0);
    let ended = report(&["merge", text(&first), text(&left), "--json", text(&second)]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_eq!(json(&second)["parts"].as_array().map(Vec::len), Some(3));
    let again = folder.path().join("again.json");
    assert_eq!(report(&["show", text(&second), "--json", text(&again)]).code, 0);
    assert_eq!(json(&again), json(&second));
}

#[test]
fn one_run_and_a_comparison_are_shown() {
    let folder = TempDir::new().expect("a folder");
    let page = folder.path().join("page.html");
    let ended = report(&["show", text(&kept("left.json")), "--html", text(&page)]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.out.contains("lifecycle against 198.18.255.1:80"), "{}", ended.out);
    assert!(ended.out.lines().all(|line| line.chars().count() <= 80), "{}", ended.out);
    assert!(fs::read_to_string(&page).expect("a page").contains("<svg"));

    let ended = report(&["show", text(&kept("comparison.json")), "--html", text(&page)]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.out.contains("handfast             95.0 %     2.85 x   285,000"), "{}", ended.out);
    assert!(fs::read_to_string(&page).expect("a page").contains("bare replay"));
}

#[test]
fn two_runs_or_sets_are_compared_with_their_noise() {
    let folder = TempDir::new().expect("a folder");
    let set = |name: &str, rates: &[f64]| {
        let path = folder.path().join(name);
        fs::create_dir(&path).expect("a folder");
        for (index, rate) in rates.iter().enumerate() {
            let mut value = json(&kept("left.json"));
            value["rate"]["mean"] = json!(rate);
            fs::write(path.join(format!("{index}.json")), value.to_string()).expect("written");
        }
        path
    };
    let (old, new) = (set("old", &[100.0, 101.0, 99.0]), set("new", &[120.0, 121.0, 119.0]));
    let (out, page) = (folder.path().join("diff.json"), folder.path().join("diff.html"));
    let ended = report(&["diff", text(&old), text(&new), "--json", text(&out), "--html", text(&page)]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(
        ended.out.starts_with("rate.mean of B is 20.0 % higher, more than the noise of 2.3 %."),
        "{}",
        ended.out
    );
    let diff = json(&out);
    assert_eq!((&diff["schema"], &diff["a"]["runs"]), (&json!("handfast-diff/1"), &json!(3)));
    let rate = &diff["rows"][0];
    assert_eq!((&rate["verdict"], &rate["noise_of"]), (&json!("better"), &json!("runs")));
    assert!(fs::read_to_string(&page).expect("a page").contains("20.0 %"));

    // A list is a set, too; one run on a side is noted, and so are different targets.
    let list = format!("{},{}", text(&old.join("0.json")), text(&old.join("1.json")));
    let other = changed(&folder, "other.json", "/target", json!("198.18.255.2:80"));
    let ended = report(&["diff", &list, text(&other)]);
    let said = ended.out.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in ["(2 runs)", "(1 run)", "One run on one side", "different: target"] {
        assert!(said.contains(part), "{part}: {}", ended.out);
    }
    let ended = report(&["diff", text(&kept("left.json")), text(&kept("right.json"))]);
    assert!(ended.out.contains("note: One run each: the noise between runs is not known"), "{}", ended.out);
    assert!(ended.out.lines().all(|line| line.chars().count() <= 80), "{}", ended.out);

    let comparison = kept("comparison.json");
    let ended = report(&["diff", text(&comparison), text(&comparison)]);
    assert!(ended.out.contains("lifecycle generic handfast"), "{}", ended.out);
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).expect("a folder");
    for (a, part) in [
        (text(&comparison), "compare runs with runs"),
        (text(&empty), "contains no file of results"),
        ("none.json,nor.json", "cannot read none.json"),
    ] {
        let ended = report(&["diff", a, text(&old)]);
        assert_eq!(ended.code, 1, "{a}");
        assert!(ended.err.contains(part), "{a}: {}", ended.err);
    }
}

/// What is piped is the JSON or the table and nothing else; people read standard error.
#[test]
fn results_on_standard_output_have_it_for_themselves() {
    let (left, right, comparison) = (kept("left.json"), kept("right.json"), kept("comparison.json"));
    for (arguments, schema) in [
        (vec!["show", text(&left)], "handfast-bench/1"),
        (vec!["merge", text(&left), text(&right)], "handfast-bench/1"),
        (vec!["diff", text(&left), text(&right)], "handfast-diff/1"),
        (vec!["show", text(&comparison)], "handfast-comparison/1"),
    ] {
        for name in ["-", "/dev/stdout"] {
            let ended = report(&[&arguments[..], &["--json", name]].concat());
            assert_eq!(ended.code, 0, "{arguments:?}: {}", ended.err);
            let value: Value = serde_json::from_str(&ended.out).expect("JSON alone");
            assert_eq!(value["schema"], schema);
            assert!(ended.err.lines().count() > 3, "the text: {}", ended.err);
        }
        let ended = report(&[&arguments[..], &["--csv", "-"]].concat());
        let columns = |line: &str| line.matches(',').count();
        let header = ended.out.lines().next().map(columns).expect("a header");
        // A line for each second, not for each number.
        let json = report(&[&arguments[..], &["--json", "-"]].concat()).out;
        assert!(json.lines().count() < 400, "{} lines", json.lines().count());
        assert!(header >= 4 && ended.out.lines().count() > 1, "{}", ended.out);
        assert!(ended.out.lines().all(|line| columns(line) == header), "{}", ended.out);
    }
    let ended = report(&["show", text(&left), "--json", "-", "--csv", "/dev/stdout"]);
    assert_eq!((ended.code, ended.out.as_str()), (1, ""));
    assert!(ended.err.contains("only one kind of results can go to standard output"), "{}", ended.err);
    assert!(!Path::new("-").exists());
}

#[test]
fn different_benchmarks_are_merged_by_force_only() {
    let folder = TempDir::new().expect("a folder");
    let other = changed(&folder, "other.json", "/target", json!("198.18.255.2:80"));
    let left = kept("left.json");
    let ended = report(&["merge", text(&left), text(&other)]);
    assert_eq!(ended.code, 1);
    for part in
        ["target: left.json has `198.18.255.1:80`, other.json has `198.18.255.2:80`", "fix: ", "--force"]
    {
        assert!(ended.err.contains(part), "{part:?} is not in:\n{}", ended.err);
    }
    let ended = report(&["merge", text(&left), text(&other), "--force"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.out.contains("note "), "{}", ended.out);
}

#[test]
fn bad_files_are_named_with_what_is_wrong() {
    let folder = TempDir::new().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("written");
        path
    };
    let whole = fs::read_to_string(kept("left.json")).expect("a file");
    for (path, part) in [
        (folder.path().join("none.json"), "cannot read"),
        (folder.path().to_owned(), "cannot read"),
        (write("empty.json", ""), "invalid JSON"),
        (write("half.json", &whole[..whole.len() / 2]), "invalid JSON"),
        (write("list.json", "[]"), "no field `schema`"),
        (write("summary.json", "{\"schema\": 1, \"version\": \"0.1.0\"}"), "its schema is 1"),
        (changed(&folder, "later.json", "/schema", json!("handfast-bench/2")), "reads handfast-bench/1"),
        (
            changed(&folder, "text.json", "/connections/attempted", json!("many")),
            "\"many\", expected u64 at line",
        ),
        (changed(&folder, "cells.json", "/histograms/connect/counts", json!([[1, 2]])), "2 measurements"),
    ] {
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        for arguments in [vec!["show", text(&path)], vec!["merge", text(&kept("left.json")), text(&path)]] {
            let ended = report(&arguments);
            assert_eq!(ended.code, 1, "{name}");
            assert!(ended.err.contains(&name) && ended.err.contains(part), "{name}: {}", ended.err);
            assert!(ended.out.is_empty(), "{name}: {}", ended.out);
        }
    }
}

#[test]
fn histograms_that_do_not_fit_together_are_not_merged() {
    let folder = TempDir::new().expect("a folder");
    let huge = changed(&folder, "huge.json", "/histograms/connect/highest", json!(u64::MAX));
    assert_eq!(report(&["show", text(&huge)]).code, 0);
    let ended = report(&["merge", text(&kept("left.json")), text(&huge), "--force"]);
    assert_eq!(ended.code, 1);
    assert!(ended.err.contains("huge.json: one histogram has 3 digits from 1 to 300000000"), "{}", ended.err);
}

#[test]
fn what_cannot_be_done_is_said() {
    let left = kept("left.json");
    for (arguments, code, part) in [
        (vec!["merge", text(&left)], 2, "2 values required"),
        (vec!["merge", text(&left), text(&left)], 1, "is given twice"),
        (vec!["show", text(&left), "--json", "/nowhere/out.json"], 1, "cannot write /nowhere/out.json"),
        (vec!["show", text(&left), "--html", "/nowhere/out.html"], 1, "cannot write /nowhere/out.html"),
        (vec![], 2, "Usage:"),
    ] {
        let ended = report(&arguments);
        assert_eq!(ended.code, code, "{arguments:?}: {}", ended.err);
        assert!(ended.err.contains(part), "{arguments:?}: {}", ended.err);
    }
}
