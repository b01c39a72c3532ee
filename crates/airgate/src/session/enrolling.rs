//! The session of a device that fetches its credential by itself: `enrol.rs` decides, this does it.

use super::enrol::{Enrol, Next, Stage};
use super::keeper::Keeper;
use super::retry::Ending;
use super::{Session, State, random, trouble};
use crate::cloud::Registers;
use crate::status::unix_ms;
use crate::store::{Entry, StoreError};
use air780e::link::Down;
use iotcloud::Moment;
use iotcloud::aliyun::Credential;
use std::collections::BTreeMap;
use tokio::time::Instant;

/// A device and how far it is enrolled.
#[derive(Debug)]
pub(super) struct Enrolment {
    device: Box<Registers>,
    keeper: Keeper,
    /// `None` until the store was read.
    enrol: Option<Enrol>,
}

impl Enrolment {
    /// When the answer is given up.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.enrol.as_ref()?.stage() {
            Stage::Awaiting(until) => Some(until.into()),
            _ => None,
        }
    }

    pub(super) async fn kept(&mut self) -> Result<(), StoreError> {
        self.keeper.done().await
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
    /// Becomes this device; what is under way for the same device goes on.
    pub(super) fn registers(&mut self, device: Box<Registers>) {
        if self.enrolment.as_ref().is_some_and(|enrolment| *enrolment.keeper.key() == device.key) {
            return;
        }
        let keeper = Keeper::new(self.parts.store.clone(), device.key.clone());
        self.cloud = None;
        self.state = State::Unknown;
        self.enrolment = Some(Enrolment { device, keeper, enrol: None });
    }

    /// Something is due: signs in, or registers first.
    pub(super) fn attempt(&mut self) {
        if self.state == State::Enrolling {
            return self.unanswered();
        }
        let Some(enrolment) = &mut self.enrolment else { return self.sign_in() };
        if enrolment.enrol.is_none() {
            match self.parts.store.entry(enrolment.keeper.key()) {
                Ok(entry) => enrolment.enrol = Some(Enrol::new(enrolment.device.mode, entry)),
                Err(error) => return self.offline(trouble::store(&error), Ending::Lost),
            }
        }
        let Some(enrol) = &mut enrolment.enrol else { return };
        match enrol.next(Instant::now().into_std(), unix_ms()) {
            Next::SignIn(credential) => match enrolment.device.cloud(credential) {
                Ok(cloud) => {
                    self.cloud = Some(cloud);
                    self.sign_in();
                }
                Err(error) => self.offline(trouble::bad_identity(&error), Ending::Refused),
            },
            Next::Register => {
                let entry = enrol.begin(unix_ms());
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
                tracing::info!("registered; what the cloud handed out is kept");
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
        let Some(enrolment) = &mut self.enrolment else { return };
        let Some(enrol) = &mut enrolment.enrol else { return };
        enrol.marked();
        let key = enrolment.keeper.key();
        tracing::info!(
            product_key = key.product,
            device_name = key.device,
            instance = key.place,
            mode = ?enrolment.device.mode,
            renewal = enrol.is_enrolled(),
            "registers the device with the cloud"
        );
        self.sign_in = Some(enrolment.device.registration.sign_in(&Moment::new(unix_ms(), random())));
        self.began();
    }

    /// The registration's connection is up.
    pub(super) fn registration_accepted(&mut self) {
        let Some(enrolment) = &mut self.enrolment else { return };
        if enrolment.stage() == Stage::Connecting {
            let now = Instant::now().into_std();
            let entry = enrolment.enrol.as_mut().map(|enrol| enrol.accepted(now, unix_ms()));
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
        let Some(enrolment) = &mut self.enrolment else { return };
        let entry = enrolment.enrol.as_mut().map(|enrol| enrol.answered(credential, unix_ms()));
        enrolment.keep(entry);
        // The connection has served its purpose; the cloud would close it after 15 s.
        self.end_registration();
    }

    /// The registration's connection is down, or was never up.
    pub(super) fn registration_down(&mut self, down: &Down) {
        let Some(enrolment) = &mut self.enrolment else { return };
        let Some(enrol) = &mut enrolment.enrol else { return };
        match (enrol.stage(), down) {
            (Stage::Connecting, Down::Refused(_)) => {
                let entry = enrol.registration_refused(unix_ms());
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
