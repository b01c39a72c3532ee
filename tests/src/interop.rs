//! Clients of other makers, which `tests/interop/prepare` brings.

use crate::run;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file of the folder `interop`.
pub fn interop(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("interop").join(file)
}

/// The folder with the clients, kept between runs beside what cargo builds.
pub fn interop_clients() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.ancestors().nth(3).unwrap().join("interop");
    let done = run(Command::new(interop("prepare")).arg(&folder));
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    folder
}
