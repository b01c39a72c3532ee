//! The drawing: from what is known to the cells of a terminal.

use super::state::{LogLine, Top};
use crate::view::words::{self, Grade, Judged, bytes, duration};
use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use ratatui_core::style::{Color, Modifier, Style};
use ratatui_core::text::{Line, Span};
use ratatui_core::widgets::Widget;
use ratatui_widgets::block::Block;
use ratatui_widgets::borders::BorderType;
use ratatui_widgets::paragraph::Paragraph;
use ratatui_widgets::sparkline::Sparkline;
use serde_json::Value;

/// RSRP that is drawn at the foot and at the top of its box, in dBm.
const RSRP: (f64, f64) = (-125.0, -75.0);
/// Rows of a box, with its frame.
const BOX: u16 = 7;

/// Draws everything into an area of any size. What does not fit is cut off.
pub fn draw(top: &Top, area: Rect, buffer: &mut Buffer) {
    let (head, rest) = split(area, 1);
    let (upper, rest) = split(rest, BOX);
    let (lower, log) = split(rest, BOX);
    let [(signal, pace), (outbox, programs)] = [upper, lower].map(halves);
    self::head(top, head, buffer);
    self::signal(top, signal, buffer);
    self::pace(top, pace, buffer);
    self::outbox(top, outbox, buffer);
    self::programs(top, programs, buffer);
    self::log(top, log, buffer);
}

/// The first rows of an area, and those below. By hand: the solver behind `Layout` is code that every daemon would carry.
fn split(area: Rect, rows: u16) -> (Rect, Rect) {
    let height = rows.min(area.height);
    (Rect { height, ..area }, Rect { y: area.y + height, height: area.height - height, ..area })
}

/// The left and the right one.
fn halves(area: Rect) -> (Rect, Rect) {
    let width = area.width / 2;
    (Rect { width, ..area }, Rect { x: area.x + width, width: area.width - width, ..area })
}

fn graded(grade: Grade) -> Style {
    Style::new().fg(match grade {
        Grade::Good => Color::Green,
        Grade::Fair => Color::Yellow,
        Grade::Bad => Color::Red,
    })
}

fn faint() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}

/// A frame with a name; what is inside comes back.
fn framed(name: &str, area: Rect, buffer: &mut Buffer) -> Rect {
    let block = Block::bordered().border_type(BorderType::Rounded).border_style(faint());
    let block = block.title(Span::styled(format!(" {name} "), Style::new().add_modifier(Modifier::BOLD)));
    let inner = block.inner(area);
    block.render(area, buffer);
    inner
}

fn lines(lines: Vec<Line<'_>>, area: Rect, buffer: &mut Buffer) {
    Paragraph::new(lines).render(area, buffer);
}

struct At<'s>(&'s Value);

impl At<'_> {
    fn value(&self, place: &str) -> &Value {
        self.0.pointer(place).unwrap_or(&Value::Null)
    }

    fn text(&self, place: &str) -> &str {
        self.value(place).as_str().unwrap_or_default()
    }

    fn number(&self, place: &str) -> f64 {
        self.value(place).as_f64().unwrap_or(0.0)
    }

    fn whole(&self, place: &str) -> u64 {
        self.value(place).as_u64().unwrap_or(0)
    }
}

fn head(top: &Top, area: Rect, buffer: &mut Buffer) {
    let at = At(&top.status);
    let since = at.value("/link/since_unix_ms").as_u64();
    let since =
        since.map_or(String::new(), |ms| format!(" for {}", duration(top.now_unix_ms.saturating_sub(ms) / 1000)));
    let (grade, state) = match (top.gone.as_str(), at.text("/link/state")) {
        ("", "online") => (Grade::Good, format!("● online{since}")),
        ("", _) => (Grade::Bad, format!("● offline{since}")),
        (gone, _) => (Grade::Bad, format!("● {gone}")),
    };
    let daemon = format!(" {}, up {}   ", at.text("/daemon"), duration(at.whole("/uptime_s")));
    let spans =
        vec![Span::styled(daemon, Style::new().add_modifier(Modifier::BOLD)), Span::styled(state, graded(grade))];
    lines(vec![Line::from(spans)], area, buffer);
    let keys = "q quits ";
    let width = u16::try_from(keys.len()).unwrap_or(0).min(area.width);
    let corner = Rect { x: area.x + area.width - width, width, ..area };
    lines(vec![Line::styled(keys, faint())], corner, buffer);
}

