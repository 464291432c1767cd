//! What `handfast doctor` says of an interface, and whether it turned out to be so.

use serde_json::Value;

use super::cell::Became;
use super::pair::{End, Pair};

pub struct Doctor(Result<Value, String>);

/// What it says of something that an interface has or has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    Has,
    HasNot,
    /// Only the driver says so: the start shows it.
    Perhaps,
    Unknown,
}

impl Doctor {
    pub fn ask(pair: &Pair) -> Doctor {
        // Its exit code is 1 if it found an error, which is no error of ours.
        let output = pair.command(End::Server, &["handfast", "doctor", "--dev", "eth0", "--json"]).output();
        let parsed = output.map_err(|error| error.to_string()).and_then(|output| {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            print!("{}", String::from_utf8_lossy(&output.stderr));
            serde_json::from_str(&text).map_err(|error| format!("doctor's JSON: {error}"))
        });
        let doctor = Doctor(parsed);
        for name in ["link", "mtu", "xdp-modes", "zero-copy", "queues", "rss", "rx-vlan", "partial-checksums"]
        {
            println!("doctor {name}: {}", doctor.finding(name).unwrap_or(&Value::Null));
        }
        doctor
    }

    /// `mtu` has it as "1500 bytes, 1770 fit".
    pub fn largest_mtu(&self) -> Option<u32> {
        let (_, found) = self.check("mtu")?;
        found.split_once(" fit")?.0.rsplit(' ').next()?.parse().ok()
    }

    /// Level and finding.
    fn check(&self, name: &str) -> Option<(&str, &str)> {
        let check = self.finding(name)?;
        Some((check["level"].as_str()?, check["found"].as_str()?))
    }

    fn finding(&self, name: &str) -> Option<&Value> {
        let checks = self.0.as_ref().ok()?["checks"].as_array()?;
        checks.iter().find(|check| check["name"] == name)
    }

    /// Its claims, and each one that a cell contradicts.
    pub fn compare(&self, cells: &[(String, Became)]) -> Result<String, String> {
        self.0.as_ref().map_err(Clone::clone)?;
        let native = self.check("xdp-modes").map_or(Claim::Unknown, native);
        let zero_copy = self.check("zero-copy").map_or(Claim::Unknown, zero_copy);
        let mut wrong = Vec::new();
        for (name, became) in cells {
            match name.as_str() {
                "native" => disagree(&mut wrong, "native", native, became),
                "zerocopy" => disagree(&mut wrong, "zero-copy", zero_copy, became),
                "generic" if became.answers_nothing() && !self.speaks_of_generic() => {
                    wrong.push(
                        "generic mode answers nothing, and partial-checksums does not name it".to_owned(),
                    );
                }
                _ => {}
            }
        }
        let auto = cells.iter().find(|(name, _)| name == "auto").map(|(_, became)| became);
        if let Some(Became::Ran { mode, queues, with_traffic, .. }) = auto {
            if zero_copy == Claim::HasNot && mode.ends_with("zero-copy") {
                wrong.push("zero-copy: none, but auto has it".to_owned());
            }
            let rss = self.check("rss");
            if rss.is_some_and(|(level, found)| level != "unknown" && !spreads(found, *queues, *with_traffic))
            {
                wrong.push(format!("rss: {}, but {with_traffic} did", rss.map_or("", |(_, found)| found)));
            }
            self.errors().for_each(|name| wrong.push(format!("{name}: an error, but auto works")));
        }
        if auto == Some(&Became::Refused) && self.errors().next().is_none() {
            wrong.push("no error, but auto was refused".to_owned());
        }
        let claims = format!("native {}, zero-copy {}", native.word(), zero_copy.word());
        match wrong.as_slice() {
            [] => Ok(format!("{claims}: as it was")),
            wrong => Ok(format!("{claims}: not so: {}", wrong.join("; "))),
        }
    }

    /// A driver that leaves checksums to hardware is answered by native mode only: that has to be said.
    fn speaks_of_generic(&self) -> bool {
        let finding = self.finding("partial-checksums");
        finding.is_some_and(|check| {
            ["generic", "native mode"].iter().any(|word| check.to_string().contains(word))
        })
    }

