//! The platform without I/O: devices, their sessions and connections. Inputs and the time go in, outputs come out.
//!
//! [cloud-1] A device has one connection: a later one throws out the first, however it is called in MQTT.
//! [cloud-2] A CONNECT whose signature is wrong, or whose device is unknown, is answered 4; one that cannot be
//!           understood, 2; one too many in a minute, 3.
//! [cloud-3] What a device may not publish, and what exceeds its rate, is acknowledged and dropped: the platform says
//!           so in its own log only.
//! [cloud-4] QoS 2 does not exist: the connection ends.
//! [cloud-5] Wills and retained messages do not exist: their flags are ignored.
//! [cloud-6] Silence of one and a half times the keep-alive ends the connection.
//! [cloud-7] A registration is answered over TLS only, by one message without a subscription; what the device sends
//!           after it does not keep the connection open: it ends after 15 s.
//! [cloud-8] The first sign-in with a secret activates the device: it registers no more, until it is reset.
//! [cloud-9] Any host name leads here. If it is strict about instances, a product is known at the platform's name for its
//!           own instance alone, and at names that are not the platform's.
//!
//! This file: connections, from the first byte to the last, over `state.rs`. `traffic.rs`: what goes over them.

use super::event::Event;
use super::gateway;
use super::identity::DeviceId;
use super::message::RequestError;
use super::registration::Denied;
use super::sign_in::{Auth, Registration, SignIn};
use super::state::{Broker, ConnId, Connection, Input, Output, SignedIn, Stage};
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{ConnAck, Connect, ConnectReturnCode, Packet, Publish};
use std::time::Duration;

/// How long a connection may say nothing before its CONNECT. The platform documents none.
const CONNECT_WITHIN: Duration = Duration::from_secs(30);

/// How long a connection stays after a registration.
/// Source: Alibaba Cloud IoT Platform, "MQTT-based dynamic registration".
const REGISTERED_FOR: Duration = Duration::from_secs(15);

/// The keep-alive a device may ask for, in seconds. Source: Alibaba Cloud IoT Platform, "Limits".
const KEEP_ALIVE: std::ops::RangeInclusive<u16> = 30..=1200;

impl Broker {
    /// Takes one input of a connection at the time `now`, counted from 1970, which never goes back.
    pub(super) fn handle(&mut self, now: Duration, conn: ConnId, input: Input) {
        match input {
            Input::Opened { tls, host } => {
                let deadline = now + CONNECT_WITHIN;
                self.connections.insert(conn, Connection { tls, host, deadline, stage: Stage::New });
            }
            Input::Packet(packet) => self.packet(now, conn, packet),
            Input::WrongVersion(level) if self.connections.contains_key(&conn) => {
                let why = format!("protocol level {level}, not MQTT 3.1.1");
                self.refuse(conn, "", ConnectReturnCode::RefusedProtocolVersion, why);
            }
            Input::WrongVersion(_) => {}
            Input::Malformed(why) => self.close(conn, &why),
            Input::Deadline if self.deadline(conn).is_some_and(|deadline| deadline <= now) => {
                self.close(conn, "keep-alive timeout");
            }
            Input::Deadline => {}
            Input::Closed(why) => self.close(conn, &why),
        }
    }

    fn packet(&mut self, now: Duration, conn: ConnId, packet: Packet) {
        let Some(connection) = self.connections.get_mut(&conn) else { return };
        match (&mut connection.stage, packet) {
            (Stage::New, Packet::Connect(connect)) => self.connect(now, conn, &connect),
            (Stage::New, _) => self.close(conn, "the first packet is no CONNECT"),
            (Stage::Registered, Packet::PingReq) => self.send(conn, Packet::PingResp),
            (Stage::Registered, Packet::Disconnect) => self.close(conn, "DISCONNECT"),
            (Stage::Registered, _) => {}
            (Stage::SignedIn(signed_in), packet) => {
                connection.deadline = now + signed_in.patience;
                let device = signed_in.device.clone();
                self.traffic(now, conn, &device, packet);
                if self.faults.weather.kicks() {
                    self.close(conn, "kicked on a bad day");
                }
            }
        }
    }

