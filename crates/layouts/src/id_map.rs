//! The user's ids and ours: any `u64` outside, dense `u32` row numbers inside.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::error::{Error, expect_len, no_memory, reserve, wide};
use crate::permutation::Permutation;

/// External ids, each at the internal id that is its position.
///
/// Outward it is one array access, inward one hash look-up. About 8 bytes a row outward and 18 to 36 inward.
/// When external ids are `0..n` in order, no map is needed at all.
///
/// ```
/// use layouts::IdMap;
/// let mut ids = IdMap::from_external(&[900, 17])?;
/// assert_eq!(ids.push(3)?, 2);
/// assert_eq!((ids.internal(17), ids.external(2)), (Some(1), Some(3)));
/// assert!(ids.push(900).is_err());
/// # Ok::<(), layouts::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct IdMap {
    external: Vec<u64>,
    /// The inverse of `external`, always of the same length.
    internal: HashMap<u64, u32>,
}

impl IdMap {
    /// The most rows: `u32::MAX` itself names none anywhere.
    pub const MAX_LEN: usize = u32::MAX as usize;

    /// A map without ids.
    pub fn new() -> Self {
        Self::default()
    }

    /// The map in which internal id `i` is `external[i]`.
    ///
    /// # Errors
    /// [`Error::Duplicate`] if an id occurs twice, [`Error::Range`] if there are more than
    /// [`MAX_LEN`](Self::MAX_LEN), [`Error::Memory`].
    pub fn from_external(external: &[u64]) -> Result<Self, Error> {
        let mut map = Self::new();
        map.reserve(external.len())?;
        for &id in external {
            map.push(id)?;
        }
        Ok(map)
    }

    /// Makes room for `more` ids.
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub fn reserve(&mut self, more: usize) -> Result<(), Error> {
        reserve(&mut self.external, more)?;
        self.internal.try_reserve(more).map_err(|_| no_memory::<(u64, u32)>(self.len().saturating_add(more)))
    }

    /// Adds `external` and gives its internal id, the next number. O(1) amortised.
    ///
    /// # Errors
    /// As [`from_external`](Self::from_external); the map is then unchanged.
    pub fn push(&mut self, external: u64) -> Result<u32, Error> {
        let too_many = Error::Range { argument: "ids", value: wide(self.len()), limit: wide(Self::MAX_LEN) };
        let next = u32::try_from(self.len()).ok().filter(|&next| next < u32::MAX).ok_or(too_many)?;
        self.reserve(1)?;
        match self.internal.entry(external) {
            Entry::Occupied(_) => Err(Error::Duplicate { argument: "external", value: external }),
            Entry::Vacant(place) => {
                place.insert(next);
                self.external.push(external);
                Ok(next)
            }
        }
    }

    /// The internal id of `external`.
    pub fn internal(&self, external: u64) -> Option<u32> {
        self.internal.get(&external).copied()
    }

    /// The external id of row `internal`.
    #[inline]
    pub fn external(&self, internal: u32) -> Option<u64> {
        self.external.get(internal as usize).copied()
    }

    /// The external id of every row, in order: what a file stores.
    pub fn as_slice(&self) -> &[u64] {
        &self.external
    }

    /// Number of ids.
    pub fn len(&self) -> usize {
        self.external.len()
    }

    /// Whether there is no id.
    pub fn is_empty(&self) -> bool {
        self.external.is_empty()
    }

    /// The map after rows were put in the order `permutation`.
    ///
    /// # Errors
    /// [`Error::Length`] unless it is of as many rows; [`Error::Memory`].
    pub fn reorder(&self, permutation: &Permutation) -> Result<Self, Error> {
        expect_len("permutation", self.len(), permutation.len())?;
        Self::from_external(&permutation.apply(&self.external)?)
    }
}
