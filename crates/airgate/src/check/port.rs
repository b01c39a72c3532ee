//! The port, up to something that answers `AT`: opens it, listens, and tells what is on its other end.

use super::heard::{Heard, boots, classify};
use super::{Report, Rung, Stop};
use crate::config::Modem;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};
use tokio_serial::{ClearBuffer, SerialPort, SerialPortBuilderExt, SerialStream};

/// The rates that modules and other devices are found at, the likeliest first.
const RATES: &[u32] = &[115_200, 9_600, 921_600, 460_800, 230_400, 57_600, 38_400, 19_200];
/// A module answers `AT` within a few milliseconds; a line that is asleep takes some tries.
const ANSWER: Duration = Duration::from_millis(500);
const TRIES: usize = 3;
/// A module that has booted answers within a second or two; one whose supply breaks down boots again within that time.
const BOOT: Duration = Duration::from_secs(8);
/// More than this is not needed to tell what it is.
const ENOUGH: usize = 16 * 1024;

/// Climbs from the port to a module that answers; returns the rate at which it does.
///
/// # Errors
/// [`Stop`] when a rung failed, which is in the report.
pub async fn climb(report: &mut Report, modem: &Modem) -> Result<u32, Stop> {
    let found = air780e::port::candidates(&modem.port.to_string_lossy());
    let path = found.first().unwrap_or(&modem.port).as_path();
    exists(report, path)?;
    let configured = modem.baud.unwrap_or(115_200);
    let heard = match listen(path, configured).await {
        Ok(heard) => heard,
        Err(error) => return rights(report, path, &error).map(|()| configured),
    };
    report.ok(Rung::Rights, "we may use it, and nobody else does");
    if heard == Heard::Console {
        console(report, path)?;
    }
    match kernel_console(path, &fs::read_to_string("/proc/cmdline").unwrap_or_default()) {
        Some(console) => {
            report.warn(
                Rung::Console,
                format!("the kernel prints its messages there ({console})"),
                "take it out of /boot/firmware/cmdline.txt and restart",
            );
        }
        None => report.ok(Rung::Console, "none was heard"),
    }
    let found = match heard {
        // The line is right: another rate would make it worse.
        Heard::Answer | Heard::Echo | Heard::LuatOs | Heard::BootLoop | Heard::Text => (configured, heard),
        // What a module's ROM says when it boots may come at another rate than what its firmware says.
        Heard::Nothing | Heard::Noise | Heard::Console | Heard::Boot => elsewhere(path, configured, heard).await,
    };
    // The daemon finds it as well.
    let any = modem.baud.is_none() || modem.max_baud == Some(found.0);
    answer(report, if any { found.0 } else { configured }, found).map(|()| found.0)
}

fn exists(report: &mut Report, path: &Path) -> Result<(), Stop> {
    match fs::metadata(path) {
        Ok(_) => {
            report.ok(Rung::Port, path.display().to_string());
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            report.fail(Rung::Rights, format!("{}: {error}", path.display()), "run it as root or as the user airgate")
        }
        Err(error) => {
            let others = candidates();
            let hint = match others.is_empty() {
                true => "no serial port was found on this host: is the module plugged in, or the UART switched on in \
                         /boot/firmware/config.txt (enable_uart=1)?"
                    .to_owned(),
                false => format!("set `port` under [modem]; there are: {}", others.join(", ")),
            };
            report.fail(Rung::Port, format!("{}: {error}", path.display()), hint)
        }
    }
}

/// The serial ports that this host has, those with a lasting name first.
pub(super) fn candidates() -> Vec<String> {
    let list = |dir: &str, begins: &[&str]| -> Vec<String> {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut found: Vec<_> = names
            .filter(|name| begins.is_empty() || begins.iter().any(|b| name.starts_with(b)))
            .map(|name| format!("{dir}/{name}"))
            .collect();
        found.sort();
        found
    };
    let mut found = list("/dev/serial/by-id", &[]);
    found.extend(list("/dev", &["ttyAMA", "ttyUSB", "ttyACM", "serial", "airgate-modem"]));
    found.retain(|path| path != "/dev/serial");
    found
}

/// Why it cannot be opened.
fn rights(report: &mut Report, path: &Path, error: &io::Error) -> Result<(), Stop> {
    let what = format!("{}: {error}", path.display());
    if error.kind() == io::ErrorKind::PermissionDenied {
        return report.fail(Rung::Rights, what, "add the user to the group dialout, or run it as root");
    }
    let holders = holders(path);
    if holders.is_empty() && error.kind() != io::ErrorKind::ResourceBusy {
        return report.fail(Rung::Rights, what, "is it a serial port?");
    }
    let hint = match holders.first() {
        Some((_, name)) if name == "agetty" || name == "getty" => {
            "a login console is on it: systemctl disable --now serial-getty@…, and take console=… out of \
             /boot/firmware/cmdline.txt"
                .to_owned()
        }
        Some((pid, name)) => format!("stop {name} (process {pid}), which has it open"),
        None => "another program has it open: stop it".to_owned(),
    };
    report.fail(Rung::Rights, what, hint)
}

