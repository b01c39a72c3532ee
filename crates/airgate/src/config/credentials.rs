//! Secrets from elsewhere: systemd's credentials and files of their own.

use std::path::{Path, PathBuf};

use super::Secret;
use super::error::{Code, ConfigError, Place};
use super::findings::Findings;
use super::source::read_secret;

/// The directory in which systemd puts what `LoadCredential=` names.
///
/// Source: systemd.exec(5), CREDENTIALS.
pub(super) struct Credentials(Option<PathBuf>);

/// The fewest characters of a key: nothing is done to make a short one harder to guess.
const STORE_KEY: usize = 32;

impl Credentials {
    pub(super) fn new(variables: &[(String, String)]) -> Self {
        let directory = variables.iter().find(|(name, value)| name == "CREDENTIALS_DIRECTORY" && !value.is_empty());
        Self(directory.map(|(_, value)| value.into()))
    }

    /// The systemd credential `store_key`, at least 32 characters.
    pub(super) fn store_key(&self, findings: &mut Findings) -> Option<Secret> {
        let path = self.0.as_ref()?.join("store_key");
        if !path.exists() {
            return None;
        }
        let error = match read_secret(&path) {
            Ok((text, _)) if text.len() >= STORE_KEY => return Some(Secret::new(text.as_str())),
            Ok((text, _)) => {
                let what = format!("the credential store_key has {} characters, and needs {STORE_KEY}", text.len());
                ConfigError::new(Code::BadValue, what)
                    .at(Some(Place::File(path)))
                    .hinted("make one with: openssl rand -hex 32")
            }
            Err(error) => error,
        };
        findings.error(error);
        None
    }

    /// The secret named `key` of `[cloud]`: from the configuration, from the file that it names, or from the credential
    /// of the same name. Two of them that differ are an error; none is `None`.
    pub(super) fn secret(
        &self,
        key: &str,
        given: Option<usize>,
        file: Option<&Path>,
        findings: &mut Findings,
    ) -> Option<Secret> {
        let credential = self.0.as_ref().map(|directory| directory.join(key)).filter(|path| path.exists());
        let mut found: Option<(String, Secret)> =
            given.and_then(|index| findings.vault.get(index).cloned()).map(|secret| (format!("cloud.{key}"), secret));
        let others = [(format!("cloud.{key}_file"), file), (format!("the credential {key}"), credential.as_deref())];
        for (name, path) in others {
            let Some(path) = path else { continue };
            let secret = match read_secret(path) {
                Ok((text, open)) => {
                    if open {
                        findings.open_to_others(path);
                    }
                    Secret::new(text.as_str())
                }
                Err(mut error) => {
                    error.what = format!("`{name}` names {}: {}", path.display(), error.what);
                    if let Some(place) = findings.places.get(&name) {
                        error.place = Some(place.clone());
                    }
                    findings.damaged.insert(format!("cloud.{key}"));
                    findings.error(error);
                    continue;
                }
            };
            match &found {
                Some((first, other)) if *other != secret => {
                    let place = findings.places.get(&name).cloned().unwrap_or(Place::File(path.to_owned()));
                    findings.error(
                        ConfigError::new(Code::Disagree, format!("{first} and {name} are both given and differ"))
                            .at(Some(place))
                            .hinted("keep one of them"),
                    );
                }
                Some(_) => {}
                None => {
                    findings.places.insert(format!("cloud.{key}"), Place::File(path.to_owned()));
                    found = Some((name, secret));
                }
            }
        }
        found.map(|(_, secret)| secret)
    }
}
