//! What the stand-in knows of products and devices: the `--devices` file.
//!
//! ```toml
//! [[product]]
//! product_key = "a1X2bEnP82z"
//! product_secret = "…"           # optional here; signs registrations
//! kind = "public"                # old_public (default without instance_id) | public | enterprise
//! instance_id = "iot-06z00…"     # public and enterprise
//! dynamic_registration = false
//!
//! [[device]]
//! product_key = "a1X2bEnP82z"
//! device_name = "861551056421746"
//! device_secret = "…"
//! activated = false              # set by the first sign-in
//!
//! [[ota]]
//! product_key = "a1X2bEnP82z"
//! device_name = "…"              # absent: all devices of the product
//! module = "default"
//! version = "1.1.0"
//! file = "/path/of/the/package"
//!
//! [soak]                          # bad days: see `soak.rs`
//! ```

use super::identity::Secret;
use super::package::Package;
use super::soak::Soak;
use serde::Deserialize;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// What kind of instance a product lives in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceKind {
    /// The public instance of accounts from before instances had IDs.
    OldPublic,
    /// A public instance with an ID.
    Public,
    /// A bought instance.
    Enterprise,
}

/// A product.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Product {
    /// The key by which devices name their product.
    pub product_key: String,
    /// Signs registrations.
    pub product_secret: Option<Secret>,
    /// The instance; none is the old public one.
    pub instance_id: Option<String>,
    /// The kind of instance; told by `instance_id` when absent.
    pub kind: Option<InstanceKind>,
    /// Whether devices of this product may register by themselves.
    #[serde(default)]
    pub dynamic_registration: bool,
}

impl Product {
    /// Whether this is the host of its instance, or a name that is not the platform's.
    /// Source: Alibaba Cloud IoT Platform, "View the endpoint of an instance".
    pub(super) fn lives_at(&self, host: &str) -> bool {
        if let Some(id) = host.strip_suffix(".mqtt.iothub.aliyuncs.com") {
            return self.instance_id.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(id));
        }
        match host.split_once(".iot-as-mqtt.") {
            Some((key, region)) if region.ends_with(".aliyuncs.com") => {
                self.kind() == InstanceKind::OldPublic && key.eq_ignore_ascii_case(&self.product_key)
            }
            _ => true,
        }
    }

    /// The kind of its instance, given or told by the instance ID: enterprise instances have one, and so have new
    /// public ones, which behave alike here.
    pub(super) fn kind(&self) -> InstanceKind {
        match (self.kind, &self.instance_id) {
            (Some(kind), _) => kind,
            (None, Some(_)) => InstanceKind::Public,
            (None, None) => InstanceKind::OldPublic,
        }
    }
}

/// A device.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// The key of its product.
    pub product_key: String,
    /// Its name within the product.
    pub device_name: String,
    /// Signs it in.
    pub device_secret: Secret,
    /// Whether it has ever signed in with its secret.
    #[serde(default)]
    pub activated: bool,
}

/// All products and devices.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Devices {
    /// The products.
    #[serde(default, rename = "product")]
    pub products: Vec<Product>,
    /// The devices.
    #[serde(default, rename = "device")]
    pub devices: Vec<Device>,
    /// Packages to push.
    #[serde(default)]
    pub ota: Vec<Package>,
    /// Bad days.
    #[serde(default)]
    pub soak: Option<Soak>,
}

