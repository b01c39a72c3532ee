//! The link: becoming somebody, signing in, and what is told when it is up or down.

use super::retry::Ending;
use super::{Session, State, Trouble, dice, number, random, trouble};
use crate::clock::host::unix_ms;
use crate::cloud::{self, Identity};
use air780e::Event;
use air780e::link::Down;
use airgate_proto::LinkState;
use iotcloud::Moment;
use iotcloud::aliyun::Dialogue;
use std::collections::BTreeMap;
use tokio::time::Instant;

/// Bytes of a signature as a password: HMAC-SHA256 in hexadecimal.
const PASSWORD: usize = 64;

impl Session {
    /// Becomes who the configuration and the module say that we are.
    pub(super) fn identify(&mut self) {
        match cloud::build(&self.parts.config.cloud, self.imei.as_deref()) {
            Ok(None) => {}
            Ok(Some(identity)) => {
                match identity {
                    Identity::Ready(cloud) => self.cloud = Some(*cloud),
                    Identity::Registers(device) => self.registers(device),
                }
                let device = cloud::device(&self.parts.config.cloud, self.imei.as_deref());
                self.status.send_modify(|status| status.device = device);
                if self.state == State::Unknown {
                    self.state = State::Waiting(Instant::now());
                }
            }
            Err(error) => self.trouble(trouble::bad_identity(&error)),
        }
    }

    pub(super) fn sign_in(&mut self) {
        let Some(cloud) = &self.cloud else { return };
        let sign_in = cloud.sign_in(&Moment::new(unix_ms(), random()));
        self.lead_dialogue();
        self.sign_in = Some(sign_in);
        self.state = State::SigningIn;
        self.began();
    }

    /// An attempt begins, with `self.sign_in`.
    pub(super) fn began(&mut self) {
        self.attempt += 1;
        self.retry.began(Instant::now().into_std());
        self.status.send_modify(|status| {
            status.attempts += 1;
            status.next_try_unix_ms = None;
        });
        let texts = self.sign_in.as_ref().map_or(0, |s| {
            let user = s.username.as_ref().map_or(0, String::len);
            s.client_id.len() + user + s.password.as_ref().map_or(0, |_| PASSWORD)
        });
        let told = self.parts.quota.signs_in(texts);
        self.charged(told);
        self.want();
    }

    /// Tells the uplink what is wanted of it.
    pub(super) fn want(&mut self) {
        let mut filters = BTreeMap::new();
        // The answer to a registration comes unasked.
        if self.state != State::Enrolling
            && let Some(cloud) = &self.cloud
        {
            let wanted = self.parts.ends.wanted.borrow_and_update().clone();
            if let Some(machine) = &mut self.talk.machine {
                machine.want(&wanted);
                filters = machine.filters().into_iter().map(|(filter, qos)| (filter, number(qos))).collect();
            }
            for filter in wanted.iter().filter(|filter| self.talk.machine.is_none() || !Dialogue::is_word(filter)) {
                match cloud.expand(filter) {
                    Ok(long) => drop(filters.entry(long).or_insert(1)),
                    Err(error) => tracing::warn!(filter, %error, "the cloud does not take this filter"),
                }
            }
        }
        let session = match self.state {
            State::SigningIn | State::Online | State::Enrolling => {
                self.sign_in.as_ref().map(|sign_in| (self.attempt, sign_in))
            }
            State::Unknown | State::Waiting(_) => None,
        };
        if let Err(error) = self.parts.uplink.want(session, filters) {
            self.offline(trouble::cannot_sign_in(&error), Ending::Refused);
        }
    }

    pub(super) async fn on_event(&mut self, event: Event) {
        match &event {
            Event::Message(message) => {
                let told = self.parts.quota.receives(message.topic.len(), message.payload.len());
                self.charged(told);
            }
            Event::Subscribed(filter) | Event::NotSubscribed(filter, _) => {
                let told = self.parts.quota.subscribes(filter.len());
                self.charged(told);
            }
            _ => {}
        }
        match event {
            Event::Identified(identity) => {
                let changed = self.imei.replace(identity.imei.clone()).is_some_and(|old| old != identity.imei);
                if changed {
                    tracing::warn!(imei = identity.imei, "another module");
                }
                self.identify();
            }
            Event::Online(attempt) if attempt == self.attempt && self.state == State::Enrolling => {
                self.registration_accepted();
            }
            Event::Online(attempt) if attempt == self.attempt => self.online(),
            Event::Offline(attempt, down) if attempt == self.attempt => self.on_down(&down),
            Event::Online(_) | Event::Offline(..) => {}
            Event::Subscribed(filter) => {
                tracing::debug!(filter, "subscribed");
                self.talk.subscribed(&filter, true);
            }
            Event::NotSubscribed(filter, failure) => {
                self.talk.subscribed(&filter, false);
                tracing::warn!(filter, %failure, "not subscribed; it is tried again once a minute");
            }
            Event::Message(message) if self.state == State::Enrolling => {
                self.on_registration_message(&message.topic, &message.payload);
            }
            Event::Message(message) => self.on_message(message).await,
        }
    }

