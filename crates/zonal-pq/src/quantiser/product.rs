//! Product codes: the vector cut into sub-spaces, each stored as the nearest of 16, 64 or 256 centroids.

mod assign;
mod train;

use simd_kernels::Kernels;

use super::error::{expect_finite, expect_len};
use super::factors::factors;
use super::{Error, Factors, Layout, Metric, Prepared, Quantiser, Rotation, Scratch, expect_dim};
use assign::Assigner;

/// Bits of a sub-space's symbol, that is how many centroids it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SymbolBits {
    /// 16 centroids, two symbols a byte ("fast scan").
    #[default]
    Four,
    /// 64 centroids, four symbols in three bytes, scanned as RaBitQ's bits are.
    Six,
    /// 256 centroids, a symbol a byte.
    Eight,
}

impl SymbolBits {
    /// The number of bits.
    pub fn bits(self) -> u8 {
        match self {
            Self::Four => 4,
            Self::Six => 6,
            Self::Eight => 8,
        }
    }

    /// Centroids of a sub-space.
    pub fn centroids(self) -> usize {
        1 << self.bits()
    }
}

/// Parameters of [`ProductQuantiser::train`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProductParams {
    /// Sub-spaces, 1 to the dimension. The first `dim % subspaces` of them have one dimension more than the rest.
    pub subspaces: usize,
    /// Bits of a symbol.
    pub bits: SymbolBits,
    /// Seed of the rotation that is applied first; `None` for none. Helps where variance is uneven over the
    /// sub-spaces and the dimensions that stand together have nothing to do with each other; harms where they have.
    pub rotation: Option<u64>,
    /// The most rounds of k-means. It ends earlier when no vector changes its centroid.
    pub iterations: usize,
    /// The most vectors to learn from, for each centroid; others are left out, evenly.
    pub sample_per_centroid: usize,
    /// Seed of the first centroids.
    pub seed: u64,
}

impl Default for ProductParams {
    fn default() -> Self {
        Self {
            subspaces: 1,
            bits: SymbolBits::default(),
            rotation: None,
            iterations: 15,
            sample_per_centroid: 128,
            seed: 0,
        }
    }
}

/// Product quantisation (Jégou, Douze and Schmid, "Product quantization for nearest neighbor search", PAMI 2011; with
/// four bits scanned as by André, Kermarrec and Le Scouarnec, "Cache locality is not enough", VLDB 2015).
///
/// A code is `subspaces` symbols. Two ways to ask: as every [`Quantiser`], with 12 bytes of factors beside the code,
/// the length correction included, so that the estimate of a vector near the query is not too large by what the code
/// lost; or by [`prepare_distances`](Self::prepare_distances), the distance of the query to the decoded vector, with
/// nothing beside the code.
///
/// Assignments are exact: coordinates are rounded to a grid so fine that sums of products are whole numbers below
/// 2^24, which `f32` adds without error in any order. Codes and centroids are therefore the same on every tier and
/// for any number of threads. Half a step of that grid, 1/1448 of the greatest coordinate at 4 dimensions a
/// sub-space, is all that a coordinate is off by.
///
/// ```
/// use simd_kernels::Kernels;
/// use zonal_pq::quantiser::{Prepared, ProductParams, ProductQuantiser, Quantiser, SymbolBits};
/// let kernels = Kernels::active()?;
/// let vectors: Vec<f32> = (0..500 * 12).map(|i| ((i * i) % 97) as f32).collect();
/// let params = ProductParams { subspaces: 4, bits: SymbolBits::Six, ..Default::default() };
/// let product = ProductQuantiser::train(kernels, &vectors, 12, &params)?;
///
/// let (mut code, mut decoded) = ([0; 4], [0.0; 12]);
/// product.assign(kernels, &vectors[..12], &mut Default::default(), &mut code)?;
/// product.reconstruct(&code, &mut decoded)?;
///
/// // 64 codes at a time; here one.
/// let mut block = vec![0; product.layout().block_bytes()];
/// product.layout().write(&mut block, 0, &code)?;
/// let (mut prepared, mut sums) = (Prepared::default(), [0; 64]);
/// product.prepare_distances(&vectors[..12], &mut prepared)?;
/// prepared.scan(kernels, &block, &mut sums)?;
/// let estimate = prepared.scale() * sums[0] as f32 + prepared.offset();
/// let exact: f32 = vectors.iter().zip(&decoded).map(|(x, y)| (x - y) * (x - y)).sum();
/// assert!((estimate - exact).abs() < 2.0 * prepared.scale());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ProductQuantiser {
    dim: usize,
    bits: SymbolBits,
    rotation: Option<Rotation>,
    /// Where each sub-space begins, and where the last ends.
    starts: Vec<usize>,
    /// Centroids of sub-space s, dimension by dimension of a centroid, from `centroids() * starts[s]` on.
    codebook: Vec<f32>,
    /// The same centroids, centroid by centroid of a dimension, from `centroids() * dimension` on.
    columns: Vec<f32>,
    assigners: Vec<Assigner>,
}

