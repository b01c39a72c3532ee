//! From a module that answers to a cloud that takes us: the driver goes the daemon's way, and is watched.

use super::{Report, Rung, State, Stop, lengths};
use crate::clock::host::unix_ms;
use crate::cloud::{self, Identity};
use crate::config::{Config, Loaded};
use crate::session::random;
use crate::uplink::{self, Uplink};
use air780e::command::network::{Registration, SignalQuality};
use air780e::link::Down;
use air780e::status::{Phase, Status};
use air780e::{Config as Line, Event, Recovery};
use iotcloud::{Cloud, Moment, SignIn};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout_at};

/// A SIM card is ready within some 10 s of a boot.
const SIM_READY: Duration = Duration::from_secs(15);
/// So many boots while we look are no accident.
const MANY_BOOTS: u64 = 3;
/// The oldest firmware without known faults that matter here.
///
/// Source: the change list of the AT firmware, V1161.
const GOOD_FIRMWARE: u32 = 1161;
/// Clocks may differ by this much.
const TOLERATED_S: u64 = 86_400;
/// No clock that is set says less: seconds since 1970 on 2024-01-01.
const PAST_S: u64 = 1_704_067_200;

struct Climb<'a> {
    report: &'a mut Report,
    loaded: &'a Loaded,
    uplink: Uplink,
    status: watch::Receiver<Status>,
    events: mpsc::Receiver<Event>,
    /// When we give up waiting for the network and the cloud.
    until: Instant,
}

/// Climbs from the module at `baud` to the cloud; waits at most `patience` for the network and the cloud together.
///
/// # Errors
/// [`Stop`] when a rung failed, which is in the report.
pub async fn climb(report: &mut Report, loaded: &Loaded, baud: u32, patience: Duration) -> Result<(), Stop> {
    // The rate stays as it was found.
    let line = Line { baud, max_baud: None, ..uplink::line(&loaded.config.modem) };
    let (uplink, events) = Uplink::start(line, Recovery::default());
    let until = Instant::now() + patience;
    let mut climb = Climb { report, loaded, status: uplink.status(), uplink, events, until };
    climb.identity().await?;
    climb.sim().await?;
    climb.network().await?;
    climb.address().await?;
    climb.clock().await;
    climb.cloud().await
}

