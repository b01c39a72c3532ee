//! The pty: its master as an asynchronous byte stream, its slave under a path of the caller's choice.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, fcntl_setfl, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, ioctl_tiocnxcl, tcgetattr, tcsetattr};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The rate of a pty that no host has set one on: no host would want it.
const NO_RATE: u32 = 50;

/// An open pty. The link is removed when it is dropped.
#[derive(Debug)]
pub(super) struct Pty {
    master: AsyncFd<OwnedFd>,
    /// Held open so that the line survives a host that closes it.
    slave: OwnedFd,
    slave_path: PathBuf,
    link: Option<PathBuf>,
}

impl Pty {
    /// Opens a raw pty and, if asked, links its slave at `link`; an old symbolic link there is replaced.
    pub(super) fn open(link: Option<&Path>) -> io::Result<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname(&master, Vec::new())?;
        let slave_path = PathBuf::from(std::ffi::OsString::from_vec(name.into_bytes()));
        let slave = open(&slave_path, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
        let mut termios = tcgetattr(&slave)?;
        termios.make_raw();
        termios.set_speed(NO_RATE)?;
        tcsetattr(&slave, OptionalActions::Now, &termios)?;
        fcntl_setfl(&master, OFlags::NONBLOCK)?;
        if let Some(link) = link {
            place_link(&slave_path, link)?;
        }
        let master = register(master)?;
        Ok(Self { master, slave, slave_path, link: link.map(Path::to_owned) })
    }

    /// Where a host opens the line.
    pub(super) fn path(&self) -> &Path {
        self.link.as_deref().unwrap_or(&self.slave_path)
    }

    /// The rate that a host has set, bits per second; `None` as long as none has.
    pub(super) fn host_rate(&self) -> Option<u32> {
        let rate = tcgetattr(&self.slave).ok()?.output_speed();
        (rate != NO_RATE).then_some(rate)
    }

    pub(super) async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let count =
            self.master.async_io(Interest::READABLE, |master| Ok(rustix::io::read(master, &mut *buffer)?)).await;
        // A serial port forgets that it was opened exclusively when its last user is gone, killed or not; a pty, which
        // lives on, would keep the next one out.
        ioctl_tiocnxcl(&self.slave)?;
        count
    }

    pub(super) async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.master.async_io(Interest::WRITABLE, |master| Ok(rustix::io::write(master, bytes)?)).await
    }
}

#[expect(deprecated, reason = "its safe successor does not exist yet; an OwnedFd always names the same open file")]
fn register(master: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(master, Interest::READABLE | Interest::WRITABLE)
}

fn place_link(slave: &Path, link: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(link) {
        Ok(there) if there.is_symlink() => std::fs::remove_file(link)?,
        Ok(_) => {
            let text = format!("{} exists and is not a symbolic link; choose another path for --link", link.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
        }
        Err(_) => {}
    }
    std::os::unix::fs::symlink(slave, link)
        .map_err(|error| io::Error::new(error.kind(), format!("cannot link the pty at {}: {error}", link.display())))
}

impl Drop for Pty {
    fn drop(&mut self) {
        // Another simulator may have taken the path over meanwhile: its link stays.
        if let Some(link) = &self.link
            && std::fs::read_link(link).is_ok_and(|target| target == self.slave_path)
        {
            let _ = std::fs::remove_file(link);
        }
    }
}
