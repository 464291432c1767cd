use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use super::figures::{ClientFigures, Evidence, FloodReport, LinkFigures, ResponderFigures, SCHEMA};
use super::judge;
use super::observe::Observation;
use super::plan::FloodPlan;
use crate::bench::baseline::{FlooderReport, pin};
use crate::bench::comparison::ComparisonError;
use crate::bench::comparison::child::{Child, POLL_INTERVAL};
use crate::load::{PacedTally, Progress};
use crate::{Lab, Spec};
use handfast_stack::xdp::Mode;

/// The flood alone, before the first honest client: the responder takes to it.
const LEAD: Duration = Duration::from_millis(500);

impl FloodPlan {
    /// Creates the lab, measures honest clients in the calm and in the flood, and removes the lab, also after
    /// an error.
    /// `on_phase` is called with the name of each phase.
    ///
    /// # Errors
    /// The lab, the responder or the flood cannot be started, or `stop` was set.
    pub fn run(
        &self,
        command: String,
        stop: &AtomicBool,
        on_phase: &mut dyn FnMut(&str),
    ) -> Result<FloodReport, ComparisonError> {
        let lab = Lab::up(&Spec { ipv6: self.ipv6, ..Spec::new(&self.name) })?;
        let report = self.run_in(&lab, command, stop, on_phase)?;
        lab.remove()?;
        Ok(report)
    }

    fn run_in(
        &self,
        lab: &Lab,
        command: String,
        stop: &AtomicBool,
        on_phase: &mut dyn FnMut(&str),
    ) -> Result<FloodReport, ComparisonError> {
        if self.mode == Some(Mode::Native) {
            lab.set_client_napi(true)?;
        }
        let file = self.report_file();
        let mut responder = Child::start("responder", self.responder(lab, &file))?;
        responder.wait_ready(stop)?;
        let start = Observation::now(lab, responder.id())?;
        on_phase("calm: honest clients alone");
        let calm = self.clients(lab, self.calm, stop)?;
        let before = Observation::now(lab, responder.id())?;
        on_phase("flood: the same clients again");
        let mut flooder = Child::start("flood", self.flooder(lab))?;
        flooder.wait_ready(stop)?;
        thread::sleep(LEAD);
        let flooded = self.clients(lab, self.duration, stop);
        // Both are ended whatever became of the clients: their own errors may be the cause.
        let sent = flooder.stop(None);
        let after = Observation::now(lab, responder.id())?;
        let summary = responder.stop(Some(&file));
        let (flooded, sent, summary) = (flooded?, sent?, summary?);
        let text = sent.to_string();
        let sent: FlooderReport =
            serde_json::from_value(sent).map_err(|_| ComparisonError::Report { who: "flood", text })?;
        let link = LinkFigures::between(&before, &after);
        let evidence = Evidence {
            start: &start,
            before: &before,
            after: &after,
            link: &link,
            packets: sent.syns + sent.acks,
            honest: calm.established + flooded.established,
            core: self.cores.responder,
        };
        let responder = ResponderFigures::of(&evidence, summary);
        let clients = ClientFigures::of(&flooded);
        Ok(FloodReport {
            schema: SCHEMA,
            handfast: env!("CARGO_PKG_VERSION"),
            command,
            flood: self.kind.to_string(),
            rate: self.rate,
            cores: [self.cores.flood, self.cores.responder, self.cores.clients],
            calm: ClientFigures::of(&calm),
            requirements: judge::requirements(&clients, &link, &responder),
            flooded: clients,
            sent,
            link,
            responder,
        })
    }

    /// Runs the honest clients, on their core.
    fn clients(
        &self,
        lab: &Lab,
        duration: Duration,
        stop: &AtomicBool,
    ) -> Result<PacedTally, ComparisonError> {
        let plan = self.honest(duration);
        let progress = Progress::default();
        let ended = AtomicBool::new(false);
        let tally = thread::scope(|scope| {
            scope.spawn(|| {
                while !ended.load(Relaxed) && !stop.load(Relaxed) {
                    thread::sleep(POLL_INTERVAL);
                }
                if stop.load(Relaxed) {
                    progress.stop();
                }
            });
            let tally = lab.in_client(|| {
                // A core that may not be used shows in the times.
                let _ = pin(Some(self.cores.clients));
                plan.run(&progress)
            });
            ended.store(true, Relaxed);
            tally
        })?;
        if stop.load(Relaxed) {
            return Err(ComparisonError::Interrupted);
        }
        tally.map_err(|errno| ComparisonError::Start { who: "clients", source: errno.into() })
    }

    fn report_file(&self) -> PathBuf {
        std::env::temp_dir().join(format!("hf-{}-{}-flood.json", self.name, std::process::id()))
    }
}
