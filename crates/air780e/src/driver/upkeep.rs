//! What the recovery ladder and the rate of the line ask for, and what is told of it.

use super::Driver;
use crate::command::upgrade::meaning;
use crate::exchange::Failure;
use crate::ladder::{Fault, Notice as Rescue, Rung};
use crate::step::Seen;
use crate::urc::{Installing, Urc};
use std::time::Instant;

impl Driver {
    /// Asks the ladder whether something has to be done about a fault that lasts, and does it.
    pub(super) fn recover(&mut self, now: Instant) {
        self.link.tick(now);
        if !self.link.is_climbing() {
            self.ladder.carried_out(now);
        }
        self.ladder.observe(self.link.fault(), now);
        let day = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs() / 86_400);
        if let Some(rung) = self.ladder.next(now, day) {
            self.link.climb(rung);
            let evidence = self.link.fault().map_or("", Fault::as_str);
            tracing::warn!(
                event = "recovery_step",
                rung = rung.as_str(),
                evidence,
                "recovery: {}, since {evidence}",
                rung.as_str()
            );
            if let (Rung::Hardware, Some(reset)) = (rung, &self.recovery.reset) {
                reset();
            }
        }
        while let Some(notice) = self.ladder.next_notice() {
            match notice {
                Rescue::Healed(heal) => {
                    let (rung, seconds) = (heal.rung.as_str(), heal.took.as_secs());
                    match heal.healed {
                        true => {
                            tracing::info!(
                                event = "recovery_healed",
                                rung,
                                seconds,
                                "recovery: {rung} has healed it after {seconds} s"
                            );
                        }
                        false => {
                            tracing::warn!(
                                event = "recovery_failed",
                                rung,
                                seconds,
                                "recovery: {rung} has not healed it in {seconds} s"
                            );
                        }
                    }
                    self.last_heal = Some(heal);
                }
                Rescue::Spent(fault) => {
                    let evidence = fault.as_str();
                    tracing::error!(
                        event = "recovery_spent",
                        evidence,
                        "recovery has done for today what it may; {evidence}, and it waits"
                    );
                }
                Rescue::BudgetChanged(_) => {}
            }
        }
    }

    /// Asks whether the line has to run at another rate, and whether the module has to be told of one.
    pub(super) fn tune(&mut self, now: Instant) {
        if let Some(turn) = self.rate.observe(self.engine.is_lost() && !self.link.is_installing(), now) {
            tracing::info!(baud = turn.to, "no answer: trying {} bit/s", turn.to);
            self.turn = Some(turn);
        }
        if let Some(step) = self.rate.take_step() {
            self.link.tune(step);
        }
    }

    /// The module was asked for another rate.
    pub(super) fn asked_for_rate(&mut self, rate: u32, seen: &Result<Seen, Failure>) {
        let refused = matches!(seen, Err(Failure::Refused(_)));
        self.turn = self.rate.asked(rate, seen.is_ok(), refused);
        match seen {
            Ok(_) => tracing::info!(baud = rate, "the line runs at {rate} bit/s from now on"),
            Err(failure) => tracing::warn!(baud = rate, %failure, "the line does not run at {rate} bit/s"),
        }
    }
}

/// What the module says of an update of its own firmware.
pub(super) fn tell_update(urc: &Urc) {
    match urc {
        Urc::UpgradeLoading(code @ ..0) => {
            tracing::warn!(code, "the module's update of its firmware failed: {}", meaning(*code));
        }
        Urc::UpgradeLoading(percent) => {
            tracing::info!(percent, "the module loads an update of its firmware: {percent} %")
        }
        Urc::UpgradeInstalling(Installing::Start) => {
            tracing::warn!("the module installs an update of its firmware: it must not lose its power now");
        }
        Urc::UpgradeInstalling(Installing::Percent(percent)) => {
            tracing::debug!(percent, "the module installs an update of its firmware: {percent} %");
        }
        Urc::UpgradeInstalling(Installing::End(0)) => {
            tracing::info!("the module has installed an update of its firmware")
        }
        Urc::UpgradeInstalling(Installing::End(code)) => {
            tracing::warn!(code, "the module could not install an update of its firmware (code {code})");
        }
        _ => {}
    }
}
