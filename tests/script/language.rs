//! A whole script: its header and its steps.

use std::time::Duration;

use super::number::{Family, Number, duration, integer, unsigned};
use super::pattern::{ARROWS, Opt, Packet};

/// How long an answer may take when the script does not say.
const DEFAULT_WITHIN: Duration = Duration::from_millis(600);

/// What the device does with connections on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    Echo,
    Close,
    Hold,
    Discard,
    Http,
    Reset,
    /// No listener.
    Closed,
}

impl Role {
    pub const SERVED: [Role; 6] =
        [Role::Echo, Role::Close, Role::Hold, Role::Discard, Role::Http, Role::Reset];

    pub const fn port(self) -> u16 {
        match self {
            Role::Echo => 7000,
            Role::Close => 7001,
            Role::Hold => 7002,
            Role::Discard => 7003,
            Role::Http => 7004,
            Role::Reset => 7005,
            Role::Closed => 7009,
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Role::Echo => "echo",
            Role::Close => "close",
            Role::Hold => "hold",
            Role::Discard => "discard",
            Role::Http => "http",
            Role::Reset => "reset",
            Role::Closed => "closed",
        }
    }

    fn parse(name: &str) -> Result<Self, String> {
        let mut all = Self::SERVED.into_iter().chain([Role::Closed]);
        all.find(|role| role.name() == name).ok_or_else(|| format!("unknown role `{name}`"))
    }
}

/// How the device is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Setup {
    #[default]
    Plain,
    /// Every handshake uses a SYN cookie.
    Cookies,
}

/// When an expected packet may arrive, counted from the previous step's last event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Between(Duration, Duration),
    /// One and a half to three times as long as the previous wait for a packet.
    BackedOff,
}

#[derive(Clone, Debug)]
pub enum Action {
    /// Opens a connection: SYN, SYN-ACK, ACK.
    Connect {
        options: Vec<Opt>,
        window: u16,
    },
    Send(Packet),
    /// One of several packets; silence too, if `or_nothing`.
    Expect {
        choices: Vec<Packet>,
        or_nothing: bool,
        when: When,
    },
    /// A packet that may be missing: one that differs is left for the next step.
    Maybe {
        choice: Packet,
        within: Duration,
    },
    /// Between `at_least` and `at_most` copies of a packet and nothing else.
    Times {
        at_least: u32,
        at_most: u32,
        choice: Packet,
        span: Duration,
    },
    Nothing(Duration),
    Anything(Duration),
    /// Sends data in segments of `size` bytes until the device's window is closed.
    Fill {
        size: u32,
    },
    /// An ICMP error that quotes the device's segment with this number.
    IcmpError {
        kind: u8,
        code: u8,
        quoted: Number,
    },
    /// New client port and new initial sequence number.
    Fresh,
    /// The same 4-tuple with a new initial sequence number: random, or `Some(n)` beyond the old one's end.
    Again(Option<i64>),
}

#[derive(Clone, Debug)]
pub struct Step {
    pub line: usize,
    pub text: String,
    pub action: Action,
}

#[derive(Clone, Debug)]
pub struct Script {
    /// Path below `tests/scripts`, without the suffix.
    pub name: String,
    pub title: String,
    pub cites: String,
    pub role: Role,
    pub family: Family,
    pub setup: Setup,
    /// Waits for minutes: only for a virtual clock, or on request.
    pub slow: bool,
    /// Why Linux rightly differs.
    pub kernel_skip: Option<String>,
    pub steps: Vec<Step>,
}

impl Script {
    /// Reads a script for one family; `None` if it is not meant for that family.
    pub fn parse(name: &str, source: &str, family: Family) -> Result<Option<Self>, String> {
        let mut script = Self {
            name: name.to_owned(),
            title: String::new(),
            cites: String::new(),
            role: Role::Echo,
            family,
            setup: Setup::Plain,
            slow: false,
            kernel_skip: None,
            steps: Vec::new(),
        };
        let mut fits = true;
        for (index, line) in source.lines().enumerate() {
            let text = line.split('#').next().unwrap_or_default().trim();
            if text.is_empty() {
                continue;
            }
            let located = |error: String| format!("{name}:{}: {error}: `{text}`", index + 1);
            match text.split_once(':') {
                Some((key, value)) if key.chars().all(char::is_alphabetic) => {
                    fits &= script.header(key, value.trim()).map_err(located)?;
                }
                _ => {
                    let action = Action::parse(text, family).map_err(located)?;
                    script.steps.push(Step { line: index + 1, text: text.to_owned(), action });
                }
            }
        }
        if script.title.is_empty() || script.cites.is_empty() {
            return Err(format!("{name}: a script has a title and cites what it shows"));
        }
        if let Some(step) = script.steps.iter().find(|step| step.action.has_packet())
            && !step.action.sends()
        {
            return Err(format!(
                "{name}:{}: an answer before any packet was sent: `{}`; {ARROWS}",
                step.line, step.text
            ));
        }
        Ok(fits.then_some(script))
    }

