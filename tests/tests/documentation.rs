//! The documentation against the programs: what it tells people to type works, and what it names is there.
//!
//! Blocks marked `sh` without `sudo` are run as they stand beside a simulated module and cloud. In all others, and in the
//! README, each `airgate …` is checked by the command line's own parser. `toml` is read by the daemon's own code. The three
//! pages of the protocols have tests of their own for their examples.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use airgate_tests::{House, bin, run};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Their examples are run elsewhere, with what they need.
const TESTED_ELSEWHERE: [&str; 3] = ["socket-protocol.md", "mqtt.md", "cloud-operations.md"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// README.md and docs/*.md: name and text.
fn pages() -> Vec<(PathBuf, String)> {
    let docs = std::fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = docs.filter(|path| path.extension().is_some_and(|end| end == "md")).chain([root().join("README.md")]);
    pages.map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

/// The fenced blocks in one language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut lines = text.lines();
    let mut blocks = Vec::new();
    while let Some(line) = lines.next() {
        if let Some(found) = line.strip_prefix("```") {
            let block: Vec<_> = lines.by_ref().take_while(|line| !line.starts_with("```")).collect();
            if found == language {
                blocks.push(block.join("\n") + "\n");
            }
        }
    }
    blocks
}

/// Every `airgate …` that a person would type: of shell blocks and of inline code, without what stands before and behind it.
fn commands(text: &str) -> BTreeSet<String> {
    let shell = ["sh", "console"].map(|language| blocks(text, language).concat().replace("\\\n", " ")).concat();
    let inline = text.split('`').skip(1).step_by(2).filter(|code| !code.contains('\n'));
    let lines = shell.lines().map(str::to_owned).chain(inline.map(str::to_owned));
    lines.flat_map(|line| calls(&line)).collect()
}

/// The calls of `airgate` in one line of shell.
fn calls(line: &str) -> Vec<String> {
    let mut calls = Vec::new();
    let (mut quote, mut call) = (None, String::new());
    for letter in line.chars() {
        match (quote, letter) {
            (None, '\'' | '"') => quote = Some(letter),
            (Some(open), close) if open == close => quote = None,
            (None, '|' | ';' | '&' | '(' | ')' | '<' | '>' | '#' | '{' | '}') => {
                calls.push(std::mem::take(&mut call));
                continue;
            }
            _ => {}
        }
        call.push(letter);
    }
    calls.push(call);
    let bare = |call: &str| call.trim().trim_start_matches("sudo ").trim_end_matches('"').trim().to_owned();
    calls.iter().map(|call| bare(call)).filter(|call| call.starts_with("airgate ")).collect()
}

/// Whether the command line knows all of it: `--help` at its end is only reached past what is known.
fn known(call: &str) -> Result<(), String> {
    let script = format!("{call} --help");
    let done = run(Command::new("sh").arg("-c").arg(&script).env("PATH", search_path()));
    // A name in prose, such as `airgate status` with a version behind it, has to be right, too.
    done.status.success().then_some(()).ok_or_else(|| format!("{call}: {}", String::from_utf8_lossy(&done.stderr)))
}

/// The project's own binaries first.
fn search_path() -> String {
    let built = PathBuf::from(bin("airgate").get_program());
    format!("{}:{}", built.parent().unwrap().display(), std::env::var("PATH").unwrap())
}

#[test]
fn every_command_that_is_named_exists_with_its_options() {
    let mut checked = 0;
    for (path, text) in pages() {
        for call in commands(&text) {
            known(&call).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            checked += 1;
        }
    }
    assert!(checked > 40, "only {checked} were found");
}

#[test]
fn every_block_of_shell_runs_as_it_stands() {
    let house = House::new();
    drop(house.program());
    let mut ran = 0;
    for (path, text) in pages() {
        let name = path.file_name().unwrap().to_str().unwrap();
        if TESTED_ELSEWHERE.contains(&name) {
            continue;
        }
        for block in blocks(&text, "sh").iter().filter(|block| !block.contains("sudo ")) {
            let here = block.replace("/run/airgate/", &format!("{}/", house.path("").display()));
            let mut shell = Command::new("timeout");
            shell.args(["60", "bash", "-euo", "pipefail", "-c", &here]).current_dir(house.path(""));
            shell.env("PATH", search_path()).env("AIRGATE_SOCKET", house.socket());
            let done = run(&mut shell);
            assert!(done.status.success(), "{}:\n{block}\n{}", path.display(), String::from_utf8_lossy(&done.stderr));
            ran += 1;
        }
    }
    assert!(ran > 10, "only {ran} were found");
}

#[test]
fn every_configuration_is_understood() {
    let dir = tempfile::tempdir().unwrap();
    let (main, part) = (dir.path().join("airgate.toml"), dir.path().join("conf.d/part.toml"));
    std::fs::create_dir(dir.path().join("conf.d")).unwrap();
    for name in ["password", "device_secret"] {
        std::fs::write(dir.path().join(name), "secret").unwrap();
    }
    let mut read = 0;
    for (path, text) in pages() {
        for block in blocks(&text, "toml") {
            // What stands alone in the page is a part of a whole.
            let (whole, rest) = match block.contains("provider = ") {
                true => (block.as_str(), ""),
                false => ("[cloud]\nprovider = \"mqtt\"\nhost = \"broker.example.com\"\n", block.as_str()),
            };
            std::fs::write(&main, whole.replace("/etc/airgate", dir.path().to_str().unwrap())).unwrap();
            std::fs::write(&part, rest).unwrap();
            let done = run(bin("airgate").args(["config", "show", "--config"]).arg(&main));
            assert!(done.status.success(), "{}:\n{block}\n{}", path.display(), String::from_utf8_lossy(&done.stderr));
            read += 1;
        }
    }
    assert!(read > 5, "only {read} were found");
}

#[test]
fn every_piece_of_python_is_python() {
    for (path, text) in pages() {
        for block in blocks(&text, "python") {
            let mut python = Command::new("python3");
            let done = run(python.args(["-c", "import ast, sys; ast.parse(sys.argv[1])", &block]));
            assert!(done.status.success(), "{}:\n{block}\n{}", path.display(), String::from_utf8_lossy(&done.stderr));
        }
    }
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    for (path, text) in pages() {
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (file, place) = target.split_once('#').unwrap_or((target, ""));
            if file.starts_with("http") {
                continue;
            }
            let file = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(file.exists(), "{}: {target}", path.display());
            if !place.is_empty() {
                let headings = std::fs::read_to_string(&file).unwrap();
                let anchor = |line: &str| line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
                let mut headings = headings.lines().filter(|line| line.starts_with('#'));
                assert!(headings.any(|line| anchor(line) == place), "{}: {target}", path.display());
            }
        }
    }
}

#[test]
fn whatever_keeps_the_link_down_is_among_the_symptoms() {
    let page = std::fs::read_to_string(root().join("docs/troubleshooting.md")).unwrap();
    let source = std::fs::read_to_string(root().join("crates/airgate/src/session/trouble.rs")).unwrap();
    let code = |word: &str| word.contains('_') && word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    let codes: BTreeSet<_> = source.split('"').skip(1).step_by(2).filter(|word| code(word)).collect();
    assert!(codes.len() > 10, "{codes:?}");
    for code in codes {
        assert!(page.contains(&format!("`{code}`")), "{code}");
    }
}
