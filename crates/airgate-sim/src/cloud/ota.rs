//! Packages: pushed to a device after a version report that differs, given when asked for, served over HTTP.

use super::identity::DeviceId;
use super::message::{Message, Qos, RequestError};
use super::package::{Description, Package};
use super::state::Broker;
use serde::Serialize;
use serde_json::value::RawValue;
use std::time::Duration;

#[derive(Serialize)]
struct Push<'a> {
    code: &'a str,
    data: Description<'a>,
    id: u64,
    message: &'a str,
}

#[derive(Serialize)]
struct Empty {}

#[derive(Serialize)]
#[serde(untagged)]
enum Data<'a> {
    Due(Description<'a>),
    Nothing(Empty),
}

#[derive(Serialize)]
struct Reply<'a> {
    code: u16,
    data: Data<'a>,
    id: &'a RawValue,
}

impl Broker {
    /// The push for a module of a device, if one is due. Its version must have been reported: before that the platform
    /// does not know of the module.
    pub(super) fn upgrade(&self, now: Duration, id: &DeviceId, module: &str) -> Option<Message> {
        let running = self.devices.get(id)?.versions.get(module)?;
        let data = self.packages.due(id, module, Some(running))?;
        let push =
            Push { code: "1000", data, id: u64::try_from(now.as_millis()).unwrap_or(u64::MAX), message: "success" };
        let topic = format!("/ota/device/upgrade/{}/{}", id.product_key, id.device_name);
        Some(Message { topic, payload: serde_json::to_vec(&push).ok()?.into(), qos: Qos::AtLeastOnce })
    }

    /// Pushes what is due for the versions that were reported before: the platform does so when a device comes back.
    pub(super) fn offer_packages(&mut self, now: Duration, id: &DeviceId) {
        let modules = self.devices.get(id).map(|device| device.versions.keys().cloned().collect::<Vec<_>>());
        for module in modules.unwrap_or_default() {
            if let Some(push) = self.upgrade(now, id, &module) {
                self.send_down(now, id, push);
            }
        }
    }

    /// The answer to a device that asks for a package; `request` is the ID of its request, JSON as it came.
    pub(super) fn firmware(&self, id: &DeviceId, module: &str, request: &str) -> Vec<u8> {
        let running = self.devices.get(id).and_then(|device| device.versions.get(module));
        let due = self.packages.due(id, module, running.map(String::as_str));
        let data = due.map_or(Data::Nothing(Empty {}), Data::Due);
        // The ID was JSON when it came: this cannot fail.
        let reply = serde_json::from_str::<&RawValue>(request)
            .and_then(|id| serde_json::to_vec(&Reply { code: 200, data, id }));
        reply.unwrap_or_default()
    }

    /// Adds a package and pushes it to the devices that it is for and that run another version; how many it went to.
    pub(super) fn add_package(&mut self, now: Duration, package: Package) -> Result<usize, RequestError> {
        let module = package.module.clone();
        let ids: Vec<DeviceId> = self.devices.keys().filter(|id| package.is_for(id)).cloned().collect();
        let file = package.file.display().to_string();
        self.packages.add(package).map_err(|error| RequestError::File { file, error: error.to_string() })?;
        let mut pushed = 0;
        for id in ids {
            let online = self.devices.get(&id).is_some_and(|device| device.online.is_some());
            if let Some(message) = self.upgrade(now, &id, &module).filter(|_| online) {
                self.publish(now, &id, message)?;
                pushed += 1;
            }
        }
        Ok(pushed)
    }
}
