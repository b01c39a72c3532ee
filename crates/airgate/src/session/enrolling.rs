//! The session of a device that fetches its credential by itself: `enrol.rs` decides, this does it.

use super::enrol::{Enrol, Next, Stage};
use super::keeper::Keeper;
use super::retry::Ending;
use super::{Session, State, answered, random, trouble};
use crate::cloud::Registers;
use crate::config::RegisterBy;
use crate::store::{Entry, StoreError};
use crate::uplink::NotRegistered;
use air780e::link::Down;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use iotcloud::Moment;
use iotcloud::aliyun::{Credential, HttpsError, RegistrationMode};
use std::collections::BTreeMap;
use tokio::time::Instant;

/// A device and how far it is enrolled.
pub(super) struct Enrolment {
    device: Box<Registers>,
    keeper: Keeper,
    /// `None` until the store was read.
    enrol: Option<Enrol>,
    /// By which way the last registration failed.
    failed_by: Option<Way>,
    /// One over HTTPS, under way.
    https: Option<BoxFuture<'static, Result<Bytes, NotRegistered>>>,
}

/// A step of the enrolment that is done.
pub(super) enum Step {
    /// Everything was written, or the last of it was not.
    Kept(Result<(), StoreError>),
    /// A registration over HTTPS was answered, or came to nothing.
    Https(Result<Bytes, NotRegistered>),
}

/// By which way a device registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Mqtt,
    Https,
}

/// MQTT first; HTTPS, which tells why it refuses, when that failed; and so on in turns.
fn next_way(by: RegisterBy, mode: RegistrationMode, failed_by: Option<Way>) -> Way {
    match (by, mode) {
        (RegisterBy::Mqtt, _) | (_, RegistrationMode::RegisterNoPrereg) => Way::Mqtt,
        (RegisterBy::Https, _) => Way::Https,
        (RegisterBy::Auto, _) if failed_by == Some(Way::Mqtt) => Way::Https,
        (RegisterBy::Auto, _) => Way::Mqtt,
    }
}

impl Enrolment {
    /// When the answer is given up.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.enrol.as_ref()?.stage() {
            Stage::Awaiting(until) => Some(until.into()),
            _ => None,
        }
    }

    /// What was being done is done. May be dropped and asked again.
    pub(super) async fn step(&mut self) -> Step {
        let Self { keeper, https, .. } = self;
        tokio::select! {
            outcome = keeper.done() => Step::Kept(outcome),
            outcome = answered(https) => {
                *https = None;
                Step::Https(outcome)
            }
        }
    }

    /// When nothing is left to write.
    pub(super) async fn settled(&mut self) {
        if self.keeper.is_busy()
            && let Err(error) = self.keeper.done().await
        {
            tracing::error!(%error, "what is known of the credential was not written");
        }
    }

    fn stage(&self) -> Stage {
        self.enrol.as_ref().map_or(Stage::Idle, Enrol::stage)
    }

    fn keep(&mut self, entry: Option<Entry>) {
        if let Some(entry) = entry {
            self.keeper.put(entry);
        }
    }
}

impl Session {
    /// Now: by the clock that runs on, and by the best that tells the date.
    fn times(&self) -> (std::time::Instant, u64) {
        (Instant::now().into_std(), self.unix_ms())
    }

    /// Becomes this device; what is under way for the same device goes on.
    pub(super) fn registers(&mut self, device: Box<Registers>) {
        if self.enrolment.as_ref().is_some_and(|enrolment| *enrolment.keeper.key() == device.key) {
            return;
        }
        let keeper = Keeper::new(self.parts.store.clone(), device.key.clone());
        self.cloud = None;
        self.state = State::Unknown;
        self.enrolment = Some(Enrolment { device, keeper, enrol: None, failed_by: None, https: None });
    }