    fn connect(&mut self, now: Duration, conn: ConnId, connect: &Connect) {
        match self.admit(now, conn, connect) {
            Ok(SignIn { device, auth: Auth::Register(registration), .. }) => {
                let password = connect.login.as_ref().map_or("", |login| &*login.password);
                self.connect_to_register(now, conn, connect, (&device, &registration, password));
            }
            Ok(sign_in) => self.accept(now, conn, connect, &sign_in),
            Err((code, why)) => self.refuse(conn, &connect.client_id, code, why),
        }
    }

    /// Whether a CONNECT is let in, in the order: faults put in, form, rate, signature.
    fn admit(&mut self, now: Duration, conn: ConnId, connect: &Connect) -> Result<SignIn, (ConnectReturnCode, String)> {
        use ConnectReturnCode::{BadClientId, BadUserNamePassword, ServiceUnavailable};
        let (user_name, password) =
            connect.login.as_ref().map_or(("", ""), |login| (&*login.username, &*login.password));
        let parsed = SignIn::parse(&connect.client_id, user_name);
        if let Some(code) = self.faults.refuse_connect(parsed.as_ref().ok().map(|sign_in| &sign_in.device)) {
            return Err((code, "refused by the console or a bad day".to_owned()));
        }
        let sign_in = parsed.map_err(|refusal| (refusal.code(), refusal.to_string()))?;
        let host = self.connections.get(&conn).and_then(|connection| connection.host.as_deref());
        let product = self.products.get(&sign_in.device.product_key);
        if let (Some(host), Some(product)) = (host, product)
            && self.strict_instance
            && !product.lives_at(host)
        {
            return Err((BadUserNamePassword, format!("the product does not live at {host}")));
        }
        if matches!(sign_in.auth, Auth::Register(_)) {
            let tls = self.connections.get(&conn).is_some_and(|connection| connection.tls);
            return if tls { Ok(sign_in) } else { Err((BadClientId, "a registration needs TLS".to_owned())) };
        }
        if !KEEP_ALIVE.contains(&connect.keep_alive) {
            let why = format!("keep-alive {} s is not within 30 to 1200 s", connect.keep_alive);
            return Err((BadClientId, why));
        }
        let unknown = || (BadUserNamePassword, format!("there is no device {}", sign_in.device));
        let device = self.devices.get_mut(&sign_in.device).ok_or_else(unknown)?;
        if !device.rates.connects.admit(now) && self.limits {
            return Err((ServiceUnavailable, "more than 5 connects within a minute".to_owned()));
        }
        if device.disabled {
            return Err((BadUserNamePassword, "the device is disabled".to_owned()));
        }
        let secret = match sign_in.auth {
            Auth::Token => device.tokens.get(&sign_in.cid),
            _ => device.secret.as_ref(),
        };
        match secret {
            Some(secret) if sign_in.verifies(secret, password) => Ok(sign_in),
            Some(_) => Err((BadUserNamePassword, "the signature or the token is wrong".to_owned())),
            None => Err((BadUserNamePassword, "the device has no such credentials".to_owned())),
        }
    }

