//! The JSON that a bench writes.

use std::path::Path;

use serde_json::Value;

#[derive(Debug)]
pub struct Results {
    pub json: Value,
    /// Everything the bench printed.
    pub text: String,
}

impl Results {
    pub fn read(path: &Path, text: String) -> Results {
        let file = std::fs::read(path).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let json = serde_json::from_slice(&file).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let results = Results { json, text };
        results.assert_whole();
        results
    }

    /// A number by its path, with dots.
    pub fn number(&self, path: &str) -> f64 {
        self.at(path).as_f64().unwrap_or_else(|| panic!("no number {path} in {:#}", self.json))
    }

    /// Of `connections`.
    pub fn connections(&self, name: &str) -> u64 {
        self.json["connections"][name].as_u64().unwrap_or_else(|| panic!("no {name} in {:#}", self.json))
    }

    /// Connections that failed for this reason.
    pub fn failed(&self, reason: &str) -> u64 {
        self.json["connections"]["failed"][reason].as_u64().unwrap_or(0)
    }

    pub fn failures(&self) -> u64 {
        let failed = self.json["connections"]["failed"].as_object().expect("failures by reason");
        failed.values().map(|count| count.as_u64().expect("a count")).sum()
    }

    pub fn at(&self, path: &str) -> &Value {
        path.split('.').fold(&self.json, |value, name| &value[name])
    }

    /// Frames dropped under this name.
    pub fn dropped(&self, name: &str) -> u64 {
        self.json["drops"][name].as_u64().unwrap_or(0)
    }

    /// All went to their end, and there were some.
    pub fn assert_flawless(&self) -> &Results {
        let (attempted, completed) = (self.connections("attempted"), self.connections("completed"));
        assert!(completed > 0, "{}", self.text);
        assert_eq!((completed, self.failures()), (attempted, 0), "{}", self.text);
        assert_eq!(self.connections("established"), attempted, "{}", self.text);
        self
    }

    /// The text has all of these.
    pub fn assert_says(&self, parts: &[&str]) {
        // Lines are wrapped.
        let text = self.text.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in parts {
            assert!(text.contains(part), "no {part:?} in\n{}", self.text);
        }
    }

    /// What every report must have, whatever the connections did.
    fn assert_whole(&self) {
        assert_eq!(self.json["schema"], "handfast-bench/1");
        for path in [
            "duration_s",
            "rate.mean",
            "rate.over_s",
            "retransmissions",
            "packets.sent",
            "packets.received",
            "latency_us.connect.count",
            "latency_us.completion.count",
        ] {
            self.number(path);
        }
        for path in ["mode", "bottleneck.verdict", "bottleneck.sentence", "command", "started_at"] {
            assert!(
                self.at(path).as_str().is_some_and(|text| !text.is_empty()),
                "no {path}: {:#}",
                self.json
            );
        }
        assert!(self.json["cpu"]["per_core"].as_array().is_some_and(|cores| !cores.is_empty()));
        let known = self.connections("completed") + self.connections("in_flight") + self.failures();
        assert_eq!(self.connections("attempted"), known, "{}", self.text);
        assert_eq!(self.dropped("frames_lost"), 0, "{}", self.text);
        for part in ["attempted", "completed", "established", "failed", "latency", "limit"] {
            assert!(self.text.contains(part), "no {part} in\n{}", self.text);
        }
    }
}
