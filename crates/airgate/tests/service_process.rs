//! What belongs to a whole process: signals and the global logger. One test, because both are there once.

use airgate::service::log::{LogError, Target, init};
use airgate::service::{hangups, shutdown};
use rustix::process::{Signal, getpid, kill_process};

#[tokio::test]
async fn signals_are_heard_and_logging_is_set_up_once() {
    let mut hangups = hangups().unwrap();
    let stop = shutdown().unwrap();
    kill_process(getpid(), Signal::HUP).unwrap();
    assert!(hangups.recv().await.is_some());
    kill_process(getpid(), Signal::TERM).unwrap();
    assert_eq!(stop.await, "SIGTERM");
    let stop = shutdown().unwrap();
    kill_process(getpid(), Signal::INT).unwrap();
    assert_eq!(stop.await, "SIGINT");

    let logs = init(tracing::Level::INFO, Target::Stderr).unwrap();
    assert_eq!((logs.place, logs.decided_by), ("stderr", None));
    assert!(tracing::enabled!(tracing::Level::INFO) && !tracing::enabled!(tracing::Level::DEBUG));
    assert!(logs.set_level(tracing::Level::DEBUG));
    assert!(tracing::enabled!(tracing::Level::DEBUG) && !tracing::enabled!(tracing::Level::TRACE));
    assert!(log::log_enabled!(log::Level::Info), "users of `log` are heard");
    assert!(matches!(init(tracing::Level::INFO, Target::Stderr), Err(LogError::Twice)));
}
