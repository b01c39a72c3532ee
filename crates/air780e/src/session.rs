//! What a user of the module wants of it: an MQTT session and subscriptions.

use crate::command::mqtt::MAX_WILL;
use crate::command::pdp::{Authentication, SetAccessPoint};
use crate::command::ssl::{MAX_FILE_NAME, MAX_WRITE};
use crate::limits::{MAX_HOST, MAX_NAME, Unusable, length, name, quality};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use zeroize::Zeroizing;

/// What is wanted. The driver works towards it from wherever the module is; a new desire replaces the old at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Desired {
    /// The MQTT session; `None` wants the module offline.
    pub session: Option<Arc<Session>>,
    /// Topic filters and their QoS.
    pub subscriptions: BTreeMap<String, u8>,
}

/// One attempt at an MQTT session. When it fails, nothing is tried until a session with another `attempt` is wanted:
/// how often to try is a matter of the broker and not of the module.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    /// Tells attempts apart.
    pub attempt: u64,
    /// Host name or dotted address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// TLS; `None` is plain TCP.
    pub tls: Option<Tls>,
    /// Client ID.
    pub client_id: String,
    /// User name and password; `None` signs in anonymously.
    pub credentials: Option<(String, Zeroizing<String>)>,
    /// Keep-alive, in seconds.
    pub keep_alive: u16,
    /// Whether the broker forgets the session when it ends.
    pub clean: bool,
    /// What the broker publishes when the session ends without a farewell. Some firmware refuses one without credentials.
    pub will: Option<Will>,
}

/// What the broker publishes when the session ends without a farewell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Will {
    /// At most 256 bytes.
    pub topic: String,
    /// 1 to 1,360 bytes.
    pub message: String,
    /// 0, 1 or 2.
    pub qos: u8,
    /// Whether the broker keeps it for later subscribers.
    pub retain: bool,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Session({} to {}:{}, tls {})", self.attempt, self.host, self.port, self.tls.is_some())
    }
}

/// The access point of the packet network, where the network's own choice is not right.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessPoint {
    /// Its name.
    pub name: String,
    /// User, password and how they are sent.
    pub login: Option<(String, Zeroizing<String>, Authentication)>,
}

impl AccessPoint {
    /// The command that tells the module.
    pub(crate) fn command(&self) -> SetAccessPoint<'_> {
        match &self.login {
            None => SetAccessPoint::new(&self.name, "", "", Authentication::None),
            Some((user, password, way)) => SetAccessPoint::new(&self.name, user, password, *way),
        }
    }

    /// Whether that is what the module shows, which may have the operator's identifier behind it.
    /// Source: 3GPP TS 23.003, 9.1.
    pub fn is(&self, shown: &str) -> bool {
        let (shown, wanted) = (shown.to_ascii_lowercase(), self.name.to_ascii_lowercase());
        shown.strip_prefix(&wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with(".mnc"))
    }
}

impl std::fmt::Debug for AccessPoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AccessPoint({}, login {})", self.name, self.login.is_some())
    }
}

/// How the module makes sure whom it talks to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The name sent to the server and looked for in its certificate.
    pub host_name: String,
    /// Certificates (PEM) of which one must have signed the server's; `None` encrypts without verification.
    pub roots: Option<Roots>,
}

impl Tls {
    /// Checks everything against the module's limits.
    ///
    /// # Errors
    /// [`Unusable`] names what does not fit.
    pub fn check(&self) -> Result<(), Unusable> {
        name("TLS host name", &self.host_name, MAX_HOST)?;
        if let Some(roots) = &self.roots {
            name("certificate file name", &roots.name, MAX_FILE_NAME)?;
            length("certificate file", roots.pem.len(), MAX_WRITE)?;
        }
        Ok(())
    }
}

/// Root certificates as a file of the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots {
    /// File name in the module, at most 64 bytes; other content needs another name.
    pub name: String,
    /// PEM, at most 10,240 bytes.
    pub pem: Bytes,
}

impl Session {
    /// An anonymous session by plain TCP, with a keep-alive of five minutes, that the broker forgets when it ends.
    pub fn new(attempt: u64, host: impl Into<String>, port: u16, client_id: impl Into<String>) -> Self {
        Self {
            attempt,
            host: host.into(),
            port,
            tls: None,
            client_id: client_id.into(),
            credentials: None,
            keep_alive: 300,
            clean: true,
            will: None,
        }
    }

    /// Checks everything against the module's limits, before anything is sent.
    ///
    /// # Errors
    /// [`Unusable`] names the string that does not fit.
    pub fn check(&self) -> Result<(), Unusable> {
        name("host", &self.host, MAX_HOST)?;
        name("client ID", &self.client_id, MAX_NAME)?;
        if let Some((user, password)) = &self.credentials {
            name("user name", user, MAX_NAME)?;
            name("password", password, MAX_NAME)?;
        }
        if let Some(will) = &self.will {
            name("topic of the will", &will.topic, MAX_NAME)?;
            length("message of the will", will.message.len(), MAX_WILL)?;
            quality(will.qos)?;
        }
        if let Some(tls) = &self.tls {
            tls.check()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        let credentials = Some(("user".into(), Zeroizing::new("hunter2".into())));
        Session { credentials, ..Session::new(1, "broker", 1883, "id") }
    }

    #[test]
    fn names_are_taken_up_to_the_modules_limit_and_not_beyond() {
        let mut session = session();
        session.client_id = "x".repeat(256);
        assert_eq!(session.check(), Ok(()));
        session.client_id.push('x');
        assert_eq!(session.check(), Err(Unusable::TooLong { what: "client ID", len: 257, max: 256 }));
    }

    #[test]
    fn an_empty_or_broken_name_is_refused_before_it_is_sent() {
        assert_eq!(Session { host: String::new(), ..session() }.check(), Err(Unusable::Empty("host")));
        assert_eq!(Session { host: "a\rb".into(), ..session() }.check(), Err(Unusable::Control("host")));
    }

    #[test]
    fn a_will_that_the_module_does_not_take_is_refused_before_it_is_sent() {
        let will = |message: &str, qos| Session {
            will: Some(Will { topic: "state".into(), message: message.into(), qos, retain: true }),
            ..session()
        };
        assert_eq!(will("gone", 1).check(), Ok(()));
        assert!(will("", 1).check().is_err() && will("gone", 3).check().is_err());
        assert!(will(&"x".repeat(1361), 0).check().is_err());
    }

    #[test]
    fn the_password_is_not_shown() {
        assert!(!format!("{:?}", session()).contains("hunter2"));
    }
}
