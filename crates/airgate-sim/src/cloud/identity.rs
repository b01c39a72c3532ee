//! Who a device is, and what it proves that with.

use serde::{Deserialize, Serialize};

/// The identity of a device on the platform: product key and device name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DeviceId {
    /// The key of the device's product.
    pub product_key: String,
    /// The name of the device, unique within its product.
    pub device_name: String,
}

impl DeviceId {
    /// The identity made of these two.
    pub fn new(product_key: impl Into<String>, device_name: impl Into<String>) -> Self {
        DeviceId { product_key: product_key.into(), device_name: device_name.into() }
    }
}

impl std::fmt::Display for DeviceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.product_key, self.device_name)
    }
}

/// A secret: compared and hashed, never shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The bytes that key the HMAC: the text as it is, not decoded.
    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The text itself, for the device that it belongs to.
    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Secret(text.to_owned())
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[secret]")
    }
}
