//! Weighs `[cloud]`: the provider decides which keys have a meaning and which are needed.

use super::super::cloud::{
    ALIYUN_RATE, Aliyun, AliyunAuth, Cloud, DeviceName, KEEPALIVE_S, Login, Mqtt, Provider, RegisterBy,
    RegisterSecuremode, SignMethod, Tls,
};
use super::super::credentials::Credentials;
use super::super::error::{Code, ConfigError, NoticeKind};
use super::super::findings::Findings;
use super::super::model::Rate;
use super::super::raw;
use super::super::{Secret, keys};
use std::time::Duration;

/// Aliyun closes or refuses connections outside of this range of keepalive, in seconds.
///
/// Source: Aliyun IoT Platform, limits of the MQTT connection.
const ALIYUN_KEEPALIVE: std::ops::RangeInclusive<u16> = 30..=1200;
/// The region of the old public instance.
const REGION: &str = "cn-shanghai";

pub(super) fn cloud(raw: raw::Cloud, findings: &mut Findings, credentials: &Credentials) -> Option<Cloud> {
    let hint = "say which cloud: provider = \"aliyun\", or \"mqtt\" for any broker";
    let name = findings.required(raw.provider.clone(), "cloud.provider", hint)?;
    if !["aliyun", "mqtt"].contains(&name.as_str()) {
        let what = format!("the provider \"{name}\" is not supported by this version yet");
        let place = findings.place("cloud.provider");
        findings.error(
            ConfigError::new(Code::NotSupported, what)
                .at(place)
                .hinted("this version speaks to \"aliyun\" and, for any broker, to \"mqtt\""),
        );
        return None;
    }
    foreign_keys(&name, findings);
    let keepalive_s = raw.keepalive_s.unwrap_or(KEEPALIVE_S);
    let tls = tls(raw.tls.as_ref(), findings);
    if let Some(host) = &raw.host
        && (host.contains(['/', ' ', '"', ',']) || host.contains("://"))
    {
        let what = format!("`cloud.host` must be a host's name or address alone, and it is {host:?}");
        findings.bad_value("cloud.host", what, "leave out mqtt://, the path and blanks; the port goes to `port`");
    }
    let host = raw.host.clone();
    let port = raw.port;
    let given = raw.max_rate.map(|(count, ms)| Rate { count, per: Duration::from_millis(ms) });
    let max_rate = given.or_else(|| (name == "aliyun").then_some(ALIYUN_RATE));
    let provider = if name == "aliyun" {
        if !ALIYUN_KEEPALIVE.contains(&keepalive_s) {
            let what = format!("`cloud.keepalive_s` must be from 30 to 1200 on Aliyun, and it is {keepalive_s}");
            findings.bad_value("cloud.keepalive_s", what, "300 or more is advised");
        }
        Provider::Aliyun(aliyun(raw, findings, credentials)?)
    } else {
        let hint = "a plain broker needs its address: host = \"broker.example.com\"";
        let host = findings.required(raw.host.as_ref(), "cloud.host", hint).is_some();
        let mqtt = mqtt(raw, findings, credentials);
        if !host {
            return None;
        }
        Provider::Mqtt(mqtt?)
    };
    Some(Cloud { provider, tls, host, port, keepalive_s, max_rate })
}

/// A key that belongs to another cloud is a contradiction: somebody expects something of it.
fn foreign_keys(provider: &str, findings: &mut Findings) {
    for key in keys::CLOUD.iter().filter(|key| !key.clouds.is_empty() && !key.clouds.contains(&provider)) {
        let path = format!("cloud.{}", key.name);
        if findings.place(&path).is_some() {
            let what = format!("`{path}` has no meaning with provider = \"{provider}\"");
            let hint = format!(
                "it belongs to provider = \"{}\": leave it out, or change the provider",
                key.clouds.join("\", \"")
            );
            findings.contradiction(&path, what, &hint);
        }
    }
}

fn tls(raw: Option<&raw::Tls>, findings: &mut Findings) -> Tls {
    match raw {
        None | Some(raw::Tls::Switch(true)) => Tls::default(),
        Some(raw::Tls::Switch(false)) => Tls::Off,
        Some(raw::Tls::Table(table)) => {
            let verify = table.verify.unwrap_or(true);
            if !verify {
                let place = findings.place("cloud.tls.verify");
                let what =
                    "the cloud's certificate is not checked: whoever sits on the way can read and change everything";
                findings.notice(NoticeKind::Suspicious, what, place);
                if table.ca_file.is_some() {
                    let place = findings.place("cloud.tls.ca_file");
                    findings.notice(NoticeKind::Unused, "`ca_file` is not used while verify = false", place);
                }
            }
            Tls::On { verify, ca_file: table.ca_file.clone() }
        }
    }
}

