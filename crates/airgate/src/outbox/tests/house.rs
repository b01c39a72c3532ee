//! The outbox without its threads: the index and the writer, driven step by step over a disk in memory.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::memory::Disk;
use super::{TestClock, message};
use crate::outbox::company::Company;
use crate::outbox::disk::{AcceptJob, Job, Offered, Writer};
use crate::outbox::files::Files;
use crate::outbox::index::{Next, Offer};
use crate::outbox::log::Log;
use crate::outbox::record::{self, Record};
use crate::outbox::recover::{self, Opened};
use crate::outbox::segment::file_name;
use crate::outbox::shared::Shared;
use crate::outbox::space::Space;
use crate::outbox::{Message, Options};

pub(super) struct House {
    pub(super) disk: Disk,
    pub(super) shared: Arc<Shared>,
    pub(super) writer: Writer,
    pub(super) opened: Opened,
    room: Arc<Semaphore>,
    /// The writer would end without it.
    _jobs: mpsc::Sender<Job>,
}

/// Small files, and little of everything.
pub(super) fn small(clock: &Arc<TestClock>) -> Options {
    Options {
        segment_bytes: 900,
        // Files of some three segments ask for compaction.
        max_bytes: 2_500,
        window: 4,
        settled_keys: 8,
        settle_delay: Duration::from_secs(3600),
        clock: Arc::<TestClock>::clone(clock),
        ..Options::new(PathBuf::from("/outbox"))
    }
}

/// What waits, oldest first: number and payload.
pub(super) type Waiting = BTreeMap<u64, String>;

impl House {
    /// Starts over what the disk holds; a start that fails is what must never be.
    pub(super) fn open(disk: Disk, options: &Options) -> Self {
        let options = options.clone();
        let found = recover::recover(&disk, &options).expect("a start never fails");
        let shared = Arc::new(Shared::new(found.index, found.salts, &options, found.steady));
        let (jobs, jobs_of_writer) = mpsc::channel();
        let log = Log {
            files: Arc::new(disk.clone()),
            dir: options.dir.clone(),
            active: found.active,
            next_number: found.next_number,
            segment_bytes: options.segment_bytes,
            min_free: options.min_free,
            salt: recover::salt,
            unsynced: false,
            sizes: found.sizes,
        };
        let mut writer = Writer {
            log,
            shared: Arc::clone(&shared),
            jobs: jobs_of_writer,
            space: Space::new(options.min_free),
            options,
            lock: None,
            notes_due: None,
            committed: None,
            company: Company::default(),
            anchored: None,
            clock_asked: None,
            compact_from: None,
        };
        writer.keep_time();
        let room = Arc::new(Semaphore::new(1 << 20));
        Self { disk, shared, writer, opened: found.opened, room, _jobs: jobs }
    }

    /// Offers messages and writes them as one group. Their numbers, and whether they were accepted; a number alone when
    /// the key was known.
    pub(super) fn accept(&mut self, messages: Vec<Message>) -> (Vec<u64>, bool) {
        let now = self.shared.now_ms();
        let mut jobs = Vec::new();
        for message in messages {
            let Offer::New(seq) = self.shared.with(|state, _| state.index.offer(message.uid, message.key.as_deref()))
            else {
                continue;
            };
            let room = Arc::clone(&self.room).try_acquire_many_owned(1).unwrap();
            jobs.push(AcceptJob { offered: Offered { seq, accepted_unix_ms: now, message }, room });
        }
        let seqs = jobs.iter().map(|job| job.offered.seq).collect();
        (seqs, self.writer.commit(jobs, None))
    }

    /// The next, with its payload read from the disk.
    pub(super) fn take(&self) -> Option<(u64, Message)> {
        let next = self.shared.with(|state, _| {
            let next = state.index.take()?;
            let Next::Disk { seq } = next else { panic!("nothing is in memory") };
            let (extent, salt) = state.extent(seq).expect("it is there");
            Some((seq, extent, salt))
        });
        let (seq, extent, salt) = next?;
        let path = PathBuf::from("/outbox").join(file_name(extent.segment));
        let bytes = self.disk.read_at(&path, u64::from(extent.offset), extent.len as usize).expect("it is there");
        let Ok((Record::Accept(accept), _)) = record::decode(&bytes, salt, extent.offset) else {
            panic!("message {seq} cannot be read")
        };
        assert_eq!(accept.seq, seq);
        Some((seq, accept.to_message()))
    }

    /// What a start over this disk finds.
    pub(super) fn look(disk: &Disk, options: &Options) -> (Waiting, Opened) {
        let house = Self::open(disk.clone(), options);
        let mut waiting = Waiting::new();
        while let Some((seq, message)) = house.take() {
            waiting.insert(seq, String::from_utf8(message.payload.to_vec()).unwrap());
            // Out of the way of the next; what it says about the disk is never written.
            house.shared.with(|state, _| state.index.settle(seq));
        }
        (waiting, house.opened)
    }
}

pub(super) fn numbered(number: u64, priority: u8) -> Message {
    let length = (number * 37 % 300) as usize;
    Message { priority, ..message(&format!("{number}-{}", "x".repeat(length))) }
}
