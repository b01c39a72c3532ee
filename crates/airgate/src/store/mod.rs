//! The store: credentials that a cloud handed out, on the disk before they are first used.
//!
//! * [store-1] A credential is handed to the device of the product in the cloud and place that it was stored for, and to
//!   no other.
//! * [store-2] When a write returns, it is on the disk.
//! * [store-3] A torn or garbled file is set aside and told; it does not keep the daemon from starting.
//! * [store-4] The file is its owner's alone (0600, in a directory 0700).
//! * [store-5] With a key, nothing readable is on the disk, and what was before is written anew; without it, or with another,
//!   nothing is read, replaced or set aside.
//! * [store-6] From a disk that is mounted read-only, as one is whose file system is damaged, what is kept is read all the
//!   same.
//!
//! The file is opened for each access, which are few: so the daemon keeps no lock, and `airgate credentials` works beside
//! it; and no cache of the database keeps secrets in memory.

mod record;
mod seal;
#[cfg(test)]
mod tests;

pub use record::{Entry, Key, Origin, Record};
pub use seal::StoreKey;

use redb::backends::FileBackend;
use redb::{Database, DatabaseError, ReadOnlyDatabase, ReadableDatabase, ReadableTable, TableDefinition, TableError};
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use zeroize::Zeroizing;

