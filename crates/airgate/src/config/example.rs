//! The annotated example: what people start from, and what a hint shows a line of.

/// The annotated example: every key with its default.
pub const EXAMPLE: &str = include_str!("../../../../etc/airgate.toml");

/// What to write, as the annotated example does.
pub(super) fn as_in_the_example(path: &str) -> String {
    let shown = example_of(path).map(|line| format!("write it as in {line}; ")).unwrap_or_default();
    format!("{shown}`airgate config example` explains every key")
}

/// The line of the annotated example that sets a key, or the table that it is in.
fn example_of(path: &str) -> Option<&'static str> {
    let (section, key) = path.split_once('.')?;
    let section = section.split('[').next()?;
    let key = key.split('.').next()?;
    let mut inside = "";
    for line in EXAMPLE.lines() {
        let line = line.strip_prefix('#').unwrap_or(line);
        if let Some(heading) = line.strip_prefix('[') {
            inside = heading.trim_matches(['[', ']']);
        } else if inside == section && line.strip_prefix(key).is_some_and(|rest| rest.starts_with(" = ")) {
            return Some(line);
        }
    }
    None
}
