//! The log of the line: one text line per piece, with the time since power-on.

use std::fs::File;
use std::io::{self, LineWriter, Write};
use std::path::Path;
use std::time::Duration;

/// Writes what goes over the line, if asked to.
#[derive(Debug)]
pub(super) struct Record(Option<LineWriter<File>>);

impl Record {
    pub(super) fn open(path: Option<&Path>) -> io::Result<Self> {
        let named = |path: &Path| {
            File::create(path).map_err(|error| {
                io::Error::new(error.kind(), format!("cannot write the log {}: {error}", path.display()))
            })
        };
        Ok(Self(path.map(named).transpose()?.map(LineWriter::new)))
    }

    /// `>` is from the host, `<` to the host.
    pub(super) fn line(&mut self, now: Duration, direction: char, bytes: &[u8]) {
        if let Some(file) = &mut self.0
            && let Err(error) = writeln!(file, "{:11.6} {direction} {}", now.as_secs_f64(), bytes.escape_ascii())
        {
            tracing::warn!(%error, "the log of the line ends here");
            self.0 = None;
        }
    }
}