impl Climb<'_> {
    /// Waits until the status is as wanted; false when it is not by then.
    async fn status(&mut self, until: Instant, wanted: impl Fn(&Status) -> bool) -> Result<bool, Stop> {
        let restless = |status: &Status| status.boots >= MANY_BOOTS;
        let came = timeout_at(until, self.status.wait_for(|status| wanted(status) || restless(status))).await.is_ok();
        let boots = self.status.borrow().boots;
        if boots >= MANY_BOOTS {
            self.report.fail(
                Rung::Answer,
                format!("the module restarted {boots} times while it was looked at"),
                "its supply breaks down when it sends: use one of 2 A or more, short wires, and 470 µF at the module",
            )?;
        }
        Ok(came)
    }

    async fn identity(&mut self) -> Result<(), Stop> {
        let soon = self.until.min(Instant::now() + SIM_READY);
        self.status(soon, |status| status.identity.is_some()).await?;
        let identity = self.status.borrow().identity.clone();
        let Some(identity) = identity else {
            let hint = "`airgate at ATI` shows what it says; is it an Air780E?";
            return self.report.fail(Rung::Image, "it does not say who it is", hint);
        };
        image(self.report, &identity.model, &identity.firmware)?;
        firmware(self.report, &identity.firmware);
        lengths::compare(self.report, &identity.firmware, self.loaded);
        Ok(())
    }

    async fn sim(&mut self) -> Result<(), Stop> {
        let soon = self.until.min(Instant::now() + SIM_READY);
        let ready = |status: &Status| {
            use Phase::{NoAnswer, NoPort, NoSim, SettingUp, Updating};
            !matches!(status.phase, NoPort | NoAnswer | Updating | SettingUp | NoSim)
        };
        self.status(soon, ready).await?;
        let phase = self.status.borrow().phase;
        match phase {
            Phase::NoPort | Phase::NoAnswer => {
                self.report.fail(Rung::Answer, "the module fell silent", "check its supply and the wiring")
            }
            Phase::Updating => self.report.fail(
                Rung::Answer,
                "the module installs an update of its own firmware",
                "this takes a few minutes, in which it must not lose its power",
            ),
            Phase::SettingUp => self.report.fail(
                Rung::Image,
                "the module does not take its settings",
                "`airgate at ATI` shows what it is",
            ),
            Phase::NoSim => self.report.fail(Rung::Sim, "there is no SIM card, or it is not recognised", NO_SIM),
            Phase::SimLocked if self.loaded.config.modem.sim_pin.is_some() => self.report.fail(
                Rung::Sim,
                "the SIM card did not take its PIN",
                "compare `sim_pin` under [modem] with the card's papers before you try again: three wrong ones lock it",
            ),
            Phase::SimLocked => {
                self.report.fail(Rung::Sim, "the SIM card wants its PIN", "give it as sim_pin = \"…\" under [modem]")
            }
            _ => {
                self.report.ok(Rung::Sim, "there, and unlocked");
                Ok(())
            }
        }
    }

    async fn network(&mut self) -> Result<(), Stop> {
        let attached = |status: &Status| matches!(status.phase, Phase::Attached | Phase::Connecting | Phase::Online);
        let came = self.status(self.until, attached).await?;
        let (signal, registration) = {
            let status = self.status.borrow();
            (status.signal, status.registration)
        };
        let signal = match signal {
            None => self.signal().await,
            known => known,
        };
        self::signal(self.report, signal.and_then(|signal| signal.rssi_dbm()), came)?;
        if came {
            let roaming = registration == Some(Registration::Roaming);
            self.report.ok(Rung::Registration, if roaming { "roaming" } else { "in the home network" });
            return Ok(());
        }
        not_registered(self.report, registration)
    }

    /// The driver asks for it once the module is in the network.
    async fn signal(&self) -> Option<SignalQuality> {
        let lines = self.uplink.ask("AT+CSQ").await.ok()?;
        let (rssi, ber) = lines.iter().find_map(|line| line.strip_prefix("+CSQ: ")?.split_once(','))?;
        Some(SignalQuality { rssi: rssi.trim().parse().ok()?, ber: ber.trim().parse().ok()? })
    }

    async fn address(&mut self) -> Result<(), Stop> {
        let Ok(lines) = self.uplink.ask("AT+CGPADDR").await else {
            self.report.skip(Rung::Pdp, "the module does not tell its address");
            return Ok(());
        };
        match lines.iter().find_map(|line| address(line)) {
            Some(address) => {
                self.report.ok(Rung::Pdp, address);
                Ok(())
            }
            None => self.report.fail(
                Rung::Pdp,
                "the network gives no address",
                "the access point may be wrong: set apn = { name = \"…\" } under [modem] as the card's papers say; or the \
                 card may not use data",
            ),
        }
    }

    async fn clock(&mut self) {
        let lines = self.uplink.ask("AT+CCLK?").await.unwrap_or_default();
        let module = lines.iter().find_map(|line| module_clock(line));
        clock(self.report, module, unix_ms() / 1000);
    }

    async fn cloud(&mut self) -> Result<(), Stop> {
        let imei = self.status.borrow().identity.as_ref().map(|identity| identity.imei.clone());
        let cloud = match ready(&self.loaded.config, imei.as_deref()) {
            Ok(cloud) => cloud,
            Err(why) => {
                self.report.skip(Rung::Connection, why.clone());
                self.report.skip(Rung::SignIn, why);
                return Ok(());
            }
        };
        let sign_in = cloud.sign_in(&Moment::new(unix_ms(), random()));
        if let Err(error) = self.uplink.want(Some((1, &sign_in)), BTreeMap::new()) {
            return self.report.fail(Rung::SignIn, error.to_string(), "change [cloud] in the configuration");
        }
        let place = format!("{}:{}", sign_in.host, sign_in.port);
        let ended = timeout_at(self.until, session_end(&mut self.events)).await;
        let outcome = judge(self.report, &place, &sign_in, &cloud, ended.ok().flatten());
        // Signs off, so that the cloud does not keep the session.
        let _ = self.uplink.want(None, BTreeMap::new());
        let _ = tokio::time::timeout(Duration::from_secs(5), self.uplink.ask("AT")).await;
        outcome
    }
}

