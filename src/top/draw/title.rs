use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

use super::canvas::{Canvas, count, cut, rate};
use crate::model::CookieRates;
use crate::{Model, View};
use handfast_control::{BenchStatus, Status};
use handfast_text::counted;

pub(super) fn draw(canvas: &mut Canvas<'_>, area: Rect, model: &Model) {
    let status = model.status();
    let right = format!("pid {}   up {} ", status.pid, clock(status.uptime_s));
    let room = usize::from(area.width).saturating_sub(right.chars().count() + 2);
    let program = format!(" handfast {}", status.program);
    let bold = canvas.ink(Color::Green).add_modifier(Modifier::BOLD);
    let named = format!("{program} on {}", devices(status));
    let polling = format!("{named}, {} polling", status.active.polling);
    let first = if polling.chars().count() <= room { polling } else { cut(&named, room) };
    canvas.line(area, 0, &first);
    canvas.styled(area, 0, &program, bold);
    canvas.right(area, 0, &right, Style::new());
    let second = status.bench.as_ref().map_or_else(|| listeners(status), progress);
    match shortage(status) {
        Some(short) => canvas.styled(area, 1, &short, canvas.ink(Color::Red).add_modifier(Modifier::BOLD)),
        None => {
            let cookies = model.cookies().map_or_else(String::new, |rates| cookies(&rates));
            let room = usize::from(area.width).saturating_sub(cookies.chars().count());
            canvas.line(area, 1, &cut(&second, room));
            canvas.right(area, 1, &cookies, canvas.ink(Color::Yellow));
        }
    }
}

/// Send buffers are short: since when, and what gives way.
fn shortage(status: &Status) -> Option<String> {
    let total = &status.total;
    let since = status.detail.cores.iter().map(|core| core.send_buffers_short_ms).max();
    let since = since.filter(|ms| *ms > 0)?;
    Some(format!(
        " send buffers are short for {}: {} of {} in use, {} connections without progress evicted",
        clock(since as f64 / 1000.0),
        count(total.send_buffers),
        count(total.send_buffers_limit),
        count(total.closed.named("stall_evicted")),
    ))
}

/// Who answers SYNs by cookie, and for how many listeners.
fn cookies(rates: &CookieRates) -> String {
    let listeners = match rates.listeners {
        0 => String::new(),
        many => format!(" for {}", counted(many, "listener")),
    };
    format!(
        "   SYN cookies{listeners}: {}/s by eBPF, {}/s by cores ",
        rate(rates.by_ebpf),
        rate(rates.by_cores)
    )
}

/// What each is, once if they are all the same.
fn devices(status: &Status) -> String {
    let what = |at: usize| {
        status.active.devices.get(at).map_or_else(String::new, |device| {
            let copy = if device.zero_copy { "zero-copy" } else { "copy" };
            format!("({}, {} {copy})", device.driver, device.mode)
        })
    };
    let devices = &status.active.devices;
    let same = (1..devices.len()).all(|at| what(at) == what(0));
    let named = devices.iter().enumerate().map(|(at, device)| match same {
        true => device.name.clone(),
        false => format!("{} {}", device.name, what(at)),
    });
    let names = named.collect::<Vec<_>>().join(", ");
    if same { format!("{names} {}", what(0)) } else { names }
}

fn listeners(status: &Status) -> String {
    match status.listeners.as_slice() {
        [] => " no listeners".to_owned(),
        listeners => format!(" listens on {}", listeners.join(", ")),
    }
}

fn progress(bench: &BenchStatus) -> String {
    format!(
        " target {}: {}, {}; {} failed, {} in flight",
        bench.target,
        bench.workload,
        bench.stage.replace('_', " "),
        count(bench.failed),
        count(bench.in_flight),
    )
}

/// `1:02`, `1:00:02`, `2 d 1:00:02`.
fn clock(seconds: f64) -> String {
    let whole = seconds as u64;
    let (days, hours, minutes, seconds) = (whole / 86_400, whole / 3_600 % 24, whole / 60 % 60, whole % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes}:{seconds:02}"),
        (0, _) => format!("{hours}:{minutes:02}:{seconds:02}"),
        _ => format!("{days} d {hours}:{minutes:02}:{seconds:02}"),
    }
}

pub(super) fn footer(canvas: &mut Canvas<'_>, area: Rect, view: &View) {
    let reversed = Style::new().add_modifier(Modifier::REVERSED);
    let (text, style) = match (&view.ended, view.paused) {
        (Some(why), _) => (format!(" {why}: last figures; any key quits "), reversed),
        (None, true) => (" paused: p resumes   q quits ".to_owned(), reversed),
        _ if view.still => return,
        _ => (" q quit   tab pane   ↑↓ row   p pause   ? help".to_owned(), canvas.ink(Color::DarkGray)),
    };
    canvas.styled(area, 0, &text, style);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uptimes_are_read_as_clocks() {
        assert_eq!([0.9, 62.0, 3_602.0, 176_402.0].map(clock), ["0:00", "1:02", "1:00:02", "2 d 1:00:02"]);
    }
}
