//! `AIRGATE_SECTION__KEY`: single values from the environment, over all files.

use std::collections::BTreeMap;

use config::{Map, Value, ValueKind};
use toml::Spanned;
use toml::de::DeValue;

use super::error::{Code, ConfigError, Place};
use super::findings::Findings;
use super::keys::SECTIONS;
use super::schema::{Key, Kind};
use super::walk::{Origin, join};

const PREFIX: &str = "AIRGATE_";
const SEPARATOR: &str = "__";

impl Findings {
    /// Reads the variables that begin with `AIRGATE_` and hold `__`; all others belong to somebody else.
    ///
    /// The value is read as the key's kind demands and never guessed from its looks, so a PIN `0123` stays text.
    pub(super) fn environment(&mut self, variables: &[(String, String)]) -> Map<String, Value> {
        let mut tree = Map::new();
        let mut given: BTreeMap<Vec<&'static str>, &(String, String)> = BTreeMap::new();
        for variable in variables {
            let (name, text) = variable;
            let Some(rest) = name.strip_prefix(PREFIX).filter(|rest| rest.contains(SEPARATOR)) else { continue };
            let steps: Vec<String> = rest.split(SEPARATOR).map(str::to_ascii_lowercase).collect();
            let Some((path, value)) = self.variable(name, &steps, text) else { continue };
            match given.get(&path) {
                Some((other, first)) if first != text => self.error(
                    ConfigError::new(
                        Code::Disagree,
                        format!("`{other}` and `{name}` both mean `{}` and disagree", path.join(".")),
                    )
                    .at(Some(Place::Variable(name.clone())))
                    .hinted("keep one of them"),
                ),
                _ => insert(&mut tree, &path, value),
            }
            given.insert(path, variable);
        }
        tree
    }

    fn variable(&mut self, name: &str, steps: &[String], text: &str) -> Option<(Vec<&'static str>, Value)> {
        let mut keys = SECTIONS;
        let mut dotted = String::new();
        let mut path = Vec::new();
        let mut found: Option<&'static Key> = None;
        for step in steps {
            let place = Place::Variable(name.to_owned());
            let Some(key) = keys.iter().find(|key| means(key, step)) else {
                self.unknown(step, keys, &dotted, place);
                return None;
            };
            if let Kind::Tables(_) = key.kind {
                self.error(no_table(name, &key.kind));
                return None;
            }
            dotted = join(&dotted, key.name);
            path.push(key.name);
            self.remark(key, if key.name == step { key.name } else { step }, &dotted, &place);
            keys = key.kind.keys();
            found = Some(key);
        }
        let key = found?;
        if matches!(key.kind, Kind::Table(_) | Kind::List(_) | Kind::Names) {
            self.error(no_table(name, &key.kind));
            return None;
        }
        self.places.insert(dotted.clone(), Place::Variable(name.to_owned()));
        let value = typed(&key.kind, text);
        let value = self.value(Origin::Variable(name), &key.kind, &value, &dotted);
        if value.is_none() {
            self.damaged.insert(dotted);
        }
        value.map(|value| (path, value))
    }
}

/// As in a file, but without regard to case: variables are upper-case.
fn means(key: &Key, step: &str) -> bool {
    key.aliases.iter().chain([&key.name]).any(|spelling| spelling.eq_ignore_ascii_case(step))
}

fn no_table(name: &str, kind: &Kind) -> ConfigError {
    ConfigError::new(Code::WrongType, format!("this must be {}, which a variable cannot hold", kind.expected()))
        .at(Some(Place::Variable(name.to_owned())))
        .hinted("set it in a file under conf.d, or set its single keys")
}

/// The text of a variable as the value that its key wants; text that does not fit stays text and is refused as such.
fn typed<'t>(kind: &Kind, text: &'t str) -> Spanned<DeValue<'t>> {
    let plain = || Spanned::new(0..0, DeValue::String(text.into()));
    let parsed = || DeValue::parse(text).ok();
    match kind {
        Kind::Switch | Kind::SwitchOr(_) => parsed().filter(|v| matches!(v.get_ref(), DeValue::Boolean(_))),
        Kind::Number(..) | Kind::OneOf(_) => parsed().filter(|v| matches!(v.get_ref(), DeValue::Integer(_))),
        _ => None,
    }
    .unwrap_or_else(plain)
}

fn insert(tree: &mut Map<String, Value>, path: &[&'static str], value: Value) {
    match path {
        [] => {}
        [last] => {
            tree.insert((*last).to_owned(), value);
        }
        [first, rest @ ..] => {
            let branch =
                tree.entry((*first).to_owned()).or_insert_with(|| Value::new(None, ValueKind::Table(Map::new())));
            // AIRGATE_CLOUD__TLS=true beside AIRGATE_CLOUD__TLS__VERIFY=…: the table says more.
            if !matches!(branch.kind, ValueKind::Table(_)) {
                branch.kind = ValueKind::Table(Map::new());
            }
            if let ValueKind::Table(table) = &mut branch.kind {
                insert(table, rest, value);
            }
        }
    }
}