fn aliyun(raw: raw::Cloud, findings: &mut Findings, credentials: &Credentials) -> Option<Aliyun> {
    let hint = "the console shows it with the product: product_key = \"a1…\"";
    let product_key = findings.required(raw.product_key.clone(), "cloud.product_key", hint);
    if let Some(key) = &product_key
        && !key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    {
        let what = format!("`cloud.product_key` holds letters, digits, - and _ alone, and it is {key:?}");
        findings.bad_value("cloud.product_key", what, "copy it from the console again");
    }
    if raw.instance_id.is_some() && raw.region.is_some() {
        let place = findings.place("cloud.region");
        let what = "`cloud.region` has no effect beside `instance_id`: it is for the old public instance";
        findings.notice(NoticeKind::Unused, what, place);
    }
    for (path, host_part) in [("cloud.instance_id", &raw.instance_id), ("cloud.region", &raw.region)] {
        if let Some(part) = host_part
            && !part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        {
            let what =
                format!("`{path}` becomes part of the host's name and holds letters, digits and - alone, not {part:?}");
            findings.bad_value(path, what, "copy it from the console again");
        }
    }
    let device_name = raw.device_name.clone().map_or(DeviceName::Imei, DeviceName::Given);
    if let DeviceName::Given(name) = &device_name {
        check_device_name(name, findings);
    }
    let sign_method = match raw.sign_method.as_deref() {
        Some("hmacsha1") => SignMethod::HmacSha1,
        Some("hmacmd5") => SignMethod::HmacMd5,
        _ => SignMethod::HmacSha256,
    };
    let register_by = match raw.register_by.as_deref() {
        Some("mqtt") => RegisterBy::Mqtt,
        Some("https") => RegisterBy::Https,
        _ => RegisterBy::Auto,
    };
    let register_securemode = match raw.register_securemode.as_deref() {
        Some("sdk") => RegisterSecuremode::Sdk,
        Some("luatos") => RegisterSecuremode::Luatos,
        _ => RegisterSecuremode::Documented,
    };
    let register_host = raw.register_host.as_deref().and_then(|text| register_host(text, findings));
    let auth = auth(&raw, findings, credentials);
    if let Some(auth) = &auth {
        doubts(&raw, auth, findings);
    }
    if register_by == RegisterBy::Https && matches!(auth, Some(AliyunAuth::RegisterNoPrereg { .. })) {
        let what =
            "`cloud.register_by` is \"https\", and devices that are not listed register over MQTT alone".to_owned();
        findings.contradiction("cloud.register_by", what, "remove it, or list the device and give its device_name");
    }
    Some(Aliyun {
        product_key: product_key?,
        instance_id: raw.instance_id,
        region: raw.region.unwrap_or_else(|| REGION.to_owned()),
        device_name,
        client_id: raw.client_id,
        auth: auth?,
        sign_method,
        register_by,
        register_securemode,
        register_host,
        custom_rrpc: raw.custom_rrpc.unwrap_or(false),
    })
}

/// What can be meant, and hardly is.
fn doubts(raw: &raw::Cloud, auth: &AliyunAuth, findings: &mut Findings) {
    if matches!(auth, AliyunAuth::DeviceSecret(_)) {
        for key in ["register_by", "register_securemode", "register_host"] {
            if findings.place(&format!("cloud.{key}")).is_some() {
                unused(key, "device_secret", findings);
            }
        }
    }
    // Source: Alibaba Cloud IoT Platform documentation, "Unique-certificate-per-product verification".
    if matches!(auth, AliyunAuth::RegisterNoPrereg { .. }) && raw.instance_id.is_none() && raw.host.is_none() {
        let what = "devices that are not listed register at new public and enterprise instances alone, and without \
                    `instance_id` this is the old public one: give the ID from the instance's page in the console, or list \
                    the device and set auth = \"register\"";
        let place = findings.place("cloud.auth").or_else(|| findings.place("cloud.product_secret"));
        findings.notice(NoticeKind::Suspicious, what, place);
    }
}

/// `host` or `host:port`; 443 if no port is given.
fn register_host(text: &str, findings: &mut Findings) -> Option<(String, u16)> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok().filter(|port| *port > 0)),
        None => (text, Some(443)),
    };
    let is_host = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b));
    match port {
        Some(port) if is_host => Some((host.to_owned(), port)),
        _ => {
            let what = format!("`cloud.register_host` must be a host, or a host and a port, and it is {text:?}");
            findings.bad_value(
                "cloud.register_host",
                what,
                "write it as in register_host = \"iot-auth.example.com:443\"",
            );
            None
        }
    }
}

