//! `AT+SSLCFG`: what TLS is told before a connection.

use std::collections::BTreeMap;

use super::Engine;
use super::commands::{Flow, Outcome, args};
use super::fault::Fault;
use super::files::path;
use super::parse::Form;

/// The contexts of MQTT and HTTP. Source: AT command manual V1.6.3, p. 150.
pub(super) const MQTT_CONTEXT: u32 = 88;
pub(super) const HTTP_CONTEXT: u32 = 153;
/// Longest value: a file name, a host name, or 64 hex digits.
const VALUE_MAX: usize = 256;

/// How a TLS connection is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The name to ask for and, if asked to verify, to check.
    pub server_name: String,
    /// PEM of the authorities to verify with; `None`: nothing is verified.
    pub authorities: Option<Vec<u8>>,
    /// PEM of the client's certificate and key.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
    /// The module's own idea of the Unix time; `None`: validity dates are not judged.
    pub time: Option<u64>,
}

/// Settings by context and key; volatile.
#[derive(Debug, Default)]
pub(super) struct TlsSettings(BTreeMap<(u32, String), String>);

impl TlsSettings {
    fn value(&self, context: u32, key: &str) -> Option<&str> {
        self.0.get(&(context, key.to_owned())).map(String::as_str)
    }
}

/// The values a key takes; `None` for a key that does not exist.
fn allowed(key: &str, value: &str) -> Option<bool> {
    let number = |range: std::ops::RangeInclusive<u32>| value.parse().is_ok_and(|value| range.contains(&value));
    let hex = |lengths: &[usize]| lengths.contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    Some(match key {
        "sslversion" => number(0..=4),
        "ciphersuite" => ["0X0035", "0X002F", "0X0005", "0X0004", "0X000A", "0X003D", "0XFFFF"]
            .contains(&value.to_uppercase().as_str()),
        "cacert" | "clientcert" | "clientkey" => path(value).is_ok(),
        "seclevel" => number(0..=2),
        "hostname" => !value.is_empty(),
        "ignorelocaltime" | "verifymode" => number(0..=1),
        "negotiatetimeout" => number(10..=300),
        "clientrandom" => hex(&[56, 64]),
        "premaster" => hex(&[96]),
        _ => return None,
    })
}

impl Engine {
    /// Without value: query. With a comma and nothing behind: erase.
    pub(super) fn ssl_config(&mut self, form: &Form) -> Outcome {
        let args = args(form)?.at_most(3)?;
        let key = args.text(0, 32)?.to_ascii_lowercase();
        let context = args.number(1, 0..=153)?;
        if !matches!(context, 0..=5 | 34 | MQTT_CONTEXT | HTTP_CONTEXT) || allowed(&key, "").is_none() {
            return Err(Fault::RANGE);
        }
        let place = (context, key.clone());
        if args.len() == 2 {
            if let Some(value) = self.tls.0.get(&place) {
                let shown = if value.bytes().all(|byte| byte.is_ascii_digit()) {
                    value.clone()
                } else {
                    format!("\"{value}\"")
                };
                self.info(&format!("+SSLCFG:\"{key}\",{context},{shown}"));
            }
        } else if args.get(2).is_none() {
            self.tls.0.remove(&place);
        } else {
            let value = args.text(2, VALUE_MAX)?;
            if allowed(&key, &value) != Some(true) {
                return Err(Fault::RANGE);
            }
            self.tls.0.insert(place, value);
        }
        Ok(Flow::Next)
    }

    /// The setup for a connection to `host`. Files that are named must exist.
    pub(super) fn tls_setup(&self, context: u32, host: &str) -> Result<Tls, Fault> {
        let value = |key| self.tls.value(context, key);
        let level = value("seclevel").unwrap_or("0");
        let named = |key: &'static str| -> Result<Option<Vec<u8>>, Fault> {
            let Some(name) = value(key) else { return Ok(None) };
            Ok(Some(self.files.read(&path(name)?)?.to_vec()))
        };
        let authorities = match level {
            "0" => None,
            _ => Some(named("cacert")?.ok_or(Fault::NO_FILE)?),
        };
        let identity = match level {
            "2" => Some((named("clientcert")?.ok_or(Fault::NO_FILE)?, named("clientkey")?.ok_or(Fault::NO_FILE)?)),
            _ => None,
        };
        let ignores_time = value("ignorelocaltime") == Some("1");
        let time = if ignores_time { None } else { Some(self.module_time()) };
        Ok(Tls { server_name: value("hostname").unwrap_or(host).to_owned(), authorities, identity, time })
    }
}
