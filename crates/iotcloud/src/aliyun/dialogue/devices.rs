//! Sub-devices: sensors of the programs that have a name of their own in the cloud and travel on our connection.
//!
//! Source: Alibaba Cloud IoT Platform documentation, "Manage topological relationships" and "Sub-device sign-in".

use super::{DeviceId, Failure};
use crate::Secret;
use crate::aliyun::SignMethod;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The platform takes 2000; a gateway on a radio has fewer.
const MOST: usize = 200;

#[derive(Debug)]
struct SubDevice {
    secret: Secret,
    is_online: bool,
}

#[derive(Debug, Default)]
pub(super) struct SubDevices(BTreeMap<DeviceId, SubDevice>);

impl SubDevices {
    /// The device is to be signed in, now and after each interruption.
    pub(super) fn keep(&mut self, device: &DeviceId, secret: Secret) -> Result<(), &'static str> {
        if self.0.len() >= MOST && !self.0.contains_key(device) {
            return Err("200 sub-devices are signed in already");
        }
        let is_online = self.0.get(device).is_some_and(|kept| kept.is_online);
        self.0.insert(device.clone(), SubDevice { secret, is_online });
        Ok(())
    }

    pub(super) fn forget(&mut self, device: &DeviceId) {
        self.0.remove(device);
    }

    pub(super) fn secret(&self, device: &DeviceId) -> Option<Secret> {
        self.0.get(device).map(|kept| kept.secret.clone())
    }

    pub(super) fn signed_in(&mut self, device: &DeviceId) {
        if let Some(kept) = self.0.get_mut(device) {
            kept.is_online = true;
        }
    }

    /// The platform signs all of them out with us.
    pub(super) fn offline(&mut self) {
        self.0.values_mut().for_each(|kept| kept.is_online = false);
    }

    pub(super) fn to_sign_in(&self) -> Vec<DeviceId> {
        self.0.keys().cloned().collect()
    }

    pub(super) fn online(&self) -> impl Iterator<Item = &DeviceId> {
        self.0.iter().filter(|(_, kept)| kept.is_online).map(|(device, _)| device)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What proves that we speak for the device. `sign_method` is the field's spelling, which differs by request; the time
    /// is signed but not compared with a clock.
    pub(super) fn signed(
        &self,
        device: &DeviceId,
        secret: &Secret,
        timestamp_ms: u64,
        sign_method: &str,
    ) -> Map<String, Value> {
        let DeviceId { product_key, device_name } = device;
        let (client_id, timestamp) = (format!("{product_key}.{device_name}"), timestamp_ms.to_string());
        let sign = sign(secret, SignMethod::HmacSha256, &client_id, device, &timestamp);
        let fields = [
            ("productKey", product_key.as_str()),
            ("deviceName", device_name.as_str()),
            ("clientId", client_id.as_str()),
            ("timestamp", timestamp.as_str()),
            (sign_method, "hmacSha256"),
            ("sign", sign.expose()),
        ];
        fields.into_iter().map(|(name, value)| (name.to_owned(), Value::from(value))).collect()
    }
}

fn sign(secret: &Secret, method: SignMethod, client_id: &str, device: &DeviceId, timestamp: &str) -> Secret {
    let DeviceId { product_key, device_name } = device;
    let message = format!("clientId{client_id}deviceName{device_name}productKey{product_key}timestamp{timestamp}");
    method.sign(secret, &message)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ErrorIn {
    code: u64,
    message: Option<String>,
    data: Option<ErrorData>,
    product_key: Option<String>,
    device_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ErrorData {
    product_key: Option<String>,
    device_name: Option<String>,
}

/// Which sub-device was signed out, and why.
pub(super) fn read_error(payload: &[u8]) -> Option<(DeviceId, Failure)> {
    let error: ErrorIn = serde_json::from_slice(payload).ok()?;
    let (product_key, device_name) = match error.data {
        Some(data) => (data.product_key.or(error.product_key), data.device_name.or(error.device_name)),
        None => (error.product_key, error.device_name),
    };
    let device = DeviceId { product_key: product_key?, device_name: device_name? };
    Some((device, Failure::Refused { code: error.code, message: error.message.unwrap_or_default() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What two SDKs sent, taken down on the wire.
    #[test]
    fn signs_as_other_gateways_do() {
        let device = DeviceId { product_key: "a1SubDevPk0".into(), device_name: "sub-01".into() };
        let secret = Secret::new("SubSecret0123456789abcdef");
        for (method, client_id, timestamp, expected) in [
            (
                SignMethod::HmacSha256,
                "a1SubDevPk0.sub-01|lan=Python,_v=2.2.1,_ss=1|",
                "1795410510346",
                "b49e52995ff9d69b7042cbd3959a2cbd73caa43ae7107d0700c1d6d31e4850e1",
            ),
            (SignMethod::HmacSha1, "a1SubDevPk0&sub-01", "1795410534453", "75559ef4595d2fb7e6b1866e4990f44f00966e42"),
        ] {
            let made = sign(&secret, method, client_id, &device, timestamp);
            assert!(made.expose().eq_ignore_ascii_case(expected), "{client_id}");
        }
    }
}
