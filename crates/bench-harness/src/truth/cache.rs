//! Computed truth on disk, under a key of everything that it depends on.
//!
//! A file is `NIGHTRTH`, a version, the 128-bit key, queries, k, all ids, all distances, and an xxh3 sum over
//! all of it, little-endian. Its name is the key. It is written under another name and renamed.

use std::fs;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::TruthError;
use crate::dataset::{Dataset, Truth};
use crate::progress::Progress;
use crate::vectors::Vectors;
use crate::write::atomically;

const MAGIC: &[u8; 8] = b"NIGHTRTH";
const VERSION: u32 = 1;
/// Magic, version, key, queries, k.
const HEADER: usize = 8 + 4 + 16 + 8 + 8;

/// A folder of computed truth.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

/// What kept a cached truth from being used or kept. Never fatal: the truth is computed all the same.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// The operating system's error.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The error.
        error: std::io::Error,
    },
    /// A file that is not what it was when it was written.
    #[error("{}: damaged ({reason}), computed anew", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl Cache {
    /// The truth cache in a folder, which is made when something is first kept in it.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The file that the truth of a set is kept in.
    pub fn path(&self, set: &Dataset, k: usize) -> PathBuf {
        self.folder.join(format!("{:032x}.truth", key(set, k)))
    }

    /// The exact truth of a set: the cached one if there is a sound one, else computed and kept.
    ///
    /// What went wrong with the cache, if anything, comes back beside the truth.
    ///
    /// # Errors
    /// [`TruthError`] as [`super::exact`]. A cache that cannot be read or written is no error.
    pub fn exact(
        &self,
        set: &Dataset,
        k: usize,
        progress: &dyn Progress,
    ) -> Result<(Truth, Vec<CacheError>), TruthError> {
        let key = key(set, k);
        let path = self.path(set, k);
        let mut notices = Vec::new();
        match load(&path, key, set) {
            Ok(Some(truth)) => return Ok((truth, notices)),
            Ok(None) => {}
            Err(error) => notices.push(error),
        }
        let truth = super::exact(set, k, progress)?;
        if let Err(error) = self.keep(&path, key, &truth) {
            notices.push(error);
        }
        Ok((truth, notices))
    }

    fn keep(&self, path: &Path, key: u128, truth: &Truth) -> Result<(), CacheError> {
        let io = |error| CacheError::Io { path: path.to_owned(), error };
        fs::create_dir_all(&self.folder).map_err(io)?;
        let mut bytes = Vec::with_capacity(HEADER + truth.ids().len() * 12 + 8);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&key.to_le_bytes());
        bytes.extend_from_slice(&(truth.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&(truth.k() as u64).to_le_bytes());
        truth.ids().iter().for_each(|id| bytes.extend_from_slice(&id.to_le_bytes()));
        truth.distances().iter().for_each(|distance| bytes.extend_from_slice(&distance.to_le_bytes()));
        bytes.extend_from_slice(&xxh3_64(&bytes).to_le_bytes());
        atomically(path, &mut |out| Ok(out.write_all(&bytes)?))
            .map_err(|fault| io(std::io::Error::other(fault.to_string())))
    }
}

/// `None` when there is no such file.
fn load(path: &Path, key: u128, set: &Dataset) -> Result<Option<Truth>, CacheError> {
    let io = |error| CacheError::Io { path: path.to_owned(), error };
    let expected = set.queries.len().saturating_mul(set.base.len()).saturating_mul(12);
    match fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(error)),
        // No truth of this set is so long: do not even read it.
        Ok(meta) if meta.len() > (expected as u64).saturating_add(HEADER as u64 + 8) => {
            return Err(CacheError::Damaged { path: path.to_owned(), reason: "too long" });
        }
        Ok(_) => {}
    }
    let bytes = fs::read(path).map_err(io)?;
    parse(&bytes, key, set).map(Some).map_err(|reason| CacheError::Damaged { path: path.to_owned(), reason })
}

fn parse(bytes: &[u8], key: u128, set: &Dataset) -> Result<Truth, &'static str> {
    let (content, sum) = bytes.split_last_chunk::<8>().ok_or("too short")?;
    if xxh3_64(content) != u64::from_le_bytes(*sum) {
        return Err("wrong checksum");
    }
    let (header, body) = content.split_first_chunk::<HEADER>().ok_or("too short")?;
    if header[..8] != *MAGIC || header[8..12] != VERSION.to_le_bytes() || header[12..28] != key.to_le_bytes()
    {
        return Err("of another kind, version or set");
    }
    let word = |at: usize| header[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let (queries, k) = (word(28) as usize, word(36) as usize);
    let count = queries.checked_mul(k).filter(|count| count.checked_mul(12) == Some(body.len()));
    let (ids, distances) = body.split_at(count.ok_or("wrong length")? * 4);
    let ids = ids.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
    let distances = distances.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect();
    let truth = Truth::new(k, ids, distances).map_err(|_| "wrong shape")?;
    let fits = truth.ids().iter().all(|&id| (id as usize) < set.base.len());
    if !fits || (k > 0 && truth.len() != set.queries.len()) {
        return Err("of another set");
    }
    Ok(truth)
}

/// A hash of everything that the truth depends on.
fn key(set: &Dataset, k: usize) -> u128 {
    let mut hash = Xxh3::new();
    let mut part = |bytes: &[u8]| {
        // With its length, so that bytes cannot move from one part to the next.
        hash.update(&(bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    part(set.metric.name().as_bytes());
    part(&(k.min(set.base.len()) as u64).to_le_bytes());
    for vectors in [&set.base, &set.queries] {
        part(vectors.dtype().name().as_bytes());
        part(&(vectors.dim() as u64).to_le_bytes());
        part(Vectors::as_bytes(vectors));
    }
    hash.digest128()
}
