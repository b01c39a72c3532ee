//! The events that matter, by name and by the number under which the journal finds and explains them.
//!
//! A log line that says `event = "online"` gets the fields `AIRGATE_EVENT` and `MESSAGE_ID` in the journal. The numbers are
//! stable: alerts are written against them. `systemd/airgate.catalog` explains each of them to `journalctl -x`, and a test
//! compares it with this table.
//!
//! Source: systemd.journal-fields(7), `MESSAGE_ID=`: 128 bits as 32 digits in lower case, drawn at random once.

/// Name and message ID of each event.
pub const EVENTS: &[(&str, &str)] = &[
    ("started", "3097f474f20e491d862e8616aa4a1025"),
    ("stopping", "a0260a0ce5d844ac982c76d2b775ced1"),
    ("configuration_changed", "ebe9bc66be0e4fe0a10213e9ceb9eac6"),
    ("configuration_rejected", "80369c3ed4074eb99286066742e2abf8"),
    ("restart_needed", "40ea7cff93a64ff5ba87ac6a5d78fe7b"),
    ("room_stuck", "63547922b6f64de292aa66eedf20d8d4"),
    ("room_ended", "22f97132b1f843d29ce3b6600ac26c4a"),
    ("online", "a0c85f1ba9e648279b273fdef60d0532"),
    ("offline", "4f5984f4d0b84748a2cc3952c105ffc3"),
    ("sign_in_refused", "ad7e043b0f514723a112bd47d0536fbf"),
    ("identity_taken", "9b2b81a66160487e9adb6b16c4f91c73"),
    ("registered", "be311434156e4157aa70970086a2710a"),
    ("module", "cc885b0f934c4284970493b71257f934"),
    ("module_silent", "0f2d3cba594745069a5648968a79cb36"),
    ("port_unusable", "e4c261b9a10d4e5383e76d092d532856"),
    ("sim_missing", "4c91ab8751f24e4a8647afc532f9ab2b"),
    ("sim_locked", "112a6aa599744f89884996a51f739d83"),
    ("sim_ready", "78cb45f51faf41f790512c08f5064178"),
    ("network_lost", "f502ea421919403fa83f5589430e2b0c"),
    ("network_found", "e5dd1111afd2496ba95401554568bec4"),
    ("recovery_step", "231ae6844c3c4c08b24cfbd4091d0f32"),
    ("recovery_healed", "232500a6243949ea8543e9c616ccaa51"),
    ("recovery_failed", "dea09f4f4a4a4ab0a5f96cfa556e1510"),
    ("recovery_spent", "23ae9845f8c346e2aee190c5e72cf80e"),
    ("messages_dropped", "908f3961f2b4452a8a8b6755b356e382"),
    ("message_given_up", "ebf485a4fa41453f9c809e35e5e05315"),
    ("message_set_aside", "86c4792a99a6400d9834909c6a32a68b"),
    ("disk_failing", "acc5b287981040bc895691261dfb389d"),
    ("disk_low", "14d14d8e8dc34477a94e524ed63ccb68"),
    ("disk_well", "21f9f656175e405699b5e47a80004c85"),
    ("budget", "88b305d1d4524d4d9ba87f8341d53298"),
    ("firmware_offered", "8bdfa414f5764e3f9c040c22eaa92297"),
    ("log_suppressed", "3d7b67c74b814f6ba016dba318d9b70c"),
];

/// The message ID of an event; `None`: no such event.
pub fn message_id(event: &str) -> Option<&'static str> {
    EVENTS.iter().find(|(name, _)| *name == event).map(|(_, id)| *id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    const CATALOG: &str = include_str!("../../../../systemd/airgate.catalog");

    /// Each entry's number, and its lines.
    fn entries() -> BTreeMap<&'static str, Vec<&'static str>> {
        let entries = CATALOG.split("\n-- ").skip(1);
        entries
            .map(|entry| {
                let mut lines = entry.lines();
                (lines.next().unwrap(), lines.collect())
            })
            .collect()
    }

    #[test]
    fn the_catalogue_explains_each_event_and_nothing_else() {
        let entries = entries();
        let explained: BTreeSet<_> = entries.keys().copied().collect();
        assert_eq!(explained, EVENTS.iter().map(|(_, id)| *id).collect());
        for (id, lines) in entries {
            let subject = lines.first().and_then(|line| line.strip_prefix("Subject: ")).unwrap_or_default();
            assert!(!subject.is_empty() && lines.contains(&"Defined-By: airgate"), "{id}: {lines:?}");
            let text = lines.iter().skip_while(|line| !line.is_empty()).collect::<Vec<_>>();
            assert!(text.len() >= 2, "{id} says nothing: {lines:?}");
        }
    }

    #[test]
    fn each_number_is_that_of_one_event_and_well_formed() {
        let numbers: BTreeSet<_> = EVENTS.iter().map(|(_, id)| *id).collect();
        let names: BTreeSet<_> = EVENTS.iter().map(|(name, _)| *name).collect();
        assert_eq!((numbers.len(), names.len()), (EVENTS.len(), EVENTS.len()));
        let digit = |c: char| matches!(c, '0'..='9' | 'a'..='f');
        assert!(numbers.iter().all(|id| id.len() == 32 && id.chars().all(digit)));
    }

    #[test]
    fn the_documentation_names_each_event() {
        let text = include_str!("../../../../docs/observing.md");
        let missing = EVENTS.iter().filter(|(name, _)| !text.contains(&format!("`{name}`")));
        assert_eq!(missing.map(|(name, _)| *name).collect::<Vec<_>>(), [""; 0]);
    }

    /// The source of a crate, but for tests below `#[cfg(test)]`.
    fn sources(dir: &std::path::Path, into: &mut String) {
        for entry in std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                sources(&entry, into);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&entry).unwrap();
                into.push_str(text.split("#[cfg(test)]").next().unwrap_or_default());
            }
        }
    }

    #[test]
    fn each_event_is_told_somewhere_and_what_is_told_is_in_the_table() {
        let mut source = String::new();
        for dir in ["src", "../air780e/src"] {
            sources(std::path::Path::new(dir), &mut source);
        }
        let told: BTreeSet<_> =
            source.split("event = \"").skip(1).map(|rest| rest.split('"').next().unwrap_or_default()).collect();
        let known: BTreeSet<_> = EVENTS.iter().map(|(name, _)| *name).collect();
        assert_eq!(told, known);
    }
}
