//! The firmware dialogue: the version is reported, the platform answers with an upgrade task, now or later.
//!
//! Source: Alibaba Cloud IoT Platform documentation, "Perform OTA updates": message formats.

use super::wrap::WrapError;
use crate::Incoming;
use crate::ota::{Digest, OtaFile, OtaJob, OtaSource, lower_hex};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The platform's word for success in an upgrade message. Device replies elsewhere use 200.
const SUCCESS: [&str; 2] = ["1000", "200"];

/// Longest version or module name, in bytes. Source: "Perform OTA updates": 64 characters.
const MAX_NAME: usize = 64;

/// What the device says after each sign-in and after an upgrade. Nobody answers it, so its id need not differ.
/// Without a module it is the version of the whole device.
pub(super) fn version_report(version: &str, module: Option<&str>) -> Vec<u8> {
    let mut params = json!({"version": version});
    if let (Some(module), Value::Object(params)) = (module, &mut params) {
        params.insert("module".into(), module.into());
    }
    json!({"id": "1", "params": params}).to_string().into_bytes()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VersionIn {
    version: String,
    module: Option<String>,
}

/// A program's report of a version: `{"version":"1.2.0","module":"mcu"}`, the module or `None` first.
pub(super) fn read_version(payload: &[u8]) -> Result<(Option<String>, String), WrapError> {
    let report: VersionIn = serde_json::from_slice(payload).map_err(|e| WrapError::NotJson(e.to_string()))?;
    let fits = |name: &str| (1..=MAX_NAME).contains(&name.len());
    if !fits(&report.version) || !report.module.as_deref().is_none_or(fits) {
        return Err(WrapError::Field("`version` and `module` must be 1 to 64 bytes long"));
    }
    Ok((report.module.filter(|module| module != "default"), report.version))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProgressIn {
    step: i8,
    desc: Option<String>,
    module: Option<String>,
}

/// A program's report of its progress, `{"step":50,"desc":"…","module":"mcu"}`, in the platform's words. The step is
/// 1 to 100 per cent, or -1 (the upgrade failed), -2 (the download), -3 (the verification) or -4 (the flashing).
pub(super) fn progress_report(payload: &[u8]) -> Result<Vec<u8>, WrapError> {
    let report: ProgressIn = serde_json::from_slice(payload).map_err(|e| WrapError::NotJson(e.to_string()))?;
    if !(1..=100).contains(&report.step) && !(-4..=-1).contains(&report.step) {
        return Err(WrapError::Field("`step` must be 1 to 100, or -1 to -4 for a failure"));
    }
    let mut params = json!({"step": report.step.to_string(), "desc": report.desc.unwrap_or_default()});
    if let (Some(module), Value::Object(params)) = (report.module, &mut params) {
        params.insert("module".into(), module.into());
    }
    Ok(json!({"id": "1", "params": params}).to_string().into_bytes())
}

pub(super) fn read_upgrade(payload: &[u8]) -> Incoming {
    let envelope: Envelope = match serde_json::from_slice(payload) {
        Ok(envelope) => envelope,
        Err(e) => return Incoming::Malformed(format!("the upgrade message cannot be read: {e}")),
    };
    let code = text_of(envelope.code.as_ref());
    if code.as_deref().is_some_and(|code| !SUCCESS.contains(&code)) {
        let message = envelope.message.unwrap_or_default();
        return Incoming::Malformed(format!("the platform reports {} {message:?}", code.unwrap_or_default()));
    }
    match envelope.data {
        // Nothing to install.
        None | Some(Value::Null) => Incoming::Consumed,
        Some(Value::Object(data)) if data.is_empty() => Incoming::Consumed,
        Some(data) => match serde_json::from_value(data).map_err(|e| e.to_string()).and_then(Task::into_job) {
            Ok(job) => Incoming::Ota(Box::new(job)),
            Err(reason) => Incoming::Malformed(format!("the upgrade task cannot be used: {reason}")),
        },
    }
}

#[derive(Deserialize)]
struct Envelope {
    code: Option<Value>,
    message: Option<String>,
    data: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Task {
    version: Option<String>,
    module: Option<String>,
    is_diff: Option<Value>,
    sign_method: Option<String>,
    digestsign: Option<String>,
    ext_data: Option<Map<String, Value>>,
    stream_id: Option<u64>,
    files: Option<Vec<TaskFile>>,
    #[serde(flatten)]
    single: TaskFile,
}

/// One file; in a task of several the fields bear `file` before their names.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TaskFile {
    #[serde(alias = "fileName")]
    name: Option<String>,
    #[serde(alias = "fileSize")]
    size: Option<u64>,
    #[serde(alias = "fileUrl")]
    url: Option<String>,
    #[serde(alias = "fileMd5")]
    md5: Option<String>,
    #[serde(alias = "fileSign")]
    sign: Option<String>,
    #[serde(alias = "fileId")]
    stream_file_id: Option<u64>,
}

impl Task {
    fn into_job(self) -> Result<OtaJob, String> {
        let version = self.version.filter(|v| !v.is_empty()).ok_or("it names no version")?;
        let method = self.sign_method.as_deref();
        let files = match self.files {
            Some(files) if !files.is_empty() => files,
            _ => vec![self.single],
        };
        let files = files.into_iter().map(|file| file.read(self.stream_id, method)).collect::<Result<_, _>>()?;
        Ok(OtaJob {
            version,
            module: self.module.filter(|m| !m.is_empty() && m != "default"),
            is_diff: text_of(self.is_diff.as_ref()).is_some_and(|flag| flag == "1" || flag == "true"),
            files,
            digest_sign: self.digestsign,
            ext_data: self.ext_data.unwrap_or_default(),
        })
    }
}

impl TaskFile {
    fn read(self, stream_id: Option<u64>, method: Option<&str>) -> Result<OtaFile, String> {
        let size = self.size.filter(|size| *size > 0).ok_or("a file has no size")?;
        let source = match (self.url, stream_id, self.stream_file_id) {
            (Some(url), _, _) if url.starts_with("https://") || url.starts_with("http://") => OtaSource::Url(url),
            (Some(_), _, _) => return Err("a file's url is neither https nor http".into()),
            (None, Some(stream_id), Some(file_id)) => OtaSource::Stream { stream_id, file_id },
            (None, _, _) => return Err("a file has neither url nor stream".into()),
        };
        // A firmware that cannot be checked is not installed.
        let digest = digest(method, self.sign.as_deref(), self.md5.as_deref())?;
        Ok(OtaFile { name: self.name, size, source, digest, md5: self.md5.and_then(|hex| lower_hex(&hex, 32)) })
    }
}

/// The method is spelled `Md5`, `MD5`, `SHA256` or `Sha256`, depending on the year.
fn digest(method: Option<&str>, sign: Option<&str>, md5: Option<&str>) -> Result<Digest, String> {
    let found = match (method, sign) {
        (Some(method), Some(sign)) if method.eq_ignore_ascii_case("sha256") => Digest::sha256(sign),
        (Some(method), Some(sign)) if method.eq_ignore_ascii_case("md5") => Digest::md5(sign),
        (Some(method), Some(_)) => return Err(format!("its digest method {method:?} is not known")),
        (_, _) => md5.and_then(Digest::md5),
    };
    found.ok_or_else(|| "a file has no digest, or one of the wrong length".to_owned())
}

/// Codes and flags come as numbers or as strings.
fn text_of(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Null => None,
        other => Some(other.to_string()),
    }
}
