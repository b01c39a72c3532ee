//! What the driver's recovery ladder gets from this host: what it has used today, kept across restarts, and a reset of the
//! module by force.
//!
//! * [recovery-1] What was used is written when a rung is climbed, and by replacing the file: a torn one cannot be.
//! * [recovery-2] A file that cannot be read gives a fresh budget, and is told; it does not keep the daemon from starting.
//! * [recovery-3] A reset never blocks the event loop and ends within its time.

use crate::config::Reset;
use air780e::ladder::Budget;
use air780e::status::Status;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

/// How long a reset command may take; the ladder waits for it a little longer.
const COMMAND: Duration = Duration::from_secs(30);
/// So much of what a command says about its failure is told, in bytes.
const SAID: u64 = 1024;

/// The file that keeps the budget: `{"day":19968,"used":[1,0,0,0]}`.
#[derive(Clone, Debug)]
pub struct File(PathBuf);

impl File {
    /// The file at this path, which need not exist.
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// What was used before.
    pub fn read(&self) -> Budget {
        let read = fs::read(&self.0).and_then(|text| serde_json::from_slice(&text).map_err(io::Error::from));
        match read {
            Ok(budget) => budget,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Budget::default(),
            Err(error) => {
                let file = self.0.display();
                tracing::warn!("{file} cannot be read ({error}): recovery begins with a fresh budget");
                Budget::default()
            }
        }
    }

    /// Writes what is used, as long as the module is there; `kept` is in the file already.
    pub async fn keep(self, mut status: watch::Receiver<Status>, mut kept: Budget) {
        while let Ok(budget) = status.wait_for(|status| status.budget != kept).await.map(|status| status.budget) {
            let file = self.clone();
            let written = spawn_blocking(move || file.write(&budget)).await;
            if let Ok(Err(error)) | Err(error) = written.map_err(io::Error::other) {
                let file = self.0.display();
                tracing::warn!("{file} cannot be written ({error}): a restart gives recovery a fresh budget");
            }
            kept = budget;
        }
    }

    fn write(&self, budget: &Budget) -> io::Result<()> {
        let new = self.0.with_extension("new");
        let mut file = fs::File::create(&new)?;
        file.write_all(&serde_json::to_vec(budget)?)?;
        file.sync_all()?;
        fs::rename(&new, &self.0)?;
        fs::File::open(self.0.parent().unwrap_or(Path::new("/")))?.sync_all()
    }
}

/// What begins a reset of the module, as it is configured. It must be called in a runtime.
pub fn resetter(reset: Reset) -> Box<dyn Fn() + Send> {
    Box::new(move || match reset.clone() {
        Reset::Command { program, arguments } => drop(tokio::spawn(async move {
            match run(&program, &arguments).await {
                Ok(()) => tracing::info!("the module was reset by {}", program.display()),
                Err(error) => tracing::error!("the module was not reset: {}: {error}", program.display()),
            }
        })),
        Reset::Gpio { chip, line, active_high, hold } => {
            drop(spawn_blocking(move || match pull(&chip, line, active_high, hold) {
                Ok(()) => tracing::info!("the module was reset by {chip}/{line}"),
                Err(error) => tracing::error!("the module was not reset: {chip}/{line}: {error}"),
            }))
        }
    })
}

async fn run(program: &Path, arguments: &[String]) -> io::Result<()> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let errors = child.stderr.take();
    let mut said = Vec::new();
    let end = async {
        if let Some(errors) = errors {
            errors.take(SAID).read_to_end(&mut said).await?;
        }
        child.wait().await
    };
    let status = tokio::time::timeout(COMMAND, end).await;
    let status = status.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "it was killed after 30 s"))??;
    if status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&said);
    Err(io::Error::other(format!("it ended with {status}: {}", said.lines().last().unwrap_or_default())))
}

/// Holds the line at the level that resets, then lets it go.
fn pull(chip: &str, line: u32, active_high: bool, hold: Duration) -> Result<(), gpiocdev::Error> {
    use gpiocdev::line::Value;
    let (reset, run) = if active_high { (Value::Active, Value::Inactive) } else { (Value::Inactive, Value::Active) };
    let mut request = gpiocdev::Request::builder();
    request.on_chip(format!("/dev/{chip}")).with_consumer("airgate").with_line(line).as_output(reset);
    let request = request.request()?;
    std::thread::sleep(hold);
    request.set_value(line, run)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(day: u64) -> Budget {
        Budget { day, used: [1, 2, 3, 4] }
    }

    #[test]
    fn what_was_used_comes_back_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let file = File::new(dir.path().join("recovery.json"));
        assert_eq!(file.read(), Budget::default(), "nothing was used yet");
        file.write(&budget(19_968)).unwrap();
        assert_eq!(file.read(), budget(19_968));
    }

    #[test]
    fn a_garbled_file_gives_a_fresh_budget() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("recovery.json");
        for text in ["", "{\"day\":1", "[]", "\0\0\0"] {
            fs::write(&path, text).unwrap();
            assert_eq!(File::new(path.clone()).read(), Budget::default(), "{text}");
        }
    }

    #[tokio::test]
    async fn each_climb_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let file = File::new(dir.path().join("recovery.json"));
        let (status, watched) = watch::channel(Status::default());
        let keeping = tokio::spawn(file.clone().keep(watched, Budget::default()));
        status.send_modify(|status| status.budget = budget(1));
        while file.read() != budget(1) {
            tokio::task::yield_now().await;
        }
        drop(status);
        keeping.await.unwrap();
    }

    #[tokio::test]
    async fn a_command_that_fails_is_told_with_its_last_words() {
        let shell = Path::new("/bin/sh");
        run(shell, &["-c".into(), "exit 0".into()]).await.unwrap();
        let error = run(shell, &["-c".into(), "echo no relay >&2; exit 7".into()]).await.unwrap_err().to_string();
        assert!(error.contains('7') && error.contains("no relay"), "{error}");
        assert!(run(Path::new("/does/not/exist"), &[]).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_that_does_not_end_is_killed() {
        let error = run(Path::new("/bin/sleep"), &["3600".into()]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn a_chip_that_is_not_there_is_an_error() {
        assert!(pull("gpiochip-does-not-exist", 17, false, Duration::ZERO).is_err());
    }
}
