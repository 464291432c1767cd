//! The JSON that `respond --json` leaves behind.

use std::path::Path;

use serde_json::Value;

/// What a program's `--json` wrote.
#[track_caller]
pub fn json(path: &Path) -> Value {
    let text = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[derive(Debug)]
pub struct Summary {
    json: Value,
    /// Everything the responder printed.
    pub text: String,
}

impl Summary {
    pub fn read(path: &Path, text: String) -> Summary {
        Summary { json: json(path), text }
    }

    /// A count over all cores.
    pub fn total(&self, name: &str) -> u64 {
        let total = &self.json["total"];
        total[name].as_u64().unwrap_or_else(|| panic!("no count {name} in {total}"))
    }

    /// Connections that left this way.
    pub fn closed(&self, how: &str) -> u64 {
        let closed = &self.json["total"]["closed"];
        closed[how].as_u64().unwrap_or_else(|| panic!("no way {how} in {closed}"))
    }

    /// Frames dropped under this name.
    pub fn dropped(&self, name: &str) -> u64 {
        let drops = &self.json["total"]["drops"];
        drops[name].as_u64().unwrap_or_else(|| panic!("no reason {name} in {drops}"))
    }

    /// Frames of the first device that the steering program gave this verdict.
    pub fn steering(&self, verdict: &str) -> u64 {
        let verdicts = &self.json["steering"][0]["verdicts"];
        verdicts[verdict].as_u64().unwrap_or_else(|| panic!("no verdict {verdict} in {verdicts}"))
    }

    /// Frames with this verdict, on all devices, and the devices' names.
    pub fn steered(&self, verdict: &str) -> (u64, Vec<&str>) {
        let devices = self.json["steering"].as_array().expect("devices");
        let count = |device: &Value| device["verdicts"][verdict].as_u64().expect("a verdict");
        let names = devices.iter().map(|device| device["device"].as_str().expect("a name"));
        (devices.iter().map(count).sum(), names.collect())
    }

    /// Frames that each queue received.
    pub fn received_by_queue(&self) -> Vec<u64> {
        let queues = self.json["queues"].as_array().expect("queues");
        queues.iter().map(|queue| queue["received"].as_u64().expect("a count")).collect()
    }

    /// Nothing was dropped, by us or by the kernel, but for what is named here.
    pub fn assert_no_drops_but(&self, expected: &[&str]) {
        let drops = self.json["total"]["drops"].as_object().expect("drops by name");
        let surprises: Vec<_> = drops
            .iter()
            .filter(|(name, count)| count.as_u64() != Some(0) && !expected.contains(&name.as_str()))
            .collect();
        assert!(surprises.is_empty(), "{surprises:?}\n{}", self.text);
        for queue in self.json["queues"].as_array().expect("queues") {
            for name in ["rx_dropped", "rx_ring_full", "rx_invalid_descs", "tx_invalid_descs"] {
                assert_eq!(queue["kernel"][name], 0, "{name}: {queue}");
            }
        }
    }

    /// What every run must show.
    pub fn assert_sound(&self) {
        assert_eq!(self.total("frames_lost"), 0, "{}", self.text);
        assert_eq!(self.total("forwarded_in"), self.total("forwarded_out"), "{}", self.text);
        assert_eq!(self.total("relayed_in"), self.total("relayed_out"), "{}", self.text);
    }
}
