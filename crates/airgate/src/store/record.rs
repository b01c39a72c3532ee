//! What is kept of a device, and its form on the disk: a CRC32 (little endian), then JSON.
//!
//! The database checks its pages only when it repairs itself, and a secret with a flipped bit would be refused by the
//! cloud without a word of why; hence the CRC.

use iotcloud::Secret;
use iotcloud::aliyun::Credential;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Whose credential it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    /// The cloud, as the configuration spells it.
    pub cloud: String,
    /// The instance's ID, or the host.
    pub place: String,
    /// The product.
    pub product: String,
    /// The device.
    pub device: String,
}

/// How a credential came here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The cloud handed it to this daemon.
    Registration,
    /// `airgate credentials import`.
    Import,
}

/// A credential and where it comes from. `Debug` shows no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What to sign in with.
    pub credential: Credential,
    /// When it came, in milliseconds since 1970 by this host's clock.
    pub obtained_unix_ms: u64,
    /// By what.
    pub by: Origin,
}

/// Everything kept of one device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// What is signed in with.
    pub current: Option<Record>,
    /// What replaces it once it has worked.
    pub candidate: Option<Record>,
    /// When a registration was last tried, in milliseconds since 1970.
    pub tried_unix_ms: Option<u64>,
    /// When a refused credential last led to a registration, in milliseconds since 1970.
    pub renewed_unix_ms: Option<u64>,
    /// Registrations that the cloud accepted in a row without our seeing its answer.
    pub unanswered: u32,
}

#[derive(Serialize)]
struct RecordOut<'a> {
    mode: &'static str,
    secret: &'a str,
    client_id: Option<&'a str>,
    obtained_unix_ms: u64,
    by: Origin,
}

#[derive(Deserialize)]
struct RecordIn {
    mode: String,
    secret: Secret,
    client_id: Option<String>,
    obtained_unix_ms: u64,
    by: Origin,
}

#[derive(Serialize, Deserialize)]
struct Whole<R> {
    current: Option<R>,
    candidate: Option<R>,
    tried_unix_ms: Option<u64>,
    renewed_unix_ms: Option<u64>,
    #[serde(default)]
    unanswered: u32,
}

fn out(record: &Record) -> RecordOut<'_> {
    let (mode, secret, client_id) = match &record.credential {
        Credential::DeviceSecret(secret) => ("device_secret", secret, None),
        Credential::Token { client_id, token } => ("token", token, Some(client_id.as_str())),
    };
    let (obtained_unix_ms, by) = (record.obtained_unix_ms, record.by);
    RecordOut { mode, secret: secret.expose(), client_id, obtained_unix_ms, by }
}

impl RecordIn {
    fn read(self) -> Option<Record> {
        let credential = match (self.mode.as_str(), self.client_id) {
            ("device_secret", None) => Credential::DeviceSecret(self.secret),
            ("token", Some(client_id)) => Credential::Token { client_id, token: self.secret },
            _ => return None,
        };
        Some(Record { credential, obtained_unix_ms: self.obtained_unix_ms, by: self.by })
    }
}

impl Entry {
    /// As it goes to the disk.
    pub(super) fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, serde_json::Error> {
        let whole = Whole {
            current: self.current.as_ref().map(out),
            candidate: self.candidate.as_ref().map(out),
            tried_unix_ms: self.tried_unix_ms,
            renewed_unix_ms: self.renewed_unix_ms,
            unanswered: self.unanswered,
        };
        // Large enough for two of the longest credentials with every byte escaped: growing would leave copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(16 * 1024));
        bytes.extend_from_slice(&[0; 4]);
        serde_json::to_writer(&mut *bytes, &whole)?;
        let crc = crc32fast::hash(bytes.get(4..).unwrap_or_default()).to_le_bytes();
        bytes.iter_mut().zip(crc).for_each(|(byte, crc)| *byte = crc);
        Ok(bytes)
    }

    /// As it came from the disk; `None` when it is garbled.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (crc, json) = bytes.split_first_chunk::<4>()?;
        if u32::from_le_bytes(*crc) != crc32fast::hash(json) {
            return None;
        }
        let whole: Whole<RecordIn> = serde_json::from_slice(json).ok()?;
        let read = |record: Option<RecordIn>| match record {
            None => Some(None),
            Some(record) => record.read().map(Some),
        };
        Some(Self {
            current: read(whole.current)?,
            candidate: read(whole.candidate)?,
            tried_unix_ms: whole.tried_unix_ms,
            renewed_unix_ms: whole.renewed_unix_ms,
            unanswered: whole.unanswered,
        })
    }
}
