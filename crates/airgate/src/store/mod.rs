//! The store: credentials that a cloud handed out, on the disk before they are first used.
//!
//! * [store-1] A credential is handed to the device of the product in the cloud and place that it was stored for, and to
//!   no other.
//! * [store-2] When a write returns, it is on the disk.
//! * [store-3] A torn or garbled file is set aside and told; it does not keep the daemon from starting.
//! * [store-4] The file is its owner's alone (0600, in a directory 0700).
//!
//! The file is opened for each access, which are few: so the daemon keeps no lock, and `airgate credentials` works beside
//! it; and no cache of the database keeps secrets in memory.

mod record;
#[cfg(test)]
mod tests;

pub use record::{Entry, Key, Origin, Record};

use redb::backends::FileBackend;
use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition, TableError};
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Key: JSON list of cloud, place, product and device. Value: see `record`.
const TABLE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("credentials");
const FILE: &str = "credentials.redb";
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
}

impl Store {
    /// The store in this directory. Nothing is opened yet.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// The file.
    pub fn path(&self) -> PathBuf {
        self.dir.join(FILE)
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
        let value = entry.to_bytes().map_err(|error| self.garbled(error))?;
        let key = self.name(key)?;
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
        let database = self.open()?;
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
            let entry = Entry::from_bytes(value.value()).ok_or_else(|| self.garbled("a record"))?;
            found.push((Key { cloud, place, product, device }, entry));
        }
        Ok(found)
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
                .and_then(|backend| Database::builder().set_cache_size(64 * 1024).create_with_backend(backend));
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
