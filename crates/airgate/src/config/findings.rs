//! What reading and weighing have found so far: mistakes, notices, secrets, and where each value stands.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use config::Value;

use super::Secret;
use super::error::{Code, ConfigError, Notice, NoticeKind, Place};

/// See the module.
#[derive(Default)]
pub(super) struct Findings {
    /// The main file, where what is missing belongs.
    pub(super) main: Option<PathBuf>,
    pub(super) errors: Vec<ConfigError>,
    pub(super) notices: Vec<Notice>,
    /// Secrets stay out of the trees that are merged (those are copied, printed and never wiped): a tree holds the
    /// index of the secret in here.
    pub(super) vault: Vec<Secret>,
    /// Where each value stands, by its dotted name; a later source overwrites.
    pub(super) places: BTreeMap<String, Place>,
    /// Keys that were given, but wrongly: nobody need be told that they are missing.
    pub(super) damaged: BTreeSet<String>,
    /// `[[route]]` and `[[app]]` of all files, in order: a drop-in adds to them and replaces none.
    pub(super) rows: BTreeMap<&'static str, Vec<Value>>,
}

impl Findings {
    pub(super) fn error(&mut self, error: ConfigError) {
        self.errors.push(error);
    }

    pub(super) fn notice(&mut self, kind: NoticeKind, what: impl Into<String>, place: Option<Place>) {
        self.notices.push(Notice { kind, what: what.into(), place });
    }

    /// A file with a secret can be read by every user.
    pub(super) fn open_to_others(&mut self, file: &Path) {
        self.notice(
            NoticeKind::FileMode,
            "it holds a secret and every user may read it: owner airgate, chmod 0640",
            Some(Place::File(file.to_owned())),
        );
    }

    /// Puts a secret aside and gives its index.
    pub(super) fn keep(&mut self, secret: Secret) -> u64 {
        self.vault.push(secret);
        self.vault.len() as u64 - 1
    }

    /// Where a key stands, if it was given.
    pub(super) fn place(&self, path: &str) -> Option<Place> {
        self.places.get(path).cloned()
    }

    pub(super) fn contradiction(&mut self, path: &str, what: impl Into<String>, hint: &str) {
        let error = ConfigError::new(Code::Contradiction, what).at(self.place(path)).hinted(hint);
        self.error(error);
    }

    pub(super) fn bad_value(&mut self, path: &str, what: impl Into<String>, hint: &str) {
        let error = ConfigError::new(Code::BadValue, what).at(self.place(path)).hinted(hint);
        self.error(error);
    }

    /// Tells that `path` is missing, unless it was given wrongly, which has been told; the place is that of its table.
    pub(super) fn missing(&mut self, path: &str, hint: &str) {
        let told =
            self.damaged.contains(path) || self.damaged.iter().any(|damaged| path.starts_with(&format!("{damaged}.")));
        if !told {
            let table = path.rsplit_once('.').and_then(|(table, _)| self.place(table));
            let table = table.or_else(|| self.main.clone().map(Place::File));
            self.error(ConfigError::new(Code::Missing, format!("`{path}` is missing")).at(table).hinted(hint));
        }
    }

    /// The value of a key that must be there.
    pub(super) fn required<T>(&mut self, value: Option<T>, path: &str, hint: &str) -> Option<T> {
        if value.is_none() {
            self.missing(path, hint);
        }
        value
    }
}