/// Who has it open: process number and name. Only root sees all.
fn holders(path: &Path) -> Vec<(u32, String)> {
    let Ok(real) = fs::canonicalize(path) else { return Vec::new() };
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let holds = |pid: &u32| {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        files.into_iter().any(|file| fs::read_link(file.path()).is_ok_and(|target| target == real))
    };
    let numbers = processes.filter_map(|entry| entry.file_name().to_string_lossy().parse().ok());
    let others = numbers.filter(|pid| *pid != std::process::id()).filter(holds);
    let name = |pid| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned();
    others.map(|pid| (pid, name(pid))).collect()
}

fn console(report: &mut Report, path: &Path) -> Result<(), Stop> {
    let tty = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    report.fail(
        Rung::Console,
        "a login prompt or a shell answers there",
        format!(
            "if it is this host's own console: systemctl disable --now serial-getty@{tty}, take console=… out of \
             /boot/firmware/cmdline.txt and restart; else another computer is on the line"
        ),
    )
}

/// The kernel's console on this port, if there is one in its command line.
fn kernel_console(path: &Path, cmdline: &str) -> Option<String> {
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let tty = real.file_name()?.to_str()?.to_owned();
    let consoles = cmdline.split_whitespace().filter_map(|word| word.strip_prefix("console="));
    let names = |console: &str| {
        let device = console.split(',').next().unwrap_or_default();
        let device = match device {
            "serial0" | "serial1" => fs::canonicalize(format!("/dev/{device}")).ok()?.file_name()?.to_str()?.to_owned(),
            other => other.to_owned(),
        };
        (device == tty).then(|| format!("console={console}"))
    };
    consoles.filter_map(names).next()
}

/// Tries the other rates. What was heard at the configured one stays when no other is better.
async fn elsewhere(path: &Path, configured: u32, heard: Heard) -> (u32, Heard) {
    let mut something = heard != Heard::Nothing;
    for again in [false, true] {
        // One that was still booting when its rate was tried has another chance. Nobody boots without being heard somewhere.
        if again && !something {
            break;
        }
        let others = RATES.iter().copied().filter(|rate| *rate != configured);
        for rate in again.then_some(configured).into_iter().chain(others) {
            match listen(path, rate).await {
                Ok(Heard::Answer) => return (rate, Heard::Answer),
                Ok(found @ (Heard::Console | Heard::LuatOs | Heard::BootLoop)) => return (rate, found),
                Ok(found) => something |= found != Heard::Nothing,
                Err(_) => {}
            }
        }
    }
    (configured, heard)
}

fn answer(report: &mut Report, configured: u32, (rate, heard): (u32, Heard)) -> Result<(), Stop> {
    let fail = |report: &mut Report, what: &str, hint: &str| report.fail(Rung::Answer, what, hint);
    match heard {
        Heard::Answer if rate == configured => {
            report.ok(Rung::Answer, format!("at {rate} bit/s"));
            Ok(())
        }
        Heard::Answer => report.fail(
            Rung::Answer,
            format!("it answers at {rate} bit/s, not at {configured}"),
            format!("set baud = {rate} under [modem]"),
        ),
        Heard::Nothing => fail(
            report,
            "nothing comes back at any rate",
            "is the module on (PWRKEY low for 1.5 s, or tied to ground)? Are TX and RX swapped (the host's TX goes to the \
             module's RX), is there a common ground, is it the module's main UART?",
        ),
        Heard::Echo => fail(
            report,
            "what is sent comes back, and nothing else",
            "TX and RX are connected with each other, or another program echoes: check the wiring",
        ),
        Heard::Console => fail(
            report,
            &format!("a login prompt or a shell answers there at {rate} bit/s"),
            "another computer is on the line, or this host's own console: see the rung before",
        ),
        Heard::LuatOs => report.fail(
            Rung::Image,
            "the module runs LuatOS, not the AT firmware",
            "write the AT firmware to it with Luatools (an image whose name ends in _LTE_AT)",
        ),
        Heard::BootLoop => fail(
            report,
            "the module restarts again and again",
            "its supply breaks down: it takes 1.5 A for moments; use a supply of 2 A or more, short wires, and 470 µF at \
             the module",
        ),
        Heard::Boot => fail(
            report,
            "the module has booted, but does not answer",
            "try again in ten seconds; if it stays so, press its reset",
        ),
        Heard::Noise => fail(
            report,
            "bytes come that are no text at any rate",
            "check the ground and the level (the module's UART has 1.8 V or 3.3 V), and shorten the wires",
        ),
        Heard::Text => fail(
            report,
            "something else answers there",
            "is it the module's main UART? Another device may be on this port",
        ),
    }
}

