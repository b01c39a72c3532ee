//! The text of one file: reading it within bounds, and showing a place in it without showing a secret.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::error::{Code, ConfigError, Place};

/// More than any configuration needs; a bound against a wrong path.
const LONGEST_FILE: u64 = 1 << 20;
/// A snippet shows at most this many characters of its line.
const LONGEST_SNIPPET: usize = 160;
/// Words that make a key one whose value is not shown, however it is misspelt.
const SECRET_WORDS: &[&str] = &["secret", "passw", "psk", "pin", "token", "credential"];
const SECRET_NAMES: &[&str] = &["key", "device_secret", "product_secret", "password", "sim_pin"];

/// A file that was read.
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) text: Zeroizing<String>,
    /// Others than its owner and group may read it.
    pub(super) open_to_others: bool,
    lines: Vec<Line>,
}

/// One line of the text.
struct Line {
    /// Its bytes in the text, without the line break.
    span: Range<usize>,
    /// Where in it a secret begins, which is not shown.
    secret: Option<usize>,
}

impl Source {
    /// Reads a whole file.
    pub(super) fn read(path: &Path) -> Result<Self, ConfigError> {
        let (bytes, open_to_others) = read_bounded(path).map_err(|error| unreadable(path, &error))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let line =
                error.as_bytes().iter().take(error.utf8_error().valid_up_to()).filter(|b| **b == b'\n').count() + 1;
            ConfigError::new(Code::Unreadable, format!("line {line} is not UTF-8 text"))
                .at(Some(Place::File(path.to_owned())))
                .hinted("save the file in UTF-8, without an older encoding such as GBK")
        })?;
        Ok(Self::new(path, text, open_to_others))
    }

    /// Takes a text that was read elsewhere.
    pub(super) fn new(path: &Path, text: String, open_to_others: bool) -> Self {
        let lines = lines(&text);
        Self { path: path.to_owned(), text: Zeroizing::new(text), open_to_others, lines }
    }

    /// Where a byte range of the text stands.
    pub(super) fn place(&self, span: Range<usize>) -> Place {
        let line = self.lines.partition_point(|line| line.span.start <= span.start).max(1);
        let start = self.lines.get(line - 1).map_or(0, |line| line.span.start);
        let column = self.text.get(start..span.start).unwrap_or_default().chars().count() + 1;
        let hidden = self.lines.get(line - 1).and_then(|line| line.secret).is_some_and(|at| start + at <= span.start);
        let marked = self.text.get(span).unwrap_or_default().lines().next().unwrap_or_default().chars().count();
        Place::Spot {
            file: self.path.clone(),
            line,
            column,
            snippet: self.snippet(line, column, if hidden { 1 } else { marked.max(1) }),
        }
    }

    fn snippet(&self, line: usize, column: usize, marked: usize) -> String {
        let gutter = " ".repeat(line.to_string().len());
        let shown = self.shown(line);
        let length = shown.chars().count();
        let marker = if column > length + 1 {
            String::new()
        } else {
            " ".repeat(column) + &"^".repeat(marked.min((length + 1).saturating_sub(column)).max(1))
        };
        format!("{gutter} |\n{line} | {shown}\n{gutter} |{marker}")
    }

    /// A line as it may be shown, without the value of a secret.
    fn shown(&self, number: usize) -> String {
        let Some(line) = number.checked_sub(1).and_then(|at| self.lines.get(at)) else { return String::new() };
        let text = self.text.get(line.span.clone()).unwrap_or_default();
        match line.secret.and_then(|at| text.get(..at)) {
            Some(open) => format!("{open}[REDACTED]"),
            None => text.chars().take(LONGEST_SNIPPET).filter(|c| !c.is_control() || *c == '\t').collect(),
        }
    }
}

/// A text as it may be shown: behind whatever looks like the name of a secret, the rest of the line is blotted out.
pub fn blotted(text: &str) -> String {
    let source = Source::new(Path::new(""), text.to_owned(), false);
    (1..=source.lines.len()).map(|line| source.shown(line) + "\n").collect()
}

/// Finds the lines of a text and the secrets in them, also those that go on over several lines.
fn lines(text: &str) -> Vec<Line> {
    let mut inside: Option<&str> = None;
    let mut start = 0;
    let mut lines = Vec::new();
    for line in text.split('\n') {
        let secret = if inside.is_some() { Some(0) } else { secret_value(line) };
        match inside {
            Some(quotes) if line.contains(quotes) => inside = None,
            None if secret.is_some() => {
                inside = ["\"\"\"", "'''"].into_iter().find(|quotes| line.matches(quotes).count() % 2 == 1);
            }
            _ => {}
        }
        lines.push(Line { span: start..start + line.len(), secret });
        start += line.len() + 1;
    }
    lines
}

/// Where in a line the value of a secret begins.
fn secret_value(line: &str) -> Option<usize> {
    let mut at = 0;
    for word in line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-')) {
        let end = at + word.len();
        if names_secret(word) {
            let (before, behind) = (line.get(..at)?, line.get(end..)?);
            let value = if before.contains(['=', '#']) {
                end + behind.find('=')? + 1
            } else {
                // Also where it is no TOML: `device_secret: "…"`, `device_secret "…"`.
                let rest = behind.trim_start_matches(['"', '\'', ' ', '\t']);
                line.len() - rest.strip_prefix(['=', ':']).unwrap_or(rest).len()
            };
            let blanks = line.get(value..)?.chars().take_while(|c| *c == ' ').count();
            return Some(value + blanks);
        }
        // The separator that ended the word may be of several bytes.
        at = end + line.get(end..)?.chars().next().map_or(0, char::len_utf8);
    }
    None
}

