//! HMACs, and texts that look random. Written for this stand-in alone: what it tests must not share it.

use hmac::{Hmac, KeyInit, Mac};

/// The HMAC in lower-case hexadecimal digits. None never happens: an HMAC takes keys of any length.
pub(super) fn mac<M: Mac + KeyInit>(key: &[u8], content: &str) -> Option<String> {
    let mac = <M as KeyInit>::new_from_slice(key).ok()?.chain_update(content.as_bytes());
    Some(mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The HMAC-SHA256 in lower-case hexadecimal digits: also a source of texts that look random.
pub(super) fn mac_sha256(key: &str, content: &str) -> String {
    mac::<Hmac<sha2::Sha256>>(key.as_bytes(), content).unwrap_or_default()
}

/// Makes texts that nobody else has, out of a seed: the same seed makes the same texts.
#[derive(Debug, Default)]
pub(super) struct Mint {
    seed: u64,
    count: u64,
}

impl Mint {
    pub(super) fn new(seed: u64) -> Self {
        Mint { seed, count: 0 }
    }

    /// 32 hexadecimal digits.
    pub(super) fn text(&mut self) -> String {
        self.count += 1;
        let mut text = mac_sha256(&self.seed.to_string(), &self.count.to_string());
        text.truncate(32);
        text
    }
}
