//! What the daemon holds in memory for all programs of one user, and a bound on the sum.
//!
//! Whatever a program can make grow is counted here while it is there: messages in its box, its filters, what it has not
//! read, what it has not finished saying. A user whose share is spent gets and says small things one after another until its
//! programs have read; other users do not notice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The bytes that are held for all programs of one user, connected or away.
pub const HELD_BYTES_PER_USER: usize = 16 << 20;
/// What passes for each program even when its user's share is spent, in bytes: a short message in each direction.
pub const SMALL_BYTES: usize = 4 << 10;

/// Of one user.
#[derive(Clone, Debug, Default)]
pub struct Share(Arc<AtomicUsize>);

impl Share {
    /// Whether there is no more.
    pub fn is_spent(&self) -> bool {
        self.bytes() >= HELD_BYTES_PER_USER
    }

    /// Whether there is room for so many bytes.
    pub fn has_room(&self, bytes: usize) -> bool {
        self.bytes().saturating_add(bytes) <= HELD_BYTES_PER_USER
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A part of a share, given back when it is dropped.
#[derive(Debug, Default)]
pub struct Held {
    share: Share,
    bytes: usize,
}

impl Held {
    /// So much of it.
    pub fn new(share: Share, bytes: usize) -> Self {
        let mut held = Self { share, bytes: 0 };
        held.set(bytes);
        held
    }

    /// It is as large as this now.
    pub fn set(&mut self, bytes: usize) {
        if bytes > self.bytes {
            self.share.0.fetch_add(bytes - self.bytes, Ordering::Relaxed);
        } else if bytes < self.bytes {
            self.share.0.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
        }
        self.bytes = bytes;
    }

    /// How large it is.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// What it is a part of.
    pub fn share(&self) -> &Share {
        &self.share
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_counted_while_it_is_there() {
        let share = Share::default();
        let mut one = Held::new(share.clone(), 100);
        let other = Held::new(share.clone(), HELD_BYTES_PER_USER - 100);
        assert!(share.is_spent() && !share.has_room(1));
        one.set(40);
        assert!(!share.is_spent() && share.has_room(60) && !share.has_room(61));
        drop(other);
        one.set(50);
        assert_eq!((share.bytes(), one.bytes()), (50, 50));
        drop(one);
        assert_eq!(share.bytes(), 0);
    }
}
