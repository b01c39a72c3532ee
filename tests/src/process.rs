//! Processes that die with their test.

use crate::PATIENCE;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The folder of the built binaries; they are built once per test process, so that no test runs against old ones.
pub fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
        let mut build = Command::new(cargo);
        // What cargo tells a test of its package would make the build scripts of others run anew, and again afterwards.
        for (name, _) in std::env::vars_os() {
            let told = name.to_str().is_some_and(|n| n.starts_with("CARGO_PKG_") || n.starts_with("CARGO_MANIFEST_"));
            if told {
                build.env_remove(name);
            }
        }
        let status = build
            .args([
                "build",
                "--quiet",
                "--package",
                "airgate",
                "--package",
                "airgate-sim",
                "--package",
                "airgate-demo",
                "--bins",
            ])
            .status()
            .expect("cargo runs");
        assert!(status.success(), "the binaries do not build");
        // …/debug/deps/test-1234 -> …/debug
        let test = std::env::current_exe().expect("a test has a path");
        test.parent().and_then(Path::parent).expect("two folders up").to_owned()
    })
}

/// A command for one of the project's binaries.
pub fn bin(name: &str) -> Command {
    bin_under(&[], name)
}

/// The same with a command before it that becomes it.
pub fn bin_under(before: &[&str], name: &str) -> Command {
    let binary = built().join(name);
    let mut command = match before {
        [] => Command::new(binary),
        [program, args @ ..] => {
            let mut command = Command::new(program);
            command.args(args).arg(binary);
            command
        }
    };
    // The developer's own settings stay outside.
    command.env_remove("AIRGATE_SOCKET").env_remove("RUST_LOG").env("AIRGATE_LOG", "debug");
    command
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().expect("the command starts")
}

/// Does this with each of `cells`, a few at a time, and fails with all that failed.
pub fn in_parallel<T: Sync>(cells: &[T], name: impl Fn(&T) -> String + Sync, work: impl Fn(&T) + Sync) {
    const AT_ONCE: usize = 12;
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut failed = Vec::new();
        while let Some(cell) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
            if std::panic::catch_unwind(AssertUnwindSafe(|| work(cell))).is_err() {
                failed.push(name(cell));
            }
        }
        failed
    };
    let failed: Vec<String> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert!(failed.is_empty(), "{failed:?}");
}

/// Looks at something outside, again and again, until it is so.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A running process with its standard error in a file.
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it; `log` is appended to.
    pub fn start(command: &mut Command, log: &Path) -> Self {
        let errors = File::options().create(true).append(true).open(log).expect("a log file");
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors).spawn().expect("it starts");
        Self { child, log: log.to_owned() }
    }

    /// The first line that it prints: it is ready.
    pub fn first_line(&mut self) -> String {
        let mut line = String::new();
        let stdout = self.child.stdout.take().expect("nobody read it before");
        BufReader::new(stdout).read_line(&mut line).expect("it prints");
        assert!(!line.is_empty(), "it ended: {}", self.log());
        line
    }

    /// What it logged so far, and its predecessors.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// SIGKILL: it gets no chance to do anything.
    pub fn kill(mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
    }

    /// SIGTERM: it ends in order. Returns whether it ended well.
    pub fn terminate(self) -> bool {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").arg(pid).status().expect("kill runs").success());
        self.ends()
    }

    /// Waits until it ends by itself. Returns whether it ended well.
    pub fn ends(mut self) -> bool {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                return status.success();
            }
            assert!(Instant::now() < end, "it does not end: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