    fn connect_to_register(
        &mut self,
        now: Duration,
        conn: ConnId,
        connect: &Connect,
        (id, registration, signature): (&DeviceId, &Registration, &str),
    ) {
        let credentials = match self.register(now, id, registration, signature) {
            Ok(credentials) => credentials,
            Err(denied) => {
                let code = match denied {
                    Denied::TooFast => ConnectReturnCode::ServiceUnavailable,
                    _ => ConnectReturnCode::BadUserNamePassword,
                };
                return self.refuse(conn, &connect.client_id, code, denied.to_string());
            }
        };
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.stage = Stage::Registered;
            connection.deadline = now + REGISTERED_FOR;
        }
        // Texts alone: this cannot fail.
        let payload = serde_json::to_vec(&credentials).unwrap_or_default();
        self.send(conn, Packet::ConnAck(ConnAck::new(ConnectReturnCode::Success, false)));
        for answer in self.faults.answers(id, payload) {
            for answer in self.faults.weather.payloads(answer.into()) {
                let publish = Publish::from_bytes(registration.kind.topic(), QoS::AtMostOnce, answer);
                self.send(conn, Packet::Publish(publish));
            }
        }
    }

    /// Switches a device off or on again.
    pub(super) fn disable(&mut self, now: Duration, id: &DeviceId, off: bool) -> Result<(), RequestError> {
        let device = self.devices.get_mut(id).ok_or_else(|| RequestError::UnknownDevice(id.clone()))?;
        device.disabled = off;
        if let Some(conn) = device.online.filter(|_| off) {
            self.close(conn, "the device is disabled");
        }
        if off {
            self.throw_sub_out(now, id, gateway::SWITCHED_OFF);
        }
        Ok(())
    }

    /// Gives a device another secret, as the console's "reset the secret" does; it stays connected.
    pub(super) fn set_secret(&mut self, id: &DeviceId, secret: &str) -> Result<(), RequestError> {
        let device = self.devices.get_mut(id).ok_or_else(|| RequestError::UnknownDevice(id.clone()))?;
        device.secret = Some(secret.into());
        Ok(())
    }

    /// Switches a product's dynamic registration on or off; false when there is no such product.
    pub(super) fn switch_registration(&mut self, product_key: &str, on: bool) -> bool {
        let product = self.products.get_mut(product_key);
        product.is_some_and(|product| {
            product.dynamic_registration = on;
            true
        })
    }

    /// Lets a device register again; its secret stays as it is.
    pub(super) fn reset(&mut self, id: &DeviceId) -> Result<(), RequestError> {
        let device = self.devices.get_mut(id).ok_or_else(|| RequestError::UnknownDevice(id.clone()))?;
        device.activated = false;
        Ok(())
    }

    fn accept(&mut self, now: Duration, conn: ConnId, connect: &Connect, sign_in: &SignIn) {
        let id = &sign_in.device;
        self.throw_sub_out(now, id, gateway::ELSEWHERE);
        if let Some(older) = self.devices.get(id).and_then(|device| device.online) {
            self.close(older, "kicked by the same device");
        }
        let (Some(device), Some(connection)) = (self.devices.get_mut(id), self.connections.get_mut(&conn)) else {
            return;
        };
        let persistent = !connect.clean_session;
        let kept = device.session.take().filter(|session| persistent && session.persistent);
        let session_present = kept.is_some();
        let mut session = kept.unwrap_or_default();
        session.persistent = persistent;
        session.system_topics = sign_in.system_topics;
        session.custom_calls = sign_in.custom_calls;
        let again = session.send_again();
        device.session = Some(session);
        device.activated = true;
        device.online = Some(conn);
        let patience = Duration::from_secs(connect.keep_alive.into()) * 3 / 2;
        connection.deadline = now + patience;
        connection.stage = Stage::SignedIn(SignedIn { device: id.clone(), patience });
        let connected = Event::Connected {
            device: id.clone(),
            client_id: connect.client_id.clone(),
            keep_alive: connect.keep_alive,
            clean_session: connect.clean_session,
            session_present,
            tls: connection.tls,
        };
        self.tell(connected);
        self.send(conn, Packet::ConnAck(ConnAck::new(ConnectReturnCode::Success, session_present)));
        for publish in again {
            self.send(conn, Packet::Publish(publish));
        }
        self.pump(now, id);
        self.offer_packages(now, id);
    }

    fn refuse(&mut self, conn: ConnId, client_id: &str, code: ConnectReturnCode, why: String) {
        self.tell(Event::Refused { client_id: client_id.to_owned(), code: code as u8, why });
        self.send(conn, Packet::ConnAck(ConnAck::new(code, false)));
        self.close(conn, "refused");
    }

    /// Ends a connection, if it has not ended. The session stays if the device asked for that.
    pub(super) fn close(&mut self, conn: ConnId, why: &str) {
        let Some(connection) = self.connections.remove(&conn) else { return };
        self.outputs.push(Output::Close(conn));
        let Stage::SignedIn(SignedIn { device: id, .. }) = connection.stage else { return };
        if let Some(device) = self.devices.get_mut(&id) {
            device.online = None;
            device.session.take_if(|session| !session.persistent);
        }
        self.subs_gone(&id);
        self.tell(Event::Disconnected { device: id, why: why.to_owned() });
    }

    /// Ends all connections.
    pub(super) fn close_all(&mut self, why: &str) {
        let mut all: Vec<ConnId> = self.connections.keys().copied().collect();
        all.sort_unstable();
        for conn in all {
            self.close(conn, why);
        }
    }
}

#[cfg(test)]
mod tests;