    fn online(&mut self) {
        self.state = State::Online;
        self.parts.quota.online(true);
        self.credential_accepted();
        self.retry.online(Instant::now().into_std());
        self.thrown.online(Instant::now().into_std());
        self.step_aside();
        self.open_dialogue();
        self.tell_online();
        self.status.send_modify(|status| {
            status.state = LinkState::Online;
            status.since_unix_ms = unix_ms();
            status.trouble = None;
        });
    }

    fn on_down(&mut self, down: &Down) {
        if *down == Down::Unwanted {
            return;
        }
        if self.state == State::Enrolling {
            return self.registration_down(down);
        }
        let thrown = self.thrown.ended(*down == Down::Closed, Instant::now().into_std());
        match (down, &self.cloud) {
            (Down::Refused(_), Some(cloud)) => {
                let refusal = cloud.refusal(None);
                self.on_sign_in_refused(refusal);
            }
            (Down::Unreachable(_), _) => self.offline(trouble::down(down), Ending::Unreached),
            _ => {
                let device = self.status.borrow().device.clone();
                let trouble = thrown.map(|times| trouble::thrown_out(times, device.as_ref(), self.thrown.suspect()));
                self.offline(trouble.unwrap_or_else(|| trouble::down(down)), Ending::Lost);
            }
        }
    }

    fn on_sign_in_refused(&mut self, mut refusal: iotcloud::Refusal) {
        self.credential_refused();
        match self.refused_hint() {
            Some(hint) => {
                hint.clone_into(&mut refusal.hint);
                self.offline(trouble::refused(&refusal), Ending::Refused);
            }
            None if self.retry.is_last_doubt() => {
                self.offline(trouble::stopped(&refusal, self.retry.refusals() + 1), Ending::Refused);
            }
            None => self.offline(trouble::refused(&refusal), Ending::Refused),
        }
    }

    pub(super) fn offline(&mut self, trouble: Trouble, ending: Ending) {
        self.talk.offline();
        self.put_back(&[]);
        self.parts.quota.online(false);
        let now = Instant::now();
        let due = self.retry.ended(ending, now.into_std(), dice());
        let wait = due.saturating_duration_since(now.into_std());
        self.state = State::Waiting(now + wait);
        if ending == Ending::Refused {
            let (times, next) = (self.retry.refusals(), wait.as_secs());
            tracing::error!(
                event = "sign_in_refused",
                code = trouble.code,
                times,
                "{}; {}; next try in {next} s",
                trouble.message,
                trouble.hint
            );
        } else if trouble.code == trouble::IDENTITY_TAKEN {
            let next = wait.as_secs_f64();
            tracing::error!(
                event = "identity_taken",
                code = trouble.code,
                "{}; {}; next try in {next:.1} s",
                trouble.message,
                trouble.hint
            );
        } else {
            tracing::warn!(
                event = "offline",
                code = trouble.code,
                "offline: {}; next try in {:.1} s",
                trouble.message,
                wait.as_secs_f64()
            );
        }
        self.status.send_modify(|status| {
            status.next_try_unix_ms = Some(unix_ms() + u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        });
        self.trouble(trouble);
    }

    fn tell_online(&self) {
        let module = self.parts.uplink.status();
        let module = module.borrow();
        let facts = &module.facts;
        tracing::info!(
            event = "online",
            attempt = self.attempt,
            imei = self.imei,
            iccid = facts.iccid.as_ref().map(|iccid| iccid.0.as_str()),
            rsrp = facts.cell.and_then(|cell| cell.rsrp_dbm()),
            operator = facts.operator,
            "online"
        );
    }

    pub(super) fn trouble(&self, trouble: Trouble) {
        self.status.send_if_modified(|status| {
            let changed = status.state == LinkState::Online || status.trouble.as_ref() != Some(&trouble);
            if status.state == LinkState::Online {
                status.since_unix_ms = unix_ms();
            }
            status.state = LinkState::Offline;
            status.trouble = Some(trouble);
            changed
        });
    }
}
