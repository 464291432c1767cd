//! The value of `--listen`: addresses and ports, their service, and its time limits for silence.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use super::values;
use handfast_stack::service::{self, Service};
use handfast_stack::tcp::{ConnectionHandler, IdleLimits};
use handfast_stack::wire::EndpointRange;
use handfast_stack::wire::endpoint_range::EndpointRangeError;

/// The service without `=SERVICE`.
const DEFAULT_SERVICE: Service = Service::Discard;

/// `ADDR[/PREFIX]:PORT[-PORT][=SERVICE][,keepalive=TIME][,idle-timeout=TIME]`: addresses and ports,
/// their service, and its own time limits for silence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    pub owned: EndpointRange,
    pub service: Service,
    /// `None`: that of `--keepalive`; zero: no keep-alives.
    pub keepalive: Option<Duration>,
    /// `None`: that of `--idle-timeout`; zero: no limit.
    pub idle_timeout: Option<Duration>,
}

impl Listen {
    /// The handler of one core. `limits`: those of listeners without their own.
    pub(super) fn user(&self, limits: IdleLimits) -> Box<dyn ConnectionHandler> {
        let user = self.service.user();
        if self.keepalive.is_none() && self.idle_timeout.is_none() {
            return user;
        }
        let limits = IdleLimits {
            keepalive_ms: self.keepalive.map_or(limits.keepalive_ms, values::timer_ms),
            timeout_ms: self.idle_timeout.map_or(limits.timeout_ms, values::timer_ms),
        };
        service::limited(user, limits)
    }

    fn set(&mut self, option: &str) -> Result<(), String> {
        let (name, value) = option.split_once('=').ok_or_else(|| {
            format!("invalid setting `{option}`: write keepalive=TIME or idle-timeout=TIME")
        })?;
        let place = match name {
            "keepalive" => &mut self.keepalive,
            "idle-timeout" => &mut self.idle_timeout,
            _ => {
                return Err(format!("unknown setting `{name}`; the settings are keepalive and idle-timeout"));
            }
        };
        match place.replace(values::silence(value)?) {
            Some(_) => Err(format!("`{name}` is given twice")),
            None => Ok(()),
        }
    }
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Listen, String> {
        let mut parts = text.split(',');
        let place = parts.next().unwrap_or(text);
        let (owned, service) = match place.split_once('=') {
            Some((owned, name)) => (owned, name.parse::<Service>().map_err(|error| error.to_string())?),
            None => (place, DEFAULT_SERVICE),
        };
        let owned = owned.parse::<EndpointRange>().map_err(|error| refused(&error, owned, text))?;
        let mut listen = Listen { owned, service, keepalive: None, idle_timeout: None };
        parts.try_for_each(|option| listen.set(option))?;
        Ok(listen)
    }
}

/// The error with a valid form. `owned`: the part of `text` before the service.
fn refused(error: &EndpointRangeError, owned: &str, text: &str) -> String {
    // The text after the address and its prefix length.
    let (_, ports) = text.split_at(owned.rfind(':').unwrap_or(owned.len()));
    match error {
        EndpointRangeError::MissingAddress(_) => format!("{error}; every address is 0.0.0.0/0{text}"),
        EndpointRangeError::Unspecified(IpAddr::V4(_)) => format!("{error}: write 0.0.0.0/0{ports}"),
        EndpointRangeError::Unspecified(IpAddr::V6(_)) => format!("{error}: write [::]/0{ports}"),
        EndpointRangeError::Loopback(net) if net.addr().is_ipv4() => {
            format!("{error}; write the interface's own address, as in 10.0.0.5{ports}, or 0.0.0.0/0{ports}")
        }
        EndpointRangeError::Loopback(_) => {
            format!(
                "{error}; write the interface's own address, as in [2001:db8::5]{ports}, or [::]/0{ports}"
            )
        }
        error => error.to_string(),
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.owned, self.service)?;
        for (name, time) in [("keepalive", self.keepalive), ("idle-timeout", self.idle_timeout)] {
            if let Some(time) = time {
                write!(f, ",{name}={}", time.as_secs_f64())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_name_what_they_own_and_what_answers() {
        for (text, written) in [
            ("10.0.0.1:80=http", "10.0.0.1:80=http"),
            ("10.0.0.0/24:7000-7002=echo", "10.0.0.0/24:7000-7002=echo"),
            ("[2001:db8::1]:9", "[2001:db8::1]:9=discard"),
            ("10.0.0.1:80=http,idle-timeout=30s", "10.0.0.1:80=http,idle-timeout=30"),
            ("10.0.0.1:80,keepalive=0", "10.0.0.1:80=discard,keepalive=0"),
            (
                "[fd00::1]:7=echo,idle-timeout=0.5,keepalive=9",
                "[fd00::1]:7=echo,keepalive=9,idle-timeout=0.5",
            ),
        ] {
            let listen = text.parse::<Listen>().expect(text);
            assert_eq!(listen.to_string(), written);
            assert_eq!(written.parse(), Ok(listen));
        }
        for (text, part) in [
            ("10.0.0.1:80=telnet", "unknown service \"telnet\""),
            ("10.0.0.1:80=", "unknown service \"\""),
            ("10.0.0.1=http", "has no port"),
            (":80", "\":80\" has no address: write ADDR:80"),
            ("10.0.0.1:99999", "invalid port"),
            (":80=echo", "every address is 0.0.0.0/0:80=echo"),
            ("0.0.0.0:80=http,keepalive=9", "write 0.0.0.0/0:80=http,keepalive=9"),
            ("[::]:1-9=echo", "write [::]/0:1-9=echo"),
            ("127.0.0.1:80=http", "or 0.0.0.0/0:80=http"),
            ("127.8.0.0/16:80", "127.8.0.0/16 is loopback"),
            ("[::1]:80=http", "as in [2001:db8::5]:80=http, or [::]/0:80=http"),
            ("10.0.0.1:80=http,", "invalid setting ``"),
            ("10.0.0.1:80=http,idle-timeout", "write keepalive=TIME"),
            ("10.0.0.1:80=http,idle=3", "unknown setting `idle`"),
            ("10.0.0.1:80=http,keepalive=1,keepalive=2", "given twice"),
            ("10.0.0.1:80=http,keepalive=never", "invalid duration `never`"),
            ("10.0.0.1:80=http,keepalive=9999999", "at most 14 days"),
        ] {
            let error = text.parse::<Listen>().expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn a_listener_s_own_limits_win_one_by_one() {
        let all = IdleLimits { keepalive_ms: 60_000, timeout_ms: 5 };
        let limits = |text: &str| text.parse::<Listen>().expect(text).user(all).idle_limits();
        assert_eq!(limits("10.0.0.1:80=http"), None);
        let own = |keepalive_ms, timeout_ms| Some(IdleLimits { keepalive_ms, timeout_ms });
        assert_eq!(limits("10.0.0.1:80,keepalive=0"), own(0, 5));
        assert_eq!(limits("10.0.0.1:80,idle-timeout=1.5"), own(60_000, 1500));
    }
}
