//! The ceiling of the link: the eBPF program `bpf/reflect_tx.bpf.c`.

use std::os::fd::AsFd;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use libbpf_rs::{MapCore, MapFlags, Object, ObjectBuilder};
use serde::Serialize;

use super::baseline::{BaselineError, PortOptions, RunTimer};
use handfast_stack::xdp::{Link, Mode, ProgramError, attach};

static OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/reflect_tx.bpf.o"));

/// Interval at which clock and signals are checked.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Options of an [`XdpTx`].
#[derive(Clone, Debug)]
pub struct XdpTxOptions {
    /// Only interface, mode and core are used.
    pub port: PortOptions,
    /// The port, at any address.
    pub tcp_port: u16,
    /// Reflect SYNs unchanged, with swapped addresses.
    pub reflect_syns: bool,
    /// `None`: until the program is stopped.
    pub duration: Option<Duration>,
}

/// Replies in the eBPF program (`XDP_TX`): SYN-ACK to SYN, everything else is reflected. On veth in native mode its
/// frames arrive only if the peer has an XDP program too.
#[derive(Debug)]
pub struct XdpTx {
    options: XdpTxOptions,
    mode: Mode,
    object: Object,
    _link: Link,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct XdpTxReport {
    pub program: &'static str,
    pub dev: String,
    pub mode: String,
    pub seconds: f64,
    /// Frames.
    pub answered: u64,
}

impl XdpTx {
    pub fn open(options: XdpTxOptions) -> Result<XdpTx, BaselineError> {
        let (device, mode) = options.port.device()?;
        let fail = |step| {
            let dev = device.name.clone();
            move |source| BaselineError::Object { dev, step, source }
        };
        let mut object = ObjectBuilder::default().open_memory(OBJECT).map_err(fail("open"))?;
        for mut map in object.maps_mut() {
            if map.name().to_string_lossy().ends_with(".rodata") {
                map.set_initial_value(&config(&options)).map_err(fail("configure"))?;
            }
        }
        let object = object.load().map_err(fail("load"))?;
        let program = object.progs().next().ok_or_else(|| {
            BaselineError::Argument("the object of the replying program contains no program".to_string())
        })?;
        let link = attach(program.as_fd(), device.index, &device.name, mode).map_err(ProgramError::from)?;
        Ok(XdpTx { options, mode, object, _link: link })
    }

    pub fn run(self, stop: &AtomicBool) -> Result<XdpTxReport, BaselineError> {
        let timer = RunTimer::start(self.options.duration, stop);
        while timer.tick().is_some() {
            thread::sleep(POLL_INTERVAL);
        }
        let seconds = timer.elapsed().as_secs_f64();
        let answered = self.answered()?;
        Ok(XdpTxReport {
            program: "xdp-tx",
            dev: self.options.port.dev.clone(),
            mode: self.mode.to_string(),
            seconds,
            answered,
        })
    }

    fn answered(&self) -> Result<u64, BaselineError> {
        let counts = self.object.maps().find(|map| map.name() == "answered").map(|map| {
            map.lookup_percpu(&0u32.to_ne_bytes(), MapFlags::ANY).map_err(|source| BaselineError::Object {
                dev: self.options.port.dev.clone(),
                step: "read the counts of",
                source,
            })
        });
        let counts = counts.transpose()?.flatten().unwrap_or_default();
        let bytes = counts.iter().filter_map(|count| count.first_chunk::<8>());
        Ok(bytes.map(|count| u64::from_ne_bytes(*count)).sum())
    }
}

/// `struct config` of the C program.
fn config(options: &XdpTxOptions) -> [u8; 4] {
    let ([high, low], [first, second]) =
        (options.tcp_port.to_be_bytes(), u16::from(!options.reflect_syns).to_ne_bytes());
    [high, low, first, second]
}
