//! Goes through one source (a file or the environment) along the keys there are: finds every mistake in it with its place,
//! and brings what is right into one form, under the agreed names.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use config::{Map, Value, ValueKind};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Secret;
use super::error::{Code, ConfigError, NoticeKind, Place};
use super::example::as_in_the_example;
use super::findings::Findings;
use super::keys::{SECTIONS, home};
use super::scalar::{self, Fault};
use super::schema::{Key, Kind, meant};
use super::source::Source;

/// Where the values of a walk come from.
#[derive(Clone, Copy)]
pub(super) enum Origin<'a> {
    File(&'a Source),
    Variable(&'a str),
}

impl Origin<'_> {
    pub(super) fn place(&self, span: Range<usize>) -> Place {
        match self {
            Self::File(source) => source.place(span),
            Self::Variable(name) => Place::Variable((*name).to_owned()),
        }
    }

    /// The directory that relative paths start at.
    fn directory(&self) -> Option<&Path> {
        match self {
            Self::File(source) => source.path.parent(),
            Self::Variable(_) => None,
        }
    }
}

impl Findings {
    /// Reads one file's text. A file with a mistake in its syntax is told and taken no further.
    pub(super) fn file(&mut self, source: &Source) -> Map<String, Value> {
        let (table, faults) = DeTable::parse_recoverable(&source.text);
        if faults.is_empty() {
            return self.table(Origin::File(source), SECTIONS, table.get_ref(), "");
        }
        let mut told = BTreeSet::new();
        for fault in faults {
            let place = fault.span().map_or_else(|| Place::File(source.path.clone()), |span| source.place(span));
            // One slip often breaks the rest of its line in several ways.
            let line = if let Place::Spot { line, .. } = place { line } else { 0 };
            if told.insert(line) {
                let hint = format!("this is not valid TOML: {}", syntax_hint(fault.message()));
                self.error(ConfigError::new(Code::Syntax, fault.message()).at(Some(place)).hinted(hint));
            }
        }
        Map::new()
    }

