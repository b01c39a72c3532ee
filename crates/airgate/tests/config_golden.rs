//! Wrong files and the exact words that they get: each `tests/config/NAME.toml` beside its `NAME.expected`.
//!
//! After a change of words, `UPDATE_EXPECTED=1 cargo test -p airgate --test config_golden` writes them anew; read the
//! difference before you keep it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail loudly, also in its helpers")]

use std::fs;
use std::path::{Path, PathBuf};

use airgate::config::{ConfigError, load};

/// As the command shows them.
fn shown(errors: &[ConfigError]) -> String {
    let mut text = String::new();
    for error in errors {
        text += &format!("error[{}]: {error}\n", error.code());
        if let Some(hint) = error.hint() {
            text += &format!("hint: {hint}\n");
        }
    }
    text
}

fn wrong_files() -> Vec<PathBuf> {
    let files = fs::read_dir("tests/config").unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "toml")).collect();
    files.sort();
    files
}

fn errors_of(file: &Path) -> Vec<ConfigError> {
    load(Some(file), std::iter::empty()).expect_err(&format!("{} is wrong", file.display()))
}

#[test]
fn each_wrong_file_gets_its_words() {
    let files = wrong_files();
    assert!(files.len() >= 40, "{} files", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let got = shown(&errors_of(&file));
        let expected = file.with_extension("expected");
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            fs::write(&expected, &got).unwrap();
        }
        let wanted = fs::read_to_string(&expected).unwrap_or_default();
        if got != wanted {
            wrong.push(format!("{}\n--- expected\n{wanted}--- got\n{got}", expected.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_message_repeats_a_secret_and_each_says_what_to_do_about_what_is_missing() {
    for file in wrong_files() {
        for error in errors_of(&file) {
            let text = shown(std::slice::from_ref(&error)) + &format!("{error:?}");
            assert!(!text.contains("hunter") && !text.contains("31415926"), "{}: {text}", file.display());
            let hinted = ["config_missing", "config_contradiction", "config_unknown_key", "config_syntax"];
            assert!(!hinted.contains(&error.code()) || error.hint().is_some(), "{}: {text}", file.display());
        }
    }
}
