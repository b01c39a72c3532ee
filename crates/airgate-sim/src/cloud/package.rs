//! Packages: what they are for, their bytes and digests, and how a device is told of them.
//!
//! Source: Alibaba Cloud IoT Platform, "OTA updates". The spelling `Md5` is the one that the SDKs compare with.

use super::identity::DeviceId;
use bytes::Bytes;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;

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
    pub(super) fn is_for(&self, device: &DeviceId) -> bool {
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
    pub(super) fn due(&self, device: &DeviceId, module: &str, running: Option<&str>) -> Option<Description<'_>> {
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

/// What a device is told of a package.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Description<'a> {
    size: usize,
    version: &'a str,
    url: String,
    md5: &'a str,
    sign: &'a str,
    sign_method: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    module: Option<&'a str>,
}
