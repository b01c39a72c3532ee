//! What a program asks of the cloud itself: the thing model, the shadow, sub-devices; and how it answers what the cloud
//! asks of it.

use crate::body;
use crate::event::Device;
use serde::ser::SerializeMap;
use serde_json::Value;

/// Asked live: it is refused while the link is down, and its answer is the cloud's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// A method of the cloud's protocol for devices (on Aliyun Alink: `thing.property.desired.get`).
    Call {
        /// Its name.
        method: String,
        /// Its parameters.
        params: Value,
        /// A sub-device; `None`: the device itself.
        device: Option<Device>,
        /// Seconds to wait for the reply; `None`: the daemon's choice.
        timeout_s: Option<u32>,
    },
    /// `get`, `update` or `delete` of the shadow, as the whole document.
    Shadow(Value),
    /// Makes a device a sub-device of this gateway.
    DeviceAdd(Device, DeviceSecret),
    /// Signs a sub-device in, and again after each interruption.
    DeviceLogin(Device, DeviceSecret),
    /// Signs a sub-device out.
    DeviceLogout(Device),
}

/// A sub-device's own secret. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct DeviceSecret(pub String);

impl std::fmt::Debug for DeviceSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[REDACTED]")
    }
}

/// How a program answers a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A call that came with `params`.
    Data {
        /// 200, or a code of the program's own.
        code: u32,
        /// What comes back.
        data: Value,
    },
    /// A call that came with a payload.
    Payload(Vec<u8>),
}

impl Ask {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Call { .. } => "call",
            Self::Shadow(_) => "shadow",
            Self::DeviceAdd(..) => "device_add",
            Self::DeviceLogin(..) => "device_login",
            Self::DeviceLogout(_) => "device_logout",
        }
    }

    pub(crate) fn write<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        match self {
            Self::Call { method, params, device, timeout_s } => {
                map.serialize_entry("method", method)?;
                map.serialize_entry("params", params)?;
                if let Some(device) = device {
                    map.serialize_entry("device", device)?;
                }
                if let Some(seconds) = timeout_s {
                    map.serialize_entry("timeout_s", seconds)?;
                }
                Ok(())
            }
            Self::Shadow(document) => map.serialize_entry("document", document),
            Self::DeviceAdd(device, secret) | Self::DeviceLogin(device, secret) => {
                map.serialize_entry("device", device)?;
                map.serialize_entry("device_secret", &secret.0)
            }
            Self::DeviceLogout(device) => map.serialize_entry("device", device),
        }
    }
}

impl Answer {
    pub(crate) fn write<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        match self {
            Self::Data { code, data } => {
                map.serialize_entry("code", code)?;
                map.serialize_entry("data", data)
            }
            Self::Payload(payload) => body::write(map, payload),
        }
    }
}
