//! Doctor in the network of one test, and what it finds.

use std::process::Output;

use handfast_lab::{Lab, Namespace, SERVED_V4, SERVER_DEVICE};
use serde_json::Value;
use support::program;

/// Doctor's JSON, and its exit code.
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

    /// The command that changes it, for a shell.
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
    let mut command = lab.server().command(program());
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
    let mut command = lab.server().command(program());
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
