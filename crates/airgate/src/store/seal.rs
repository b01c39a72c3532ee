//! Encryption of what is kept, with a key that the user keeps elsewhere: XChaCha20-Poly1305, a random nonce for each
//! write, and the name of the device bound in, so that a record cannot be put in another's place.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use sha2::{Digest, Sha256};
use std::io;
use zeroize::{Zeroize, Zeroizing};

/// What an encrypted record begins with; the nonce follows.
const MARK: &[u8; 4] = b"enc1";
const NONCE: usize = 24;

/// The key of the store. `Debug` does not show it.
#[derive(Clone)]
pub struct StoreKey(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[REDACTED]")
    }
}

impl StoreKey {
    /// From a text that was made at random: nothing is done to make a guessable one harder to guess.
    pub fn new(text: &str) -> Self {
        let mut hash = Sha256::digest(text.as_bytes());
        let mut key = Zeroizing::new([0; 32]);
        key.copy_from_slice(&hash);
        hash.as_mut_slice().zeroize();
        Self(key)
    }

    /// Encrypts a record of this name.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub(super) fn seal(&self, name: &str, record: &[u8]) -> io::Result<Vec<u8>> {
        let mut nonce = [0; NONCE];
        if rustix::rand::getrandom(&mut nonce, rustix::rand::GetRandomFlags::empty())? != NONCE {
            return Err(io::Error::other("the system gives no randomness"));
        }
        let payload = Payload { msg: record, aad: name.as_bytes() };
        let sealed = self.cipher().encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| io::Error::other("the record is too long to be encrypted"))?;
        Ok([MARK.as_slice(), &nonce, &sealed].concat())
    }

    /// Decrypts a record of this name; `None` with another key, under another name, or when it was changed.
    pub(super) fn open(&self, name: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.strip_prefix(MARK)?.split_first_chunk::<NONCE>()?;
        let payload = Payload { msg: sealed, aad: name.as_bytes() };
        self.cipher().decrypt(&XNonce::from(*nonce), payload).ok().map(Zeroizing::new)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.0).into())
    }
}

/// Whether a record is encrypted. One that is not begins with its CRC, which is this by chance once in four thousand
/// million times; whoever reads tries that first.
pub(super) fn is_sealed(record: &[u8]) -> bool {
    record.starts_with(MARK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_opens_with_its_key_under_its_name_and_unchanged_alone() {
        let key = StoreKey::new("0123456789abcdef0123456789abcdef");
        let sealed = key.seal("device 1", b"hunter2").unwrap();
        assert_eq!(key.open("device 1", &sealed).unwrap().as_slice(), b"hunter2");
        assert!(!sealed.windows(7).any(|window| window == b"hunter2"));
        assert!(key.open("device 2", &sealed).is_none());
        assert!(StoreKey::new("another key, of the same length.").open("device 1", &sealed).is_none());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(key.open("device 1", &changed).is_none(), "byte {at}");
        }
        assert_ne!(sealed, key.seal("device 1", b"hunter2").unwrap(), "the nonce is new each time");
    }

    #[test]
    fn key_is_not_shown() {
        assert_eq!(format!("{:?}", StoreKey::new("hunter2")), "[REDACTED]");
    }
}