const NO_SIM: &str = "put one in (the notch tells which way), and restart the module; is the card's holder closed?";

/// The sign-in of the configured device, without registering it.
fn ready(config: &Config, imei: Option<&str>) -> Result<Cloud, String> {
    match cloud::build(&config.cloud, imei) {
        Ok(Some(Identity::Ready(cloud))) => Ok(*cloud),
        Ok(Some(Identity::Registers(device))) => {
            let entry = config.store().entry(&device.key).map_err(|error| error.to_string())?;
            let record = entry.current.or(entry.candidate);
            let record = record.ok_or("the device has not registered yet; the daemon does that at its first start")?;
            device.cloud(record.credential).map_err(|error| error.to_string())
        }
        Ok(None) => Err("the device's name is the module's IMEI, which is not known".to_owned()),
        Err(error) => Err(format!("`{}` {}", error.field, error.message)),
    }
}

/// Waits for the end of the attempt: up, or why not.
async fn session_end(events: &mut mpsc::Receiver<Event>) -> Option<Result<(), Down>> {
    loop {
        match events.recv().await? {
            Event::Online(_) => return Some(Ok(())),
            Event::Offline(_, Down::Unwanted) => {}
            Event::Offline(_, down) => return Some(Err(down)),
            _ => {}
        }
    }
}

fn judge(
    report: &mut Report,
    place: &str,
    sign_in: &SignIn,
    cloud: &Cloud,
    ended: Option<Result<(), Down>>,
) -> Result<(), Stop> {
    let reached = if sign_in.tls == iotcloud::Tls::Off { "reached" } else { "reached, with TLS" };
    match ended {
        Some(Ok(())) => {
            report.ok(Rung::Connection, format!("{place} {reached}"));
            report.ok(Rung::SignIn, format!("as {}", sign_in.username.as_deref().unwrap_or(&sign_in.client_id)));
            Ok(())
        }
        Some(Err(Down::Refused(_))) => {
            report.ok(Rung::Connection, format!("{place} {reached}"));
            let refusal = cloud.refusal(None);
            report.fail(Rung::SignIn, refusal.message, refusal.hint)
        }
        Some(Err(down)) => report.fail(
            Rung::Connection,
            format!("{place}: {down}"),
            "check `host`, `port` and `tls` under [cloud], the access point, and whether the SIM card may use data",
        ),
        None => report.fail(
            Rung::Connection,
            format!("{place}: no session came about in the time given"),
            "give it more with --wait, and see `airgate status` when the daemon runs",
        ),
    }
}

pub(super) fn image(report: &mut Report, model: &str, firmware: &str) -> Result<(), Stop> {
    let what = format!("{model} {firmware}");
    if firmware.to_ascii_lowercase().contains("luatos") {
        let hint = "write the AT firmware to it with Luatools (an image whose name ends in _LTE_AT)";
        return report.fail(Rung::Image, format!("{what} is LuatOS, not the AT firmware"), hint);
    }
    if model.contains("780E") {
        report.ok(Rung::Image, what);
    } else {
        report.warn(
            Rung::Image,
            format!("{what} is not of the Air780E family"),
            "it may work; what it does is not tested",
        );
    }
    Ok(())
}

/// `AirM2M_780E_V1169_LTE_AT` has version 1169.
pub(super) fn firmware(report: &mut Report, firmware: &str) {
    let number = firmware.split('_').find_map(|part| part.strip_prefix('V')?.parse::<u32>().ok());
    match number {
        Some(version) if version >= GOOD_FIRMWARE || !firmware.contains("780E_") => {
            report.ok(Rung::Firmware, format!("V{version}"));
        }
        Some(version) => report.warn(
            Rung::Firmware,
            format!("V{version} is older than V{GOOD_FIRMWARE} and has known faults"),
            "write a newer AT firmware to the module",
        ),
        None => report.skip(Rung::Firmware, format!("{firmware:?} tells no version")),
    }
}