/// What is wrong with a devices file.
#[derive(Debug, thiserror::Error)]
pub enum DevicesError {
    /// It cannot be read.
    #[error("cannot read the devices file {path}: {error}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The file of a package cannot be read.
    #[error("cannot read {path}, the file of a package in [[ota]]: {error}")]
    Package {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// It is not the TOML expected; the text names line, column and what is allowed there.
    #[error("in the devices file: {0}")]
    Syntax(#[from] toml::de::Error),
    /// It contradicts itself.
    #[error("in the devices file: {0}")]
    Contradiction(String),
}

impl Devices {
    /// One old public product with one device: the smallest world.
    pub fn one(product_key: &str, device_name: &str, device_secret: &str) -> Self {
        Devices {
            products: vec![Product {
                product_key: product_key.to_owned(),
                product_secret: None,
                instance_id: None,
                kind: None,
                dynamic_registration: false,
            }],
            devices: vec![Device {
                product_key: product_key.to_owned(),
                device_name: device_name.to_owned(),
                device_secret: device_secret.into(),
                activated: false,
            }],
            ota: Vec::new(),
            soak: None,
        }
    }

    /// Reads and checks a devices file.
    ///
    /// # Errors
    /// The file cannot be read, is not the TOML described above, or contradicts itself.
    pub fn load(path: &Path) -> Result<Self, DevicesError> {
        let text =
            std::fs::read_to_string(path).map_err(|error| DevicesError::Read { path: path.to_owned(), error })?;
        Self::parse(&text)
    }

    /// Reads and checks the text of a devices file.
    ///
    /// # Errors
    /// The text is not the TOML described above, or contradicts itself.
    pub fn parse(text: &str) -> Result<Self, DevicesError> {
        let devices: Devices = toml::from_str(text)?;
        devices.check()?;
        Ok(devices)
    }

    /// Whether all names can be names, are unique, and refer to what exists.
    pub(super) fn check(&self) -> Result<(), DevicesError> {
        let wrong = |what: String| Err(DevicesError::Contradiction(what));
        if let Some(share) = self.soak.as_ref().and_then(Soak::mistake) {
            return wrong(format!("[soak] {share} must be between 0 and 1"));
        }
        let mut products = HashSet::new();
        for product in &self.products {
            let key = &product.product_key;
            if !is_identifier(key) {
                return wrong(format!("product_key {key:?} must not be empty nor contain any of / + # & or blanks"));
            }
            if !products.insert(key) {
                return wrong(format!("product {key} is there twice"));
            }
            match (product.kind, &product.instance_id) {
                (Some(InstanceKind::OldPublic), Some(_)) => {
                    return wrong(format!("product {key}: an old public instance has no instance_id"));
                }
                (Some(InstanceKind::Public | InstanceKind::Enterprise), None) => {
                    return wrong(format!("product {key}: this kind of instance needs its instance_id"));
                }
                _ => {}
            }
        }
        let mut names = HashSet::new();
        for Device { product_key, device_name, .. } in &self.devices {
            if !is_identifier(device_name) {
                return wrong(format!("device_name {device_name:?} must not be empty nor contain / + # & or blanks"));
            }
            if !products.contains(product_key) {
                return wrong(format!("device {device_name}: there is no [[product]] with product_key {product_key}"));
            }
            if !names.insert((product_key, device_name)) {
                return wrong(format!("device {product_key}/{device_name} is there twice"));
            }
        }
        for Package { product_key, version, .. } in &self.ota {
            if !products.contains(product_key) {
                return wrong(format!("ota {version}: there is no [[product]] with product_key {product_key}"));
            }
        }
        Ok(())
    }
}

/// Whether a text can stand in a topic level and in a user name.
fn is_identifier(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| "/+#&".contains(c) || c.is_whitespace() || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRODUCT: &str = "[[product]]\nproduct_key = \"pk\"\n";

    fn error(text: &str) -> String {
        Devices::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn all_kinds_of_instances_are_read() {
        let text = "[[product]]\nproduct_key='a'\nkind='old_public'\n[[product]]\nproduct_key='b'\nkind='public'\ninstance_id='iot-1'\n\
                    [[product]]\nproduct_key='c'\nkind='enterprise'\ninstance_id='iot-2'\nproduct_secret='s'\ndynamic_registration=true\n\
                    [[device]]\nproduct_key='c'\ndevice_name='d'\ndevice_secret='s'\nactivated=true\n";
        let devices = Devices::parse(text).unwrap();
        assert_eq!(devices.products.len(), 3);
        assert!(devices.devices[0].activated);
    }

    #[test]
    fn product_lives_at_the_host_of_its_instance_alone() {
        let of = |text: &str| Devices::parse(text).unwrap().products.remove(0);
        let old = of("[[product]]\nproduct_key='a1Old'\n");
        let new = of("[[product]]\nproduct_key='a1New'\ninstance_id='iot-06z'\n");
        for (host, at_old, at_new) in [
            ("a1old.iot-as-mqtt.cn-shanghai.aliyuncs.com", true, false),
            ("a1new.iot-as-mqtt.cn-shanghai.aliyuncs.com", false, false),
            ("iot-06z.mqtt.iothub.aliyuncs.com", false, true),
            ("iot-07z.mqtt.iothub.aliyuncs.com", false, false),
            ("localhost", true, true),
        ] {
            assert_eq!((old.lives_at(host), new.lives_at(host)), (at_old, at_new), "{host}");
        }
    }

    #[test]
    fn misspelt_key_is_told_with_its_line_and_what_is_allowed() {
        let text = error(&format!("{PRODUCT}secret = \"x\"\n"));
        assert!(text.contains("line 3") && text.contains("product_secret"), "{text}");
    }

    #[test]
    fn device_of_an_unknown_product_is_told() {
        let text = error("[[device]]\nproduct_key='x'\ndevice_name='d'\ndevice_secret='s'\n");
        assert!(text.contains("[[product]]"), "{text}");
    }

    #[test]
    fn instance_id_must_agree_with_the_kind() {
        assert!(error(&format!("{PRODUCT}kind='enterprise'\n")).contains("needs its instance_id"));
        assert!(error(&format!("{PRODUCT}kind='old_public'\ninstance_id='i'\n")).contains("has no instance_id"));
    }

    #[test]
    fn package_of_an_unknown_product_or_without_a_file_is_told() {
        assert!(error("[[ota]]\nversion='1'\nproduct_key='x'\nfile='f'\n").contains("[[product]]"));
        assert!(error("[[ota]]\nversion='1'\nproduct_key='x'\n").contains("file"));
    }

    #[test]
    fn secrets_do_not_show_in_debug() {
        assert!(!format!("{:?}", Devices::one("pk", "dn", "hunter2")).contains("hunter2"));
    }
}
