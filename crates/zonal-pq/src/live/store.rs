//! A changing index in a folder of its own: its last checkpoint, and the log of what came after.
//!
//! ```text
//! folder/index.nigh   the last checkpoint, of generation g
//! folder/log.g        what was changed since
//! folder/lock         held by the one process that has it open
//! ```
//!
//! A checkpoint makes the next log, then replaces `index.nigh`, then removes the old log. Whichever of these a crash
//! comes between, the log that belongs to the checkpoint which is there holds everything that came after it.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use simd_kernels::{Element, Rows};

use super::draft::Draft;
use super::log::{Change, Durability, Log};
use super::params::LiveParams;
use super::state::State;
use super::{TOGETHER, image};
use crate::Error;

/// What opening an index found in its log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// Calls that were made since the last checkpoint, and now again.
    pub changes: u64,
    /// Bytes of one that was not acknowledged, which were cut off.
    pub cut: u64,
}

/// The folder that a writer keeps its changes in.
#[derive(Debug)]
pub(crate) struct Store {
    folder: PathBuf,
    generation: u64,
    pub(crate) log: Log,
    policy: Durability,
    pub(crate) recovery: Recovery,
    /// Its lock is held for as long as it is open.
    _lock: File,
}

fn index_path(folder: &Path) -> PathBuf {
    folder.join("index.nigh")
}

fn log_path(folder: &Path, generation: u64) -> PathBuf {
    folder.join(format!("log.{generation}"))
}

fn lock(folder: &Path) -> Result<File, Error> {
    let path = folder.join("lock");
    let failed = |source| Error::Io { action: "lock", path: path.clone(), source };
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => {
            Err(failed(std::io::Error::new(std::io::ErrorKind::WouldBlock, "the index is open elsewhere")))
        }
        Err(fs::TryLockError::Error(source)) => Err(failed(source)),
    }
}

impl Store {
    /// A new folder, or an empty one, with `state` in it.
    pub(crate) fn create<T: Element>(
        folder: &Path,
        state: &State<T>,
        policy: Durability,
    ) -> Result<Self, Error> {
        let failed = |source| Error::Io { action: "create", path: folder.to_owned(), source };
        fs::create_dir_all(folder).map_err(failed)?;
        let lock = lock(folder)?;
        if index_path(folder).exists() {
            return Err(failed(std::io::ErrorKind::AlreadyExists.into()));
        }
        let log = Log::create::<T>(&log_path(folder, 0), state.shape.dim, 0, policy)?;
        image::save(state, &index_path(folder), 0)?;
        let (folder, recovery) = (folder.to_owned(), Recovery::default());
        Ok(Self { folder, generation: 0, log, policy, recovery, _lock: lock })
    }

    /// The last checkpoint with everything that came after it.
    pub(crate) fn open<T: Element>(
        folder: &Path,
        params: &LiveParams,
        policy: Durability,
    ) -> Result<(Self, Draft<T>), Error> {
        let lock = lock(folder)?;
        let (state, generation) = image::open::<T>(&index_path(folder), params)?;
        let mut draft = Draft::new(&state, params)?;
        let dim = state.shape.dim;
        drop(state);
        let mut changes = 0;
        let replay = |change: Change<T>| {
            changes += 1;
            match change {
                Change::Put(keys, vectors) => draft.put(&keys, Rows::new(&vectors, dim)?, params),
                Change::Remove(keys) => draft.take(&keys, params),
            }
        };
        let (log, cut) = Log::replay(&log_path(folder, generation), dim, generation, policy, replay)?;
        let recovery = Recovery { changes, cut };
        let store = Self { folder: folder.to_owned(), generation, log, policy, recovery, _lock: lock };
        store.clear();
        Ok((store, draft))
    }

    /// Saves `state`, which everything in the log has led to, and begins a log anew.
    pub(crate) fn checkpoint<T: Element>(&mut self, state: &State<T>) -> Result<(), Error> {
        let next = self.generation + 1;
        let log = Log::create::<T>(&log_path(&self.folder, next), state.shape.dim, next, self.policy)?;
        image::save(state, &index_path(&self.folder), next)?;
        (self.log, self.generation) = (log, next);
        self.clear();
        Ok(())
    }

    /// Removes logs of other generations: what is left of a checkpoint. That one cannot be removed does no harm.
    fn clear(&self) {
        let current = log_path(&self.folder, self.generation);
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = entry.file_name();
            let is_ours = name.to_str().is_some_and(|name| {
                name.strip_prefix("log.").is_some_and(|number| number.parse::<u64>().is_ok())
                    || (name.starts_with(".nigh-") && name.ends_with(".tmp"))
            });
            if is_ours && path != current {
                let _ = fs::remove_file(path);
            }
        }
    }
}

impl<T: Element> Draft<T> {
    /// Puts checked vectors in, in place of those of their keys.
    pub(crate) fn put(
        &mut self,
        keys: &[u64],
        vectors: Rows<'_, T>,
        params: &LiveParams,
    ) -> Result<(), Error> {
        let replaced: Vec<u64> = keys.iter().copied().filter(|key| self.slots.contains_key(key)).collect();
        self.remove(&replaced)?;
        for (start, keys) in (0..).step_by(TOGETHER).zip(keys.chunks(TOGETHER)) {
            let Some(vectors) = vectors.slice(start, start + keys.len()) else { continue };
            self.insert(keys, vectors, params)?;
        }
        Ok(())
    }

    /// Takes keys out.
    pub(crate) fn take(&mut self, keys: &[u64], params: &LiveParams) -> Result<(), Error> {
        self.remove(keys)?;
        self.keep_up(keys.len(), params)
    }
}