/// Key: JSON list of cloud, place, product and device. Value: see `record`.
const TABLE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("credentials");
const FILE: &str = "credentials.redb";
/// While it is written anew.
const FRESH: &str = "credentials.redb.new";
/// Of the database, in bytes: it holds a handful of records.
const CACHE: usize = 64 * 1024;
/// How long another process may hold the file.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why the store did not do what was asked of it. Never contains a secret.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory or the file cannot be used: rights, a read-only or a full disk.
    #[error("the credential store {} cannot be used: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process has it open.
    #[error("the credential store {} is in use by another process", .0.display())]
    Busy(PathBuf),
    /// It is encrypted, and not with the key that we have, if we have one.
    #[error("the credential store {} is encrypted, {}", path.display(), if *has_key { "but not with this key" } else { "and there is no key" })]
    Locked {
        /// The file.
        path: PathBuf,
        /// Whether a key was given.
        has_key: bool,
    },
    /// It is torn or garbled. [`Store::entry`] sets such a file aside by itself.
    #[error("the credential store {} is garbled: {what}", path.display())]
    Garbled {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

/// The store in one directory.
#[derive(Clone, Debug)]
pub struct Store {
    dir: PathBuf,
    file: &'static str,
    key: Option<StoreKey>,
}

impl Store {
    /// The store in this directory. Nothing is opened yet.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), file: FILE, key: None }
    }

    /// The same store, encrypted with this key; `None` leaves it readable.
    #[must_use]
    pub fn with_key(self, key: Option<StoreKey>) -> Self {
        Self { key, ..self }
    }

    /// [store-5] Writes what is readable on the disk anew, encrypted; whether there was any.
    ///
    /// # Errors
    /// As [`Store::entry`].
    pub fn protect(&self) -> Result<bool, StoreError> {
        if self.key.is_none() || !self.path().exists() || !self.repaired(|| self.has_readable())? {
            return Ok(false);
        }
        // A record that was replaced stays in the file's free pages: only a new file holds nothing of it.
        let fresh = Self { file: FRESH, ..self.clone() };
        let io = |source| StoreError::Io { path: fresh.path(), source };
        match fs::remove_file(fresh.path()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
            _ => {}
        }
        for (key, entry) in self.list()? {
            fresh.put(&key, &entry)?;
        }
        fs::rename(fresh.path(), self.path()).map_err(io)?;
        File::open(&self.dir).and_then(|dir| dir.sync_all()).map_err(io)?;
        Ok(true)
    }

    /// The file.
    pub fn path(&self) -> PathBuf {
        self.dir.join(self.file)
    }

    /// What is kept of this device. A garbled file is set aside; its new name is told in the log.
    ///
    /// # Errors
    /// [`StoreError::Io`], [`StoreError::Busy`].
    pub fn entry(&self, key: &Key) -> Result<Entry, StoreError> {
        Ok(self.list()?.into_iter().find(|(found, _)| found == key).map(|(_, entry)| entry).unwrap_or_default())
    }

    /// Everything kept, in order.
    ///
    /// # Errors
    /// As [`Store::entry`].
    pub fn list(&self) -> Result<Vec<(Key, Entry)>, StoreError> {
        if !self.path().exists() {
            return Ok(Vec::new());
        }
        self.repaired(|| self.read())
    }

    /// Keeps this of the device, in place of what was kept. When it returns, it is on the disk.
    ///
    /// # Errors
    /// As [`Store::entry`].
    pub fn put(&self, key: &Key, entry: &Entry) -> Result<(), StoreError> {
        let mut value = entry.to_bytes().map_err(|error| self.garbled(error))?;
        let key = self.name(key)?;
        if let Some(sealing) = &self.key {
            let sealed = sealing.seal(&key, &value).map_err(|source| StoreError::Io { path: self.path(), source })?;
            value = Zeroizing::new(sealed);
        }
        self.repaired(|| self.write(|table| table.insert(key.as_str(), value.as_slice()).map(drop)))
    }

    /// Keeps nothing of the device any more; whether anything was kept.
    ///
    /// # Errors
    /// As [`Store::entry`].
    pub fn forget(&self, key: &Key) -> Result<bool, StoreError> {
        let kept = self.list()?.iter().any(|(found, _)| found == key);
        if kept {
            let key = self.name(key)?;
            self.write(|table| table.remove(key.as_str()).map(drop))?;
        }
        Ok(kept)
    }

    fn name(&self, key: &Key) -> Result<String, StoreError> {
        let parts = [&key.cloud, &key.place, &key.product, &key.device];
        serde_json::to_string(&parts).map_err(|error| self.garbled(error))
    }

    fn read(&self) -> Result<Vec<(Key, Entry)>, StoreError> {
        match self.open() {
            Ok(database) => self.rows(&database),
            // [store-6]
            Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                self.rows(&self.open_read_only()?)
            }
            Err(error) => Err(error),
        }
    }

    fn rows(&self, database: &impl ReadableDatabase) -> Result<Vec<(Key, Entry)>, StoreError> {
        let transaction = database.begin_read().map_err(|error| self.fault(error.into()))?;
        let table = match transaction.open_table(TABLE) {
            Ok(table) => table,
            Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
            Err(error) => return Err(self.fault(error.into())),
        };
        let mut found = Vec::new();
        for row in table.iter().map_err(|error| self.fault(error.into()))? {
            let (key, value) = row.map_err(|error| self.fault(error.into()))?;
            let parts: [String; 4] = serde_json::from_str(key.value()).map_err(|_| self.garbled("a key"))?;
            let [cloud, place, product, device] = parts;
            let entry = self.unsealed(key.value(), value.value())?;
            found.push((Key { cloud, place, product, device }, entry));
        }
        Ok(found)
    }

    fn unsealed(&self, name: &str, record: &[u8]) -> Result<Entry, StoreError> {
        if let Some(entry) = Entry::from_bytes(record) {
            return Ok(entry);
        }
        if !seal::is_sealed(record) {
            return Err(self.garbled("a record"));
        }
        let open = self.key.as_ref().and_then(|key| key.open(name, record));
        let record = open.ok_or_else(|| StoreError::Locked { path: self.path(), has_key: self.key.is_some() })?;
        Entry::from_bytes(&record).ok_or_else(|| self.garbled("a record"))
    }

    fn has_readable(&self) -> Result<bool, StoreError> {
        let database = self.open()?;
        let transaction = database.begin_read().map_err(|error| self.fault(error.into()))?;
        let table = match transaction.open_table(TABLE) {
            Ok(table) => table,
            Err(TableError::TableDoesNotExist(_)) => return Ok(false),
            Err(error) => return Err(self.fault(error.into())),
        };
        for row in table.iter().map_err(|error| self.fault(error.into()))? {
            let (_, value) = row.map_err(|error| self.fault(error.into()))?;
            if !seal::is_sealed(value.value()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn write(
        &self,
        change: impl FnOnce(&mut redb::Table<'_, &'static str, &'static [u8]>) -> Result<(), redb::StorageError>,
    ) -> Result<(), StoreError> {
        let database = self.open()?;
        // Durable when it is committed, as redb does it unless told otherwise.
        let transaction = database.begin_write().map_err(|error| self.fault(error.into()))?;
        {
            let mut table = transaction.open_table(TABLE).map_err(|error| self.fault(error.into()))?;
            change(&mut table).map_err(|error| self.fault(error.into()))?;
        }
        transaction.commit().map_err(|error| self.fault(error.into()))
    }

    fn open_read_only(&self) -> Result<ReadOnlyDatabase, StoreError> {
        let opened = Database::builder().set_cache_size(CACHE).open_read_only(self.path());
        opened.map_err(|error| match error {
            DatabaseError::RepairAborted => StoreError::Io {
                path: self.path(),
                source: io::Error::other(
                    "it was not closed in order, and a disk that is read-only lets nobody repair it",
                ),
            },
            error => self.fault(error.into()),
        })
    }

    fn open(&self) -> Result<Database, StoreError> {
        let path = self.path();
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| StoreError::Io { path, source }
        };
        if !self.dir.is_dir() {
            DirBuilder::new().recursive(true).mode(0o700).create(&self.dir).map_err(io(&self.dir))?;
        }
        let is_new = !path.exists();
        let patience = Instant::now() + PATIENCE;
        loop {
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
            let file = file.map_err(io(&path))?;
            let mode = file.metadata().map_err(io(&path))?.permissions().mode();
            if mode & 0o077 != 0 {
                tracing::warn!(file = %path.display(), "the credential store was readable by others; it is closed to them");
                file.set_permissions(Permissions::from_mode(0o600)).map_err(io(&path))?;
            }
            let opened = FileBackend::new(file)
                .and_then(|backend| Database::builder().set_cache_size(CACHE).create_with_backend(backend));
            match opened {
                Ok(database) => {
                    if is_new {
                        // The name must survive a power cut as well as the content.
                        File::open(&self.dir).and_then(|dir| dir.sync_all()).map_err(io(&self.dir))?;
                    }
                    return Ok(database);
                }
                Err(DatabaseError::DatabaseAlreadyOpen) if Instant::now() < patience => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(DatabaseError::DatabaseAlreadyOpen) => return Err(StoreError::Busy(path)),
                Err(error) => return Err(self.fault(error.into())),
            }
        }
    }

    /// [store-3] Does it again with a new file when the old one is garbled.
    fn repaired<T>(&self, work: impl Fn() -> Result<T, StoreError>) -> Result<T, StoreError> {
        // The database may panic over pages that contradict each other.
        let guarded = catch_unwind(AssertUnwindSafe(&work));
        match guarded.unwrap_or_else(|_| Err(self.garbled("its pages contradict each other"))) {
            Err(StoreError::Garbled { what, .. }) => {
                let aside = self.set_aside()?;
                tracing::error!(
                    what,
                    file = %aside.display(),
                    "the credential store was garbled and is set aside; what it held must be registered or imported again"
                );
                work()
            }
            done => done,
        }
    }

    fn set_aside(&self) -> Result<PathBuf, StoreError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let aside = self.dir.join(format!("{FILE}.garbled-{now}"));
        fs::rename(self.path(), &aside).map_err(|source| StoreError::Io { path: self.path(), source })?;
        Ok(aside)
    }

    fn garbled(&self, what: impl ToString) -> StoreError {
        StoreError::Garbled { path: self.path(), what: what.to_string() }
    }

    fn fault(&self, error: redb::Error) -> StoreError {
        use redb::Error as E;
        match error {
            // The database's word for a file that ends too soon or does not begin as it should.
            E::Io(source) if matches!(source.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) => {
                self.garbled(source)
            }
            E::Io(source) => StoreError::Io { path: self.path(), source },
            E::Corrupted(_)
            | E::UpgradeRequired(_)
            | E::RepairAborted
            | E::TableTypeMismatch { .. }
            | E::TypeDefinitionChanged { .. } => self.garbled(error),
            other => StoreError::Io { path: self.path(), source: io::Error::other(other.to_string()) },
        }
    }
}
