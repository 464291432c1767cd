use std::fmt;
use std::str::FromStr;

/// The packets of each connection, with ACKs merged into other segments where possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Workload {
    /// SYN; any reply ends it.
    Syn,
    /// SYN, SYN-ACK, ACK; the connection stays established.
    Establish,
    /// SYN, SYN-ACK, ACK, RST-ACK.
    Handshake,
    /// SYN, SYN-ACK, ACK, FIN-ACK, FIN-ACK, ACK.
    Lifecycle,
    /// SYN, SYN-ACK, ACK, one segment, one segment with FIN back, FIN-ACK, ACK.
    Request,
}

pub use handfast_load::Closer;

/// The frames of a connection, and their lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern {
    pub workload: Workload,
    pub closer: Closer,
    /// Linux's default options: SYNs of 74 bytes instead of 58, 12 more in other segments.
    pub timestamps: bool,
    /// Connections begun per second, in an open loop; `None`: a closed loop, as many as possible.
    pub rate: Option<u32>,
    /// Bytes of a request, for `request`.
    pub request: u16,
    /// Bytes of a response, for `request`.
    pub response: u16,
}

impl Pattern {
    /// The defaults: a small request, and a response as long as that of `respond`'s http service.
    pub fn new(workload: Workload) -> Pattern {
        let closer = workload.default_closer();
        Pattern {
            workload,
            closer,
            timestamps: false,
            rate: None,
            request: 64,
            response: RESPONSE.len() as u16,
        }
    }
}

/// The request, truncated or padded to the requested length.
pub(super) const REQUEST: &str = "GET / HTTP/1.1\r\n\r\n";
/// The response, truncated or padded to the requested length.
pub(super) const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\n\
    Server: bench-lab\r\n\
    Content-Type: text/plain\r\n\
    Content-Length: 21\r\n\
    Connection: close\r\n\
    \r\n\
    Hello from the other\n";

impl Pattern {
    /// Arguments of the ceilings and the kernel's server for this pattern.
    pub(super) fn arguments(&self) -> Vec<String> {
        let Pattern { workload, closer, timestamps, request, response, rate: _ } = self;
        let mut arguments: Vec<String> = vec!["--workload".into(), workload.to_string()];
        arguments.extend(["--closer".into(), closer.to_string()]);
        arguments.extend([
            "--request".into(),
            request.to_string(),
            "--response".into(),
            response.to_string(),
        ]);
        arguments.extend(timestamps.then(|| "--timestamps".into()));
        arguments
    }

    /// Returns its name in a comparison: the workload, the closer if that is not the default, and the rate of
    /// an open loop.
    pub fn name(&self) -> String {
        let mut name = self.workload.to_string();
        if self.closer != self.workload.default_closer() {
            name += &format!("-{}", self.closer);
        }
        match self.rate {
            None => {}
            Some(rate) if rate % 1_000 == 0 => name += &format!("-{}k", rate / 1_000),
            Some(rate) => name += &format!("-{rate}"),
        }
        name
    }

    /// Whether connections end with the first reply: nothing but SYNs is sent.
    pub fn is_syn(&self) -> bool {
        self.workload == Workload::Syn
    }
}

impl Workload {
    /// Returns the packets of a connection.
    pub fn packets(self) -> u32 {
        match self {
            Workload::Syn => 2,
            Workload::Establish => 3,
            Workload::Handshake => 4,
            Workload::Lifecycle => 6,
            Workload::Request => 7,
        }
    }

    /// The workloads of a comparison.
    pub const COMPARED: [Workload; 3] = [Workload::Handshake, Workload::Lifecycle, Workload::Request];

    /// Returns the default closer.
    pub fn default_closer(self) -> Closer {
        match self {
            Workload::Request => Closer::Server,
            _ => Closer::Client,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Workload::Syn => "syn",
            Workload::Establish => "establish",
            Workload::Handshake => "handshake",
            Workload::Lifecycle => "lifecycle",
            Workload::Request => "request",
        }
    }
}

impl FromStr for Workload {
    type Err = String;

    fn from_str(text: &str) -> Result<Workload, String> {
        use Workload::*;
        let found = [Syn, Establish, Handshake, Lifecycle, Request].into_iter().find(|w| w.name() == text);
        found.ok_or_else(|| {
            format!("unknown workload `{text}`: use syn, establish, handshake, lifecycle or request")
        })
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
