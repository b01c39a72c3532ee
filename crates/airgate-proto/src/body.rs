//! Payload bytes on a line: `payload` when they are text, `payload_b64` when they are not.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::SerializeMap};

/// The standard alphabet; padding is written, and may be missing in what is read.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Decodes the value of `payload_b64`.
pub(crate) fn decode(text: &str) -> Result<Vec<u8>, base64::DecodeError> {
    BASE64.decode(text)
}

/// The value of `payload_b64`.
pub(crate) fn encode(payload: &[u8]) -> String {
    BASE64.encode(payload)
}

/// Writes the one field that carries `payload` into an object being written.
pub(crate) fn write<M: SerializeMap>(map: &mut M, payload: &[u8]) -> Result<(), M::Error> {
    match std::str::from_utf8(payload) {
        Ok(text) => map.serialize_entry("payload", text),
        Err(_) => map.serialize_entry("payload_b64", &BASE64.encode(payload)),
    }
}

/// For `#[serde(flatten, with = "…")]` on a field of bytes.
pub(crate) fn serialize<S: Serializer>(payload: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(1))?;
    write(&mut map, payload)?;
    map.end()
}

/// The reading side of [`serialize`]; exactly one of the two fields must be there.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    use serde::de::Error;
    let Wire { payload, payload_b64 } = Wire::deserialize(deserializer)?;
    match (payload, payload_b64) {
        (Some(text), None) => Ok(text.into_bytes()),
        (None, Some(text)) => decode(&text).map_err(|e| Error::custom(format!("payload_b64 is not base64: {e}"))),
        (None, None) => Err(Error::custom("neither payload nor payload_b64")),
        (Some(_), Some(_)) => Err(Error::custom("both payload and payload_b64")),
    }
}

#[derive(Serialize, Deserialize)]
struct Wire {
    payload: Option<String>,
    payload_b64: Option<String>,
}
