//! Telling systemd how it goes: ready, busy with what, alive, stopping.
//!
//! Source: sd_notify(3), sd_watchdog_enabled(3).

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Where systemd listens.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Address {
    Path(PathBuf),
    Abstract(Vec<u8>),
}

/// The line to systemd, and when it wants to hear that the daemon lives.
///
/// Notices are sent without waiting: a service manager that does not listen must not stall the event loop.
#[derive(Debug)]
pub struct Notify {
    socket: Option<(UnixDatagram, Address)>,
    /// Half of what systemd tolerates.
    interval: Option<Duration>,
    alive: Option<Instant>,
    status: String,
}

impl Notify {
    /// The line that `env` names: `NOTIFY_SOCKET`, `WATCHDOG_USEC`, and `WATCHDOG_PID`, which must be this process.
    /// Without them notices go nowhere.
    pub fn new(env: impl Iterator<Item = (String, String)>) -> Self {
        let (mut socket, mut usec, mut pid) = (None, None, None);
        for (name, value) in env {
            match name.as_str() {
                "NOTIFY_SOCKET" => socket = address(&value),
                "WATCHDOG_USEC" => usec = value.parse().ok().filter(|usec| *usec > 0),
                "WATCHDOG_PID" => pid = Some(value),
                _ => {}
            }
        }
        let mine = pid.is_none_or(|pid| pid == std::process::id().to_string());
        Self {
            socket: socket.and_then(|address| connect().ok().map(|socket| (socket, address))),
            interval: usec.filter(|_| mine).map(|usec: u64| Duration::from_micros(usec / 2)),
            alive: None,
            status: String::new(),
        }
    }

    /// How often [`progress`](Self::progress) passes a sign of life on: half of what systemd tolerates. `None`: no
    /// watchdog.
    pub fn interval(&self) -> Option<Duration> {
        self.interval
    }

    /// The daemon is up: its doors are open.
    pub fn ready(&mut self) {
        self.send("READY=1");
    }

    /// The daemon reads its configuration again; [`ready`](Self::ready) follows. `monotonic` is the time of CLOCK_MONOTONIC.
    ///
    /// Source: sd_notify(3), `RELOADING=1`: systemd 253 and later want the time with it (`Type=notify-reload`), earlier ones
    /// ignore it.
    pub fn reloading(&mut self, monotonic: Duration) {
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={}", monotonic.as_micros()));
    }

    /// What it is doing, in one line, as `systemctl status` shows it. Said again only when it has changed.
    pub fn status(&mut self, status: &str) {
        let line: String = status.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        if line != self.status {
            self.send(&format!("STATUS={line}"));
            self.status = line;
        }
    }

    /// The event loop got on. Call it as often as you like; systemd hears it once in [`interval`](Self::interval).
    pub fn progress(&mut self, now: Instant) {
        let Some(interval) = self.interval else { return };
        if self.alive.is_none_or(|last| now.saturating_duration_since(last) >= interval) {
            self.send("WATCHDOG=1");
            self.alive = Some(now);
        }
    }

    /// The daemon is about to end.
    pub fn stopping(&mut self) {
        self.send("STOPPING=1");
    }

    fn send(&self, text: &str) {
        let Some((socket, address)) = &self.socket else { return };
        let sent = match address {
            Address::Path(path) => socket.send_to(text.as_bytes(), path).map(drop),
            Address::Abstract(name) => send_abstract(socket, name, text.as_bytes()),
        };
        if let Err(error) = sent {
            tracing::debug!(%error, "systemd did not take a notice");
        }
    }
}

fn connect() -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// A path, or `@` and an abstract name.
fn address(value: &str) -> Option<Address> {
    match value.strip_prefix('@') {
        Some(name) => Some(Address::Abstract(name.as_bytes().to_vec())),
        None => value.starts_with('/').then(|| Address::Path(value.into())),
    }
}

fn send_abstract(socket: &UnixDatagram, name: &[u8], bytes: &[u8]) -> io::Result<()> {
    use std::os::linux::net::SocketAddrExt;
    let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
    socket.send_to_addr(bytes, &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listening(more: &[(&str, &str)]) -> (UnixDatagram, Notify, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let listener = UnixDatagram::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        let mut env = vec![("NOTIFY_SOCKET".to_owned(), path.to_str().unwrap().to_owned())];
        env.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        (listener, Notify::new(env.into_iter()), dir)
    }

    /// What has arrived; sending on a Unix datagram socket is done when `send` returns.
    fn heard(listener: &UnixDatagram) -> Vec<String> {
        let mut buffer = [0; 256];
        std::iter::from_fn(|| listener.recv(&mut buffer).ok().map(|n| String::from_utf8_lossy(&buffer[..n]).into()))
            .collect()
    }

    #[test]
    fn readiness_status_and_end_reach_systemd() {
        let (listener, mut notify, _dir) = listening(&[]);
        notify.status("connecting\nto Aliyun");
        notify.ready();
        notify.status("online");
        notify.status("online");
        notify.reloading(Duration::from_micros(1_234));
        notify.stopping();
        let expected = [
            "STATUS=connecting to Aliyun",
            "READY=1",
            "STATUS=online",
            "RELOADING=1\nMONOTONIC_USEC=1234",
            "STOPPING=1",
        ];
        assert_eq!(heard(&listener), expected);
    }

    #[test]
    fn sign_of_life_goes_out_at_half_the_time_and_not_more_often() {
        let (listener, mut notify, _dir) = listening(&[("WATCHDOG_USEC", "30000000")]);
        assert_eq!(notify.interval(), Some(Duration::from_secs(15)));
        let start = Instant::now();
        for second in 0..=30 {
            notify.progress(start + Duration::from_secs(second));
        }
        assert_eq!(heard(&listener), ["WATCHDOG=1"; 3]);
    }

    #[test]
    fn loop_without_progress_gives_no_sign_of_life() {
        let (listener, _notify, _dir) = listening(&[("WATCHDOG_USEC", "1")]);
        assert_eq!(heard(&listener), [""; 0]);
    }

    #[test]
    fn watchdog_of_another_process_is_not_ours() {
        let (_listener, notify, _dir) = listening(&[("WATCHDOG_USEC", "30000000"), ("WATCHDOG_PID", "1")]);
        assert_eq!(notify.interval(), None);
    }

    #[test]
    fn abstract_socket_is_reached() {
        use std::os::linux::net::SocketAddrExt;
        let name = format!("airgate-test-{}", std::process::id());
        let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
        let listener = UnixDatagram::bind_addr(&address).unwrap();
        listener.set_nonblocking(true).unwrap();
        Notify::new([("NOTIFY_SOCKET".to_owned(), format!("@{name}"))].into_iter()).ready();
        assert_eq!(heard(&listener), ["READY=1"]);
    }

    #[test]
    fn nobody_listening_stalls_nothing() {
        let mut nowhere = Notify::new(std::iter::empty());
        nowhere.ready();
        let (listener, mut full, _dir) = listening(&[]);
        for number in 0..10_000 {
            full.status(&number.to_string());
        }
        assert!(!heard(&listener).is_empty());
        drop(listener);
        full.stopping();
    }
}
