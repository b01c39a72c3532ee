//! Transcripts of real modules, replayed through the framer: the module's bytes in, what they mean out.
//!
//! A transcript is a file `tests/transcripts/NAME.txt`: `> ` the host's lines, `< ` the module's, `#` remarks. Where its
//! header says "CRLF written out", every byte is as it was on the line; elsewhere each line stands for itself and CR LF.
//! What it means is written beside it in `NAME.events`. To add one, put the file there and run
//! `BLESS=1 cargo test -p air780e --test transcripts`, then read what was written before you believe it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use air780e::exchange::Final;
use air780e::frame::{Frame, Framer};
use air780e::urc::Urc;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

enum Said {
    Host(Vec<u8>),
    Module(Vec<u8>),
}

fn transcripts() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "txt"));
    files.sort();
    files
}

fn parse(text: &str) -> Vec<Said> {
    let written_out = text.lines().any(|line| line.starts_with("# bytes:") && line.contains("CRLF written out"));
    let bytes = |text: &str| match written_out {
        true => unescape(text),
        // Empty lines there are those of the page that it was printed on.
        false if text.is_empty() => Vec::new(),
        false => [text.as_bytes(), b"\r\n"].concat(),
    };
    let said = |line: &str| match line.split_at_checked(2)? {
        ("> ", rest) => Some(Said::Host(bytes(rest))),
        ("< ", rest) => Some(Said::Module(bytes(rest))),
        _ => None,
    };
    text.lines().filter_map(said).collect()
}

fn unescape(text: &str) -> Vec<u8> {
    text.replace("\\r", "\r").replace("\\n", "\n").replace("\\x1a", "\x1a").into_bytes()
}

/// What the framer makes of a transcript when the bytes come in pieces of `chunk`.
fn replay(said: &[Said], chunk: usize) -> String {
    let mut framer = Framer::default();
    let mut out = String::new();
    for part in said {
        match part {
            Said::Host(line) => {
                let asks_for_data = [&b"AT+FSWRITE"[..], b"AT+MPUBEX", b"AT+HTTPDATA", b"AT+CIPSEND"]
                    .iter()
                    .any(|name| line.starts_with(name));
                if asks_for_data { framer.allow_prompt() } else { framer.forbid_prompt() }
            }
            Said::Module(bytes) => {
                for piece in bytes.chunks(chunk) {
                    framer.push(piece);
                    while let Some(frame) = framer.next_frame() {
                        writeln!(out, "{}", meaning(&frame)).unwrap();
                    }
                }
            }
        }
    }
    out
}

fn meaning(frame: &Frame) -> String {
    match frame {
        Frame::Prompt => "prompt".into(),
        Frame::Message(m) => format!("message {} {:?}", m.topic, String::from_utf8_lossy(&m.payload)),
        Frame::Block(block, bytes) => format!("block {block:?} {:?}", String::from_utf8_lossy(bytes)),
        Frame::Text(header, body) => format!("text {} {}", header.escape_ascii(), body.escape_ascii()),
        Frame::Broken(broken) => format!("broken {broken}"),
        Frame::Line(line) => match (Urc::parse(line), Final::parse(line)) {
            (Some(urc), _) => format!("urc {urc:?}"),
            (_, Some(result)) => format!("final {result:?}"),
            _ => format!("line {}", line.escape_ascii()),
        },
    }
}

#[test]
fn every_transcript_means_what_is_written_beside_it() {
    let files = transcripts();
    assert!(files.len() >= 41, "the transcripts are gone");
    for path in files {
        let said = parse(&std::fs::read_to_string(&path).unwrap());
        let found = replay(&said, usize::MAX);
        let expected = path.with_extension("events");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&expected, &found).unwrap();
        }
        let expected = std::fs::read_to_string(&expected).unwrap_or_else(|e| panic!("{}: {e}", expected.display()));
        assert_eq!(found, expected, "{}", path.display());
    }
}

#[test]
fn no_chunking_of_a_transcript_changes_its_meaning() {
    for path in transcripts() {
        let said = parse(&std::fs::read_to_string(&path).unwrap());
        let whole = replay(&said, usize::MAX);
        for chunk in [1, 2, 3, 7, 16] {
            assert_eq!(replay(&said, chunk), whole, "{} in pieces of {chunk}", path.display());
        }
    }
}
