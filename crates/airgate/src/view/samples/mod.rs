//! Situations that the views are looked at in, and the drawings that somebody found right. `BLESS=1` writes them anew.

use std::path::Path;

/// The status objects.
pub(crate) const STATUS: [(&str, &str); 4] = [
    ("online", include_str!("online.json")),
    ("trouble", include_str!("trouble.json")),
    // Four seconds after the first start, without a module.
    ("fresh", include_str!("fresh.json")),
    // Of a daemon that tells nothing that is known here.
    ("foreign", "{}"),
];

/// Compares a drawing with the one on the disk.
pub(crate) fn compare(name: &str, drawn: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/view/samples").join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, drawn).unwrap();
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        drawn == wanted,
        "{name} is drawn as\n{drawn}\nand was\n{wanted}\nIf this is right: BLESS=1 cargo test -p airgate --lib view"
    );
}