fn signal(top: &Top, area: Rect, buffer: &mut Buffer) {
    let inner = framed("signal", area, buffer);
    let at = At(&top.status);
    let judged = |name: &str, place: &str, unit: &str, judge: fn(f64) -> Judged| {
        at.value(place).as_f64().map(|value| {
            let Judged { word, grade, .. } = judge(value);
            Span::styled(format!("{name} {value} {unit} {word}  "), graded(grade))
        })
    };
    let mut now: Vec<_> =
        [judged("RSRP", "/module/rsrp_dbm", "dBm", words::rsrp), judged("RSRQ", "/module/rsrq_db", "dB", words::rsrq)]
            .into_iter()
            .flatten()
            .collect();
    if now.is_empty() {
        let rssi = at.value("/module/rssi_dbm").as_i64();
        now.push(Span::raw(rssi.map_or_else(|| at.text("/module/phase").to_owned(), |dbm| format!("RSSI {dbm} dBm"))));
    }
    let (first, rest) = split(inner, 1);
    let (plot, foot) = split(rest, rest.height.saturating_sub(1));
    lines(vec![Line::from(now)], first, buffer);
    let newest = top.hours.last().map_or(0, |hour| hour.hour);
    let wide = u32::from(plot.width);
    let columns = (0..wide).map(|column| {
        let hour = (newest + column + 1).checked_sub(wide)?;
        let there = top.hours.binary_search_by_key(&hour, |row| row.hour).ok().and_then(|at| top.hours.get(at))?;
        let dbm = there.rsrp_dbm.or(there.rssi_dbm)?.mean;
        Some(((dbm - RSRP.0) / (RSRP.1 - RSRP.0) * 100.0).clamp(1.0, 100.0) as u64)
    });
    let columns: Vec<Option<u64>> = columns.collect();
    Sparkline::default().data(columns).max(100).style(Style::new().fg(Color::Cyan)).render(plot, buffer);
    let known = if top.hours.is_empty() { "no hour is known yet" } else { "by the hour, the newest at the right" };
    lines(vec![Line::styled(known, faint())], foot, buffer);
}

fn pace(top: &Top, area: Rect, buffer: &mut Buffer) {
    let inner = framed("serial line", area, buffer);
    let at = At(&top.status);
    let now = top.pace.back().copied().unwrap_or_default();
    let text = Line::from(vec![
        Span::styled(format!("tx {}/s  ", bytes(now.tx.round())), Style::new().fg(Color::Green)),
        Span::styled(format!("rx {}/s  ", bytes(now.rx.round())), Style::new().fg(Color::Blue)),
        Span::raw(format!("{:.1} msg/s", at.number("/outbox/acknowledged_per_s"))),
    ]);
    let (first, rest) = split(inner, 1);
    let (tx, rx) = split(rest, rest.height / 2);
    lines(vec![text], first, buffer);
    let highest = top.pace.iter().map(|pace| pace.tx.max(pace.rx)).fold(1.0, f64::max);
    for (area, color, of) in [
        (tx, Color::Green, (|pace| pace.tx) as fn(&super::state::Pace) -> f64),
        (rx, Color::Blue, |pace: &super::state::Pace| pace.rx),
    ] {
        let width = usize::from(area.width);
        let seen = top.pace.iter().skip(top.pace.len().saturating_sub(width));
        let seen: Vec<_> = seen.map(|pace| Some((of(pace) / highest * 1000.0) as u64)).collect();
        let mut columns = vec![None; width - seen.len().min(width)];
        columns.extend(seen);
        Sparkline::default().data(columns).max(1000).style(Style::new().fg(color)).render(area, buffer);
    }
}