    /// Reads one table, whose dotted name is `path` (empty at the top).
    fn table(
        &mut self,
        origin: Origin<'_>,
        keys: &'static [Key],
        table: &DeTable<'_>,
        path: &str,
    ) -> Map<String, Value> {
        let mut found = Map::new();
        let mut spelt: BTreeMap<&'static str, (String, &Spanned<DeValue<'_>>)> = BTreeMap::new();
        let mut in_order: Vec<_> = table.iter().collect();
        in_order.sort_by_key(|(name, _)| name.span().start);
        for (name, value) in in_order {
            let spelling = name.get_ref().as_ref();
            let place = origin.place(name.span());
            let Some(key) = keys.iter().find(|key| key.answers_to(spelling)) else {
                self.unknown(spelling, keys, path, place);
                continue;
            };
            if let Some((other, first)) = spelt.get(key.name) {
                if !same(first.get_ref(), value.get_ref()) {
                    self.disagree(key, other, spelling, path, place);
                }
                continue;
            }
            spelt.insert(key.name, (spelling.to_owned(), value));
            let dotted = join(path, key.name);
            self.remark(key, spelling, &dotted, &place);
            self.places.insert(dotted.clone(), place);
            match self.value(origin, &key.kind, value, &dotted) {
                Some(value) => {
                    found.insert(key.name.to_owned(), value);
                }
                None => {
                    self.damaged.insert(dotted);
                }
            }
        }
        found
    }

    /// Reads one value; `None` when it was wrong, which has then been told, or has no meaning.
    pub(super) fn value(
        &mut self,
        origin: Origin<'_>,
        kind: &'static Kind,
        value: &Spanned<DeValue<'_>>,
        path: &str,
    ) -> Option<Value> {
        let at = |kind: ValueKind| Value::new(None, kind);
        match (kind, value.get_ref()) {
            (Kind::Retired(_), _) => None,
            (Kind::Table(keys) | Kind::SwitchOr(keys), DeValue::Table(table)) => {
                Some(at(ValueKind::Table(self.table(origin, keys, table, path))))
            }
            (Kind::Names, DeValue::Table(table)) => {
                let entries = table.iter().filter_map(|(name, value)| {
                    let name = name.get_ref();
                    let value = self.value(origin, &Kind::Text, value, &join(path, name))?;
                    Some((name.clone().into_owned(), value))
                });
                Some(at(ValueKind::Table(entries.collect())))
            }
            (Kind::Tables(keys), DeValue::Array(rows)) if rows.iter().all(|row| row.get_ref().is_table()) => {
                self.add_rows(origin, keys, rows.iter(), path);
                None
            }
            (Kind::List(of), DeValue::Array(entries)) => {
                let values = entries.iter().map(|entry| self.value(origin, of, entry, path)).collect::<Vec<_>>();
                values.into_iter().collect::<Option<Vec<_>>>().map(|values| at(ValueKind::Array(values)))
            }
            (Kind::Secret | Kind::Pin, DeValue::String(text)) => match scalar::secret(kind, text) {
                Ok(()) => Some(at(ValueKind::U64(self.keep(Secret::new(text.as_ref()))))),
                Err(fault) => self.wrong(fault, path, origin.place(value.span())),
            },
            (_, given) => match scalar::read(kind, given) {
                Ok(ValueKind::String(text)) if matches!(kind, Kind::Path | Kind::Port) => {
                    Some(at(ValueKind::String(resolved(origin.directory(), &text))))
                }
                Ok(value) => Some(at(value)),
                Err(fault) => self.wrong(fault, path, origin.place(value.span())),
            },
        }
    }

    fn add_rows<'v>(
        &mut self,
        origin: Origin<'_>,
        keys: &'static [Key],
        rows: impl Iterator<Item = &'v Spanned<DeValue<'v>>>,
        path: &str,
    ) {
        let Some(section) = SECTIONS.iter().find(|section| section.name == path) else { return };
        for row in rows {
            let number = self.rows.get(section.name).map_or(0, Vec::len);
            let dotted = format!("{path}[{number}]");
            self.places.insert(dotted.clone(), origin.place(row.span()));
            if let DeValue::Table(table) = row.get_ref() {
                let table = self.table(origin, keys, table, &dotted);
                self.rows.entry(section.name).or_default().push(Value::new(None, ValueKind::Table(table)));
            }
        }
    }

    fn wrong(&mut self, fault: Fault, path: &str, place: Place) -> Option<Value> {
        // An address in LuatOS's `ip`, which is its name for the port, is the one mistake whose cause can be told.
        let address = path == "cloud.port" && fault.what.ends_with("it is text");
        let hint = if address {
            Some("in LuatOS `ip` is the port's name: write port = 1883, and the address as host = \"…\"".to_owned())
        } else {
            fault.hint.or_else(|| Some(as_in_the_example(path)))
        };
        let mut error = ConfigError::new(fault.code, format!("`{path}` {}", fault.what)).at(Some(place));
        error.hint = hint;
        self.error(error);
        None
    }

    pub(super) fn remark(&mut self, key: &Key, spelling: &str, dotted: &str, place: &Place) {
        if let Kind::Retired(why) = key.kind {
            self.notice(NoticeKind::Unused, format!("`{dotted}` has no meaning here: {why}"), Some(place.clone()));
        } else if spelling != key.name {
            let what = format!("`{spelling}` is taken as `{}`; write it so", key.name);
            self.notice(NoticeKind::Alias, what, Some(place.clone()));
        }
        if key.later {
            let what = format!("`{dotted}` is checked, but not in effect in this version");
            self.notice(NoticeKind::NotInEffect, what, Some(place.clone()));
        }
    }

    pub(super) fn unknown(&mut self, spelling: &str, keys: &'static [Key], path: &str, place: Place) {
        let what = if path.is_empty() {
            format!("there is no section `{spelling}`")
        } else {
            format!("unknown key `{spelling}` in {}", section_name(path))
        };
        let allowed = keys.iter().filter(|key| !matches!(key.kind, Kind::Retired(_)));
        let allowed = allowed.map(|key| key.name).collect::<Vec<_>>().join(", ");
        let hint = match (meant(spelling, keys), home(spelling)) {
            (Some(key), _) => {
                self.damaged.insert(join(path, key.name));
                format!("did you mean `{}`? Allowed here: {allowed}", key.name)
            }
            (None, Some(section)) => {
                self.damaged.insert(join(section.name, spelling));
                format!("`{spelling}` belongs in [{}]. Allowed here: {allowed}", section.name)
            }
            (None, None) => format!("allowed here: {allowed}"),
        };
        self.error(ConfigError::new(Code::UnknownKey, what).at(Some(place)).hinted(hint));
    }

    fn disagree(&mut self, key: &Key, one: &str, other: &str, path: &str, place: Place) {
        let what = format!("`{one}` and `{other}` in {} both mean `{}` and disagree", section_name(path), key.name);
        let hint = format!("keep one of them, best under the name `{}`", key.name);
        self.error(ConfigError::new(Code::Disagree, what).at(Some(place)).hinted(hint));
    }
}

/// The dotted name of a key in a table.
pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// What to do about a mistake that the parser tells in its own words.
fn syntax_hint(message: &str) -> &'static str {
    const HINTS: &[(&str, &str)] = &[
        ("key with no value", "write key = value; a remark begins with #"),
        ("unclosed table", "a heading ends with its bracket: [modem], and [[app]] with both"),
        ("invalid basic string", "text begins and ends with a quote, in one line; a backslash is written twice"),
        ("duplicate key", "each key stands once in its section"),
        ("leading zero", "a number has no leading zero; a PIN is text, in quotes"),
        ("must be quoted", "text and paths stand in quotes"),
    ];
    let hint = HINTS.iter().find(|(part, _)| message.contains(part)).map(|(_, hint)| *hint);
    hint.unwrap_or("text and paths stand in quotes, numbers have no leading zero, each key stands once")
}

/// `[modem.apn]`, `[[route]]`.
fn section_name(path: &str) -> String {
    match path.split_once('[') {
        Some((name, _)) => format!("[[{name}]]"),
        None => format!("[{path}]"),
    }
}

fn resolved(directory: Option<&Path>, text: &str) -> String {
    let path = directory.map_or_else(|| PathBuf::from(text), |directory| directory.join(text));
    // Both parts are text already.
    path.to_string_lossy().into_owned()
}

fn same(one: &DeValue<'_>, other: &DeValue<'_>) -> bool {
    match (one, other) {
        (DeValue::String(one), DeValue::String(other)) => one == other,
        (DeValue::Integer(one), DeValue::Integer(other)) => scalar::integer(one) == scalar::integer(other),
        (DeValue::Boolean(one), DeValue::Boolean(other)) => one == other,
        _ => false,
    }
}
