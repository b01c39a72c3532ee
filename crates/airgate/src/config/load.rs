//! From a path and an environment to a configuration.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use config::{Map, Value, ValueKind};

use super::Config;
use super::credentials::Credentials;
use super::error::{Code, ConfigError, Notice, Place};
use super::findings::Findings;
use super::merge::{Layer, merge};
use super::source::{Source, unreadable};
use super::validate::validate;

/// The file that is read when none is named.
pub const DEFAULT_PATH: &str = "/etc/airgate/airgate.toml";

/// A configuration and what the user should hear about it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What was accepted, but deserves a word.
    pub notices: Vec<Notice>,
    /// The files that were read, in the order in which they apply.
    pub files: Vec<PathBuf>,
    /// Where each key was given, by its dotted name.
    pub(super) places: BTreeMap<String, Place>,
}

/// Loads `path` (absent: [`DEFAULT_PATH`], which may be missing when the environment says enough), then
/// `conf.d/*.toml` beside it in order of name, then `AIRGATE_SECTION__KEY` of `env`.
///
/// `env` also names the directory of systemd's credentials (`CREDENTIALS_DIRECTORY`). A relative path in a file starts
/// at that file's directory.
///
/// # Errors
/// Every mistake that was found, in the order of the files; at least one.
pub fn load(path: Option<&Path>, env: impl Iterator<Item = (String, String)>) -> Result<Loaded, Vec<ConfigError>> {
    let mut findings = Findings::default();
    let mut layers = Vec::new();
    let mut files = Vec::new();
    for file in files_of(path, &mut findings) {
        match Source::read(&file) {
            Ok(source) => {
                findings.main.get_or_insert_with(|| file.clone());
                let secrets = findings.vault.len();
                layers.push(Layer(findings.file(&source)));
                if source.open_to_others && findings.vault.len() > secrets {
                    findings.open_to_others(&file);
                }
                files.push(file);
            }
            Err(error) => findings.error(error),
        }
    }
    let mut variables: Vec<_> = env.collect();
    variables.sort();
    layers.push(Layer(findings.environment(&variables)));
    layers.push(rows(&mut findings));

    let credentials = Credentials::new(&variables);
    let config = weigh(layers, &mut findings, &credentials, path.is_none() && files.is_empty());
    match config {
        Some(config) if findings.errors.is_empty() => {
            Ok(Loaded { config, notices: findings.notices, files, places: findings.places })
        }
        _ => {
            findings.errors.sort_by_key(|error| position(error, &files));
            Err(findings.errors)
        }
    }
}

/// Merges and validates, unless a file could not be read at all: what it would have said is then unknown.
fn weigh(layers: Vec<Layer>, findings: &mut Findings, credentials: &Credentials, nothing: bool) -> Option<Config> {
    if findings.errors.iter().any(|error| matches!(error.code, Code::NotFound | Code::Unreadable | Code::Syntax)) {
        return None;
    }
    match merge(layers) {
        Ok(raw) => {
            let before = findings.errors.len();
            let config = validate(raw, findings, credentials);
            if nothing && findings.errors.len() > before {
                findings.error(
                    ConfigError::new(Code::NotFound, "there is no configuration file")
                        .at(Some(Place::File(DEFAULT_PATH.into())))
                        .hinted("`airgate config example` prints one to start from"),
                );
            }
            config
        }
        Err(error) => {
            findings.error(ConfigError::new(Code::Merge, format!("the files do not fit together: {error}")));
            None
        }
    }
}

/// Where a mistake stands among the others: by file, line and column; what has no place comes last.
fn position(error: &ConfigError, files: &[PathBuf]) -> (usize, usize, usize) {
    let file = error.place().and_then(Place::file).and_then(|file| files.iter().position(|known| known == file));
    let (line, column) = match error.place() {
        Some(Place::Spot { line, column, .. }) => (*line, *column),
        _ => (0, 0),
    };
    (file.unwrap_or(usize::MAX), line, column)
}

/// The rows of all files as one layer.
fn rows(findings: &mut Findings) -> Layer {
    let rows = std::mem::take(&mut findings.rows);
    let value = |rows| Value::new(None, ValueKind::Array(rows));
    Layer(rows.into_iter().map(|(name, rows)| (name.to_owned(), value(rows))).collect::<Map<_, _>>())
}

/// The main file and the drop-ins beside it.
fn files_of(path: Option<&Path>, findings: &mut Findings) -> Vec<PathBuf> {
    let main = path.unwrap_or(Path::new(DEFAULT_PATH));
    let mut files = Vec::new();
    if path.is_some() || main.exists() {
        files.push(main.to_owned());
    }
    let directory = main.parent().unwrap_or(Path::new("")).join("conf.d");
    match drop_ins(&directory) {
        Ok(found) => files.extend(found),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        // The main file has the same trouble and will say so.
        Err(_) if main.parent().is_some_and(Path::is_file) => {}
        Err(error) => findings.error(unreadable(&directory, &error)),
    }
    files
}

fn drop_ins(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension().is_some_and(|extension| extension == "toml") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
