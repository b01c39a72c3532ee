//! What a refused sign-in means here.
//!
//! A wrong secret shows as code 4 on the wire; 5 is documented for it as well, so both are taken alike.
//!
//! Source: Alibaba Cloud IoT Platform documentation, "Connection return codes".

use super::{Aliyun, Instance};
use crate::{Refusal, RefusalKind};

impl Aliyun {
    pub(crate) fn refusal(&self, connack: Option<u8>) -> Refusal {
        let (kind, what, hint) = match connack {
            Some(1) => (
                RefusalKind::Configuration,
                "refuses the MQTT version",
                "the device was used with MQTT 5.0 before: recreate it in the console, this gateway speaks 3.1.1"
                    .into(),
            ),
            Some(2) => (RefusalKind::Configuration, "refuses the client ID or the way of connecting", self.check_way()),
            Some(3) => (
                RefusalKind::Temporary,
                "cannot serve the device now",
                "nothing to do: it is tried again with growing pauses".into(),
            ),
            Some(4 | 5) => {
                (RefusalKind::Credentials, "does not know the device by these credentials", self.check_device())
            }
            _ => (
                RefusalKind::Unknown,
                "refused the sign-in and the link does not tell why",
                format!("{}; {}", self.check_device(), self.check_way()),
            ),
        };
        let message = format!(
            "Aliyun at {} {what} (device `{}` of product `{}`)",
            self.host(),
            self.config.device_name,
            self.config.product_key
        );
        Refusal { code: connack, kind, message, hint }
    }

    fn check_device(&self) -> String {
        let place = match &self.config.instance {
            Instance::OldPublic { region } => format!(
                "the product lives in the old public instance of `{region}` (else set `region`, or `instance_id` for a \
                 new public or enterprise instance: it is on the instance's page)"
            ),
            Instance::Id(id) => {
                format!("the product lives in the instance `{id}` (its ID is on the instance's page)")
            }
        };
        format!(
            "in the console under Devices > Devices > the device, compare `product_key`, `device_name` and `device_secret` \
             with ProductKey, DeviceName and DeviceSecret, letter by letter and with their case; check that the device is not \
             disabled or deleted, and that {place}. The clock of this host does not matter"
        )
    }

    fn check_way(&self) -> String {
        let tls = if self.config.tls.is_on() {
            "TLS is on, as the platform wants it"
        } else {
            "`tls = false`: accounts opened since August 2022 must use TLS, so remove it"
        };
        format!("check the way of connecting: {tls}; `client_id`, if set, is free of `|` and no other device's")
    }
}

impl super::Registration {
    /// What a refused registration means. The module tells no CONNACK code, hence the option.
    ///
    /// Source: Alibaba Cloud IoT Platform documentation, "MQTT-based dynamic registration": return codes.
    #[must_use]
    pub fn refusal(&self, connack: Option<u8>) -> Refusal {
        let way = "compare `instance_id` (or `region`) with the instance's page in the console";
        let product = "in the console on the product's page, compare `product_key` and `product_secret` with ProductKey \
                       and ProductSecret and switch dynamic registration on";
        let device = match self.config.mode {
            super::RegistrationMode::Register => {
                "the device must be listed under `device_name` and must not have signed in yet: else reset it there, or \
                 give its DeviceSecret as `device_secret`"
            }
            super::RegistrationMode::RegisterNoPrereg => {
                "only enterprise and new public instances in Shanghai and Beijing register devices that are not listed, \
                 and at most five of one name"
            }
        };
        let (kind, what, hint) = match connack {
            Some(2) => (RefusalKind::Configuration, "refuses the way of registering", way.to_owned()),
            Some(3) => (RefusalKind::Temporary, "cannot register the device now", "it is tried again".to_owned()),
            Some(4 | 5) => (RefusalKind::Credentials, "refuses to register the device", format!("{product}; {device}")),
            _ => (
                RefusalKind::Unknown,
                "refused the registration and the link does not tell why",
                format!("{product}; {device}; {way}"),
            ),
        };
        let message = format!(
            "Aliyun at {} {what} (device `{}` of product `{}`)",
            self.host(),
            self.config.device_name,
            self.config.product_key
        );
        Refusal { code: connack, kind, message, hint }
    }
}