    /// Something is due: signs in, or registers first.
    pub(super) fn attempt(&mut self) {
        if self.state == State::Enrolling {
            return self.unanswered();
        }
        let (now, unix_ms) = self.times();
        let Some(enrolment) = &mut self.enrolment else { return self.sign_in() };
        if enrolment.enrol.is_none() {
            match self.parts.store.entry(enrolment.keeper.key()) {
                Ok(entry) => enrolment.enrol = Some(Enrol::new(enrolment.device.mode, entry, now, unix_ms)),
                Err(error) => return self.offline(trouble::store(&error), Ending::Lost),
            }
        }
        let Some(enrol) = &mut enrolment.enrol else { return };
        match enrol.next(now, unix_ms) {
            Next::SignIn(credential) => match enrolment.device.cloud(credential) {
                Ok(cloud) => {
                    self.cloud = Some(cloud);
                    self.sign_in();
                }
                Err(error) => self.offline(trouble::bad_identity(&error), Ending::Refused),
            },
            Next::Register => {
                let entry = enrol.begin(unix_ms);
                (self.state, self.sign_in) = (State::Enrolling, None);
                enrolment.keep(Some(entry));
            }
            Next::Keep(entry) => {
                enrol.keep_again();
                (self.state, self.sign_in) = (State::Enrolling, None);
                enrolment.keep(Some(entry));
            }
            Next::GiveUp => self.offline(trouble::answers_lost(), Ending::Refused),
        }
    }

    /// Everything was written, or the last of it was not.
    pub(super) fn on_kept(&mut self, outcome: Result<(), StoreError>) {
        let Some(enrolment) = &mut self.enrolment else { return };
        let (stage, Some(enrol)) = (enrolment.stage(), &mut enrolment.enrol) else { return };
        match (stage, outcome) {
            (Stage::Marking, Ok(())) => self.register(),
            (Stage::Keeping, Ok(())) => {
                enrol.kept();
                tracing::info!(event = "registered", "registered; what the cloud handed out is kept");
                let due = self.retry.followed(Instant::now().into_std());
                self.state = State::Waiting(due.into());
            }
            (Stage::Marking | Stage::Keeping, Err(error)) => {
                enrol.failed();
                self.offline(trouble::store(&error), Ending::Lost);
            }
            (_, Ok(())) => {}
            (_, Err(error)) => tracing::error!(%error, "what is known of the credential was not written"),
        }
    }

    fn register(&mut self) {
        let (_, unix_ms) = self.times();
        let Some(enrolment) = &mut self.enrolment else { return };
        let Some(enrol) = &mut enrolment.enrol else { return };
        enrol.marked();
        let way = next_way(enrolment.device.by, enrolment.device.mode, enrolment.failed_by);
        // Until it has worked.
        enrolment.failed_by = Some(way);
        let key = enrolment.keeper.key();
        tracing::info!(
            ?way,
            product_key = key.product,
            device_name = key.device,
            instance = key.place,
            mode = ?enrolment.device.mode,
            renewal = enrol.is_enrolled(),
            "registers the device with the cloud"
        );
        let moment = Moment::new(unix_ms, random());
        let registration = &enrolment.device.registration;
        match (way, registration.https_request(&moment)) {
            (Way::Https, Some(request)) => {
                let uplink = self.parts.uplink.clone();
                enrolment.https = Some(Box::pin(async move { uplink.register(request).await }));
                self.sign_in = None;
            }
            (Way::Mqtt, _) | (_, None) => self.sign_in = Some(registration.sign_in(&moment)),
        }
        self.began();
    }

