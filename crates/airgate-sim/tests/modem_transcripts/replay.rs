//! Reads a log and plays its host against the simulated module.

use std::path::Path;
use std::time::Duration;

use airgate_sim::modem::Profile;
use airgate_sim::modem::engine::Setup;
use rumqttc::mqttbytes::QoS;

use crate::modem_support::Bench;

/// File and line, with the reason for which that line is not compared.
const DIFFERENCES: &[(&str, usize, &str)] = &[
    ("40", 29, "put there by the author at a later time, says the log's note"),
    ("40", 30, "as line 29"),
    ("40", 31, "as line 29"),
    ("40", 32, "as line 29"),
    ("40", 47, "as line 29"),
    ("40", 48, "as line 29"),
    ("55", 13, "registered abroad, while AT+CREG? of the same log says at home: the simulated module roams nowhere"),
    ("55", 14, "as line 13"),
    ("44", 37, "typed by the host: the terminal of the log put it among the answers"),
    ("44", 38, "as line 37"),
    ("44", 39, "as line 37"),
];

/// Lines of log 55 with commands of the chip's maker, which the module's own manual does not have.
const CHIP_COMMANDS: std::ops::RangeInclusive<usize> = 25..=32;
const CHIP_COMMANDS_2: std::ops::RangeInclusive<usize> = 35..=40;

#[derive(Debug, PartialEq)]
enum Entry {
    /// What the host says, with its line.
    Host(usize, Vec<u8>),
    /// What the module says until the host speaks again, with the line it began at.
    Module(usize, Vec<u8>),
}

struct Transcript {
    exact: bool,
    entries: Vec<Entry>,
}

fn unescape(text: &str) -> Vec<u8> {
    text.replace("\\x1a", "\u{1a}")
        .replace("\\r\\n", "\r\n")
        .replace("{\\n", "{\n")
        .replace("\"hello\"\\n", "\"hello\"\n")
        .into_bytes()
}

/// What stands for a certificate that the log cuts short: as many bytes.
fn certificate(line: &str) -> Option<String> {
    let (head, _) = line.split_once(" bytes of PEM").or_else(|| line.split_once(" bytes PEM"))?;
    let digits = head.rsplit(|char: char| !char.is_ascii_digit()).next()?;
    Some("x".repeat(digits.parse().ok()?))
}

fn load(number: &str, text: &str) -> Transcript {
    let exact = text.lines().any(|line| line.starts_with("# bytes: CRLF written out"));
    let mut entries: Vec<Entry> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let chips = |line: &usize| CHIP_COMMANDS.contains(line) || CHIP_COMMANDS_2.contains(line);
        let skipped = number == "55" && chips(&(index + 1))
            || DIFFERENCES.iter().any(|(file, at, _)| *file == number && *at == index + 1);
        let (side, rest) = line.split_at(line.len().min(2));
        match side {
            "> " if !skipped => {
                // Log 25 hides host and port behind placeholders.
                let rest = rest.replace("<domain>,<port>", "h,1883");
                let rest = certificate(&rest).unwrap_or(rest);
                let bytes = if exact { unescape(&rest) } else { format!("{rest}\r\n").into_bytes() };
                entries.push(Entry::Host(index + 1, bytes));
            }
            "< " | "<" if !skipped => {
                // The log does not show these bytes; any will do.
                let rest = &rest.replace("(3072 raw bytes)", &"x".repeat(3072));
                let bytes = if exact { unescape(rest) } else { format!("{rest}\r\n").into_bytes() };
                match entries.last_mut() {
                    Some(Entry::Module(_, said)) => said.extend(bytes),
                    _ => entries.push(Entry::Module(index + 1, bytes)),
                }
            }
            _ => {}
        }
    }
    Transcript { exact, entries }
}

/// The web's answers, made of what the log shows of them: status, length, and the block that is read later.
fn web_answers(entries: &[Entry]) -> Vec<Vec<u8>> {
    let said: Vec<String> = entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Module(_, said) => Some(String::from_utf8_lossy(said).into_owned()),
            Entry::Host(..) => None,
        })
        .collect();
    let block = |name: &str, after: usize| {
        let (_, rest) = said[after..].iter().find_map(|said| said.split_once(name)).unwrap_or_default();
        let (length, rest) = rest.split_once("\r\n").unwrap_or_default();
        let length = length.trim().parse().unwrap_or_default();
        rest.trim_start_matches("\r\n").get(..length).unwrap_or_default().to_owned()
    };
    let mut answers = Vec::new();
    for (index, text) in said.iter().enumerate() {
        let Some((_, rest)) = text.split_once("+HTTPACTION: ") else { continue };
        let fields: Vec<&str> = rest.lines().next().unwrap().split(',').collect();
        let (head, body) = if fields[0] == "2" {
            (block("+HTTPHEAD:", index), String::new())
        } else {
            let body = block("+HTTPREAD:", index);
            (format!("Content-Length: {}", body.len()), body)
        };
        answers.push(format!("HTTP/1.1 {} X\r\n{head}\r\n\r\n{body}", fields[1]).into_bytes());
    }
    answers
}

