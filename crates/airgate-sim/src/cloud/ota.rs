//! Packages: pushed to a device after a version report that differs, given when asked for, served over HTTP.
//!
//! Source: Alibaba Cloud IoT Platform, "OTA updates". The spelling `Md5` is the one that the SDKs compare with.

use super::broker::{Broker, Message, Qos};
use super::devices::DeviceId;
use super::traffic::RequestError;
use bytes::Bytes;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The module that is meant when none is named: the whole firmware.
pub(super) const DEFAULT_MODULE: &str = "default";

/// A package as the devices file and the console name it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// For devices of this product,
    pub product_key: String,
    /// for this one alone, or for all when absent.
    pub device_name: Option<String>,
    /// Of what; `default`, the whole firmware, when absent.
    #[serde(default = "default_module")]
    pub module: String,
    /// Its version.
    pub version: String,
    /// What is downloaded.
    pub file: PathBuf,
}

fn default_module() -> String {
    DEFAULT_MODULE.to_owned()
}

impl Package {
    fn is_for(&self, device: &DeviceId) -> bool {
        self.product_key == device.product_key
            && self.device_name.as_ref().is_none_or(|name| *name == device.device_name)
    }
}

/// A package with its bytes and digest.
#[derive(Debug)]
struct Stored {
    package: Package,
    bytes: Bytes,
    md5: String,
}

/// All packages; of several for one module of one device the last counts.
#[derive(Debug, Default)]
pub(super) struct Packages {
    stored: Vec<Stored>,
    /// Where they are served.
    address: Option<SocketAddr>,
}

impl Packages {
    pub(super) fn serve_at(&mut self, address: SocketAddr) {
        self.address = Some(address);
    }

    /// Where files are served.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Reads the file of a package and adds it.
    pub(super) fn add(&mut self, package: Package) -> std::io::Result<()> {
        let bytes = std::fs::read(&package.file)?;
        let md5 = Md5::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        self.stored.push(Stored { package, bytes: bytes.into(), md5 });
        Ok(())
    }

    /// What is served under `/ota/INDEX`.
    pub(super) fn bytes(&self, index: usize) -> Option<Bytes> {
        self.stored.get(index).map(|stored| stored.bytes.clone())
    }

    /// The description of what a module of a device should run, if that is not what it runs.
    fn due(&self, device: &DeviceId, module: &str, running: Option<&str>) -> Option<Description<'_>> {
        let wanted = |stored: &Stored| stored.package.is_for(device) && stored.package.module == module;
        let (index, stored) = self.stored.iter().enumerate().rfind(|(_, stored)| wanted(stored))?;
        let Stored { package, bytes, md5 } = stored;
        let address = self.address.filter(|_| running != Some(&package.version))?;
        Some(Description {
            size: bytes.len(),
            version: &package.version,
            url: format!("https://{address}/ota/{index}"),
            md5,
            sign: md5,
            sign_method: "Md5",
            module: (module != DEFAULT_MODULE).then_some(&package.module),
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Description<'a> {
    size: usize,
    version: &'a str,
    url: String,
    md5: &'a str,
    sign: &'a str,
    sign_method: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    module: Option<&'a str>,
}

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
