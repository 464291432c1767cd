use std::time::Duration;

use clap::Args;

use super::values;
use handfast_stack::tcp::{Config, IdleLimits};

/// How long a peer may be silent, or take nothing.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Silent peers")]
pub struct IdleArgs {
    /// Ask a peer that was not heard for so long whether it lives (RFC 9293 3.8.4); 0: never
    ///
    /// A keep-alive is an empty segment, which a peer that still has the connection answers. A
    /// listener may have its own: --listen 10.0.0.50:80=http,keepalive=20
    #[arg(long, value_name = "TIME", default_value = "60", value_parser = values::silence)]
    pub keepalive: Duration,

    /// Between two keep-alives that are not answered
    #[arg(long, value_name = "TIME", default_value = "10", value_parser = interval)]
    pub keepalive_interval: Duration,

    /// Keep-alives without an answer before the connection ends (keepalive_timeout)
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=15))]
    pub keepalive_probes: u8,

    /// Reset a connection without data either way for so long (idle_timeout); 0: never
    ///
    /// A peer that answers keep-alives and says nothing else is idle. A listener may have its own:
    /// --listen 10.0.0.50:80=http,idle-timeout=30
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = values::silence)]
    pub idle_timeout: Duration,

    /// Reset a connection whose peer, by a closed window, takes none of its data for so long
    /// (persist_timeout); 0: never, while it answers probes
    #[arg(long, value_name = "TIME", default_value = "60", value_parser = values::silence)]
    pub persist_timeout: Duration,
}

impl IdleArgs {
    /// For listeners that have none of their own.
    pub fn limits(&self) -> IdleLimits {
        IdleLimits {
            keepalive_ms: values::timer_ms(self.keepalive),
            timeout_ms: values::timer_ms(self.idle_timeout),
        }
    }

    /// `config` with these.
    pub fn apply(&self, config: Config) -> Config {
        Config {
            idle: self.limits(),
            keepalive_probes: self.keepalive_probes,
            keepalive_interval_ms: values::timer_ms(self.keepalive_interval),
            persist_timeout_ms: values::timer_ms(self.persist_timeout),
            ..config
        }
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    match values::silence(text)? {
        none if none.is_zero() => Err("keep-alives have some time between them: write 1 or more".into()),
        interval => Ok(interval),
    }
}
