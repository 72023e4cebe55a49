//! The comparison of one kernel table with the scalar truth: shared by the test of that name and by the probe
//! that `cargo xtask dispatch-check` runs natively and under emulated CPUs.
//!
//! Integers must be equal. A float of `n` dimensions may differ by the published bound,
//! `(ceil(n / 4) + 16) · ε · Σ|terms|`. Every length, several misalignments and strides, results that lie between
//! canaries, and rows, ids and tile must agree bit for bit with one another.

mod code_panels;
mod functions;
mod lookups;
mod measures;
mod panels;
mod specials;

use simd_kernels::{Distance, Element, Forms, Kernels, Rows, ShapeError};

/// How many values were compared, and every one that was wrong.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Values that were compared.
    pub(crate) comparisons: u64,
    /// What was wrong, in words.
    pub(crate) failures: Vec<String>,
}

/// The four forms of one measure as they are called: a table's own, or one with a planted fault.
pub(crate) trait Subject<Q: Element, E: Element, O> {
    /// One pair.
    fn pair(&self, query: &[Q], row: &[E]) -> Result<O, ShapeError>;
    /// One query, all rows.
    fn rows(&self, query: &[Q], rows: Rows<'_, E>, out: &mut [O]) -> Result<(), ShapeError>;
    /// One query, rows by id.
    fn ids(&self, query: &[Q], rows: Rows<'_, E>, ids: &[u32], out: &mut [O]) -> Result<(), ShapeError>;
    /// All queries, all rows.
    fn tile(&self, queries: Rows<'_, Q>, rows: Rows<'_, E>, out: &mut [O]) -> Result<(), ShapeError>;
}

impl<Q: Element, E: Element, O> Subject<Q, E, O> for Forms<Q, E, O> {
    fn pair(&self, query: &[Q], row: &[E]) -> Result<O, ShapeError> {
        Forms::pair(self, query, row)
    }
    fn rows(&self, query: &[Q], rows: Rows<'_, E>, out: &mut [O]) -> Result<(), ShapeError> {
        Forms::rows(self, query, rows, out)
    }
    fn ids(&self, query: &[Q], rows: Rows<'_, E>, ids: &[u32], out: &mut [O]) -> Result<(), ShapeError> {
        Forms::ids(self, query, rows, ids, out)
    }
    fn tile(&self, queries: Rows<'_, Q>, rows: Rows<'_, E>, out: &mut [O]) -> Result<(), ShapeError> {
        Forms::tile(self, queries, rows, out)
    }
}

/// What a pair should come to, and by how much it may differ.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Truth {
    /// The value.
    pub(crate) value: f64,
    /// The published bound.
    pub(crate) tolerance: f64,
}

/// What is measured, how vectors of it are made, and the truth about a pair of them.
pub(crate) struct Plan<'a, Q, E> {
    /// The name of the kernel without its form.
    pub(crate) name: String,
    /// Dimensions per stored row element.
    pub(crate) pack: usize,
    /// What the dimension must be a multiple of.
    pub(crate) granule: usize,
    /// A query element from random bits.
    pub(crate) query: fn(u64) -> Q,
    /// A row element from random bits.
    pub(crate) row: fn(u64) -> E,
    /// The scalar twin.
    pub(crate) truth: &'a dyn Fn(&[Q], &[E]) -> Truth,
}

/// Everything about one table: all measures of all types, all lengths, and the special values.
pub(crate) fn table(kernels: &'static Kernels) -> Tally {
    let mut tally = Tally::default();
    measures::of_table(kernels, &mut tally);
    specials::of_table(kernels, &mut tally);
    panels::of_table(kernels, &mut tally);
    code_panels::of_table(kernels, &mut tally);
    lookups::of_table(kernels, &mut tally);
    functions::of_table(kernels, &mut tally);
    tally
}

/// Every length up to 257, which covers each tail of each register width several times over, and some beyond
/// the point where unrolled loops have settled.
pub(crate) fn lengths() -> impl Iterator<Item = usize> {
    (1..=257).chain([3984, 3985, 3991, 4000, 4001, 4015, 4016])
}

// A tile of four queries and one more; a block of eight rows, one of four and one more.
const QUERIES: usize = 5;
const ROWS: usize = 13;

/// The lengths that suit a granule: all of [`lengths`] that are multiples of it, or, where it is too large to be one
/// of many there, multiples of its own, which differ in what they leave of the registers of unrolled loops.
fn lengths_of(granule: usize) -> Vec<usize> {
    if granule > 257 {
        [1, 2, 3, 4, 5, 6, 9, 13].map(|count| count * granule).to_vec()
    } else {
        lengths().filter(|dim| dim.is_multiple_of(granule)).collect()
    }
}

/// Compares all forms of one measure at every length.
pub(crate) fn measure<Q: Element, E: Element, O: Distance>(
    plan: &Plan<'_, Q, E>,
    subject: &dyn Subject<Q, E, O>,
    tally: &mut Tally,
) {
    for dim in lengths_of(plan.granule) {
        let (skip, row_len) = (dim % 7, dim / plan.pack);
        let stride = row_len + dim % 3;
        let mut random = Random(dim as u64);
        let queries: Vec<Q> = (0..skip + QUERIES * dim).map(|_| (plan.query)(random.next())).collect();
        let data: Vec<E> =
            (0..skip + (ROWS - 1) * stride + row_len).map(|_| (plan.row)(random.next())).collect();
        shape(
            plan,
            subject,
            &Shape { dim, row_len, stride, queries: &queries[skip..], data: &data[skip..] },
            tally,
        );
    }
}

