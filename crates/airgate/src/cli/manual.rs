//! airgate.toml(5): the annotated example, set as a manual page. Its comments are the one place that explains each key.

use clap_mangen::roff::{Inline, Roff, bold, roman};

/// The page, from the annotated example.
pub(super) fn configuration(example: &str) -> Vec<u8> {
    let mut page = Roff::new();
    page.control("TH", ["airgate.toml", "5", "", concat!("airgate ", env!("CARGO_PKG_VERSION"))]);
    page.control("SH", ["NAME"]).text([roman("airgate.toml - configuration of airgate")]);
    page.control("SH", ["SYNOPSIS"]);
    for path in ["/etc/airgate/airgate.toml", "/etc/airgate/conf.d/*.toml"] {
        page.text([roman(path)]).control("br", []);
    }
    page.control("SH", ["DESCRIPTION"]);
    // What a setting or a heading below is told with.
    let mut remarks: Vec<&str> = Vec::new();
    for line in example.lines().skip_while(|line| !line.is_empty() && line.contains(".toml: ")) {
        match Line::of(line) {
            Line::Remark(text) => remarks.push(text),
            Line::Rule => say(&mut page, &mut remarks, None),
            Line::Group(name) => say(page.control("SS", [name.replace('"', "").as_str()]), &mut remarks, None),
            Line::Section(name) => say(page.control("SH", [name]), &mut remarks, None),
            Line::Setting(setting) => say(&mut page, &mut remarks, Some(setting)),
            // Settings without a blank between them share what is said.
            Line::Blank => say(&mut page, &mut remarks, None),
        }
    }
    say(&mut page, &mut remarks, None);
    page.control("SH", ["SEE ALSO"]).text([bold("airgate"), roman("(1), "), bold("airgate-config"), roman("(1)")]);
    page.render().into_bytes()
}

/// A line of the example.
#[derive(Debug, PartialEq, Eq)]
enum Line<'a> {
    /// Between sections.
    Rule,
    /// `# --- with … ---`
    Group(&'a str),
    /// `[cloud]`, `#[budget]`, `#[[app]]`
    Section(&'a str),
    /// `key = value` or `#key = value`
    Setting(&'a str),
    /// `# text`
    Remark(&'a str),
    Blank,
}

impl<'a> Line<'a> {
    fn of(line: &'a str) -> Self {
        let bare = line.trim_start_matches('#');
        match line.strip_prefix("# ") {
            Some(text) if text.starts_with("----") => Self::Rule,
            Some(text) if text.starts_with("--- ") => Self::Group(text.trim_matches(['-', ' '])),
            Some(text) => Self::Remark(text),
            None if bare.is_empty() => Self::Blank,
            None if bare.starts_with('[') => Self::Section(bare),
            None => Self::Setting(bare),
        }
    }
}

/// Sets a paragraph, below the setting that it explains if there is one.
fn say(page: &mut Roff, remarks: &mut Vec<&str>, setting: Option<&str>) {
    match setting {
        Some(setting) => page.control("TP", []).text([bold(setting)]),
        None if remarks.is_empty() => return,
        None => page.control("PP", []),
    };
    let lines: Vec<Inline> = remarks.drain(..).map(|text| roman(format!("{text}\n"))).collect();
    page.text(lines);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::EXAMPLE;

    #[test]
    fn each_setting_of_the_example_stands_in_bold() {
        let page = String::from_utf8(configuration(EXAMPLE)).unwrap();
        let settings = EXAMPLE.lines().filter_map(|line| match Line::of(line) {
            Line::Setting(setting) => setting.split(" = ").next(),
            _ => None,
        });
        for name in settings {
            assert!(page.contains(&format!("\\fB{} = ", name.replace('-', "\\-"))), "{name}");
        }
        for heading in [".SH [modem]", ".SH [[app]]", ".SH [budget]", ".SS \"with provider = aliyun\""] {
            assert!(page.contains(heading), "{heading}\n{page}");
        }
    }

    #[test]
    fn lines_of_the_example_are_told_apart() {
        assert_eq!(Line::of("#[[route]]"), Line::Section("[[route]]"));
        assert_eq!(Line::of("#baud = 115200"), Line::Setting("baud = 115200"));
        assert_eq!(Line::of("provider = \"aliyun\""), Line::Setting("provider = \"aliyun\""));
        assert_eq!(Line::of("# --- with both ---"), Line::Group("with both"));
        assert_eq!(Line::of("# The line."), Line::Remark("The line."));
    }
}