fn names_secret(word: &str) -> bool {
    let word = word.to_ascii_lowercase().replace('-', "_");
    let near = |name: &&str| name.len() > 4 && strsim::osa_distance(name, &word) <= 2;
    !word.ends_with("_file")
        && (SECRET_NAMES.contains(&word.as_str())
            || SECRET_WORDS.iter().any(|part| word.contains(part))
            || SECRET_NAMES.iter().any(near))
}

/// Reads a file that holds nothing but a secret; a last line break does not count.
pub(super) fn read_secret(path: &Path) -> Result<(Zeroizing<String>, bool), ConfigError> {
    let source = Source::read(path)?;
    let text = source.text.trim_end_matches(['\r', '\n']);
    let fault = |what: &str, hint: &str| {
        Err(ConfigError::new(Code::BadValue, what).at(Some(Place::File(path.to_owned()))).hinted(hint))
    };
    if text.is_empty() {
        fault("the file of the secret is empty", "write the secret into it, in one line")
    } else if text.contains(char::is_control) {
        fault("the secret has several lines or control characters", "the file must hold the secret alone, in one line")
    } else {
        Ok((Zeroizing::new(text.to_owned()), source.open_to_others))
    }
}

fn read_bounded(path: &Path) -> io::Result<(Vec<u8>, bool)> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let mut bytes = Vec::new();
    file.take(LONGEST_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST_FILE {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok((bytes, metadata.mode() & 0o004 != 0))
}

/// Puts an error of the file system into words.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> ConfigError {
    let (code, what, hint) = match error.kind() {
        io::ErrorKind::NotFound => (Code::NotFound, "there is no such file".to_owned(), "check the path"),
        io::ErrorKind::PermissionDenied => (
            Code::Unreadable,
            "this user may not read it".to_owned(),
            "run as root or as a member of the file's group, or change its owner (airgate) or mode (0640)",
        ),
        io::ErrorKind::IsADirectory => {
            (Code::Unreadable, "it is a directory".to_owned(), "name the file in it, for instance airgate.toml")
        }
        io::ErrorKind::NotADirectory => (
            Code::Unreadable,
            "it is not a directory".to_owned(),
            "check the path: a file stands where a directory is expected",
        ),
        io::ErrorKind::FileTooLarge => (
            Code::Unreadable,
            format!("it is larger than {LONGEST_FILE} bytes"),
            "check that the path is the right one",
        ),
        _ => (Code::Unreadable, format!("it cannot be read: {error}"), "check the disk and the path"),
    };
    ConfigError::new(code, what).at(Some(Place::File(path.to_owned()))).hinted(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::new(Path::new("f.toml"), text.into(), false)
    }

    fn snippet_of(text: &str, part: &str) -> String {
        let start = text.find(part).unwrap();
        match source(text).place(start..start + part.len()) {
            Place::Spot { snippet, .. } => snippet,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn column_counts_characters_and_not_bytes() {
        let place = source("a = 1\n\"温度\" = x\n").place(15..16);
        assert!(matches!(place, Place::Spot { line: 2, column: 6, .. }), "{place:?}");
    }

    #[test]
    fn snippet_marks_the_word() {
        assert_eq!(snippet_of("[modem]\nbuad = 1\n", "buad"), "  |\n2 | buad = 1\n  | ^^^^");
    }

    #[test]
    fn secret_on_the_line_of_a_mistake_is_blotted_out() {
        for line in [
            "device_secret = hunter2",
            "device_secrt = \"hunter2\"",
            "apn = { name = \"x\", password = \"hunter2\" }",
            "key=\"hunter2\"",
            "  PSK   = \"hunter2\"",
            "device_secret: \"hunter2=\"",
            "cloud.device_secret \"hunter2==\"",
            "'device_secret' 'hunter2='",
            "device_secret\u{ff1d}hunter2=",
        ] {
            let shown = snippet_of(line, "=");
            assert!(!shown.contains("hunter2") && shown.contains("[REDACTED]"), "{shown}");
        }
    }

    #[test]
    fn secret_over_several_lines_is_blotted_out_to_its_end() {
        let text = "device_secret = \"\"\"\nhunter2==\n\"\"\"\nport = 1\n";
        assert!(!snippet_of(text, "hunter2").contains("hunter2"));
        assert!(snippet_of(text, "port").contains("port = 1"));
        for harmless in ["auth = \"device_secret\" x = 1", "# The device's secret. See x = 1"] {
            let shown = snippet_of(harmless, "x");
            assert!(shown.contains("device"), "{shown}");
        }
    }

    #[test]
    fn a_whole_text_is_shown_without_its_secrets_also_those_of_units_and_remarks() {
        let text = "#device_secret = \"hunter2\"\nSetCredential=password:x=hunter2\n\
                    Environment=AIRGATE_CLOUD__PASSWORD=hunter2\nport = 1\n";
        let shown = blotted(text);
        assert!(!shown.contains("hunter2") && shown.contains("port = 1"), "{shown}");
    }

    #[test]
    fn product_key_and_secret_files_are_shown() {
        assert!(snippet_of("product_key = \"a1\"", "product").contains("a1"));
        assert!(snippet_of("device_secret_file = \"/etc/s\"", "device").contains("/etc/s"));
    }

    #[test]
    fn file_at_the_largest_size_is_read_and_one_byte_more_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.toml");
        std::fs::write(&path, " ".repeat(1 << 20)).unwrap();
        assert_eq!(Source::read(&path).map(|s| s.text.len()), Ok(1 << 20));
        std::fs::write(&path, " ".repeat((1 << 20) + 1)).unwrap();
        assert_eq!(Source::read(&path).map(|s| s.text.len()).unwrap_err().code(), "config_unreadable");
    }
}