/// Vectors of one dimension: a few queries without gaps, a few rows with.
pub(crate) struct Shape<'a, Q, E> {
    /// Dimensions.
    pub(crate) dim: usize,
    /// Stored elements of a row.
    pub(crate) row_len: usize,
    /// Stored elements from row to row.
    pub(crate) stride: usize,
    /// The queries.
    pub(crate) queries: &'a [Q],
    /// The rows.
    pub(crate) data: &'a [E],
}

/// Compares all forms on one set of vectors.
pub(crate) fn shape<Q: Element, E: Element, O: Distance>(
    plan: &Plan<'_, Q, E>,
    subject: &dyn Subject<Q, E, O>,
    shape: &Shape<'_, Q, E>,
    tally: &mut Tally,
) {
    let &Shape { dim, row_len, stride, queries, data } = shape;
    let row = |index: usize| &data[index * stride..index * stride + row_len];
    let truth: Vec<Truth> = (0..QUERIES * ROWS)
        .map(|at| (plan.truth)(&queries[at / ROWS * dim..][..dim], row(at % ROWS)))
        .collect();
    let mut judge = Judge { name: &plan.name, dim, tally };
    let query = &queries[..dim];
    for (index, &expected) in truth.iter().enumerate().take(ROWS) {
        match subject.pair(query, row(index)) {
            Ok(value) => judge.value("pair", index, value, expected),
            Err(error) => judge.fail(format!("pair refused a valid shape: {error}")),
        }
    }
    let all = match Rows::with_stride(data, ROWS, row_len, stride) {
        Ok(all) => all,
        Err(error) => return judge.fail(format!("a valid shape was refused: {error}")),
    };
    // Not always all rows, so that blocks of rows end at every place.
    let mut bits = [None; ROWS];
    for count in [ROWS, dim % ROWS] {
        let some = all.slice(0, count).unwrap_or(all);
        let out = judge.call::<O>("rows", count, |out| subject.rows(query, some, out));
        for (index, value) in out.into_iter().enumerate() {
            judge.value("rows", index, value, truth[index]);
            judge.agrees("rows", &mut bits[index], value);
        }
    }
    let ids: Vec<u32> = [6, 0, 3, 3, 1, 5, 2, 4, 6][..1 + dim % 9].to_vec();
    let out = judge.call::<O>("ids", ids.len(), |out| subject.ids(query, all, &ids, out));
    for (value, &id) in out.into_iter().zip(&ids) {
        judge.value("ids", id as usize, value, truth[id as usize]);
        judge.agrees("ids", &mut bits[id as usize], value);
    }
    match Rows::new(&queries[..QUERIES * dim], dim) {
        Ok(queries) => {
            let out = judge.call::<O>("tile", QUERIES * ROWS, |out| subject.tile(queries, all, out));
            for (at, value) in out.into_iter().enumerate() {
                judge.value("tile", at, value, truth[at]);
                if at < ROWS {
                    judge.agrees("tile", &mut bits[at], value);
                }
            }
        }
        Err(error) => judge.fail(format!("a valid shape was refused: {error}")),
    }
}

/// Compares values and keeps the score.
struct Judge<'a> {
    name: &'a str,
    dim: usize,
    tally: &'a mut Tally,
}

impl Judge<'_> {
    fn fail(&mut self, what: String) {
        self.tally.failures.push(format!("{} at dimension {}: {what}", self.name, self.dim));
    }

    fn value<O: Distance>(&mut self, form: &str, at: usize, value: O, truth: Truth) {
        self.tally.comparisons += 1;
        let (actual, expected) = (value.to_f64(), truth.value);
        let equal = if expected.is_finite() {
            (actual - expected).abs() <= truth.tolerance
        } else {
            actual == expected || (actual.is_nan() && expected.is_nan())
        };
        if !equal {
            self.fail(format!(
                "{form}[{at}] is {actual:e}, expected {expected:e} within {:e}",
                truth.tolerance
            ));
        }
    }

    /// Forms that share their accumulation order must give the same bits.
    fn agrees<O: Distance>(&mut self, form: &str, first: &mut Option<f64>, value: O) {
        let value = value.to_f64();
        let first = *first.get_or_insert(value);
        if first.to_bits() != value.to_bits() && !(first.is_nan() && value.is_nan()) {
            self.fail(format!("{form} gives {value:e} where rows gave {first:e}"));
        }
    }

    /// Runs a kernel that writes `len` results, which lie between canaries.
    fn call<O: Distance>(
        &mut self,
        form: &str,
        len: usize,
        kernel: impl FnOnce(&mut [O]) -> Result<(), ShapeError>,
    ) -> Vec<O> {
        const CANARIES: usize = 16;
        let canary = O::from_f64(-77.0);
        let mut out = vec![canary; len + 2 * CANARIES];
        if let Err(error) = kernel(&mut out[CANARIES..CANARIES + len]) {
            self.fail(format!("{form} refused a valid shape: {error}"));
        }
        let after = out.split_off(CANARIES + len);
        if out[..CANARIES].iter().chain(&after).any(|&value| value != canary) {
            self.fail(format!("{form} wrote outside its results"));
        }
        out.split_off(CANARIES)
    }
}

/// A small generator whose values never change with a library's version.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }
}

/// An element from random bits: any value of an integer type, a number of moderate size otherwise.
pub(crate) fn element<T: Element>(bits: u64) -> T {
    match T::NAME {
        "u8" => T::from_f64((bits % 256) as f64),
        "i8" => T::from_f64((bits % 256) as f64 - 128.0),
        _ => T::from_f64((bits % 20_001) as f64 / 2_500.0 - 4.0),
    }
}
