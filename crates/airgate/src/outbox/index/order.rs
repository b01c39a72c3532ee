//! Who goes next, and who has waited too long.
//!
//! Within a priority the oldest goes first. Only when an hour of old messages waits does a fresh one pass them, for a share
//! of the line, and never one of its own stream: a program's messages under one topic stay in order.

use super::segments::{GRAIN_S, Place, State};
use super::{Entry, Expiry, Index, Next, Segments, Taken};
use crate::outbox::message::PRIORITY_MAX;
use crate::outbox::notice::DropReason;

/// So many fresh messages are looked at for one that may pass: what one choice may cost.
const LOOK: usize = 4096;

impl Index {
    /// Whether [`Index::take`] would give one.
    pub(in crate::outbox) fn can_take(&self) -> bool {
        self.taken.len() < self.limits.window
            && (self.floor..=PRIORITY_MAX).any(|p| self.segments.waits(p) || self.ring.first(p).is_some())
    }

    /// From now on only messages of at least this priority go; above the highest, none does.
    pub(in crate::outbox) fn set_floor(&mut self, priority: u8) {
        self.floor = priority;
    }

    /// Hands out the next to send. [outbox-4]
    pub(in crate::outbox) fn take(&mut self) -> Option<Next> {
        if self.taken.len() >= self.limits.window {
            return None;
        }
        (self.floor..=PRIORITY_MAX).rev().find_map(|priority| {
            let kept = self.first_to_go(priority);
            let in_memory = self.ring.first(priority);
            match (kept, in_memory) {
                (None, None) => None,
                (Some((seq, place)), _) if seq < self.stale_below => match self.fresh(priority, in_memory) {
                    Some(fresh) if self.is_freshs_turn() => self.hand_out(priority, fresh),
                    _ => self.take_from_disk(seq, place),
                },
                (Some((seq, place)), ring) if ring.is_none_or(|other| seq < other) => self.take_from_disk(seq, place),
                (_, Some(seq)) => self.take_from_ring(priority, seq),
                (Some((seq, place)), None) => self.take_from_disk(seq, place),
            }
        })
    }

    /// The oldest message of this priority whose stream does not stand aside. Those before it whose streams do are passed
    /// once, not each time. [outbox-22]
    fn first_to_go(&mut self, priority: u8) -> Option<(u64, Place)> {
        loop {
            let (seq, place) = self.segments.first_waiting(priority)?;
            let entry = self.segments.entry(place)?;
            if !self.streams.is_held(entry.stream) {
                return Some((seq, place));
            }
            self.turn(place, State::Held)?;
        }
    }

    /// The oldest fresh message of this priority that passes none of its own stream. QoS 0 is always fresh.
    fn fresh(&self, priority: u8, in_memory: Option<u64>) -> Option<(u64, Option<Place>)> {
        let may_pass = |entry: &Entry| {
            let may_go = entry.state == State::Waiting && !self.streams.is_held(entry.stream);
            may_go && entry.priority == priority && self.streams.has_no_backlog(entry.stream)
        };
        let mut ahead = self.segments.since(self.stale_below).take(LOOK);
        let kept = ahead.find(|(_, entry)| may_pass(entry)).map(|(place, entry)| (entry.seq, Some(place)));
        [kept, in_memory.map(|seq| (seq, None))].into_iter().flatten().min_by_key(|(seq, _)| *seq)
    }

    fn is_freshs_turn(&mut self) -> bool {
        self.credit += self.limits.fresh_percent.min(100);
        let turn = self.credit >= 100;
        self.credit -= if turn { 100 } else { 0 };
        turn
    }

    fn hand_out(&mut self, priority: u8, (seq, place): (u64, Option<Place>)) -> Option<Next> {
        match place {
            Some(place) => self.take_from_disk(seq, place),
            None => self.take_from_ring(priority, seq),
        }
    }

    fn take_from_ring(&mut self, priority: u8, seq: u64) -> Option<Next> {
        let message = self.ring.take(priority, seq)?;
        self.taken.insert(seq, Taken::Ring(message.clone()));
        Some(Next::Ring { seq, message })
    }

    fn take_from_disk(&mut self, seq: u64, place: Place) -> Option<Next> {
        self.turn(place, State::Taken)?;
        self.taken.insert(seq, Taken::Disk { place, expires: None });
        Some(Next::Disk { seq })
    }

    /// Moves a message to another state; gives it as it was before.
    pub(super) fn turn(&mut self, place: Place, state: State) -> Option<Entry> {
        let before = self.segments.set(place, state)?;
        if before.seq < self.stale_below {
            let sign = i32::from(state == State::Waiting) - i32::from(before.state == State::Waiting);
            self.streams.count_backlog(before.stream, sign);
        }
        Some(before)
    }

    /// Those accepted before `until_ms` are not fresh any more.
    pub(super) fn age_fresh(&mut self, until_ms: u64) {
        let Self { segments, streams, stale_below, .. } = self;
        for (place, entry) in segments.since(*stale_below) {
            if until_ms < latest_ms(segments, place) {
                break;
            }
            *stale_below = entry.seq + 1;
            streams.count_backlog(entry.stream, i32::from(entry.state == State::Waiting));
        }
    }

    /// Drops what waits and whose time is over. What is out stays out. [outbox-6]
    pub(in crate::outbox) fn expire(&mut self, now_ms: u64) {
        for seq in self.ring.expire(now_ms) {
            self.tell_dropped(seq, DropReason::Ttl);
        }
        while let Some((at, place)) = self.expiry.pop(now_ms) {
            let Some(entry) = self.segments.entry(place) else { continue };
            if Expiry::applies(&self.segments, place) {
                self.drop_kept(entry.seq, place, DropReason::Ttl);
            } else if let Some(Taken::Disk { expires, .. }) = self.taken.get_mut(&entry.seq) {
                *expires = Some(at);
            }
        }
        self.age_fresh(now_ms.saturating_sub(self.limits.fresh_ms));
        self.end_the_old(now_ms);
    }

    /// [outbox-13]
    fn end_the_old(&mut self, now_ms: u64) {
        while self.age_due <= now_ms {
            let Some((seq, place)) = self.segments.oldest_waiting() else {
                self.age_due = now_ms.saturating_add(self.limits.max_age_ms);
                return;
            };
            self.age_due = latest_ms(&self.segments, place).saturating_add(self.limits.max_age_ms);
            if self.age_due <= now_ms {
                self.drop_kept(seq, place, DropReason::MaxAge);
            }
        }
    }

    /// The moment at which [`Index::expire`] has something to do.
    pub(in crate::outbox) fn next_expiry(&self) -> Option<u64> {
        let of_age = (self.segments.live > 0 && self.limits.max_age_ms < u64::MAX).then_some(self.age_due);
        [self.ring.next_expiry(), self.expiry.next(), of_age].into_iter().flatten().min()
    }
}

/// The latest moment at which a message may have been accepted, in milliseconds: nothing ends too young.
fn latest_ms(segments: &Segments, place: Place) -> u64 {
    segments.accepted_unix_s(place).map_or(u64::MAX, |s| (u64::from(s) + u64::from(GRAIN_S)) * 1000)
}
