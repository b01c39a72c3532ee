//! The file that node_exporter's textfile collector reads: replaced as a whole, readable for everybody.

use super::render;
use crate::config::Metrics;
use crate::status::Sources;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

/// Keeps the file, for as long as it is not aborted. What cannot be written is told once.
pub async fn keep(Metrics { textfile, every }: Metrics, sources: Sources) {
    let mut tick = interval(every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failing = false;
    loop {
        tick.tick().await;
        let (path, text) = (textfile.clone(), render(&sources.now()));
        let written = spawn_blocking(move || replace(&path, text.as_bytes())).await;
        let written = written.unwrap_or_else(|error| Err(error.into()));
        let path = textfile.display();
        match &written {
            Err(error) if !failing => {
                tracing::warn!(%path, %error, "metrics cannot be written: give the unit ReadWritePaths= to that directory, \
                    and the group airgate the right to write there");
            }
            Ok(()) if failing => tracing::info!(%path, "metrics are written again"),
            _ => {}
        }
        failing = written.is_err();
    }
}

/// No fsync: after a power cut the next one comes soon enough, and a card is not worn by this.
fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    // Not a name that ends in .prom, or it would be read too.
    let new = path.with_extension("prom.new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(&new)?;
    file.write_all(text)?;
    // The unit's umask took the others' right away.
    file.set_permissions(Permissions::from_mode(0o644))?;
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_never_sees_half_a_file_and_may_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("airgate.prom");
        for text in ["a_long_first_text 1\n", "b 2\n"] {
            replace(&path, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_directory_that_is_not_there_is_an_error() {
        assert!(replace(Path::new("/does/not/exist/airgate.prom"), b"").is_err());
    }
}
