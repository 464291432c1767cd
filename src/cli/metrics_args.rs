use std::net::SocketAddr;
use std::sync::Arc;

use clap::Args;

use super::Failure;
use handfast_load::Control;
use handfast_metrics::{BoundServer, MetricsServing, MetricsSource};
use handfast_stack::engine::stack::{Effective, Running};

/// The metrics server.
#[derive(Clone, Debug, Default, Args)]
pub struct MetricsArgs {
    /// Serve metrics for Prometheus at http://ADDR:PORT/metrics
    ///
    /// Write an IPv6 address in brackets: [::1]:9464. There is no access control: choose an address that
    /// only a trusted network can reach. docs/metrics.md lists the metrics.
    #[arg(long = "metrics", value_name = "ADDR:PORT", help_heading = "Report", value_parser = address)]
    pub address: Option<SocketAddr>,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!("invalid address and port `{text}`: write 127.0.0.1:9464, [::1]:9464, or 0.0.0.0:9464 for every address")
    })
}

impl MetricsArgs {
    /// Binds the socket, if an address was given. To be called before privileges are dropped.
    pub(super) fn bind(&self) -> Result<Option<BoundServer>, Failure> {
        let bind = |address| {
            BoundServer::bind(address).map_err(|error| Failure::new(error.to_string()).fix(error.fix()))
        };
        self.address.map(bind).transpose()
    }
}

/// Starts to answer, without privileges, until the value is dropped.
pub(super) fn serve(
    bound: Option<BoundServer>,
    active: &Effective,
    running: &Running,
    bench: Option<&Arc<Control>>,
) -> Result<Option<MetricsServing>, Failure> {
    let Some(bound) = bound else { return Ok(None) };
    println!("metrics: http://{}/metrics", bound.address());
    let source = MetricsSource::new(active.clone(), running.watch(), bench.cloned());
    let serving = bound.serve(Box::new(move || source.text()));
    serving.map(Some).map_err(|error| Failure::new(format!("cannot start a thread: {error}")))
}
