//! What goes wrong between a command and the configured device.

use super::fail::Fail;
use crate::store::StoreError;

/// The device's name is the IMEI; what was given as one, if anything, is none.
pub(super) fn imei_wanted(given: Option<&str>) -> Fail {
    if let Some(given) = given {
        let what = format!("`--imei` has 15 digits, and {given:?} is none");
        return Fail::usage("bad_value", what, "AT+CGSN tells it; it is printed on the module, too");
    }
    let hint = "give it with --imei, or a device_name in the configuration";
    Fail::usage("imei_wanted", "the device's name is the module's IMEI, which is not known here", hint)
}

pub(super) fn bad(error: iotcloud::ConfigError) -> Fail {
    Fail::usage("bad_value", format!("`{}` {}", error.field, error.message), &error.hint)
}

pub(super) fn not_registering() -> Fail {
    let hint = "only auth = \"register\" and \"register_no_prereg\" use the store";
    Fail::usage("not_registering", "the configured device does not register by itself", hint)
}

pub(super) fn nothing_kept(device: &str) -> Fail {
    Fail::failed("nothing_kept", format!("nothing is kept of {device}"))
}

pub(super) fn store_failed(error: StoreError) -> Fail {
    Fail::failed("store", error)
}