pub(super) fn signal(report: &mut Report, dbm: Option<i16>, registered: bool) -> Result<(), Stop> {
    const HINT: &str =
        "check the antenna and its plug (LTE, not GPS), and the place: near a window, not in a metal box";
    match dbm {
        Some(dbm) if dbm <= -105 => {
            report.warn(Rung::Signal, format!("{dbm} dBm is weak"), HINT);
            Ok(())
        }
        Some(dbm) => {
            report.ok(Rung::Signal, format!("{dbm} dBm"));
            Ok(())
        }
        None if registered => {
            report.skip(Rung::Signal, "the module does not tell it");
            Ok(())
        }
        None => report.fail(Rung::Signal, "there is no signal", HINT),
    }
}

pub(super) fn not_registered(report: &mut Report, registration: Option<Registration>) -> Result<(), Stop> {
    match registration {
        Some(Registration::Denied) => report.fail(
            Rung::Registration,
            "the network refuses the card",
            "is the card active, paid for, allowed to roam here, and not bound to another device's IMEI?",
        ),
        Some(registration) if registration.is_registered() => report.fail(
            Rung::Pdp,
            "registered, but not attached to the packet network",
            "the access point may be wrong: set apn = { name = \"…\" } under [modem]; or the card may not use data",
        ),
        _ => report.fail(
            Rung::Registration,
            "no network has taken the card yet",
            "the first search may take minutes: give it more time with --wait; is the operator's LTE band one of the module's?",
        ),
    }
}

/// `+CGPADDR: 1,"10.20.30.40"`.
fn address(line: &str) -> Option<String> {
    let (_, address) = line.strip_prefix("+CGPADDR:")?.split_once(',')?;
    let address = address.trim().trim_matches('"');
    let nowhere = address.is_empty() || address.split(['.', ':', ',']).all(|part| part.trim_matches('"') == "0");
    (!nowhere).then(|| address.to_owned())
}

