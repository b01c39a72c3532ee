//! What one program says under one topic is a stream: in it, nothing overtakes. Here is what each has on the disk, and what
//! each program has. Streams are few; a message bears the short number of its own.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

/// A stream's number: 14 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct StreamId(pub(super) u16);

/// All streams that found no number of their own share this one; nothing in it overtakes anything.
const SHARED: StreamId = StreamId(0);
/// So many streams at most, the shared one included.
const STREAMS_MAX: u16 = 1 << 14;

#[derive(Debug, Default, Clone, Copy)]
struct Stream {
    name: (u32, u64),
    /// Messages that wait or are in flight.
    live: u32,
    /// Of those, the ones that wait and are no longer fresh.
    backlog: u32,
    /// It stands aside.
    held: bool,
}

#[derive(Debug)]
pub(super) struct Streams {
    hash: RandomState,
    by_name: HashMap<(u32, u64), StreamId>,
    list: Vec<Stream>,
    free: Vec<StreamId>,
    /// What each program has on the disk and not acknowledged, in bytes.
    programs: HashMap<u32, u64>,
}

impl Default for Streams {
    fn default() -> Self {
        Self {
            hash: RandomState::new(),
            by_name: HashMap::new(),
            list: vec![Stream::default()],
            free: Vec::new(),
            programs: HashMap::new(),
        }
    }
}

impl Streams {
    /// A message of `len` bytes joins its stream.
    pub(super) fn join(&mut self, uid: u32, topic: &str, len: u32) -> StreamId {
        let name = (uid, self.hash.hash_one(topic));
        let id = self.by_name.get(&name).copied().unwrap_or_else(|| self.add(name));
        if let Some(stream) = self.list.get_mut(usize::from(id.0)) {
            stream.live += 1;
        }
        if id != SHARED {
            self.on_its_way(uid, u64::from(len), true);
        }
        id
    }

    fn add(&mut self, name: (u32, u64)) -> StreamId {
        let next = u16::try_from(self.list.len()).ok().filter(|next| *next < STREAMS_MAX).map(StreamId);
        let Some(id) = self.free.pop().or(next) else { return SHARED };
        if usize::from(id.0) == self.list.len() {
            self.list.push(Stream::default());
        }
        if let Some(stream) = self.list.get_mut(usize::from(id.0)) {
            *stream = Stream { name, ..Stream::default() };
        }
        self.by_name.insert(name, id);
        id
    }

    /// A message ended. A stream without any gives its number back.
    pub(super) fn leave(&mut self, id: StreamId, len: u32) {
        let Some(stream) = self.list.get_mut(usize::from(id.0)) else { return };
        stream.live = stream.live.saturating_sub(1);
        stream.held &= stream.live > 0;
        if id == SHARED {
            return;
        }
        let Stream { name, live, .. } = *stream;
        self.on_its_way(name.0, u64::from(len), false);
        if live == 0 {
            self.by_name.remove(&name);
            self.free.push(id);
        }
    }

    /// So many bytes of a program are there, or (`false`) not any more.
    pub(super) fn on_its_way(&mut self, uid: u32, bytes: u64, is: bool) {
        let sum = self.programs.entry(uid).or_default();
        *sum = if is { sum.saturating_add(bytes) } else { sum.saturating_sub(bytes) };
        if *sum == 0 {
            self.programs.remove(&uid);
        }
    }

    /// One more, or one less, of its messages waits and is no longer fresh.
    pub(super) fn count_backlog(&mut self, id: StreamId, sign: i32) {
        if let Some(stream) = self.list.get_mut(usize::from(id.0)) {
            stream.backlog = stream.backlog.saturating_add_signed(sign);
        }
    }

    /// Whether a fresh message of this stream would overtake none of its own.
    pub(super) fn has_no_backlog(&self, id: StreamId) -> bool {
        id != SHARED && self.list.get(usize::from(id.0)).is_some_and(|stream| stream.backlog == 0)
    }

    /// From now on it stands aside.
    pub(super) fn hold(&mut self, id: StreamId) {
        if let Some(stream) = self.list.get_mut(usize::from(id.0)) {
            stream.held = true;
        }
    }

    pub(super) fn is_held(&self, id: StreamId) -> bool {
        self.list.get(usize::from(id.0)).is_some_and(|stream| stream.held)
    }

    /// None stands aside any more. Whether any did.
    pub(super) fn let_go(&mut self) -> bool {
        self.list.iter_mut().map(|stream| std::mem::take(&mut stream.held)).filter(|held| *held).count() > 0
    }

    /// What a program has on the disk and not acknowledged, in bytes.
    pub(super) fn bytes_of(&self, uid: u32) -> u64 {
        self.programs.get(&uid).copied().unwrap_or(0)
    }
}
