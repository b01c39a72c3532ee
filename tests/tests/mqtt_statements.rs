//! The tables of statements in `docs/mqtt.md` are whole, and name tests that there are.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

/// The numbered statements of the standard, by section: how many there are.
const STATEMENTS: [(&str, u32); 36] = [
    ("1.5.3", 3),
    ("2.2.2", 2),
    ("2.3.1", 7),
    ("3.1.0", 2),
    ("3.1.2", 24),
    ("3.1.3", 11),
    ("3.1.4", 5),
    ("3.2.0", 1),
    ("3.2.2", 6),
    ("3.3.1", 12),
    ("3.3.2", 3),
    ("3.3.4", 1),
    ("3.3.5", 2),
    ("3.6.1", 1),
    ("3.8.1", 1),
    ("3.8.3", 4),
    ("3.8.4", 6),
    ("3.9.3", 2),
    ("3.10.1", 1),
    ("3.10.3", 2),
    ("3.10.4", 6),
    ("3.12.4", 1),
    ("3.14.1", 1),
    ("3.14.4", 3),
    ("4.1.0", 2),
    ("4.3.1", 1),
    ("4.3.2", 2),
    ("4.3.3", 2),
    ("4.4.0", 1),
    ("4.5.0", 2),
    ("4.6.0", 6),
    ("4.7.1", 3),
    ("4.7.2", 1),
    ("4.7.3", 4),
    ("4.8.0", 2),
    ("6.0.0", 4),
];

/// The statements that a cell of the table means: `3.1.2-8 to 3.1.2-10, 3.1.2-12`.
fn statements(cell: &str) -> Vec<(String, u32)> {
    let one = |text: &str| {
        let (section, number) = text.split_once('-')?;
        // Not `UTF-8`.
        section.starts_with(|first: char| first.is_ascii_digit()).then_some(())?;
        let number: String = number.chars().take_while(char::is_ascii_digit).collect();
        Some((section.to_owned(), number.parse().ok()?))
    };
    let parts = cell.split([',', '(', ')']).map(str::trim);
    let mut found = Vec::new();
    for part in parts {
        let mut ends = part.split(" to ").filter_map(one);
        let Some((section, first)) = ends.next() else { continue };
        let last = ends.next().map_or(first, |(_, last)| last);
        found.extend((first..=last).map(|number| (section.clone(), number)));
    }
    found
}

#[test]
fn every_statement_of_the_standard_is_in_one_of_the_tables() {
    let rows = include_str!("../../docs/mqtt.md").lines().filter(|line| line.starts_with("| "));
    let told: Vec<_> = rows.flat_map(|row| statements(row.split('|').nth(1).unwrap())).collect();
    for (section, count) in STATEMENTS {
        for number in 1..=count {
            assert!(told.contains(&(section.to_owned(), number)), "MQTT-{section}-{number} is not in the tables");
        }
    }
    for (section, number) in told {
        let known = STATEMENTS.iter().any(|(known, count)| *known == section && number <= *count);
        assert!(known, "there is no MQTT-{section}-{number}");
    }
}

#[test]
fn the_table_of_statements_names_tests_that_there_are() {
    let sources = [
        include_str!("mqtt_conformance.rs"),
        include_str!("mqtt_door.rs"),
        include_str!("mqtt_clients.rs"),
        include_str!("../../crates/airgate/src/local/mqtt/read.rs"),
        include_str!("../../crates/airgate/src/local/mqtt/window.rs"),
        include_str!("../../crates/airgate/src/router/tests.rs"),
        include_str!("../../crates/airgate/src/router/trie.rs"),
    ];
    let rows = include_str!("../../docs/mqtt.md").lines().filter(|line| line.starts_with("| ") && line.contains('`'));
    let mut named = 0;
    for name in rows.flat_map(|row| row.split('`').skip(1).step_by(2)) {
        let function = format!("fn {name}(");
        assert!(sources.iter().any(|source| source.contains(&function)), "there is no test {name}");
        named += 1;
    }
    assert!(named > 30);
}
