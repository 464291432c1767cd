//! The network of one test, and doctor in it.

#[path = "../support/skip.rs"]
mod skip;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use handfast_lab::{Lab, Namespace, SERVED_V4, SERVER_DEVICE, Spec};
use serde_json::Value;

pub use skip::root;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_handfast");

/// A lab of this test's own. `None`, said loudly, where it cannot be made.
pub fn lab(change: impl FnOnce(Spec) -> Spec) -> Option<Lab> {
    root()?;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("d{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    Some(Lab::up(&change(Spec::new(name))).expect("the lab"))
}

/// What doctor says in JSON, and how it ended.
pub struct Examination {
    pub json: Value,
    pub code: Option<i32>,
}

impl Examination {
    pub fn read(output: &Output) -> Examination {
        let text = String::from_utf8_lossy(&output.stdout);
        let json = serde_json::from_str(&text).unwrap_or_else(|error| {
            panic!("{error} in {text:?}\n{}", String::from_utf8_lossy(&output.stderr))
        });
        Examination { json, code: output.status.code() }
    }

    pub fn check(&self, name: &str) -> &Value {
        let checks = self.json["checks"].as_array().expect("checks");
        let found = checks.iter().find(|check| check["name"] == name);
        found.unwrap_or_else(|| panic!("no {name} in {}", self.json))
    }

    pub fn level(&self, name: &str) -> &str {
        self.check(name)["level"].as_str().expect("a level")
    }

    /// The command that changes it, as it is to be typed.
    pub fn fix(&self, name: &str) -> String {
        let command = self.check(name)["fix"]["command"].as_str();
        command.unwrap_or_else(|| panic!("no fix: {}", self.check(name))).to_owned()
    }

    /// Names of the checks that ended as an error.
    pub fn errors(&self) -> Vec<&str> {
        let checks = self.json["checks"].as_array().expect("checks").iter();
        checks.filter(|check| check["level"] == "error").filter_map(|check| check["name"].as_str()).collect()
    }

    pub fn assert_content(&self) {
        assert_eq!((self.errors(), self.code), (Vec::new(), Some(0)), "{:#}", self.json);
    }
}

/// Doctor in the server's namespace, on its device.
pub fn examine(lab: &Lab) -> Examination {
    examine_with(lab, &[])
}

pub fn examine_with(lab: &Lab, options: &[&str]) -> Examination {
    let mut command = lab.server().command(PROGRAM);
    command.args(["doctor", "--dev", SERVER_DEVICE, "--json"]).args(options);
    Examination::read(&command.output().expect("ip netns exec"))
}

/// Types a command into a shell in the namespace.
pub fn type_into(namespace: &Namespace, line: &str) {
    let output = namespace.command("sh").args(["-c", line]).output().expect("ip netns exec");
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Whether the responder becomes ready on the lab's device, and ends well.
pub fn assert_responds(lab: &Lab) {
    let mut command = lab.server().command(PROGRAM);
    let output = command.args(respond()).args(["--duration", "0.2"]).output().expect("ip netns exec");
    let (said, complaint) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("\nready: "), "{said}{complaint}");
}

pub fn respond() -> Vec<String> {
    ["respond", "--dev", SERVER_DEVICE, "--listen", &format!("{SERVED_V4}:80=http")]
        .map(str::to_owned)
        .to_vec()
}

/// A program that has said a line that begins with `ready`. Killed when dropped.
pub struct Background(Child);

impl Background {
    pub fn start(mut command: Command) -> Background {
        let mut child = command.stdout(Stdio::piped()).stdin(Stdio::null()).spawn().expect("a program");
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        while !line.contains("ready") {
            line.clear();
            assert!(out.read_line(&mut line).expect("text") > 0, "{command:?} ended before it was ready");
        }
        // What follows must not fill the pipe.
        std::thread::spawn(move || out.read_to_end(&mut Vec::new()));
        Background(child)
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Waits for it to end by itself: it was told to by somebody else.
    pub fn ended(&mut self) {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while self.0.try_wait().expect("a child of ours").is_none() {
            assert!(std::time::Instant::now() < deadline, "it does not end");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // Both fail once it has ended and was waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
