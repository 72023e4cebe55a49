//! All neighbours within a radius, and the `k` nearest of them.

use layouts::{Error as LayoutError, Neighbor};
use simd_kernels::Element;

use crate::graph::Graph;
use crate::params::SearchParams;
use crate::search::{Parts, Searcher, begin};
use crate::{Error, Hnsw};

fn check(radius: f32) -> Result<(), Error> {
    if radius.is_nan() {
        return Err(Error::Parameter {
            argument: "radius",
            value: radius.to_string(),
            expected: "a number, or infinity",
        });
    }
    Ok(())
}

/// Every row within `radius`, as [`Hnsw::search_range`] describes it.
pub(crate) fn range<'s, T: Element, G: Graph>(
    parts: &Parts<'_, T, G>,
    searcher: &'s mut Searcher<T>,
    query: &[T],
    radius: f32,
    ef_search: usize,
) -> Result<&'s [Neighbor], Error> {
    check(radius)?;
    searcher.found.clear();
    if !begin(parts, searcher, query, &SearchParams::new(1, 1), None)? {
        return Ok(&[]);
    }
    let Searcher { beam, prepared, scores, horizon, found, .. } = searcher;
    horizon.start(parts.graph, beam, &parts.seeds.ids, scores)?;
    let patience = ef_search.max(1);
    // How many rows in a row have settled outside.
    let mut outside = 0;
    let mut take = |row: u32, distance: f32, outside: &mut usize| {
        if distance <= radius {
            *outside = 0;
            let labels = parts.labels.of(row);
            found
                .try_reserve(labels.len())
                .map_err(|_| LayoutError::Memory { bytes: size_of_val(labels) * 2 })?;
            found.extend(labels.iter().map(|&label| Neighbor::new(label, distance)));
        } else {
            *outside += 1;
        }
        Ok::<(), Error>(())
    };
    while outside < patience {
        let more = horizon
            .advance(parts, beam, query, prepared, |row, distance| take(row, distance, &mut outside))?;
        if !more {
            break;
        }
    }
    horizon.abandon(|row, distance| take(row, distance, &mut outside))?;
    found.sort_unstable();
    Ok(found)
}

/// The part of sorted neighbours that lies within `radius`.
pub(crate) fn within(found: &[Neighbor], radius: f32) -> &[Neighbor] {
    &found[..found.partition_point(|neighbor| neighbor.distance <= radius)]
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
        range(&self.parts()?, searcher, query, radius, ef_search)
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
        Ok(within(self.search(searcher, query, params)?, radius))
    }
}