fn outbox(top: &Top, area: Rect, buffer: &mut Buffer) {
    let inner = framed("outbox", area, buffer);
    let at = At(&top.status);
    let (queued, in_flight) = (at.whole("/outbox/queued"), at.whole("/outbox/in_flight"));
    let oldest = at.value("/outbox/oldest_age_ms").as_u64().map(|ms| format!("oldest {}, ", duration(ms / 1000)));
    let empty = match at.value("/outbox/empty_in_s").as_u64() {
        Some(0) => "empty".to_owned(),
        Some(s) => format!("empty in {}", duration(s)),
        None => "not getting fewer".to_owned(),
    };
    let [accepted, acknowledged] = ["accepted", "acknowledged"].map(|key| at.number(&format!("/outbox/{key}_per_s")));
    let air =
        |period: &str| ["up", "down"].map(|way| at.number(&format!("/budget/{period}/{way}"))).iter().sum::<f64>();
    let bound = at.value("/budget/monthly_bytes").as_f64().map(|bound| format!(" of {}", bytes(bound)));
    let grade = match at.text("/budget/level") {
        "spent" => Grade::Bad,
        "warned" => Grade::Fair,
        _ => Grade::Good,
    };
    let disk = match at.text("/outbox/disk") {
        "ok" | "" => Line::styled("disk ok", faint()),
        disk => Line::styled(format!("disk {disk}"), graded(Grade::Bad)),
    };
    let rows = vec![
        Line::raw(format!("{queued} waiting, {in_flight} in flight, {}", bytes(at.number("/outbox/bytes")))),
        Line::raw(format!("{}{} dropped", oldest.unwrap_or_default(), at.whole("/outbox/dropped"))),
        Line::raw(format!("{acknowledged:.1}/s out, {accepted:.1}/s in, {empty}")),
        Line::styled(format!("air {}{} this month", bytes(air("month")), bound.unwrap_or_default()), graded(grade)),
        disk,
    ];
    lines(rows, inner, buffer);
}

fn programs(top: &Top, area: Rect, buffer: &mut Buffer) {
    let connected = At(&top.status).whole("/programs/connected");
    let inner = framed(&format!("programs: {connected}"), area, buffer);
    let row = |user: &str, process: &str, pid: &str, door: &str, since: &str| {
        let short = |text: &str, width: usize| text.chars().take(width).collect::<String>();
        format!("{:<8} {:<11} {pid:>7} {door:<4} {since:>4}", short(user, 8), short(process, 11))
    };
    let mut rows = vec![Line::styled(row("USER", "PROCESS", "PID", "DOOR", "FOR"), faint())];
    rows.extend(top.programs.iter().map(|program| {
        let pid = program.pid.map_or(String::new(), |pid| pid.to_string());
        // The larger unit is enough here, and its first letter: `3d`.
        let since = duration(program.for_s);
        let mut words = since.split(' ');
        let number = words.next().unwrap_or_default();
        let since = number.to_owned() + words.next().and_then(|unit| unit.get(..1)).unwrap_or_default();
        Line::raw(row(&program.user, &program.process, &pid, &program.door, &since))
    }));
    lines(rows, inner, buffer);
}

fn log(top: &Top, area: Rect, buffer: &mut Buffer) {
    let inner = framed("log", area, buffer);
    let mut rows: Vec<Line<'_>> = Vec::new();
    let trouble = At(&top.status);
    if trouble.text("/link/state") == "offline" && trouble.value("/link/trouble").is_object() {
        let (message, hint) = (trouble.text("/link/trouble/message"), trouble.text("/link/trouble/hint"));
        rows.push(Line::styled(message.to_owned(), graded(Grade::Bad).add_modifier(Modifier::BOLD)));
        rows.push(Line::styled(hint.to_owned(), Style::new().add_modifier(Modifier::BOLD)));
    }
    if !top.no_log.is_empty() {
        rows.push(Line::styled(top.no_log.as_str(), faint()));
    }
    let room = usize::from(inner.height).saturating_sub(rows.len());
    rows.extend(top.log.iter().skip(top.log.len().saturating_sub(room)).map(line));
    lines(rows, inner, buffer);
}

