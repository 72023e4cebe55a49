//! Where a changing index is kept: in a folder with a log, or in one file.

use std::path::Path;

use layouts::published;
use simd_kernels::Element;

use super::log::Durability;
use super::params::LiveParams;
use super::store::{Recovery, Store};
use super::{LiveZonal, image};
use crate::error::Error;

impl<T: Element> LiveZonal<T> {
    /// Keeps the index in `folder` from now on, which is made if it is not there: what is in it now as a checkpoint,
    /// and every change in a log before the call that makes it returns. However the process ends, opening the folder
    /// finds all changes that were acknowledged, and each as a whole.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Container`]; also if there is an index in the folder. The index then goes on as it was.
    ///
    /// ```
    /// use zonal_pq::{Durability, LiveParams, LiveZonal, Metric};
    /// let folder = tempfile::tempdir()?;
    /// let mut index = LiveZonal::<f32>::new(2, Metric::L2, &LiveParams::default())?;
    /// index.keep_in(folder.path(), Durability::Always)?;
    /// index.insert(70, &[1.0, 2.0])?;
    /// drop(index);
    /// let index = LiveZonal::<f32>::open(folder.path(), &LiveParams::default(), Durability::Always)?;
    /// assert_eq!(index.get(70), Some(&[1.0, 2.0][..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn keep_in(&mut self, folder: &Path, durability: Durability) -> Result<(), Error> {
        self.store = Some(Store::create(folder, &**self.writer.current(), durability)?);
        Ok(())
    }

    /// Opens the index that is kept in `folder`: its last checkpoint, and all changes since. Codes are made anew.
    /// O(n · dim) and what inserting the changes takes.
    ///
    /// # Errors
    /// [`Error::Io`], also if the index is open elsewhere; [`Error::Container`] and [`Error::Damaged`] for files that
    /// are not what was written; [`Error::Element`] for vectors of another type; [`Error::Layout`] without memory.
    pub fn open(folder: &Path, params: &LiveParams, durability: Durability) -> Result<Self, Error> {
        let (store, mut draft) = Store::open::<T>(folder, params, durability)?;
        let writer = published::Writer::new(draft.state()?)?;
        Ok(Self { params: params.clone(), draft: Some(draft), writer, store: Some(store) })
    }

    /// Goes on without the folder that the index is kept in, which stays as it is and can be opened by others.
    pub fn leave(&mut self) {
        self.store = None;
    }

    /// What opening the index found in its log; `None` if it is not kept in a folder.
    pub fn recovery(&self) -> Option<Recovery> {
        self.store.as_ref().map(|store| store.recovery)
    }

    /// Saves the index in the folder that it is kept in and begins the log anew. There is a whole index there at
    /// every moment. O(n · dim); readers are not held up.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Container`]: the last checkpoint and its log are then as they were. [`Error::Parameter`]
    /// if the index is kept nowhere.
    pub fn checkpoint(&mut self) -> Result<(), Error> {
        let Some(store) = &mut self.store else {
            let value = "none".to_owned();
            return Err(Error::Parameter { argument: "folder", value, expected: "one: see keep_in" });
        };
        store.checkpoint(&**self.writer.current())
    }

    /// Forces the log to disk, whatever its [`Durability`]; nothing to do without one.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn sync(&mut self) -> Result<(), Error> {
        self.store.as_mut().map_or(Ok(()), |store| store.log.sync())
    }

    /// Bytes of the log: what opening the index would have to do again.
    pub fn log_bytes(&self) -> u64 {
        self.store.as_ref().map_or(0, |store| store.log.len())
    }

    /// Saves the index as one file, in place of any of this name, without anything to do with a folder that it may
    /// be kept in.
    ///
    /// # Errors
    /// [`Error::Container`].
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        image::save(self.writer.current(), path, 0)
    }

    /// Opens a file that [`save`](Self::save) has written.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn load(path: &Path, params: &LiveParams) -> Result<Self, Error> {
        Self::with(image::open(path, params)?.0, params)
    }
}
