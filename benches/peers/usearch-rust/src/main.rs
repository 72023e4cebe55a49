//! The crate `usearch`: HNSW in C++ behind a Rust interface, kernels of NumKong chosen at run time.

use std::path::Path;

use peer_protocol::{Matrix, Metric, Params, Peer, ef, serve};
use serde_json::Value;
use usearch::{Index, IndexOptions, MetricKind, ScalarKind};

struct Usearch {
    index: Index,
    codes: &'static str,
}

impl Peer for Usearch {
    const FILTERS: bool = true;

    fn build(base: &Matrix, metric: Metric, params: &mut Params) -> Result<Self, String> {
        let (connectivity, expansion_add) = (params.take("M", 16)?, params.take("efc", 200)?);
        let dtype = params.take("dtype", "f32".to_owned())?;
        let (codes, quantization) = match (dtype.as_str(), metric) {
            ("f32", _) => ("f32", ScalarKind::F32),
            ("f16", _) => ("f16", ScalarKind::F16),
            ("bf16", _) => ("bf16", ScalarKind::BF16),
            ("i8", Metric::Angular) => ("i8", ScalarKind::I8),
            ("i8", _) => {
                return Err("its cast to i8 assumes unit length, which only the cosine has".to_owned());
            }
            _ => return Err(format!("dtype={dtype}: known are f32, f16, bf16, i8")),
        };
        let options = IndexOptions {
            dimensions: base.dim(),
            metric: if metric == Metric::Euclidean { MetricKind::L2sq } else { MetricKind::IP },
            quantization,
            connectivity,
            expansion_add,
            ..IndexOptions::default()
        };
        let index = Index::new(&options).map_err(|error| error.to_string())?;
        index.reserve_capacity_and_threads(base.rows(), 1).map_err(|error| error.to_string())?;
        for (id, row) in (0..).zip(base.iter()) {
            index.add(id, row).map_err(|error| error.to_string())?;
        }
        Ok(Self { index, codes })
    }

    fn codes(&self) -> String {
        self.codes.to_owned()
    }

    fn apply(&mut self, setting: &Value, k: usize) -> Result<(), String> {
        self.index.change_expansion_search(ef(setting, k)?);
        Ok(())
    }

    fn search(
        &mut self,
        query: &[f32],
        k: usize,
        allowed: Option<&[u8]>,
        found: &mut Vec<u32>,
    ) -> Result<(), String> {
        let matches = match allowed {
            None => self.index.search(query, k),
            Some(allowed) => self.index.filtered_search(query, k, |id| allowed[id as usize] != 0),
        };
        found.extend(matches.map_err(|error| error.to_string())?.keys.iter().map(|&id| id as u32));
        Ok(())
    }

    fn index_bytes(&mut self, _: &Path) -> Result<u64, String> {
        Ok(self.index.serialized_length() as u64)
    }

    fn notes(&self) -> Vec<String> {
        vec![format!(
            "in-process from Rust, compiled here with -C target-cpu=native (its C++ as its build script says); kernels \
             chosen at run time: {}",
            self.index.hardware_acceleration()
        )]
    }
}

fn main() {
    serve::<Usearch>("usearch", include_str!("../Cargo.lock"));
}
