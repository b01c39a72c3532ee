//! Where the port is: under its name, under one of the names that fit a pattern, or, when a module on USB has come back
//! under another name, wherever the same interface of the same kind of device is now.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use tokio_serial::{FlowControl, SerialPortBuilderExt, SerialStream};

/// Gives the port, again and again.
pub(crate) trait Opener<S> {
    /// Opens it at this rate, in bits per second.
    fn open(&mut self, baud: u32) -> io::Result<S>;

    /// Nobody answers here: whether there is another port to try, which is then the next to be opened.
    fn elsewhere(&mut self) -> bool {
        false
    }
}

impl<S, F: FnMut() -> io::Result<S>> Opener<S> for F {
    fn open(&mut self, _: u32) -> io::Result<S> {
        self()
    }
}

/// The kernel's list of ttys and what is behind them.
const SYS: &str = "/sys/class/tty";

/// A port of this host.
#[derive(Debug)]
pub(crate) struct Port {
    wanted: String,
    hardware_flow: bool,
    /// Of several that fit, the one to begin with.
    first: usize,
    usb: Option<Usb>,
}

impl Port {
    pub(crate) fn new(wanted: String, hardware_flow: bool) -> Self {
        Self { wanted, hardware_flow, first: 0, usb: None }
    }

    fn paths(&self) -> Vec<PathBuf> {
        let mut paths = candidates(&self.wanted);
        if paths.is_empty() {
            paths.extend(self.usb.as_ref().and_then(|usb| usb.moved_to(Path::new(SYS))));
        }
        if !paths.is_empty() {
            let first = self.first % paths.len();
            paths.rotate_left(first);
        }
        paths
    }
}

impl Opener<SerialStream> for Port {
    fn open(&mut self, baud: u32) -> io::Result<SerialStream> {
        let mut failure = io::Error::new(io::ErrorKind::NotFound, format!("{}: no such port", self.wanted));
        for path in self.paths() {
            let flow = if self.hardware_flow { FlowControl::Hardware } else { FlowControl::None };
            match tokio_serial::new(path.to_string_lossy(), baud).flow_control(flow).open_native_async() {
                Ok(port) => {
                    if path != Path::new(&self.wanted) {
                        tracing::info!(port = %path.display(), "the port is {}", path.display());
                    }
                    self.usb = Usb::of(&path, Path::new(SYS)).or(self.usb.take());
                    return Ok(port);
                }
                Err(error) => failure = error.into(),
            }
        }
        Err(failure)
    }

    fn elsewhere(&mut self) -> bool {
        let others = candidates(&self.wanted).len() > 1;
        self.first = self.first.wrapping_add(usize::from(others));
        others
    }
}

/// The ports that are there under this name or pattern (`/dev/ttyACM*`), in order.
pub fn candidates(wanted: &str) -> Vec<PathBuf> {
    let exact = Path::new(wanted);
    if exact.exists() {
        return vec![exact.to_owned()];
    }
    glob::glob(wanted).into_iter().flatten().filter_map(Result::ok).collect()
}

/// What stays of a port on USB when its name changes. The serial number does not help: each module has the same.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Usb {
    vendor: String,
    product: String,
    /// A module shows several ports, which differ in this.
    interface: String,
}

impl Usb {
    /// What the kernel says of the tty at `path`; `None` if it is not on USB.
    fn of(path: &Path, sys: &Path) -> Option<Self> {
        let name = fs::canonicalize(path).ok()?;
        Self::named(name.file_name()?.to_str()?, sys)
    }

    fn named(name: &str, sys: &Path) -> Option<Self> {
        let device = fs::canonicalize(sys.join(name).join("device")).ok()?;
        let interface = device.ancestors().find(|dir| dir.join("bInterfaceNumber").exists())?;
        let read = |path: PathBuf| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
        let unit = interface.parent()?;
        Some(Self {
            vendor: read(unit.join("idVendor"))?,
            product: read(unit.join("idProduct"))?,
            interface: read(interface.join("bInterfaceNumber"))?,
        })
    }

    /// Where it is now, if there is no doubt.
    fn moved_to(&self, sys: &Path) -> Option<PathBuf> {
        let names = fs::read_dir(sys).ok()?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let mut same = names.filter(|name| Self::named(name, sys).as_ref() == Some(self));
        let name = same.next()?;
        same.next().is_none().then(|| Path::new("/dev").join(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A tree like the kernel's, with a module of three ports at each of `units`.
    fn tree(units: &[(&str, [&str; 3])]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let class = root.path().join("class");
        for (unit, ttys) in units {
            let unit_dir = root.path().join("devices").join(unit);
            for (tty, interface) in ttys.iter().zip(["02", "04", "06"]) {
                let interface_dir = unit_dir.join(format!("{unit}:1.{interface}"));
                let tty_dir = interface_dir.join("tty").join(tty);
                fs::create_dir_all(&tty_dir).unwrap();
                fs::write(interface_dir.join("bInterfaceNumber"), format!("{interface}\n")).unwrap();
                fs::create_dir_all(&class).unwrap();
                symlink(&interface_dir, tty_dir.join("device")).unwrap();
                symlink(&tty_dir, class.join(tty)).unwrap();
            }
            fs::write(unit_dir.join("idVendor"), "19d1\n").unwrap();
            fs::write(unit_dir.join("idProduct"), "0001\n").unwrap();
        }
        root
    }

    #[test]
    fn a_module_that_comes_back_under_other_names_is_found_by_its_interface() {
        let before = tree(&[("1-1", ["ttyACM0", "ttyACM1", "ttyACM2"])]);
        let at = Usb::named("ttyACM1", &before.path().join("class")).unwrap();
        let after = tree(&[("1-1", ["ttyACM3", "ttyACM4", "ttyACM5"])]);
        assert_eq!(at.moved_to(&after.path().join("class")), Some("/dev/ttyACM4".into()));
    }

    #[test]
    fn of_two_that_look_alike_none_is_taken() {
        let tree = tree(&[("1-1", ["ttyACM0", "ttyACM1", "ttyACM2"]), ("1-2", ["ttyACM3", "ttyACM4", "ttyACM5"])]);
        let class = tree.path().join("class");
        let at = Usb::named("ttyACM1", &class).unwrap();
        assert_eq!(at.moved_to(&class), None);
    }

    #[test]
    fn a_port_that_is_not_on_usb_has_no_other_name() {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir_all(tree.path().join("ttyAMA0")).unwrap();
        assert_eq!(Usb::named("ttyAMA0", tree.path()), None);
        assert_eq!(Usb::of(Path::new("/does/not/exist"), tree.path()), None);
    }

    #[test]
    fn a_pattern_names_every_port_that_fits_in_order_and_silence_tries_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["ttyACM0", "ttyACM1", "other"] {
            fs::write(at(name), "").unwrap();
        }
        let pattern = at("ttyACM*").display().to_string();
        let mut port = Port::new(pattern, false);
        assert_eq!(port.paths(), [at("ttyACM0"), at("ttyACM1")]);
        assert!(port.elsewhere());
        assert_eq!(port.paths(), [at("ttyACM1"), at("ttyACM0")]);
        let mut only = Port::new(at("other").display().to_string(), false);
        assert!(!only.elsewhere());
        assert_eq!(only.paths(), [at("other")]);
        assert_eq!(Port::new(at("none").display().to_string(), false).paths(), [""; 0].map(PathBuf::from));
    }
}