    /// The time that the script waits at least, whatever the device does.
    pub fn shortest_time(&self) -> Duration {
        let waits = self.steps.iter().map(|step| match &step.action {
            Action::Nothing(span) | Action::Anything(span) | Action::Times { span, .. } => *span,
            Action::Expect { when: When::Between(earliest, _), .. } => *earliest,
            _ => Duration::ZERO,
        });
        waits.sum()
    }

    /// Takes one header line; false if the script is for the other family.
    fn header(&mut self, key: &str, value: &str) -> Result<bool, String> {
        match (key, value) {
            ("title", _) => self.title = value.to_owned(),
            ("cites", _) => self.cites = value.to_owned(),
            ("role", _) => self.role = Role::parse(value)?,
            ("device", "cookies") => self.setup = Setup::Cookies,
            ("pace", "slow") => self.slow = true,
            ("family", "v4") => return Ok(self.family == Family::V4),
            ("family", "v6") => return Ok(self.family == Family::V6),
            ("kernel", _) => {
                let reason = value.strip_prefix("skip ").ok_or("write `kernel: skip WHY`")?;
                self.kernel_skip = Some(reason.to_owned());
            }
            _ => return Err(format!("unknown header `{key}: {value}`")),
        }
        Ok(true)
    }
}

impl Action {
    fn sends(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::Send(_) | Self::Fill { .. } | Self::IcmpError { .. })
    }

    fn has_packet(&self) -> bool {
        self.sends() || matches!(self, Self::Expect { .. } | Self::Maybe { .. } | Self::Times { .. })
    }

    fn parse(text: &str, family: Family) -> Result<Self, String> {
        let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
        let rest = rest.trim();
        match verb {
            "<" => Packet::parse(rest, family).map(Self::Send),
            ">" => Self::parse_expectation(rest, family),
            "connect" => {
                let syn = Packet::parse(&format!("S 0 {rest}"), family)?;
                let window = match syn.window {
                    Some(super::pattern::Value::Exactly(window)) => window as u16,
                    _ => 65535,
                };
                Ok(Self::Connect { options: syn.options.unwrap_or_default(), window })
            }
            "fill" => Ok(Self::Fill { size: unsigned(rest, family)? }),
            "icmp" => Self::parse_icmp(rest, family),
            "fresh" => Ok(Self::Fresh),
            "again" if rest.is_empty() => Ok(Self::Again(None)),
            "again" => Ok(Self::Again(Some(integer(rest, family)?))),
            _ => Err(format!("unknown step `{verb}`")),
        }
    }

    /// `TYPE CODE quoting SEQ`.
    fn parse_icmp(text: &str, family: Family) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [kind, code, "quoting", quoted] = words[..] else {
            return Err("write `icmp TYPE CODE quoting SEQ`".into());
        };
        let quoted = Number::parse(quoted, family)?;
        Ok(Self::IcmpError { kind: unsigned(kind, family)?, code: unsigned(code, family)?, quoted })
    }

    fn parse_expectation(text: &str, family: Family) -> Result<Self, String> {
        if let Some(span) = text.strip_prefix("nothing for ") {
            return duration(span).map(Self::Nothing);
        }
        if let Some(span) = text.strip_prefix("anything for ") {
            return duration(span).map(Self::Anything);
        }
        if let Some((counts, rest)) = text.split_once(" times ") {
            let (low, high) = counts.split_once("..").ok_or("write `LOW..HIGH times PACKET for SPAN`")?;
            let (packet, span) = rest.rsplit_once(" for ").ok_or("`times` needs `for SPAN`")?;
            let (at_least, at_most) = (unsigned(low, family)?, unsigned(high, family)?);
            return Ok(Self::Times {
                at_least,
                at_most,
                choice: Packet::parse(packet, family)?,
                span: duration(span)?,
            });
        }
        let (text, when) = parse_when(text)?;
        if let Some(packet) = text.strip_prefix("maybe ") {
            let When::Between(_, within) = when else { return Err("`maybe` cannot be backed off".into()) };
            return Ok(Self::Maybe { choice: Packet::parse(packet, family)?, within });
        }
        let (nothing, packets): (Vec<&str>, Vec<&str>) =
            text.split(" | ").map(str::trim).partition(|choice| *choice == "nothing");
        let choices: Result<Vec<_>, _> = packets.into_iter().map(|p| Packet::parse(p, family)).collect();
        Ok(Self::Expect { choices: choices?, or_nothing: !nothing.is_empty(), when })
    }
}

/// Cuts `within D`, `after D..D` or `backed-off` off the end.
fn parse_when(text: &str) -> Result<(&str, When), String> {
    if let Some(rest) = text.strip_suffix(" backed-off") {
        return Ok((rest, When::BackedOff));
    }
    if let Some((rest, span)) = text.rsplit_once(" within ") {
        return Ok((rest, When::Between(Duration::ZERO, duration(span)?)));
    }
    if let Some((rest, span)) = text.rsplit_once(" after ") {
        let (first, last) = span.split_once("..").ok_or("write `after FIRST..LAST`")?;
        return Ok((rest, When::Between(duration(first)?, duration(last)?)));
    }
    Ok((text, When::Between(Duration::ZERO, DEFAULT_WITHIN)))
}