impl ProductQuantiser {
    /// Learns centroids from `rows`, vectors of `dim` values one after the other, of the kind that will be encoded:
    /// residuals if residuals will be, not transformed yet. On the caller's rayon pool, sub-space by sub-space; the
    /// result does not depend on it.
    ///
    /// O(iterations · sample · centroids · dim) time and O(sample · dim) memory. With fewer different vectors than
    /// centroids some centroids are equal, and the lower is used.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless `dim` is in 1..=32,768, `subspaces` in 1..=`dim` and `sample_per_centroid` at
    /// least 1; [`Error::Length`] if `rows` is no whole number of vectors; [`Error::Empty`] if it holds none;
    /// [`Error::NotFinite`]; [`Error::TooLarge`]; [`Error::Memory`].
    pub fn train(
        kernels: &'static Kernels,
        rows: &[f32],
        dim: usize,
        params: &ProductParams,
    ) -> Result<Self, Error> {
        let rotation = params.rotation.map(|seed| Rotation::new(dim, seed)).transpose()?;
        let starts = starts(dim, params.subspaces)?;
        let codebook = train::train(kernels, rows, &starts, rotation.as_ref(), params)?;
        Self::assemble(dim, params.bits, rotation, starts, codebook)
    }

    /// Puts a quantiser together again from what [`codebook`](Self::codebook) and
    /// [`rotation`](Self::rotation) returned.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a dimension or a number of sub-spaces that `train` refuses too; [`Error::Length`] if
    /// the codebook or the rotation is for another dimension; [`Error::NotFinite`]; [`Error::TooLarge`].
    pub fn from_codebook(
        dim: usize,
        subspaces: usize,
        bits: SymbolBits,
        rotation: Option<Rotation>,
        codebook: Vec<f32>,
    ) -> Result<Self, Error> {
        let starts = starts(dim, subspaces)?;
        if let Some(rotation) = &rotation {
            expect_len("rotation", dim, rotation.dim())?;
        }
        expect_len("codebook", dim * bits.centroids(), codebook.len())?;
        expect_finite("codebook", 0, &codebook)?;
        Self::assemble(dim, bits, rotation, starts, codebook)
    }

    fn assemble(
        dim: usize,
        bits: SymbolBits,
        rotation: Option<Rotation>,
        starts: Vec<usize>,
        codebook: Vec<f32>,
    ) -> Result<Self, Error> {
        let k = bits.centroids();
        let assigners = starts
            .windows(2)
            .map(|ends| Assigner::new(&codebook[k * ends[0]..k * ends[1]], ends[1] - ends[0]))
            .collect::<Result<_, _>>()?;
        let mut columns = vec![0.0; codebook.len()];
        for ends in starts.windows(2) {
            let (part, width) = (k * ends[0]..k * ends[1], ends[1] - ends[0]);
            for (d, column) in columns[part.clone()].chunks_exact_mut(k).enumerate() {
                for (c, centroid) in column.iter_mut().zip(codebook[part.clone()].chunks_exact(width)) {
                    *c = centroid[d];
                }
            }
        }
        Ok(Self { dim, bits, rotation, starts, codebook, columns, assigners })
    }

    /// Sub-spaces, which is also the number of symbols of a code.
    pub fn subspaces(&self) -> usize {
        self.starts.len() - 1
    }

    /// Bits of a symbol.
    pub fn bits(&self) -> SymbolBits {
        self.bits
    }

    /// The rotation that [`transform`](Quantiser::transform) applies.
    pub fn rotation(&self) -> Option<&Rotation> {
        self.rotation.as_ref()
    }

