//! Results as one HTML page: figures, plots, and the setting of the run.

use super::bottleneck::Verdict;
use super::counted::Counted;
use super::format::{count, maybe_micros, micros, option, percent, rate, share, spoken, whole};
use super::latency::HistogramError;
use super::page::{figure, page, table};
use super::plots::{self, Bar};
use super::results::{Results, SENT_TWICE};
use super::text::{HTTP_STATUS, latency_cells, uncounted};
use handfast_stack::observe::DROP_REASONS;
use handfast_text::escape;

impl Results {
    /// The page.
    ///
    /// # Errors
    /// [`HistogramError`]: a histogram is invalid; those that were read or measured are valid.
    pub fn html(&self) -> Result<String, HistogramError> {
        let title = format!("{} against {}", self.workload, self.target);
        let mut body = self.head(&title);
        body += &self.figures();
        let counted = Counted::of(&self.workload);
        let heading = format!("Connections {} in each second", counted.word());
        body += &figure(&heading, &plots::rate(&self.series, counted, self.rate.mean));
        body += &self.rates_section();
        body += &self.latency_section()?;
        body += &self.connections_section();
        body += &figure("Processor time by core", &plots::cpu(&self.cpu.per_core));
        body += &self.cores_section();
        body += &self.packets_section();
        body += &self.parts_section();
        body += &self.setting();
        Ok(page(&format!("handfast bench: {title}"), &body))
    }

    fn head(&self, title: &str) -> String {
        let verdict = match self.bottleneck.verdict {
            Verdict::Client => "client",
            Verdict::Target => "target",
            Verdict::Neither => "neither",
            Verdict::Unknown => "unknown",
        };
        let outcome = Some(&self.outcome.sentence).filter(|sentence| !sentence.is_empty());
        let outcome: String = outcome.map(|text| format!("<p>{}</p>\n", escape(text))).unwrap_or_default();
        let notes = self.notes.iter().cloned().chain(uncounted(&self.connections));
        let notes: String = notes.map(|note| format!("<p>Note: {}</p>\n", escape(&note))).collect();
        format!(
            "<h1>{}</h1>\n<p class=\"muted\">{}, {:.1} s, {} mode, handfast {}</p>\n\
             <div class=\"limit {verdict}\"><p>{}</p>\n{outcome}{notes}</div>\n",
            escape(title),
            escape(&self.started_at),
            self.duration_s,
            escape(&self.mode),
            escape(&self.handfast),
            escape(&self.bottleneck.sentence),
        )
    }

    fn figures(&self) -> String {
        let connections = &self.connections;
        let per = self.packets_per_connection.map_or_else(|| "-".to_owned(), |per| format!("{per:.2}"));
        let counted = Counted::of(&self.workload).word();
        let figures = [
            (rate(self.rate.mean), format!("{counted} per second, mean")),
            (share(connections.share(connections.completed)), "of the attempted completed".to_owned()),
            (count(connections.failures()), "failed".to_owned()),
            (maybe_micros(self.latency_us.connect.p99), "to connect, p99".to_owned()),
            (per, "packets per connection".to_owned()),
        ];
        let tiles: String = figures
            .iter()
            .map(|(value, what)| format!("<div><b>{}</b><span>{what}</span></div>\n", escape(value)))
            .collect();
        format!("<div class=\"figures\">\n{tiles}</div>\n")
    }

    fn rates_section(&self) -> String {
        let of = &self.rate;
        let mut rows = vec![pair("mean", format!("{}, over {:.1} s", rate(of.mean), of.over_s))];
        if let (Some(median), Some(min), Some(max)) = (of.median, of.min, of.max) {
            rows.push(pair("median", rate(median)));
            rows.push(pair("min, max", format!("{}, {}", rate(min), rate(max))));
        }
        if let (Some([low, high]), Some(stddev)) = (of.ci95, of.stddev) {
            rows.push(pair(
                "95 % confidence interval of the mean",
                format!("{} to {}", rate(low), rate(high)),
            ));
            rows.push(pair("standard deviation", rate(stddev)));
        }
        rows.push(pair("whole seconds", self.rate.seconds.to_string()));
        if let (Some(asked), Some(reached)) = (self.load.rate, self.reached()) {
            let reached = share(reached);
            rows.push(pair("asked for", format!("{}, of which {reached} were reached", rate(asked))));
        }
        if let Some(lag) = self.load.lag_us {
            rows.push(pair(
                "opened later than intended by",
                format!(
                    "{} mean, {} median, {} max",
                    micros(lag.mean),
                    micros(lag.p50 as f64),
                    micros(lag.max as f64)
                ),
            ));
        }
        table(&[], &rows, 2)
    }

    fn latency_section(&self) -> Result<String, HistogramError> {
        let completion = Counted::of(&self.workload).completion();
        let (connect_us, completion_us) =
            (self.histograms.connect.decode()?, self.histograms.completion.decode()?);
        let svg = plots::latency(("connect", &connect_us), (completion, &completion_us));
        let row = |name: &str, latency| {
            let mut row = vec![name.to_owned()];
            row.extend(latency_cells(latency));
            row
        };
        let latencies = &self.latency_us;
        let mut rows = vec![row("connect", &latencies.connect), row(completion, &latencies.completion)];
        for (row, latency) in rows.iter_mut().zip([&latencies.connect, &latencies.completion]) {
            row.push(count(latency.count));
        }
        let header = ["", "p50", "p90", "p99", "p99.9", "max", "mean", "measured"];
        Ok(figure("Latency", &svg) + &table(&header, &rows, 1))
    }

