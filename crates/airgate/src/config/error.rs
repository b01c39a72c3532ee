//! What is wrong, where, and what to do about it.

use std::fmt;
use std::path::{Path, PathBuf};

/// Where in the configuration something stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// A file as a whole.
    File(PathBuf),
    /// A place in a file. Line and column count characters from 1.
    Spot {
        /// The file as it was named.
        file: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// The line with a marker below it, several lines without a last line break; secrets in it are blotted out.
        snippet: String,
    },
    /// An environment variable.
    Variable(String),
}

impl Place {
    /// The file, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(file) | Self::Spot { file, .. } => Some(file),
            Self::Variable(_) => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => write!(f, "{}", file.display()),
            Self::Spot { file, line, column, .. } => write!(f, "{}:{line}:{column}", file.display()),
            Self::Variable(name) => f.write_str(name),
        }
    }
}

/// The kinds of mistake. The names that [`ConfigError::code`] gives are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Code {
    NotFound,
    Unreadable,
    Syntax,
    UnknownKey,
    WrongType,
    BadValue,
    Disagree,
    Missing,
    Contradiction,
    NotSupported,
    Merge,
}

/// One mistake in the configuration.
///
/// `Display` gives `file:line:column: what`, then the snippet when there is one; [`hint`](Self::hint) says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    pub(super) code: Code,
    pub(super) what: String,
    pub(super) place: Option<Place>,
    pub(super) hint: Option<String>,
}

impl ConfigError {
    pub(super) fn new(code: Code, what: impl Into<String>) -> Self {
        Self { code, what: what.into(), place: None, hint: None }
    }

    pub(super) fn at(mut self, place: Option<Place>) -> Self {
        self.place = place;
        self
    }

    pub(super) fn hinted(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A stable name for the kind of mistake: `config_not_found`, `config_unreadable`, `config_syntax`,
    /// `config_unknown_key`, `config_wrong_type`, `config_bad_value`, `config_disagree`, `config_missing`,
    /// `config_contradiction`, `config_not_supported`, `config_merge`.
    pub fn code(&self) -> &'static str {
        match self.code {
            Code::NotFound => "config_not_found",
            Code::Unreadable => "config_unreadable",
            Code::Syntax => "config_syntax",
            Code::UnknownKey => "config_unknown_key",
            Code::WrongType => "config_wrong_type",
            Code::BadValue => "config_bad_value",
            Code::Disagree => "config_disagree",
            Code::Missing => "config_missing",
            Code::Contradiction => "config_contradiction",
            Code::NotSupported => "config_not_supported",
            Code::Merge => "config_merge",
        }
    }

    /// What is wrong, without the place.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Where, when one place can be named.
    pub fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.what)?;
        if let Some(Place::Spot { snippet, .. }) = &self.place {
            write!(f, "\n{snippet}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// Something the user should hear although the configuration is usable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What it is about.
    pub kind: NoticeKind,
    /// One sentence.
    pub what: String,
    /// Where, when one place can be named.
    pub place: Option<Place>,
}

/// The kinds of [`Notice`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum NoticeKind {
    /// A spelling of another system was accepted.
    Alias,
    /// Checked, but this version does not act on it yet.
    NotInEffect,
    /// It has no effect beside what else is configured.
    Unused,
    /// A file with secrets is readable by others.
    FileMode,
    /// It looks mistyped.
    Suspicious,
}

impl NoticeKind {
    /// A stable name: `config_alias`, `config_not_in_effect`, `config_unused`, `config_file_mode`,
    /// `config_suspicious`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Alias => "config_alias",
            Self::NotInEffect => "config_not_in_effect",
            Self::Unused => "config_unused",
            Self::FileMode => "config_file_mode",
            Self::Suspicious => "config_suspicious",
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{place}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}