/// What would break a topic or the user name is refused. The platform's own rule (4 to 32 ASCII letters, digits and
/// `-_@.:`) is told only: names outside of it are in use.
///
/// Source: Aliyun IoT Platform, limits of products and devices.
fn check_device_name(name: &str, findings: &mut Findings) {
    let (length, punctuation) = (name.chars().count(), "-_@.:");
    if !(1..=32).contains(&length) || !name.chars().all(|c| c.is_alphanumeric() || punctuation.contains(c)) {
        let what = format!("`cloud.device_name` must be 4 to 32 letters, digits or - _ @ . : and it is {name:?}");
        findings.bad_value("cloud.device_name", what, "leave it out to use the module's IMEI");
    } else if length < 4 || !name.is_ascii() {
        let place = findings.place("cloud.device_name");
        let what = format!(
            "the console makes device names of 4 to 32 ASCII letters, digits and - _ @ . : and `cloud.device_name` is \
             {name:?}: compare it"
        );
        findings.notice(NoticeKind::Suspicious, what, place);
    } else if name.len() == 15 && name.bytes().all(|b| b.is_ascii_digit()) && !luhn(name) {
        let place = findings.place("cloud.device_name");
        let what = format!(
            "`cloud.device_name` {name} looks like an IMEI, but its check digit is wrong: compare it with AT+CGSN"
        );
        findings.notice(NoticeKind::Suspicious, what, place);
    }
}

/// The check digit of an IMEI.
///
/// Source: 3GPP TS 23.003, annex B.
fn luhn(digits: &str) -> bool {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(at, byte)| {
            let digit = u32::from(byte.wrapping_sub(b'0'));
            if at % 2 == 0 { digit } else { digit * 2 / 10 + digit * 2 % 10 }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Which way of signing in is meant, and its secret.
fn auth(raw: &raw::Cloud, findings: &mut Findings, credentials: &Credentials) -> Option<AliyunAuth> {
    let device_secret =
        credentials.secret("device_secret", raw.device_secret, raw.device_secret_file.as_deref(), findings);
    let product_secret = credentials.secret("product_secret", raw.product_secret, None, findings);
    let named = raw.auth.as_deref();
    let meant = named.unwrap_or(match (&device_secret, &product_secret) {
        (Some(_), _) | (None, None) => "device_secret",
        (None, Some(_)) if raw.device_name.is_some() => "register",
        (None, Some(_)) => "register_no_prereg",
    });
    if meant == "device_secret" {
        if product_secret.is_some() {
            unused("product_secret", "device_secret", findings);
        }
        let hint = if named.is_some() {
            "give device_secret, device_secret_file or the systemd credential device_secret"
        } else {
            "give device_secret (or device_secret_file, or the systemd credential device_secret), or product_secret to register"
        };
        return findings.required(device_secret, "cloud.device_secret", hint).map(AliyunAuth::DeviceSecret);
    }
    if device_secret.is_some() {
        unused("device_secret", meant, findings);
    }
    let hint = format!("auth = \"{meant}\" signs with the product's secret: product_secret = \"…\"");
    let product_secret: Secret = findings.required(product_secret, "cloud.product_secret", &hint)?;
    if matches!(raw.tls, Some(raw::Tls::Switch(false))) {
        let what =
            format!("auth = \"{meant}\" needs TLS, and `cloud.tls` is false: the cloud registers over TLS alone");
        findings.contradiction(
            "cloud.tls",
            what,
            "remove tls = false, or give the device's own secret as device_secret",
        );
    }
    Some(if meant == "register" {
        AliyunAuth::Register { product_secret }
    } else {
        AliyunAuth::RegisterNoPrereg { product_secret }
    })
}

fn unused(key: &str, auth: &str, findings: &mut Findings) {
    let place = findings.place(&format!("cloud.{key}"));
    findings.notice(NoticeKind::Unused, format!("`cloud.{key}` is not used with auth = \"{auth}\""), place);
}

fn mqtt(raw: raw::Cloud, findings: &mut Findings, credentials: &Credentials) -> Option<Mqtt> {
    let password = credentials.secret("password", raw.password, raw.password_file.as_deref(), findings);
    let login = match (raw.username, password) {
        (Some(username), password) => Some(Login { username, password }),
        (None, Some(_)) => {
            findings.missing("cloud.username", "MQTT 3.1.1 takes no password without a user name");
            return None;
        }
        (None, None) => None,
    };
    let topic_prefix = raw.topic_prefix.map(|prefix| prefix.trim_end_matches('/').to_owned());
    Some(Mqtt { client_id: raw.client_id, login, topic_prefix })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digit_of_an_imei() {
        // The example of 3GPP TS 23.003, annex B: 26053179311383 has the check digit 7.
        assert!(luhn("260531793113837"));
        assert!(!luhn("260531793113838"));
    }
}