    fn errors(&self) -> impl Iterator<Item = &str> {
        let checks = self.0.as_ref().ok().and_then(|json| json["checks"].as_array());
        let errors = checks.into_iter().flatten().filter(|check| check["level"] == "error");
        errors.filter_map(|check| check["name"].as_str())
    }
}

impl Claim {
    fn word(self) -> &'static str {
        match self {
            Claim::Has => "yes",
            Claim::HasNot => "no",
            Claim::Perhaps => "perhaps",
            Claim::Unknown => "unknown",
        }
    }
}

fn disagree(wrong: &mut Vec<String>, what: &str, claim: Claim, became: &Became) {
    match (claim, became) {
        (Claim::Has, Became::Refused) => wrong.push(format!("{what}: yes, but it was refused")),
        (Claim::HasNot, Became::Ran { .. }) => wrong.push(format!("{what}: no, but it ran")),
        _ => {}
    }
}

fn native((level, found): (&str, &str)) -> Claim {
    match (level, found) {
        ("unknown", _) => Claim::Unknown,
        (_, found) if found.starts_with("native") => Claim::Has,
        _ => Claim::HasNot,
    }
}

fn zero_copy((level, found): (&str, &str)) -> Claim {
    match (level, found) {
        ("unknown", _) => Claim::Unknown,
        (_, found) if found.contains("none") => Claim::HasNot,
        (_, found) if found.contains("whether") => Claim::Perhaps,
        _ => Claim::Has,
    }
}

/// Whether "1 of 2 queues get traffic", "all 2 queues" or "one queue" is what happened. A hash may put
/// few connections on fewer queues, but never on more.
fn spreads(found: &str, queues: u64, with_traffic: usize) -> bool {
    let first = found.split(' ').next().and_then(|word| word.parse::<usize>().ok());
    match first {
        Some(named) => with_traffic <= named,
        None if found.starts_with("one queue") => queues == 1,
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(mode: &str, with_traffic: usize) -> Became {
        Became::Ran { mode: mode.to_owned(), queues: 2, with_traffic, answers: with_traffic > 0 }
    }

    fn doctor(zero_copy: &str, rss: &str) -> Doctor {
        Doctor(Ok(serde_json::json!({ "checks": [
            { "name": "mtu", "level": "ok", "found": "1500 bytes, 1770 fit" },
            { "name": "xdp-modes", "level": "ok", "found": "native and generic; auto uses native" },
            { "name": "zero-copy", "level": "ok", "found": zero_copy },
            { "name": "rss", "level": "warning", "found": rss },
        ]})))
    }

    #[test]
    fn what_was_refused_was_not_to_be_promised() {
        let doctor = doctor("the driver has it", "all 2 queues");
        assert_eq!(doctor.largest_mtu(), Some(1770));
        let cells = [("native".to_owned(), ran("native copy", 2)), ("zerocopy".to_owned(), Became::Refused)];
        let wrong = "native yes, zero-copy yes: not so: zero-copy: yes, but it was refused";
        assert_eq!(doctor.compare(&cells).unwrap(), wrong);
        let hedged = self::doctor(
            "the driver announces it; whether the kernel accepts it for this device shows at start",
            "",
        );
        assert_eq!(hedged.compare(&cells).unwrap(), "native yes, zero-copy perhaps: as it was");
        assert_eq!(doctor.compare(&cells[..1]).unwrap(), "native yes, zero-copy yes: as it was");
    }

    #[test]
    fn what_does_not_start_is_an_error_of_doctors() {
        let cells = [("auto".to_owned(), Became::Refused)];
        let wrong = doctor("the driver has it", "").compare(&cells).unwrap();
        assert!(wrong.ends_with("not so: no error, but auto was refused"), "{wrong}");
    }

    #[test]
    fn what_ran_was_not_to_be_denied() {
        let cells = [("auto".to_owned(), ran("native zero-copy", 2))];
        let found = doctor("the driver has none: frames are copied", "0 of 2 queues get traffic");
        let wrong = found.compare(&cells).unwrap();
        assert!(wrong.contains("zero-copy: none, but auto has it"), "{wrong}");
        let generic = [("generic".to_owned(), ran("generic copy", 0))];
        assert!(found.compare(&generic).unwrap().contains("generic mode answers nothing"));
        assert!(wrong.contains("rss: 0 of 2 queues get traffic, but 2 did"), "{wrong}");
    }
}