/// Opens the port at this rate and asks `AT`.
async fn listen(path: &Path, rate: u32) -> io::Result<Heard> {
    let port = tokio_serial::new(path.to_string_lossy(), rate).open_native_async().map_err(io::Error::from)?;
    Ok(classify(&ask(port).await?))
}

async fn ask(mut port: SerialStream) -> io::Result<Vec<u8>> {
    // What was left from before we looked was perhaps sent at another rate.
    port.clear(ClearBuffer::Input).map_err(io::Error::from)?;
    let mut bytes = Vec::new();
    for _ in 0..TRIES {
        port.write_all(b"AT\r").await?;
        read_until(&mut port, &mut bytes, Instant::now() + ANSWER).await?;
        if classify(&bytes) == Heard::Answer {
            break;
        }
    }
    // It may be about to answer, or about to boot again.
    let until = Instant::now() + BOOT;
    while boots(&bytes) > 0 && classify(&bytes) == Heard::Boot && Instant::now() < until {
        port.write_all(b"AT\r").await?;
        read_until(&mut port, &mut bytes, Instant::now() + ANSWER).await?;
    }
    Ok(bytes)
}

async fn read_until(port: &mut SerialStream, bytes: &mut Vec<u8>, until: Instant) -> io::Result<()> {
    let mut chunk = [0; 1024];
    while bytes.len() < ENOUGH && !matches!(classify(bytes), Heard::Answer | Heard::BootLoop) {
        match timeout_at(until, port.read(&mut chunk)).await {
            Ok(Ok(0)) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the port is gone")),
            Ok(Ok(len)) => bytes.extend_from_slice(chunk.get(..len).unwrap_or_default()),
            Ok(Err(error)) => return Err(error),
            Err(_) => break,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_console_is_found_by_the_name_of_its_port() {
        let found = |cmdline| kernel_console(Path::new("/dev/ttyAMA0"), cmdline);
        assert_eq!(found("console=ttyAMA0,115200 root=/dev/mmcblk0p2").as_deref(), Some("console=ttyAMA0,115200"));
        assert_eq!(found("console=tty1 root=/dev/mmcblk0p2"), None);
        assert_eq!(found(""), None);
    }

    #[test]
    fn each_thing_that_is_heard_but_an_answer_at_the_right_rate_fails_with_what_to_do() {
        for heard in [
            Heard::Nothing,
            Heard::Echo,
            Heard::Console,
            Heard::LuatOs,
            Heard::BootLoop,
            Heard::Boot,
            Heard::Noise,
            Heard::Text,
        ] {
            let mut report = Report::default();
            assert_eq!(answer(&mut report, 115_200, (115_200, heard)), Err(Stop));
            assert!(!report.failed().unwrap().hint.is_empty(), "{heard:?}");
        }
        let mut report = Report::default();
        assert_eq!(answer(&mut report, 115_200, (9_600, Heard::Answer)), Err(Stop));
        assert!(report.failed().unwrap().hint.contains("baud = 9600"));
    }

    #[tokio::test]
    async fn a_port_that_is_not_there_is_told_with_those_that_are() {
        let mut report = Report::default();
        assert_eq!(
            climb(&mut report, &Modem { port: "/dev/does-not-exist".into(), ..Modem::default() }).await,
            Err(Stop)
        );
        assert_eq!(report.failed().unwrap().rung, Rung::Port);
    }

    /// A module at 9,600 bit/s whose ROM was heard at 115,200 as well; `line` is the host's side.
    async fn other_end(mut module: SerialStream, line: fs::File) {
        let (mut asked, mut booted) = ([0; 64], false);
        while module.read(&mut asked).await.is_ok() {
            // A pty that somebody has opened exclusively stays so; a port does not.
            rustix::termios::ioctl_tiocnxcl(&line).unwrap();
            match rustix::termios::tcgetattr(&line).unwrap().output_speed() {
                9_600 => module.write_all(b"\r\nOK\r\n").await.unwrap(),
                115_200 if !booted => module.write_all(b"^boot.rom'v\x01\x02'!\\n").await.unwrap(),
                _ => {}
            }
            booted = true;
        }
    }

    #[tokio::test]
    async fn a_module_whose_boot_is_heard_is_found_at_another_rate() {
        let (module, ours) = SerialStream::pair().unwrap();
        let path = ours.name().unwrap();
        let line = fs::File::open(&path).unwrap();
        rustix::termios::ioctl_tiocnxcl(&line).unwrap();
        drop(ours);
        let mut report = Report::default();
        let modem = Modem { port: path.into(), baud: None, ..Modem::default() };
        let found = tokio::select! {
            () = other_end(module, line) => panic!("the line is gone"),
            found = climb(&mut report, &modem) => found,
        };
        assert_eq!(found, Ok(9_600), "{report:?}");
    }
}
