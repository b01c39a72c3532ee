//! Asking to stop (SIGTERM, SIGINT) and to read the configuration again (SIGHUP).

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens for SIGTERM and SIGINT from now on; the future that comes back ends at the first of them and names it.
///
/// # Errors
/// When the kernel refuses the handlers.
///
/// # Panics
/// Outside of a tokio runtime with I/O.
pub fn shutdown() -> io::Result<impl Future<Output = &'static str> + Send> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    })
}

/// Every SIGHUP from now on: `recv().await` gives one; several that come before it is asked count as one.
///
/// # Errors
/// When the kernel refuses the handler.
///
/// # Panics
/// Outside of a tokio runtime with I/O.
pub fn hangups() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}
