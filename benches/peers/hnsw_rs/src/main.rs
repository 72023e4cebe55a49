//! The crate `hnsw_rs`: HNSW in Rust, distances by simdeez (AVX2).

use std::path::Path;

use hnsw_rs::api::AnnT;
use hnsw_rs::prelude::{DistDot, DistL2, Hnsw, Neighbour};
use peer_protocol::{Matrix, Metric, Params, Peer, ef, serve};
use serde_json::Value;

/// Layers that the library has at most, as its examples ask for.
const LAYERS: usize = 16;

enum Graph {
    Euclidean(Hnsw<'static, f32, DistL2>),
    /// One minus the inner product, for rows of unit length.
    Angular(Hnsw<'static, f32, DistDot>),
}

struct HnswRs {
    graph: Graph,
    ef: usize,
}

macro_rules! each {
    ($graph:expr, $name:ident => $body:expr) => {
        match $graph {
            Graph::Euclidean($name) => $body,
            Graph::Angular($name) => $body,
        }
    };
}

impl Peer for HnswRs {
    const FILTERS: bool = true;

    fn build(base: &Matrix, metric: Metric, params: &mut Params) -> Result<Self, String> {
        let (degree, efc): (usize, usize) = (params.take("M", 16)?, params.take("efc", 200)?);
        // More would end the process.
        if !(2..=256).contains(&degree) {
            return Err(format!("M={degree}: 2 to 256"));
        }
        let mut graph = match metric {
            Metric::Euclidean => Graph::Euclidean(Hnsw::new(degree, base.rows(), LAYERS, efc, DistL2)),
            Metric::Angular => Graph::Angular(Hnsw::new(degree, base.rows(), LAYERS, efc, DistDot)),
            Metric::InnerProduct => {
                return Err("its inner product is for rows of unit length only".to_owned());
            }
        };
        each!(&mut graph, graph => {
            base.iter().enumerate().for_each(|(id, row)| graph.insert_slice((row, id)));
            graph.set_searching_mode(true);
        });
        Ok(Self { graph, ef: 10 })
    }

    fn apply(&mut self, setting: &Value, k: usize) -> Result<(), String> {
        self.ef = ef(setting, k)?;
        Ok(())
    }

    fn search(
        &mut self,
        query: &[f32],
        k: usize,
        allowed: Option<&[u8]>,
        found: &mut Vec<u32>,
    ) -> Result<(), String> {
        let ef = self.ef;
        let neighbours: Vec<Neighbour> = match allowed {
            None => each!(&self.graph, graph => graph.search(query, k, ef)),
            Some(allowed) => {
                let filter = |id: &usize| allowed[*id] != 0;
                each!(&self.graph, graph => graph.search_filter(query, k, ef, Some(&filter)))
            }
        };
        found.extend(neighbours.iter().map(|neighbour| neighbour.d_id as u32));
        Ok(())
    }

    fn index_bytes(&mut self, folder: &Path) -> Result<u64, String> {
        let folder = folder.join(format!("hnsw_rs-{}", std::process::id()));
        std::fs::create_dir(&folder).map_err(|error| error.to_string())?;
        let dumped =
            each!(&self.graph, graph => graph.file_dump(&folder, "saved")).map_err(|error| error.to_string());
        let sizes = std::fs::read_dir(&folder)
            .map(|files| files.flatten().flat_map(|file| file.metadata()).collect());
        let sizes: Vec<std::fs::Metadata> = sizes.unwrap_or_default();
        let _ = std::fs::remove_dir_all(&folder);
        dumped.map(|_| sizes.iter().map(std::fs::Metadata::len).sum())
    }

    fn notes(&self) -> Vec<String> {
        vec!["in-process from Rust, compiled here with -C target-cpu=native and its AVX2 distances (feature simdeez_f; \
              it has none for AVX-512); its levels are drawn anew in every run"
            .to_owned()]
    }
}

fn main() {
    serve::<HnswRs>("hnsw_rs", include_str!("../Cargo.lock"));
}
