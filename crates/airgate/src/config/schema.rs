//! What a key is: its names, what it may hold, where it has a meaning.

/// What a key may hold.
#[derive(Debug)]
pub(super) enum Kind {
    /// Any text without line breaks, not empty.
    Text,
    /// Text that must never be shown.
    Secret,
    /// A SIM PIN: 4 to 8 digits as text, never shown.
    Pin,
    /// A path; a relative one starts at the file that names it.
    Path,
    /// The path of a serial port: as [`Kind::Path`], but with a slash, so that a bare `ttyAMA0` is noticed.
    Port,
    /// `true` or `false`.
    Switch,
    /// A whole number from the first to the second.
    Number(i64, i64),
    /// One of these whole numbers.
    OneOf(&'static [i64]),
    /// One of these words.
    Word(&'static [&'static str]),
    /// `"64 MiB"` or bytes, from the first to the second.
    Size(u64, u64),
    /// `"1h"`, from the first to the second in milliseconds.
    Duration(u64, u64),
    /// `0.8` or `"80%"`.
    Fraction,
    /// `"10/s"`.
    Rate,
    /// An MQTT topic without wildcards.
    Topic,
    /// An MQTT filter.
    Filter,
    /// A list, each entry as said.
    List(&'static Kind),
    /// A table with these keys.
    Table(&'static [Key]),
    /// `[[name]]`, each with these keys.
    Tables(&'static [Key]),
    /// A table from any name to text.
    Names,
    /// A switch, or a table with these keys.
    SwitchOr(&'static [Key]),
    /// Taken from other systems and without meaning here; says why.
    Retired(&'static str),
}

impl Kind {
    /// What belongs there, in words that follow "must be".
    pub(super) fn expected(&self) -> String {
        match self {
            Self::Text => "text in quotes".into(),
            Self::Secret => "a secret in quotes".into(),
            Self::Pin => "4 to 8 digits in quotes".into(),
            Self::Path => "a path in quotes".into(),
            Self::Port => "the path of a serial port in quotes".into(),
            Self::Switch => "true or false".into(),
            Self::Number(least, most) => format!("a whole number from {least} to {most}"),
            Self::OneOf(numbers) => format!("one of {}", list(numbers)),
            Self::Word(words) => {
                format!("one of {}", words.iter().map(|w| format!("{w:?}")).collect::<Vec<_>>().join(", "))
            }
            Self::Size(..) => "a size such as \"64 MiB\"".into(),
            Self::Duration(..) => "a duration with its unit such as \"90s\", \"1h\" or \"7d\"".into(),
            Self::Fraction => "a fraction: a number from 0 to 1, or a percentage such as \"80%\"".into(),
            Self::Rate => "a rate such as \"10/s\"".into(),
            Self::Topic => "an MQTT topic in quotes".into(),
            Self::Filter => "an MQTT filter in quotes".into(),
            Self::List(of) => format!("a list in brackets, each entry {}", of.expected()),
            Self::Table(_) | Self::Names => "a table".into(),
            Self::Tables(_) => "a list of tables".into(),
            Self::SwitchOr(_) => "true, false or a table".into(),
            Self::Retired(_) => "anything".into(),
        }
    }

    /// Whether its value must never be shown.
    pub(super) fn is_secret(&self) -> bool {
        matches!(self, Self::Secret | Self::Pin)
    }

    /// The keys below it.
    pub(super) fn keys(&self) -> &'static [Key] {
        match self {
            Self::Table(keys) | Self::Tables(keys) | Self::SwitchOr(keys) => keys,
            _ => &[],
        }
    }
}

fn list(numbers: &[i64]) -> String {
    numbers.iter().map(i64::to_string).collect::<Vec<_>>().join(", ")
}

/// One key.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Spellings of other systems.
    pub(super) aliases: &'static [&'static str],
    /// Checked, but without effect in this version.
    pub(super) later: bool,
    /// A running daemon takes a change of it, or of any key below it, when it is asked to read its files again.
    pub(super) live: bool,
    /// The clouds it has a meaning for; empty: all.
    pub(super) clouds: &'static [&'static str],
}

impl Key {
    pub(super) const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, aliases: &[], later: false, live: false, clouds: &[] }
    }

    /// As people bring it from LuatOS `iotcloud` and from the consoles of clouds.
    pub(super) const fn also(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// Take this away when the daemon acts on the key.
    pub(super) const fn later(mut self) -> Self {
        self.later = true;
        self
    }

    pub(super) const fn live(mut self) -> Self {
        self.live = true;
        self
    }

    pub(super) const fn only(mut self, clouds: &'static [&'static str]) -> Self {
        self.clouds = clouds;
        self
    }

    /// Whether `name` means this key.
    pub(super) fn answers_to(&self, name: &str) -> bool {
        name == self.name || self.aliases.contains(&name)
    }
}

/// The key that a name most likely was meant for.
pub(super) fn meant<'k>(name: &str, keys: &'k [Key]) -> Option<&'k Key> {
    let plain = |text: &str| text.to_ascii_lowercase().replace('-', "_");
    let name = plain(name);
    let distance = |key: &Key| {
        let spellings = std::iter::once(&key.name).chain(key.aliases);
        spellings.map(|spelling| strsim::osa_distance(&name, &plain(spelling))).min().unwrap_or(usize::MAX)
    };
    // A third of the letters wrong is a typo; more is another word.
    let tolerated = (name.chars().count() / 3).clamp(1, 3);
    keys.iter().map(|key| (distance(key), key)).filter(|(d, _)| *d <= tolerated).min_by_key(|(d, _)| *d).map(|(_, k)| k)
}