/// `+CCLK: "24/07/10,08:33:44+00"` in seconds since 1970; the zone is left out of account, it is at most half a day.
///
/// Source: 3GPP TS 27.007, `+CCLK`.
fn module_clock(line: &str) -> Option<u64> {
    let text = line.strip_prefix("+CCLK:")?.trim().trim_matches('"');
    let (date, time) = text.split_once(',')?;
    let number = |text: &str| text.parse::<u64>().ok();
    let mut date = date.split('/').map(number);
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let mut time = time.get(..8)?.split(':').map(number);
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Two digits: from 2000, but 70 and above is the clock of a module that has no time.
    let year = if year >= 100 { year } else { year + if year >= 70 { 1900 } else { 2000 } };
    Some(days_since_1970(year, month, day)? * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Days from 1970-01-01 in the Gregorian calendar, counted in years that begin in March, so that leap days come last.
fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    days.checked_sub(719_468)
}

fn clock(report: &mut Report, module_s: Option<u64>, host_s: u64) {
    match module_s {
        None => report.skip(Rung::Clock, "the module does not tell its time"),
        Some(module) if module < PAST_S => report.warn(
            Rung::Clock,
            "the module has no time from the network yet",
            "it comes with the registration, though some networks never send it; certificates are not held against it",
        ),
        Some(_) if host_s < PAST_S => report.warn(
            Rung::Clock,
            "this host's clock is not set",
            "messages carry wrong times until it is; `airgate status` tells the time by the cloud",
        ),
        Some(module) if module.abs_diff(host_s) > TOLERATED_S => report.warn(
            Rung::Clock,
            format!("the module's clock and this host's differ by {} days", module.abs_diff(host_s) / 86_400),
            "one of them is wrong: compare them with `airgate status`, which tells the time by the cloud",
        ),
        Some(_) => report.ok(Rung::Clock, "the module's and this host's agree"),
    }
}

impl Report {
    /// How a rung stands, once it was tried.
    pub fn state(&self, rung: Rung) -> Option<State> {
        self.findings.iter().find(|finding| finding.rung == rung).map(|finding| finding.state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after<T>(climb: impl FnOnce(&mut Report) -> T) -> (Rung, State) {
        let mut report = Report::default();
        let _ = climb(&mut report);
        let last = report.findings.last().unwrap();
        (last.rung, last.state)
    }

    #[test]
    fn luatos_is_told_apart_from_the_at_firmware_by_its_version() {
        let luatos = after(|r| image(r, "Air780E", "LuatOS-SoC_V1112_EC618"));
        assert_eq!(luatos, (Rung::Image, State::Failed));
        let at = after(|r| image(r, "Air780E", "AirM2M_780E_V1169_LTE_AT"));
        assert_eq!(at, (Rung::Image, State::Ok));
    }

    #[test]
    fn firmware_older_than_the_first_good_one_is_worth_a_word() {
        assert_eq!(after(|r| firmware(r, "AirM2M_780E_V1140_LTE_AT")).1, State::Warning);
        assert_eq!(after(|r| firmware(r, "AirM2M_780E_V1161_LTE_AT")).1, State::Ok);
        assert_eq!(after(|r| firmware(r, "AirM2M_780EP_V1010_LTE_AT")).1, State::Ok, "another line of versions");
        assert_eq!(after(|r| firmware(r, "?")).1, State::Skipped);
    }

    #[test]
    fn no_signal_fails_only_where_no_network_was_found() {
        assert_eq!(after(|r| signal(r, None, false)), (Rung::Signal, State::Failed));
        assert_eq!(after(|r| signal(r, None, true)).1, State::Skipped);
        assert_eq!(after(|r| signal(r, Some(-109), true)).1, State::Warning);
    }

    #[test]
    fn a_denied_card_and_a_missing_packet_network_are_different_rungs() {
        assert_eq!(after(|r| not_registered(r, Some(Registration::Denied))).0, Rung::Registration);
        assert_eq!(after(|r| not_registered(r, Some(Registration::Home))).0, Rung::Pdp);
        assert_eq!(after(|r| not_registered(r, None)).0, Rung::Registration);
    }

    #[test]
    fn an_address_of_nothing_is_none() {
        assert_eq!(address("+CGPADDR: 1,\"10.20.30.40\"").as_deref(), Some("10.20.30.40"));
        for line in ["+CGPADDR: 1,\"0.0.0.0\"", "+CGPADDR: 1,", "+CGPADDR: 1", "OK"] {
            assert_eq!(address(line), None, "{line}");
        }
    }

    #[test]
    fn clocks_are_read_with_two_digits_and_four() {
        assert_eq!(module_clock("+CCLK: \"24/07/10,08:33:44+00\""), Some(1_720_600_424));
        assert_eq!(module_clock("+CCLK: \"2024/07/10,08:33:44\""), Some(1_720_600_424));
        assert!(module_clock("+CCLK: \"70/01/01,00:00:27+00\"").unwrap() < PAST_S);
        for line in ["+CCLK: \"\"", "+CCLK: \"24/13/10,08:33:44\"", "+CCLK: \"24/07/10\"", "+CCLK: \"0/1/1,é9:99:99\""]
        {
            assert_eq!(module_clock(line), None, "{line}");
        }
    }

    #[test]
    fn a_clock_that_is_wrong_by_a_year_is_told_on_the_side_where_it_is_wrong() {
        let now = 1_800_000_000;
        assert_eq!(after(|r| clock(r, Some(now), now)).1, State::Ok);
        assert_eq!(after(|r| clock(r, Some(27), now)).1, State::Warning);
        assert_eq!(after(|r| clock(r, Some(now), 27)).1, State::Warning);
        assert_eq!(after(|r| clock(r, Some(now - 31_536_000), now)).1, State::Warning);
        assert_eq!(after(|r| clock(r, None, now)).1, State::Skipped);
    }
}