    fn connections_section(&self) -> String {
        let connections = &self.connections;
        let row = |name: &str, number| vec![name.to_owned(), count(number), share(connections.share(number))];
        let rows = [
            row("attempted", connections.attempted),
            row("established", connections.established),
            row("completed", connections.completed),
            row("in flight at the end", connections.in_flight),
            row("failed", connections.failures()),
        ];
        let mut html = "<h2>Connections</h2>\n".to_owned() + &table(&[], &rows, 1);
        if connections.failed.is_empty() {
            return html + "<p class=\"muted\">None failed.</p>\n";
        }
        let bars: Vec<Bar> = connections
            .failed
            .iter()
            .map(|(reason, &failed)| Bar {
                name: if reason == HTTP_STATUS {
                    format!("{} ({})", spoken(reason), connections.statuses())
                } else {
                    spoken(reason)
                },
                value: failed as f64,
                text: format!("{} ({})", count(failed), share(connections.share(failed))),
                kind: plots::BarKind::Plain,
                whisker: None,
            })
            .collect();
        html += &figure("Failures by reason", &plots::bars(&bars, &[]));
        html
    }

    fn cores_section(&self) -> String {
        let rows: Vec<Vec<String>> = self
            .cpu
            .per_core
            .iter()
            .map(|core| {
                let shares = [core.user, core.system, core.softirq, core.irq, core.steal, core.idle];
                let whose = if core.client { "client" } else { "other" };
                let name = format!("{} {} {whose}", core.source, core.core);
                std::iter::once(name.trim().to_owned()).chain(shares.map(percent)).collect()
            })
            .collect();
        let header = ["core", "user", "system", "softirq", "irq", "steal", "idle"];
        let mut html = if rows.is_empty() { String::new() } else { table(&header, &rows, 1) };
        if let Some(efficiency) = self.cpu.connections_per_core_second {
            let idle = self.cpu.client_idle.map(|idle| format!(", idle {}", percent(idle)));
            html += &format!(
                "<p>{} connections per busy second of the client's cores ({:.1} of them{}).</p>\n",
                whole(efficiency),
                self.cpu.client_busy_core_seconds,
                idle.unwrap_or_default()
            );
        }
        html
    }

    fn packets_section(&self) -> String {
        let mut rows = vec![
            vec!["sent".to_owned(), count(self.packets.sent), String::new()],
            vec![
                "received".to_owned(),
                count(self.packets.received),
                self.separate_segments().unwrap_or_default(),
            ],
            vec!["retransmitted".to_owned(), count(self.retransmissions), String::new()],
            vec!["retransmitted by the target".to_owned(), count(self.target_retransmissions), String::new()],
        ];
        for (name, &dropped) in self.drops.iter().filter(|(name, _)| *name != SENT_TWICE) {
            let reason = DROP_REASONS.iter().find(|reason| reason.name() == name);
            let why = reason.map_or("", |reason| reason.describe());
            rows.push(vec![format!("dropped: {}", spoken(name)), count(dropped), why.to_owned()]);
        }
        "<h2>Packets</h2>\n".to_owned() + &table(&[], &rows, 3)
    }

    fn parts_section(&self) -> String {
        if self.parts.is_empty() {
            return String::new();
        }
        let rows: Vec<Vec<String>> = self
            .parts
            .iter()
            .map(|part| {
                let connections = &part.connections;
                vec![
                    part.source.clone(),
                    part.host.clone(),
                    part.started_at.clone(),
                    part.bottleneck.sentence.clone(),
                    format!("{:.1} s", part.duration_s),
                    rate(part.mean_rate),
                    share(connections.share(connections.completed)),
                    count(connections.failures()),
                ]
            })
            .collect();
        let header = ["file", "host", "began", "limit", "time", "per second", "completed", "failed"];
        "<h2>Parts</h2>\n".to_owned() + &table(&header, &rows, 4)
    }

    /// What was run, where, and how.
    fn setting(&self) -> String {
        let mut rows = vec![
            pair("command", self.command.clone()),
            pair("workload", self.workload.clone()),
            pair("target", self.target.clone()),
            pair("load", self.load_text()),
        ];
        rows.extend(self.options.iter().map(|(name, value)| pair(name, option(value))));
        for device in &self.active.devices {
            let copy = if device.zero_copy { "zero-copy" } else { "copy" };
            let text = format!(
                "{} ({}), {} {copy}, queues: {}, frames per wake-up: {}",
                device.name, device.driver, device.mode, device.queues, device.tx_budget
            );
            rows.push(pair("device", text));
        }
        let cpus: Vec<String> = self.active.cpus.iter().map(ToString::to_string).collect();
        rows.push(pair("client's cores", format!("{}, {} polling", cpus.join(","), self.active.polling)));
        let table_text = format!(
            "{} per family, {} MiB",
            count(self.active.max_connections.into()),
            self.active.table_bytes >> 20
        );
        rows.push(pair("room for connections", table_text));
        rows.push(pair("host, kernel", format!("{}, {}", self.host, self.kernel)));
        rows.push(pair("schema", self.schema.clone()));
        "<h2>What was run</h2>\n".to_owned() + &table(&[], &rows, 2)
    }

    fn load_text(&self) -> String {
        let load = &self.load;
        let mut text = format!("{} loop", load.kind.name());
        if let Some(concurrency) = load.concurrency {
            text += &format!(", {} at a time", count(concurrency));
        }
        if let Some(asked) = load.rate {
            text += &format!(", {}/s", rate(asked));
        }
        if let Some(arrivals) = &load.arrivals {
            text += &format!(", {arrivals}");
        }
        text + &format!(", ramp {:.1} s, warm-up {:.1} s", load.ramp_s, load.warmup_s)
    }
}

fn pair(name: &str, value: String) -> Vec<String> {
    vec![name.to_owned(), value]
}

#[cfg(test)]
mod tests;