    /// All centroids: sub-space by sub-space, centroid by centroid. `dim` times the number of centroids of one
    /// sub-space.
    pub fn codebook(&self) -> &[f32] {
        &self.codebook
    }

    /// Dimensions of each sub-space, the start of each and the end of the last: `subspaces + 1` numbers.
    pub fn starts(&self) -> &[usize] {
        &self.starts
    }

    fn centroids(&self, subspace: usize) -> &[f32] {
        let k = self.bits.centroids();
        match self.starts.get(subspace..subspace + 2) {
            Some(&[start, end]) => &self.codebook[k * start..k * end],
            _ => &[],
        }
    }

    /// Writes the nearest centroid of every sub-space, a byte each, of equals the lower. O(centroids · dim).
    ///
    /// # Errors
    /// [`Error::Length`] unless `vector` holds `dim` values, transformed, and `code` one byte a sub-space;
    /// [`Error::NotFinite`].
    pub fn assign(
        &self,
        kernels: &'static Kernels,
        vector: &[f32],
        scratch: &mut Scratch,
        code: &mut [u8],
    ) -> Result<(), Error> {
        expect_len("vector", self.dim, vector.len())?;
        expect_len("code", self.subspaces(), code.len())?;
        expect_finite("vector", 0, vector)?;
        self.assign_rows(kernels, vector, scratch, code)
    }

    /// The same for vectors that follow one another, whose lengths and values were checked.
    fn assign_rows(
        &self,
        kernels: &'static Kernels,
        vectors: &[f32],
        scratch: &mut Scratch,
        codes: &mut [u8],
    ) -> Result<(), Error> {
        let (k, subspaces) = (self.bits.centroids(), self.subspaces());
        let mut found = std::mem::take(&mut scratch.found);
        found.clear();
        found.resize(codes.len() / subspaces, 0);
        let mut all = || {
            for (s, (assigner, ends)) in self.assigners.iter().zip(self.starts.windows(2)).enumerate() {
                let centroids = &self.codebook[k * ends[0]..k * ends[1]];
                let parts = vectors.get(ends[0]..).unwrap_or_default();
                assigner.assign(kernels, parts, self.dim, centroids, scratch, &mut found)?;
                for (code, found) in codes.chunks_exact_mut(subspaces).zip(&found) {
                    code[s] = *found as u8;
                }
            }
            Ok(())
        };
        let result = all();
        scratch.found = found;
        result
    }

    /// Writes the centroids that a code names, one after the other: the transformed vector that it stands for.
    ///
    /// # Errors
    /// [`Error::Length`] unless `code` holds one byte a sub-space and `out` `dim` values; [`Error::Parameter`] if a
    /// symbol names no centroid.
    pub fn reconstruct(&self, code: &[u8], out: &mut [f32]) -> Result<(), Error> {
        expect_len("code", self.subspaces(), code.len())?;
        expect_len("out", self.dim, out.len())?;
        for (subspace, (&symbol, ends)) in code.iter().zip(self.starts.windows(2)).enumerate() {
            let width = ends[1] - ends[0];
            let start = usize::from(symbol) * width;
            let Some(centroid) = self.centroids(subspace).get(start..start + width) else {
                return Err(Error::Parameter {
                    argument: "code",
                    value: symbol.into(),
                    expected: "symbols below the number of centroids",
                });
            };
            out[ends[0]..ends[1]].copy_from_slice(centroid);
        }
        Ok(())
    }

    /// Tables of squared distances to a transformed query: `scale · sum + offset` of a scan is then the squared
    /// distance to what the code stands for. For vectors without factors; residuals need a query that the centroid
    /// was subtracted from. O(centroids · dim).
    ///
    /// # Errors
    /// [`Error::Length`] unless `query` holds `dim` values; [`Error::NotFinite`]; [`Error::TooLarge`].
    pub fn prepare_distances(&self, query: &[f32], prepared: &mut Prepared) -> Result<(), Error> {
        self.tables(query, prepared, |q, c| (q - c) * (q - c))
    }

    fn factors(
        &self,
        residual: &[f32],
        centroid: Option<&[f32]>,
        metric: Metric,
        scratch: &mut Scratch,
        code: &[u8],
    ) -> Result<Factors, Error> {
        scratch.code.clear();
        scratch.code.resize(self.dim, 0.0);
        self.reconstruct(code, &mut scratch.code)?;
        factors(residual, &scratch.code, centroid, metric)
    }

