//! Start-up as the host sees it: mask-ROM banner, `RDY`, and the network's URCs seconds later.

use std::time::Duration;

use super::output::framed;
use super::timers::{Step, Timer};
use super::{Bearer, Engine, Http, Input, Line, Mqtt, Operator, Output, Radio, Tcp, TlsSettings};

/// The mask ROM's greeting: raw, two unprintable bytes inside, a backslash and an `n` in place of a newline.
/// Source: boot logs of Air780E V1161 and Air780EP V1010.
const ROM_BANNER: &[u8] = b"^boot.rom'v\x01\x02'!\\n";
const BANNER_TO_RDY: Duration = Duration::from_millis(100);
/// From a reset to the banner.
const RESET_TO_BANNER: Duration = Duration::from_millis(150);
/// Source: time-stamped boot log of Air780E V1169.
const ATTACH_TO_NITZ: Duration = Duration::from_millis(27);

impl Engine {
    /// Lets the start-up begin after `delay`.
    pub(super) fn power_on(&mut self, delay: Duration) {
        self.hears_from = Duration::MAX;
        self.after(delay, Timer::Boot(Step::Banner));
    }

    pub(super) fn boot(&mut self, step: Step) {
        match step {
            Step::Banner => {
                self.sender.rate(self.settings.baud, self.now);
                // The mask ROM knows nothing of auto-baud.
                self.hunt_ended();
                self.transmit(ROM_BANNER);
                self.hunt_started();
                let next = if self.upgrade.pending().is_some() { Step::Install(0) } else { Step::Ready };
                self.after(BANNER_TO_RDY, Timer::Boot(next));
            }
            Step::Install(percent) => self.install(percent),
            Step::Ready => {
                self.sim_started();
                self.schedule_upgrade();
                self.hears_from = self.now + self.profile.deaf_after_rdy;
                self.transmit(&framed("RDY"));
                if let Some(delay) = self.profile.second_rdy {
                    self.after(delay, Timer::Boot(Step::SecondReady));
                }
                self.after(self.profile.attach, Timer::Boot(Step::Attach));
            }
            Step::SecondReady => self.transmit(&framed("RDY")),
            Step::Attach => self.attach(),
            Step::Nitz => self.tell_time(),
        }
    }

    /// Steps of the boot loader, as irregular as in the log of an update from V1138 to V1147.
    fn install(&mut self, percent: u8) {
        if percent == 0 {
            self.transmit(&framed("+QIND: \"FOTA\",\"START\""));
        }
        self.transmit(&framed(&format!("+QIND: \"FOTA\",\"UPDATING\",{percent}")));
        if percent < 100 {
            let step = 1 + self.rng.below(4);
            let next = percent.saturating_add(u8::try_from(step).unwrap_or(1)).min(100);
            let whole = self.profile.install_time;
            return self.after(whole * u32::from(next - percent) / 100, Timer::Boot(Step::Install(next)));
        }
        self.transmit(&framed("+QIND: \"FOTA\",\"END\",0"));
        if let Some(version) = self.upgrade.installed() {
            self.profile.version = version;
        }
        self.after(BANNER_TO_RDY, Timer::Boot(Step::Ready));
    }

    /// Registers, if there is a SIM and the radio is on.
    pub(super) fn attach(&mut self) {
        if !self.sim_opened()
            || !self.has_coverage()
            || !self.wants_network()
            || !self.radio.is_on()
            || self.radio.attached()
        {
            return;
        }
        self.radio.attach(self.now);
        let bearer = if self.profile.cgev_reason { "+CGEV: ME PDN ACT 1,0" } else { "+CGEV: ME PDN ACT 1" };
        for text in ["^MODE: 17,17", "+E_UTRAN Service", bearer] {
            self.urc(text);
        }
        self.registration_urcs();
        self.take_waiting_sms();
        self.after(ATTACH_TO_NITZ, Timer::Boot(Step::Nitz));
    }

    /// Starts over.
    pub(super) fn reboot(&mut self, reason: u8) {
        self.shut_down();
        self.start_reason = reason;
        self.power_on(RESET_TO_BANNER);
    }

    /// What is not in flash is lost, and so is what has not gone over the line yet.
    pub(super) fn shut_down(&mut self) {
        self.hears_from = Duration::MAX;
        for id in [self.mqtt.connection(), self.tcp.connection(), self.http.connection(), self.upgrade.connection()]
            .into_iter()
            .flatten()
        {
            self.outputs.push_back(Output::Abort { id });
        }
        self.timers.clear();
        self.sender.clear();
        self.input = Input::default();
        self.line = Line::default();
        self.settings = self.stored.clone();
        self.radio = Radio::default();
        self.mqtt = Mqtt::new(&self.profile);
        self.clock = self.clock.restarted(self.profile.clock_survives_reset);
        self.sleep = self.sleep.restarted();
        self.sms = self.sms.restarted();
        self.upgrade.restarted();
        self.bearer = Bearer::default();
        self.http = Http::default();
        self.tls = TlsSettings::default();
        self.tcp = Tcp::default();
        self.contexts.restarted();
        self.operator = Operator::default();
    }
}
