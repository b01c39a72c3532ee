//! A firmware that a cloud offers, in words common to all clouds.

use serde::Serialize;
use serde_json::{Map, Value};

/// One upgrade task.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OtaJob {
    /// The version that the device will report when it has succeeded.
    pub version: String,
    /// The part of the device that it is for; `None` = the whole firmware.
    pub module: Option<String>,
    /// A patch against the present version, not a whole image.
    pub is_diff: bool,
    /// What to fetch; never empty.
    pub files: Vec<OtaFile>,
    /// The cloud's signature over the package, when it signs packages.
    pub digest_sign: Option<String>,
    /// What the user attached to the task in the console.
    pub ext_data: Map<String, Value>,
}

/// One file of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OtaFile {
    /// Its name, when the task has several.
    pub name: Option<String>,
    /// In bytes.
    pub size: u64,
    /// Where it is.
    #[serde(flatten)]
    pub source: OtaSource,
    /// What it must hash to.
    pub digest: Digest,
    /// A second, MD5 digest in lower-case hex, when the cloud gives one.
    pub md5: Option<String>,
}

/// Where a file is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OtaSource {
    /// Behind this HTTP or HTTPS URL, for a limited time (Aliyun: 24 h).
    Url(String),
    /// In blocks over the MQTT connection.
    Stream {
        /// The cloud's number for the transfer.
        stream_id: u64,
        /// The file within it.
        file_id: u64,
    },
}

/// A digest in lower-case hex, of the length that its method has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Digest {
    /// 32 digits.
    Md5(String),
    /// 64 digits.
    Sha256(String),
}

impl Digest {
    pub(crate) fn md5(hex: &str) -> Option<Self> {
        lower_hex(hex, 32).map(Self::Md5)
    }

    pub(crate) fn sha256(hex: &str) -> Option<Self> {
        lower_hex(hex, 64).map(Self::Sha256)
    }
}

pub(crate) fn lower_hex(text: &str, length: usize) -> Option<String> {
    (text.len() == length && text.bytes().all(|b| b.is_ascii_hexdigit())).then(|| text.to_ascii_lowercase())
}
