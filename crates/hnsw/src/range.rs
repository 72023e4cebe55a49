//! All neighbours within a radius, and the `k` nearest of them.

use layouts::{Error as LayoutError, Neighbor};
use simd_kernels::Element;

use crate::graph::Graph;
use crate::labels::Names;
use crate::params::SearchParams;
use crate::search::{Parts, Scratch, Searcher, begin};
use crate::{Error, Hnsw};

pub(crate) fn check(radius: f32) -> Result<(), Error> {
    if radius.is_nan() {
        return Err(Error::Parameter {
            argument: "radius",
            value: radius.to_string(),
            expected: "a number, or infinity",
        });
    }
    Ok(())
}

/// Calls `take` with every name within `radius` that the walk meets, in no order; see [`Hnsw::search_range`].
pub(crate) fn range<T: Element, G: Graph, L: Names>(
    parts: &Parts<'_, T, G, L>,
    scratch: &mut Scratch<T>,
    query: &[T],
    radius: f32,
    ef_search: usize,
    mut take: impl FnMut(L::Name, f32) -> Result<(), Error>,
) -> Result<(), Error> {
    if !begin(parts, scratch, query, &SearchParams::new(1, 1), None)? {
        return Ok(());
    }
    let Scratch { beam, prepared, scores, horizon, .. } = scratch;
    horizon.start(parts.graph, beam, &parts.seeds.ids, scores)?;
    let patience = ef_search.max(1);
    // How many rows in a row have settled outside.
    let mut outside = 0;
    let mut settled = |row: u32, distance: f32, outside: &mut usize| {
        if distance > radius {
            *outside += 1;
            return Ok(());
        }
        *outside = 0;
        let mut taken = Ok(());
        parts.names.each(row, |name| {
            if taken.is_ok() {
                taken = take(name, distance);
            }
        });
        taken
    };
    while outside < patience {
        let more = horizon
            .advance(parts, beam, query, prepared, |row, distance| settled(row, distance, &mut outside))?;
        if !more {
            break;
        }
    }
    horizon.abandon(|row, distance| settled(row, distance, &mut outside))
}

/// Adds a result where there is memory for it.
pub(crate) fn push<F>(found: &mut Vec<F>, one: F) -> Result<(), Error> {
    found.try_reserve(1).map_err(|_| LayoutError::Memory { bytes: size_of::<F>() * 2 * found.len() })?;
    found.push(one);
    Ok(())
}

impl<T: Element> Hnsw<T> {
    /// All neighbours at a distance of at most `radius`, nearest first, ties by the lower id.
    ///
    /// `radius` is in the unit of [`Neighbor::distance`]: *squared* Euclidean distance under L2, minus the inner
    /// product (so usually negative), one minus the cosine, or differing bits. Infinity asks for everything that the
    /// graph reaches.
    ///
    /// Approximate: the graph is walked from near to far and the search ends once `ef_search` rows one after the
    /// other have turned out to lie outside. A higher `ef_search` finds more of what lies in islands of its own;
    /// every result is exactly measured and truly within. Time is O((found + ef_search) · degree) distances.
    ///
    /// The results stay in `searcher` until its next use; nothing is allocated but what they need beyond the
    /// most that it has held before.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a NaN radius, else as [`search`](Self::search); [`Error::Layout`] without memory.
    ///
    /// ```
    /// use hnsw::{BuildParams, Hnsw, Metric, Searcher};
    /// use simd_kernels::Rows;
    /// let line: Vec<f32> = (0..1000).map(|x| x as f32).collect();
    /// let index = Hnsw::build(Rows::new(&line, 1)?, Metric::L2, &BuildParams::new())?;
    /// let mut searcher = Searcher::new()?;
    /// let near = index.search_range(&mut searcher, &[500.0], 4.0, 32)?;
    /// assert_eq!(near.iter().map(|n| n.id).collect::<Vec<_>>(), [500, 499, 501, 498, 502]);
    /// # Ok::<(), hnsw::Error>(())
    /// ```
    pub fn search_range<'s>(
        &self,
        searcher: &'s mut Searcher<T>,
        query: &[T],
        radius: f32,
        ef_search: usize,
    ) -> Result<&'s [Neighbor], Error> {
        check(radius)?;
        let Searcher { scratch, found, .. } = searcher;
        found.clear();
        range(&self.parts()?, scratch, query, radius, ef_search, |id, distance| {
            push(found, Neighbor::new(id, distance))
        })?;
        found.sort_unstable();
        Ok(found)
    }

    /// The nearest `params.k` of those neighbours that lie within `radius` (in the unit of
    /// [`Neighbor::distance`], inclusive), nearest first: fewer where fewer lie within.
    ///
    /// The nearest among those within a radius are the nearest of all up to that radius, so this finds what
    /// [`search`](Self::search) finds, and ends where the radius does.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a NaN radius, else as [`search`](Self::search).
    ///
    /// ```
    /// use hnsw::{BuildParams, Hnsw, Metric, SearchParams, Searcher};
    /// use simd_kernels::Rows;
    /// let line: Vec<f32> = (0..1000).map(|x| x as f32).collect();
    /// let index = Hnsw::build(Rows::new(&line, 1)?, Metric::L2, &BuildParams::new())?;
    /// let mut searcher = Searcher::new()?;
    /// let near = index.search_within(&mut searcher, &[500.0], 1.5, &SearchParams::new(10, 32))?;
    /// assert_eq!(near.iter().map(|n| n.id).collect::<Vec<_>>(), [500, 499, 501]);
    /// # Ok::<(), hnsw::Error>(())
    /// ```
    pub fn search_within<'s>(
        &self,
        searcher: &'s mut Searcher<T>,
        query: &[T],
        radius: f32,
        params: &SearchParams,
    ) -> Result<&'s [Neighbor], Error> {
        check(radius)?;
        let found = self.search(searcher, query, params)?;
        Ok(&found[..found.partition_point(|neighbor| neighbor.distance <= radius)])
    }
}