    /// The registration over HTTPS was answered, or came to nothing.
    pub(super) fn on_https(&mut self, outcome: Result<Bytes, NotRegistered>) {
        let (now, unix_ms) = self.times();
        let Some(enrolment) = &mut self.enrolment else { return };
        let Some(enrol) = enrolment.enrol.as_mut().filter(|enrol| enrol.stage() == Stage::Connecting) else { return };
        match outcome.map(|body| enrolment.device.registration.on_https_response(&body)) {
            Ok(Ok(credential)) => {
                // The answer's own entry says all that this one would.
                let _ = enrol.accepted(now, unix_ms);
                self.on_credential(credential);
            }
            Ok(Err(error @ HttpsError::Refused { .. })) => {
                let entry = enrol.registration_refused(now, unix_ms);
                enrolment.keep(Some(entry));
                self.offline(trouble::registration_refused_because(&error), Ending::Refused);
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "the cloud's answer to the registration is not used");
                self.unanswered();
            }
            Err(error) => {
                enrol.failed();
                let ending = if matches!(error, NotRegistered::Root(_)) { Ending::Refused } else { Ending::Lost };
                self.offline(trouble::registration_failed(&error), ending);
            }
        }
    }

    /// The registration's connection is up.
    pub(super) fn registration_accepted(&mut self) {
        let (now, unix_ms) = self.times();
        let Some(enrolment) = &mut self.enrolment else { return };
        if enrolment.stage() == Stage::Connecting {
            let entry = enrolment.enrol.as_mut().map(|enrol| enrol.accepted(now, unix_ms));
            enrolment.keep(entry);
        }
    }

    /// A message on the registration's connection.
    pub(super) fn on_registration_message(&mut self, topic: &str, payload: &[u8]) {
        let Some(enrolment) = &mut self.enrolment else { return };
        if !matches!(enrolment.stage(), Stage::Connecting | Stage::Awaiting(_)) {
            return;
        }
        match enrolment.device.registration.on_message(topic, payload) {
            None => {}
            Some(Ok(credential)) => self.on_credential(credential),
            // The right one may still come.
            Some(Err(error)) => tracing::error!(topic, %error, "the cloud's answer to the registration is not used"),
        }
    }

    fn on_credential(&mut self, credential: Credential) {
        let (now, unix_ms) = self.times();
        let Some(enrolment) = &mut self.enrolment else { return };
        let entry = enrolment.enrol.as_mut().map(|enrol| enrol.answered(credential, now, unix_ms));
        enrolment.failed_by = None;
        enrolment.keep(entry);
        // The connection has served its purpose; the cloud would close it after 15 s.
        self.end_registration();
    }

    /// The registration's connection is down, or was never up.
    pub(super) fn registration_down(&mut self, down: &Down) {
        let (now, unix_ms) = self.times();
        let Some(enrolment) = &mut self.enrolment else { return };
        let Some(enrol) = &mut enrolment.enrol else { return };
        match (enrol.stage(), down) {
            (Stage::Connecting, Down::Refused(_)) => {
                let entry = enrol.registration_refused(now, unix_ms);
                let refusal = enrolment.device.registration.refusal(None);
                enrolment.keep(Some(entry));
                self.offline(trouble::registration_refused(&refusal), Ending::Refused);
            }
            (Stage::Connecting, down) => {
                enrol.failed();
                self.offline(trouble::down(down), Ending::Lost);
            }
            (Stage::Awaiting(_), _) => self.unanswered(),
            // What is being written goes on.
            (Stage::Idle | Stage::Marking | Stage::Keeping, _) => {}
        }
    }

    fn unanswered(&mut self) {
        if let Some(enrol) = self.enrolment.as_mut().and_then(|enrolment| enrolment.enrol.as_mut()) {
            enrol.failed();
        }
        self.end_registration();
        self.offline(trouble::unanswered(), Ending::Refused);
    }

    /// Wants no connection; that it ends is not told.
    fn end_registration(&mut self) {
        self.sign_in = None;
        if let Err(error) = self.parts.uplink.want(None, BTreeMap::new()) {
            tracing::debug!(%error, "the registration's connection ends by itself");
        }
    }

    /// The credential works.
    pub(super) fn credential_accepted(&mut self) {
        if let Some(enrolment) = &mut self.enrolment {
            let entry = enrolment.enrol.as_mut().and_then(Enrol::signed_in);
            enrolment.keep(entry);
        }
    }

    /// The credential was refused.
    pub(super) fn credential_refused(&mut self) {
        if let Some(enrolment) = &mut self.enrolment {
            let entry = enrolment.enrol.as_mut().and_then(|e| e.sign_in_refused(Instant::now().into_std()));
            enrolment.keep(entry);
        }
    }

    /// How a device that registers is told about a refused sign-in; `None` for another.
    pub(super) fn refused_hint(&self) -> Option<&'static str> {
        self.enrolment.as_ref().map(|enrolment| trouble::refused_credential(enrolment.device.mode))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_of_registering_take_turns_unless_one_is_chosen() {
        use RegistrationMode::{Register, RegisterNoPrereg};
        for (by, mode, failed_by, way) in [
            (RegisterBy::Auto, Register, None, Way::Mqtt),
            (RegisterBy::Auto, Register, Some(Way::Mqtt), Way::Https),
            (RegisterBy::Auto, Register, Some(Way::Https), Way::Mqtt),
            (RegisterBy::Mqtt, Register, Some(Way::Mqtt), Way::Mqtt),
            (RegisterBy::Https, Register, None, Way::Https),
            (RegisterBy::Auto, RegisterNoPrereg, Some(Way::Mqtt), Way::Mqtt),
        ] {
            assert_eq!(next_way(by, mode, failed_by), way, "{by:?} {mode:?} {failed_by:?}");
        }
    }
}
