//! The uplink: how messages leave this host. So far there is one, the module's own MQTT client.

use crate::config;
use air780e::command::pdp::Authentication;
use air780e::exchange::Failure;
use air780e::limits::Unusable;
use air780e::service::http;
use air780e::service::texts::Texts;
use air780e::session::{AccessPoint, Desired, Roots, Session, Tls};
use air780e::status::Status;
use air780e::{Config, Event, Modem, Publication, PublishError, Recovery};
use bytes::Bytes;
use iotcloud::aliyun::HttpsRequest;
use iotcloud::{Root, SignIn};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use zeroize::Zeroizing;

/// A handle to the uplink.
#[derive(Clone, Debug)]
pub struct Uplink {
    modem: Modem,
    #[cfg(test)]
    played: Option<played::Played>,
}

#[cfg(test)]
pub(crate) mod played;

/// Why a sign-in cannot even be tried.
#[derive(Debug, thiserror::Error)]
pub enum CannotSignIn {
    /// Something in it does not fit the module.
    #[error(transparent)]
    Unusable(#[from] Unusable),
    /// The certificate file cannot be read.
    #[error("the certificate file {} cannot be read: {source}", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The module has no roots of its own.
    #[error("the module brings no root certificates: name one as tls = {{ ca_file = \"…\" }} under [cloud]")]
    NoRoots,
}

/// Why a registration over HTTPS came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum NotRegistered {
    /// The certificate to verify with.
    #[error(transparent)]
    Root(#[from] CannotSignIn),
    /// The module or the network.
    #[error("the registration over HTTPS failed: {0}")]
    Http(#[from] http::HttpError),
    /// An answer without words.
    #[error("the registration over HTTPS was answered with nothing but the status {0}")]
    Empty(u16),
}

/// How long a registration over HTTPS may take, with the wait for the network.
const REGISTRATION: Duration = Duration::from_secs(90);

impl Uplink {
    /// Starts the driver of the module.
    pub fn start(config: Config, recovery: Recovery) -> (Self, mpsc::Receiver<Event>) {
        let (modem, events) = Modem::start_recovering(config, recovery);
        let uplink = Self {
            modem,
            #[cfg(test)]
            played: None,
        };
        (uplink, events)
    }

    /// Wants a session with this sign-in and these subscriptions (long form, QoS), or none.
    ///
    /// # Errors
    /// [`CannotSignIn`]; then nothing changes.
    pub fn want(
        &self,
        session: Option<(u64, &SignIn)>,
        subscriptions: BTreeMap<String, u8>,
    ) -> Result<(), CannotSignIn> {
        #[cfg(test)]
        if let Some(played) = &self.played {
            played.want(session);
            return Ok(());
        }
        let session = session.map(|(attempt, sign_in)| session_of(attempt, sign_in)).transpose()?;
        self.modem.want(Desired { session: session.map(Arc::new), subscriptions });
        Ok(())
    }

    /// Publishes; returns when it is acknowledged (QoS 1) or handed over (QoS 0).
    ///
    /// # Errors
    /// As [`Modem::publish`].
    pub async fn publish(&self, topic: String, payload: Bytes, qos: u8) -> Result<(), PublishError> {
        self.modem.publish(Publication { topic, payload, qos, retain: false }).await
    }

    /// Registers over HTTPS, and returns the body of the answer.
    ///
    /// # Errors
    /// [`NotRegistered`].
    pub async fn register(&self, request: HttpsRequest) -> Result<Bytes, NotRegistered> {
        let HttpsRequest { host, port, path, tls, content_type, body } = request;
        let address = if port == 443 { host.clone() } else { format!("{host}:{port}") };
        let post = http::Request::post(format!("https://{address}{path}"), body.expose().as_bytes().to_vec())
            .header("Content-Type", content_type)
            .deadline(REGISTRATION);
        let post = match tls_of(&host, &tls)? {
            Some(tls) => post.tls(tls),
            None => post,
        };
        let response = self.modem.http(&post).await?;
        // The platform tells its refusals in the body, under whatever status.
        if response.body.is_empty() { Err(NotRegistered::Empty(response.status)) } else { Ok(response.body) }
    }

    /// One AT command from the console.
    ///
    /// # Errors
    /// As [`Modem::ask`].
    pub async fn ask(&self, line: &str) -> Result<Vec<String>, Failure> {
        self.modem.ask(line).await
    }

    /// The text messages that come to the SIM card, from now on.
    pub fn texts(&self) -> Texts {
        self.modem.texts()
    }

    /// What is known of the module.
    pub fn status(&self) -> watch::Receiver<Status> {
        #[cfg(test)]
        if let Some(played) = &self.played {
            return played.status();
        }
        self.modem.status()
    }
}

/// `[modem]` in the driver's terms.
pub fn line(modem: &config::Modem) -> Config {
    let access_point = modem.apn.as_ref().map(|apn| AccessPoint {
        name: apn.name.clone(),
        login: apn.login.as_ref().map(|login| {
            let password = login.password.as_ref().map_or("", |password| password.expose());
            let way = match login.auth {
                config::ApnAuth::Pap => Authentication::Pap,
                config::ApnAuth::Chap => Authentication::Chap,
            };
            (login.user.clone(), Zeroizing::new(password.to_owned()), way)
        }),
    });
    Config {
        baud: modem.baud.unwrap_or(0),
        max_baud: modem.max_baud,
        hardware_flow: modem.hardware_flow,
        pin: modem.sim_pin.as_ref().map(|pin| pin.expose().to_owned()),
        access_point,
        ..Config::new(modem.port.to_string_lossy())
    }
}

/// The sign-in in the module's terms.
fn session_of(attempt: u64, sign_in: &SignIn) -> Result<Session, CannotSignIn> {
    let credentials = sign_in.username.as_ref().map(|user| {
        let password = sign_in.password.as_ref().map_or("", |password| password.expose());
        (user.clone(), Zeroizing::new(password.to_owned()))
    });
    let session = Session {
        attempt,
        host: sign_in.host.clone(),
        port: sign_in.port,
        tls: tls_of(&sign_in.host, &sign_in.tls)?,
        client_id: sign_in.client_id.clone(),
        credentials,
        keep_alive: sign_in.keepalive_s,
        clean: sign_in.clean_session,
        will: None,
    };
    session.check()?;
    Ok(session)
}

fn tls_of(host: &str, tls: &iotcloud::Tls) -> Result<Option<Tls>, CannotSignIn> {
    let pem = match tls {
        iotcloud::Tls::Off => return Ok(None),
        iotcloud::Tls::Unverified => None,
        iotcloud::Tls::Verify(root) => Some(pem(root)?),
    };
    Ok(Some(Tls { host_name: host.to_owned(), roots: pem.map(roots) }))
}

fn pem(root: &Root) -> Result<Bytes, CannotSignIn> {
    match (root, root.pem()) {
        (_, Some(pem)) => Ok(Bytes::from_static(pem.as_bytes())),
        (Root::CaFile(path), None) => {
            let read = std::fs::read(path).map(Bytes::from);
            read.map_err(|source| CannotSignIn::CaFile { path: path.clone(), source })
        }
        (_, None) => Err(CannotSignIn::NoRoots),
    }
}

/// Named by content, so that a file that is there is the right one.
fn roots(pem: Bytes) -> Roots {
    Roots { name: format!("ca-{:08x}.pem", crc32fast::hash(&pem)), pem }
}

#[cfg(test)]
mod tests {
    use super::*;
    use iotcloud::Secret;

    fn sign_in(tls: iotcloud::Tls) -> SignIn {
        SignIn {
            host: "broker".into(),
            port: 8883,
            tls,
            client_id: "id".into(),
            username: Some("user".into()),
            password: Some(Secret::new("hunter2")),
            keepalive_s: 300,
            clean_session: false,
        }
    }

    #[test]
    fn a_verified_session_carries_the_root_under_a_name_that_tells_its_content() {
        let session = session_of(1, &sign_in(iotcloud::Tls::Verify(Root::AliyunIot))).unwrap();
        let roots = session.tls.unwrap().roots.unwrap();
        assert!(roots.pem.starts_with(b"-----BEGIN CERTIFICATE"));
        assert_eq!(roots.name, self::roots(roots.pem.clone()).name);
        assert_ne!(roots.name, self::roots(Bytes::from_static(b"other")).name);
    }

    #[test]
    fn verification_without_any_root_is_an_error_that_says_what_to_do() {
        let error = session_of(1, &sign_in(iotcloud::Tls::Verify(Root::System))).unwrap_err();
        assert!(error.to_string().contains("ca_file"));
        let missing = Root::CaFile("/does/not/exist".into());
        assert!(
            session_of(1, &sign_in(iotcloud::Tls::Verify(missing)))
                .unwrap_err()
                .to_string()
                .contains("/does/not/exist")
        );
    }
}
