//! The crate `instant-distance`: HNSW in Rust with M = 32 fixed; the user brings the distance.
//!
//! The length of its list of candidates is fixed when the graph is built, and cannot be set afterwards. So that one
//! graph serves all settings, it is written by the library's own serialisation and read again with another length;
//! the vectors are not part of what is written.

use std::path::Path;
use std::sync::OnceLock;

use instant_distance::{Builder, HnswMap, Point, Search};
use peer_protocol::{Matrix, Metric, Params, Peer, ef, serve};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The rows, one after the other, their length, and whether they are compared by the inner product.
static ROWS: OnceLock<(Vec<f32>, usize, bool)> = OnceLock::new();

/// A row by its number: what the index keeps, and what is written of a point.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(from = "u32", into = "u32")]
struct Row(&'static [f32]);

impl From<u32> for Row {
    fn from(id: u32) -> Self {
        let (data, dim, _) = ROWS.get().expect("rows are there before points are");
        Self(&data[id as usize * dim..][..*dim])
    }
}

impl From<Row> for u32 {
    fn from(row: Row) -> Self {
        let (data, dim, _) = ROWS.get().expect("rows are there before points are");
        ((row.0.as_ptr() as usize - data.as_ptr() as usize) / (dim * size_of::<f32>())) as u32
    }
}

impl Point for Row {
    fn distance(&self, other: &Self) -> f32 {
        let is_product = ROWS.get().is_some_and(|rows| rows.2);
        if is_product {
            -fold(self.0, other.0, |sum, a, b| sum + a * b)
        } else {
            fold(self.0, other.0, |sum, a, b| sum + (a - b) * (a - b))
        }
    }
}

/// A sum over pairs in independent lanes, which the compiler turns into vector instructions.
fn fold(a: &[f32], b: &[f32], step: impl Fn(f32, f32, f32) -> f32) -> f32 {
    const LANES: usize = 64;
    let (a_blocks, b_blocks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f32 =
        a_blocks.remainder().iter().zip(b_blocks.remainder()).fold(0.0, |sum, (&a, &b)| step(sum, a, b));
    let mut sums = [0.0f32; LANES];
    for (a, b) in a_blocks.zip(b_blocks) {
        for lane in 0..LANES {
            sums[lane] = step(sums[lane], a[lane], b[lane]);
        }
    }
    rest + sums.iter().sum::<f32>()
}

struct InstantDistance {
    index: HnswMap<Row, u32>,
    /// The graph as it is written, its first eight bytes the length of the list of candidates.
    written: Vec<u8>,
    search: Search,
    ef: usize,
}

impl Peer for InstantDistance {
    fn build(base: &Matrix, metric: Metric, params: &mut Params) -> Result<Self, String> {
        let efc = params.take("efc", 200)?;
        let seed = params.take("seed", 1)?;
        let data: Vec<f32> = base.iter().flatten().copied().collect();
        ROWS.set((data, base.dim(), metric != Metric::Euclidean)).map_err(|_| "rows are there already")?;
        let ids: Vec<u32> = (0..base.rows() as u32).collect();
        let rows = ids.iter().map(|&id| Row::from(id)).collect();
        let index: HnswMap<Row, u32> =
            Builder::default().ef_construction(efc).ef_search(10).seed(seed).build(rows, ids);
        Ok(Self { index, written: Vec::new(), search: Search::default(), ef: 10 })
    }

    fn apply(&mut self, setting: &Value, k: usize) -> Result<(), String> {
        let ef = ef(setting, k)?;
        if ef == self.ef {
            return Ok(());
        }
        let length = self.written.get_mut(..8).ok_or("the graph was not written")?;
        length.copy_from_slice(&(ef as u64).to_le_bytes());
        self.index = bincode::deserialize(&self.written).map_err(|error| error.to_string())?;
        self.ef = ef;
        Ok(())
    }

    fn search(
        &mut self,
        query: &[f32],
        k: usize,
        _: Option<&[u8]>,
        found: &mut Vec<u32>,
    ) -> Result<(), String> {
        // SAFETY: the row is used during this call only; the library wants queries of the type of its points.
        let query = Row(unsafe { std::slice::from_raw_parts(query.as_ptr(), query.len()) });
        found.extend(self.index.search(&query, &mut self.search).take(k).map(|item| *item.value));
        Ok(())
    }

    fn index_bytes(&mut self, _: &Path) -> Result<u64, String> {
        self.written = bincode::serialize(&self.index).map_err(|error| error.to_string())?;
        let length =
            self.written.get(..8).map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap_or_default()));
        if length != Some(self.ef as u64) {
            return Err("what it writes does not begin with the length of its list".to_owned());
        }
        let rows = ROWS.get().map_or(0, |(data, _, _)| size_of_val(&data[..]));
        Ok((self.written.len() + rows) as u64)
    }

    fn notes(&self) -> Vec<String> {
        vec!["in-process from Rust, compiled here with -C target-cpu=native; M is 32 and cannot be changed; its distance \
              is a loop of ours that the compiler vectorises, since it ships none"
            .to_owned()]
    }
}

fn main() {
    // It builds on all cores otherwise.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build_global();
    if pool.is_ok() {
        serve::<InstantDistance>("instant-distance", include_str!("../Cargo.lock"));
    }
}
