//! A socket that programs connect to: handed over by systemd, or made here.

use super::Accounts;
use crate::users::PROGRAMS;
use rustix::process::{Resource, getrlimit, setrlimit};
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tokio::net::{UnixListener, UnixStream};

/// The group whose members may connect.
const GROUP: &str = "airgate";
const MODE: u32 = 0o660;
/// Descriptors: one for each program, a second while it does not read what it is told, and as many again for all else.
const DESCRIPTORS: u64 = 3 * PROGRAMS as u64;

/// A socket with somebody listening.
#[derive(Debug)]
pub struct Listener {
    inner: UnixListener,
    /// The file to remove at the end; none when systemd keeps it.
    own: Option<PathBuf>,
}

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody answers there.
    #[error("another daemon listens on {}: stop it, or choose another path under [local]", path.display())]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// Something that is no socket is in the way.
    #[error("{} exists and is no socket: remove it, or choose another path under [local]", path.display())]
    InTheWay {
        /// The file.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot make the socket {}: {source}", path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Listener {
    fn inherited(inner: std::os::unix::net::UnixListener) -> io::Result<Self> {
        inner.set_nonblocking(true)?;
        Ok(Self { inner: UnixListener::from_std(inner)?, own: None })
    }

    /// A new socket at `path`, for the group `airgate`. A socket file that a dead daemon left is replaced.
    ///
    /// # Errors
    /// [`BindError`] says what is in the way.
    pub async fn bind(path: &Path) -> Result<Self, BindError> {
        let io = |source| BindError::Io { path: path.to_owned(), source };
        if let Ok(found) = fs::symlink_metadata(path) {
            if !found.file_type().is_socket() {
                return Err(BindError::InTheWay { path: path.to_owned() });
            }
            if UnixStream::connect(path).await.is_ok() {
                return Err(BindError::InUse { path: path.to_owned() });
            }
            fs::remove_file(path).map_err(io)?;
        }
        let inner = UnixListener::bind(path).map_err(io)?;
        fs::set_permissions(path, fs::Permissions::from_mode(MODE)).map_err(io)?;
        give_to_group(path);
        Ok(Self { inner, own: Some(path.to_owned()) })
    }

    /// The next program.
    ///
    /// # Errors
    /// What the system says; the socket stays usable.
    pub async fn accept(&self) -> io::Result<UnixStream> {
        self.inner.accept().await.map(|(stream, _)| stream)
    }
}

/// Lets this process have as many descriptors as there may be programs, as far as the system allows: started by hand, it has
/// fewer.
fn make_room() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= DESCRIPTORS) {
        return;
    }
    limit.current = Some(limit.maximum.map_or(DESCRIPTORS, |maximum| maximum.min(DESCRIPTORS)));
    let raised = setrlimit(Resource::Nofile, limit);
    tracing::debug!(?limit, ?raised, "descriptors for the programs");
}

/// A listener for each door, which has a name and a path: the one that systemd handed over for it, otherwise a new one.
///
/// A socket is a door's when it bears its name (`FileDescriptorName=`), or else its path; one that bears neither is for the first
/// door. Source: sd_listen_fds_with_names(3).
///
/// # Errors
/// [`BindError`] says what is in the way.
pub async fn open<const N: usize>(doors: [(&str, &Path); N]) -> Result<[Listener; N], BindError> {
    make_room();
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut handed = listenfd::ListenFd::from_env();
    let mut found: [Option<std::os::unix::net::UnixListener>; N] = std::array::from_fn(|_| None);
    for number in 0..handed.len() {
        let first = doors.first().map(|(_, path)| path.to_path_buf()).unwrap_or_default();
        let io = |source| BindError::Io { path: first.clone(), source };
        let name = names.next().unwrap_or_default();
        let Some(listener) = handed.take_unix_listener(number).map_err(io)? else { continue };
        let address = listener.local_addr().map_err(io)?;
        let place = place(&doors, name, address.as_pathname());
        match found.get_mut(place) {
            Some(free @ None) => *free = Some(listener),
            _ => tracing::warn!(
                ?address,
                name,
                "a socket that systemd handed over is not used: its door has one already"
            ),
        }
    }
    let mut listeners = Vec::with_capacity(N);
    for ((_, path), handed) in doors.iter().zip(found) {
        listeners.push(match handed {
            Some(inner) => {
                Listener::inherited(inner).map_err(|source| BindError::Io { path: path.to_path_buf(), source })?
            }
            None => Listener::bind(path).await?,
        });
    }
    let wrong = || io::Error::other("a socket is missing");
    listeners.try_into().map_err(|_| BindError::Io { path: PathBuf::new(), source: wrong() })
}

/// Which door a socket with this name and this path is for.
fn place(doors: &[(&str, &Path)], name: &str, path: Option<&Path>) -> usize {
    let named = doors.iter().position(|(door, _)| *door == name);
    named.or_else(|| doors.iter().position(|(_, door)| path == Some(*door))).unwrap_or(0)
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(path) = &self.own {
            let _ = fs::remove_file(path);
        }
    }
}

/// Started by hand, without the group or without the right to give files away, the socket stays with who started it.
fn give_to_group(path: &Path) {
    let Some(gid) = Accounts::read().group(GROUP) else { return };
    if let Err(error) = std::os::unix::fs::chown(path, None, Some(gid)) {
        tracing::debug!(%error, group = GROUP, "the socket stays with the group that made it");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_left_by_a_dead_daemon_is_replaced_and_a_living_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "a closed listener leaves its file");
        let listener = Listener::bind(&path).await.unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        assert!(matches!(Listener::bind(&path).await, Err(BindError::InUse { .. })));
        drop(listener);
        assert!(!path.exists());
    }

    #[test]
    fn the_unit_allows_the_descriptors_that_are_needed() {
        let unit = include_str!("../../../../systemd/airgate.service");
        let allowed = unit.lines().find_map(|line| line.strip_prefix("LimitNOFILE=")).unwrap();
        assert_eq!(allowed.parse(), Ok(DESCRIPTORS));
    }

    #[test]
    fn a_socket_is_recognised_by_its_name_or_else_by_its_path() {
        let (json, mqtt) = (Path::new("/run/a.sock"), Path::new("/run/m.sock"));
        let doors = [("json", json), ("mqtt", mqtt)];
        for (name, path, door) in [
            ("mqtt", Some(Path::new("/elsewhere")), 1),
            ("json", Some(mqtt), 0),
            ("airgate", Some(mqtt), 1),
            ("unknown", Some(json), 0),
            ("", Some(mqtt), 1),
            ("", None, 0),
        ] {
            assert_eq!(place(&doors, name, path), door, "{name} {path:?}");
        }
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_is_not_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("precious");
        fs::write(&path, "data").unwrap();
        assert!(matches!(Listener::bind(&path).await, Err(BindError::InTheWay { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "data");
    }
}