pub(crate) fn lines(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes).replace("'v\u{1}\u{2}'!\\n", "'v'!\\n\r\n").replace(".'v....'!", "'v'!");
    // The steps of an installation are irregular, and logs leave them out.
    let step = |line: &&str| line.starts_with("+QIND: \"FOTA\",\"UPDATING\",") || line.starts_with("(... mono");
    text.split("\r\n").filter(|line| !line.is_empty() && !step(line)).map(str::to_owned).collect()
}

/// Message and topic of a `+MSUB` line that the log shows in direct mode.
fn messages(said: &[u8]) -> Vec<(String, Vec<u8>)> {
    let text = String::from_utf8(said.to_vec()).unwrap();
    text.split("+MSUB: \"")
        .skip(1)
        .map(|rest| {
            let (topic, rest) = rest.split_once("\",").unwrap();
            let (length, rest) = rest.split_once(" byte,").unwrap();
            (topic.to_owned(), rest.as_bytes()[..length.parse().unwrap()].to_vec())
        })
        .collect()
}

/// Something the world does before the line with this number, with which host or module begin to speak.
pub(crate) type Hook = (usize, fn(&mut Bench));

pub(crate) struct Case {
    pub(crate) number: &'static str,
    pub(crate) profile: Profile,
    pub(crate) setup: Setup,
    /// Lines that the host has sent before the log begins.
    pub(crate) before: &'static [&'static str],
    /// The log begins before the module is registered.
    pub(crate) boots: bool,
    /// The log leaves out lines that begin so.
    pub(crate) hides: &'static [&'static str],
    /// The log was taken over USB, which is away while the module starts.
    pub(crate) hides_boot: bool,
    pub(crate) hooks: &'static [Hook],
}

pub(crate) fn replay(case: Case) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let path = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.file_name().unwrap().to_string_lossy().starts_with(&format!("{}-", case.number)))
        .unwrap();
    let transcript = load(case.number, &std::fs::read_to_string(path).unwrap());
    let mut bench = Bench::new(case.profile, case.setup);
    bench.web.answers.extend(web_answers(&transcript.entries).into_iter().map(|answer| vec![answer]));
    if !case.boots {
        bench.run(Duration::from_secs(10));
    }
    for line in case.before {
        bench.say(line);
    }
    if case.boots {
        bench.run(Duration::from_millis(1700));
    }
    bench.heard.clear();
    let mut sent: Vec<String> = Vec::new();
    for entry in &transcript.entries {
        match entry {
            Entry::Host(line, bytes) => {
                for (_, hook) in case.hooks.iter().filter(|(at, _)| at == line) {
                    hook(&mut bench);
                }
                sent.push(String::from_utf8_lossy(bytes).trim_end().to_owned());
                bench.send(bytes);
                bench.run(Duration::from_secs(2));
            }
            Entry::Module(line, said) => {
                let at = format!("transcript {} line {line}", case.number);
                for (_, hook) in case.hooks.iter().filter(|(at, _)| at == line) {
                    hook(&mut bench);
                }
                let shows = |text: &str| String::from_utf8_lossy(said).contains(text);
                if shows("SIM REMOVED") {
                    bench.engine.set_sim(false, bench.now);
                    bench.run(Duration::from_secs(11));
                    bench.engine.set_sim(true, bench.now);
                    bench.run(Duration::from_secs(6));
                } else if shows("UPGRADEIND") {
                    bench.run(Duration::from_secs(150));
                } else if shows("DATA ACCEPT") {
                    bench.run(Duration::from_secs(12));
                } else if shows("+WIFILOC") {
                    bench.run(Duration::from_secs(25));
                } else if shows("boot.rom") || shows("^MODE") {
                    bench.run(Duration::from_secs(6));
                }
                if bench.connection.is_some() && lines(&bench.heard).iter().all(|line| !line.starts_with("+MSUB")) {
                    for (topic, payload) in messages(said) {
                        bench.message(&topic, &payload, QoS::AtMostOnce, 0);
                    }
                    if lines(said).iter().any(|line| line == "CLOSED") {
                        bench.broker_closes();
                    }
                }
                let mut heard = std::mem::take(&mut bench.heard);
                if let Some(at) = heard.windows(9).position(|text| text == b"^boot.rom").filter(|_| case.hides_boot) {
                    heard.truncate(at);
                }
                if transcript.exact {
                    assert_eq!(String::from_utf8_lossy(&heard), String::from_utf8_lossy(said), "{at}");
                } else {
                    let expected = lines(said);
                    let hidden =
                        |line: &String| sent.contains(line) || case.hides.iter().any(|begin| line.starts_with(begin));
                    let shown = |line: &String| expected.contains(line) || !hidden(line);
                    let heard: Vec<String> = lines(&heard).into_iter().filter(shown).collect();
                    assert_eq!(heard, expected, "{at}");
                }
            }
        }
    }
}
