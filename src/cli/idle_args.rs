use std::time::Duration;

use clap::Args;

use super::values;
use handfast_stack::tcp::{Config, IdleLimits};

/// Time limits for silent peers.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Silent peers")]
pub struct IdleArgs {
    /// Send a keep-alive after this time without a segment from the peer (RFC 9293 3.8.4); 0 = never
    ///
    /// A keep-alive is an empty segment; a peer that still has the connection answers it. A listener
    /// can have its own value: --listen 10.0.0.50:80=http,keepalive=20
    #[arg(long, value_name = "TIME", default_value = "60", value_parser = values::silence)]
    pub keepalive: Duration,

    /// Time between two unanswered keep-alives
    #[arg(long, value_name = "TIME", default_value = "10", value_parser = interval)]
    pub keepalive_interval: Duration,

    /// Number of unanswered keep-alives after which the connection is closed (keepalive_timeout)
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=15))]
    pub keepalive_probes: u8,

    /// Reset a connection after this time without data in either direction (idle_timeout); 0 = never
    ///
    /// Answers to keep-alives do not count as data. A listener can have its own value:
    /// --listen 10.0.0.50:80=http,idle-timeout=30
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = values::silence)]
    pub idle_timeout: Duration,

    /// Reset a connection after this time with a closed receive window of the peer and data to send
    /// (persist_timeout); 0 = never, as long as the peer answers probes
    #[arg(long, value_name = "TIME", default_value = "60", value_parser = values::silence)]
    pub persist_timeout: Duration,
}

impl IdleArgs {
    /// The limits of listeners without their own.
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
        none if none.is_zero() => Err("the time between keep-alives cannot be 0: write 1 or more".into()),
        interval => Ok(interval),
    }
}