    /// Makes the tables whose entries are the sums of `term` over the dimensions of a sub-space.
    fn tables(
        &self,
        query: &[f32],
        prepared: &mut Prepared,
        term: impl Fn(f32, f32) -> f32,
    ) -> Result<(), Error> {
        expect_len("query", self.dim, query.len())?;
        expect_finite("query", 0, query)?;
        let k = self.bits.centroids();
        prepared.set_tables(self.layout(), |values| {
            for (table, ends) in values.chunks_exact_mut(k).zip(self.starts.windows(2)) {
                let columns = self.columns[k * ends[0]..k * ends[1]].chunks_exact(k);
                for (&q, column) in query[ends[0]..ends[1]].iter().zip(columns) {
                    // Centroids side by side: no sum is across a register.
                    for (value, &c) in table.iter_mut().zip(column) {
                        *value += term(q, c);
                    }
                }
            }
            Ok(())
        })
    }
}

impl Quantiser for ProductQuantiser {
    fn dim(&self) -> usize {
        self.dim
    }

    fn layout(&self) -> Layout {
        let symbols = self.subspaces();
        match self.bits {
            SymbolBits::Four => Layout::Nibbles { symbols },
            SymbolBits::Six => Layout::Sixes { symbols, bits: 6 },
            SymbolBits::Eight => Layout::Bytes { symbols },
        }
    }

    /// Rotates if there is a rotation, or copies.
    fn transform(&self, kernels: &'static Kernels, vector: &[f32], out: &mut [f32]) -> Result<(), Error> {
        if let Some(rotation) = &self.rotation {
            return rotation.apply(kernels, vector, out);
        }
        expect_len("vector", self.dim, vector.len())?;
        expect_len("out", self.dim, out.len())?;
        expect_finite("vector", 0, vector)?;
        out.copy_from_slice(vector);
        Ok(())
    }

    /// Finds the nearest centroids, O(centroids · dim).
    fn encode(
        &self,
        kernels: &'static Kernels,
        residual: &[f32],
        centroid: Option<&[f32]>,
        metric: Metric,
        scratch: &mut Scratch,
        code: &mut [u8],
    ) -> Result<Factors, Error> {
        expect_len("residual", self.dim, residual.len())?;
        self.assign(kernels, residual, scratch, code)?;
        self.factors(residual, centroid, metric, scratch, code)
    }

    /// Finds the nearest centroids of 32 vectors at a time.
    fn encode_rows(
        &self,
        kernels: &'static Kernels,
        residuals: &[f32],
        centroid: Option<&[f32]>,
        metric: Metric,
        scratch: &mut Scratch,
        codes: &mut [u8],
        factors: &mut [Factors],
    ) -> Result<(), Error> {
        let subspaces = self.subspaces();
        expect_len("residuals", factors.len().saturating_mul(self.dim), residuals.len())?;
        expect_len("codes", factors.len().saturating_mul(subspaces), codes.len())?;
        for (row, residual) in residuals.chunks_exact(self.dim).enumerate() {
            expect_finite("residuals", row, residual)?;
        }
        self.assign_rows(kernels, residuals, scratch, codes)?;
        let rows = residuals.chunks_exact(self.dim).zip(codes.chunks_exact(subspaces));
        for ((residual, code), factors) in rows.zip(factors) {
            *factors = self.factors(residual, centroid, metric, scratch, code)?;
        }
        Ok(())
    }

    fn decode(&self, code: &[u8], factors: Factors, metric: Metric, out: &mut [f32]) -> Result<(), Error> {
        self.reconstruct(code, out)?;
        let scale = -factors.rescale / metric.weight();
        for x in out {
            *x *= scale;
        }
        Ok(())
    }

    /// Tables of products with the centroids, O(centroids · dim).
    fn prepare(&self, query: &[f32], prepared: &mut Prepared) -> Result<(), Error> {
        self.tables(query, prepared, |q, c| q * c)
    }
}

fn starts(dim: usize, subspaces: usize) -> Result<Vec<usize>, Error> {
    expect_dim(dim)?;
    if subspaces == 0 || subspaces > dim {
        return Err(Error::Parameter {
            argument: "subspaces",
            value: subspaces,
            expected: "1 to the dimension",
        });
    }
    let (width, wider) = (dim / subspaces, dim % subspaces);
    Ok((0..=subspaces).map(|s| s * width + s.min(wider)).collect())
}