fn line(LogLine { unix_ms, level, text }: &LogLine) -> Line<'_> {
    let second = unix_ms / 1000 % 60;
    let time = words::moment(unix_ms / 1000).split(' ').nth(1).map(|time| format!("{time}:{second:02}Z "));
    let style = match level.as_str() {
        "error" => graded(Grade::Bad),
        "warn" => graded(Grade::Fair),
        _ => Style::new(),
    };
    Line::from(vec![Span::styled(time.unwrap_or_default(), faint()), Span::styled(text.as_str(), style)])
}

#[cfg(test)]
mod tests {
    use super::super::Program;
    use super::*;
    use crate::view::samples::{STATUS, compare};
    use proptest::prelude::*;
    use ratatui_core::backend::TestBackend;
    use ratatui_core::terminal::Terminal;
    use serde_json::json;

    /// When the samples were taken.
    const NOW: u64 = 1_795_885_500_000;

    fn watched(status: &str) -> Top {
        let mut top = Top::default();
        let status: Value = serde_json::from_str(status).unwrap();
        for second in 0..60u32 {
            let mut status = status.clone();
            status["line"] = json!({"tx_bytes": 100 * second * second, "rx_bytes": 9_000 * (second / 7)});
            let program = |user: &str, process: &str, pid, door: &str, for_s| Program {
                user: user.into(),
                process: process.into(),
                pid,
                door: door.into(),
                for_s,
            };
            let programs = vec![
                program("root", "airgate", Some(4711), "json", 3),
                program("pi", "mosquitto_sub-and-more", Some(812), "mqtt", 180_000),
                program("1001", "", None, "json", 273_000),
            ];
            top.observe(NOW - u64::from(59 - second) * 1000, status, programs);
        }
        let hours = (0..50u32).filter(|hour| !(20..24).contains(hour)).map(|hour| {
            let mean = -95.0 + f64::from(hour % 12) * 2.0 - f64::from(hour / 4);
            json!({"hour": 498_800 + hour, "rsrp_dbm": {"min": mean, "mean": mean, "max": mean}})
        });
        top.history(&json!({"hours": hours.collect::<Vec<_>>()}));
        let log = [
            ("info", "ready version=\"0.1.0\""),
            ("warn", "offline: the broker closed the connection"),
            ("error", "the cloud refused the sign-in; compare the device secret with the console; next try in 57 s"),
            ("info", "online attempt=4"),
        ];
        let log = log
            .iter()
            .enumerate()
            .map(|(at, (level, text))| json!({"unix_ms": NOW + 1000 * at as u64, "level": level, "text": text}));
        top.log(&json!({"lines": log.collect::<Vec<_>>(), "next": 4}));
        top
    }

    fn drawn(top: &Top, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(top, frame.area(), frame.buffer_mut())).unwrap();
        let text = terminal.backend().to_string();
        text.lines().map(|line| line.trim_matches('"').trim_end().to_owned() + "\n").collect()
    }

    #[test]
    fn the_screen_of_each_situation_is_as_it_was_looked_at() {
        for (name, status) in STATUS {
            compare(&format!("{name}.top"), &drawn(&watched(status), 80, 24));
        }
    }

    #[test]
    fn a_daemon_that_went_away_is_told_and_who_is_no_operator_sees_no_log() {
        let mut top = watched(STATUS[0].1);
        top.lost(NOW, "no daemon");
        top.log.clear();
        top.without_log("the daemon's log is for operators");
        let drawn = drawn(&top, 80, 24);
        assert!(drawn.contains("● no daemon") && drawn.contains("for operators"), "{drawn}");
    }

    #[test]
    fn a_terminal_that_was_started_without_anything_known_is_drawn() {
        assert!(drawn(&Top::default(), 80, 24).contains("programs: 0"));
    }

    proptest! {
        #[test]
        fn no_size_panics(width in 0..200u16, height in 0..80u16) {
            let area = Rect::new(0, 0, width, height);
            draw(&watched(STATUS[1].1), area, &mut Buffer::empty(area));
        }
    }
}
