//! kiddo as a peer: an exact k-d tree over f32, one query at a time.

use std::num::NonZero;
use std::path::Path;

use kiddo::{ImmutableKdTree, SquaredEuclidean};
use peer_protocol::{Matrix, Metric, Params, Peer, serve};
use serde_json::{Value, json};

/// A tree of a number of dimensions that only its builder knows.
trait Tree {
    fn nearest(&self, query: &[f32], k: NonZero<usize>, found: &mut Vec<u32>);
}

impl<const D: usize> Tree for ImmutableKdTree<f32, D> {
    fn nearest(&self, query: &[f32], k: NonZero<usize>, found: &mut Vec<u32>) {
        let nearest = self.query(&padded::<D>(query)).nearest_n::<SquaredEuclidean<f32>>(k).execute();
        found.extend(nearest.iter().map(|nearest| nearest.item));
    }
}

/// A point with zeros for the dimensions that it lacks, which change no distance.
fn padded<const D: usize>(row: &[f32]) -> [f32; D] {
    let mut point = [0.0; D];
    point.iter_mut().zip(row).for_each(|(place, &value)| *place = value);
    point
}

fn tree<const D: usize>(base: &Matrix) -> Result<Box<dyn Tree>, String> {
    let points: Vec<[f32; D]> = base.iter().map(padded).collect();
    let tree = ImmutableKdTree::<f32, D>::new_from_slice(&points).map_err(|error| format!("{error:?}"))?;
    Ok(Box::new(tree))
}

struct Kiddo {
    tree: Box<dyn Tree>,
    bytes: u64,
}

impl Peer for Kiddo {
    fn build(base: &Matrix, metric: Metric, _: &mut Params) -> Result<Self, String> {
        if metric == Metric::InnerProduct {
            return Err("does not compare by the inner product".to_owned());
        }
        let tree = match base.dim() {
            1..=2 => tree::<2>(base),
            3 => tree::<3>(base),
            4 => tree::<4>(base),
            5 => tree::<5>(base),
            6 => tree::<6>(base),
            7..=8 => tree::<8>(base),
            9..=12 => tree::<12>(base),
            13..=16 => tree::<16>(base),
            17..=25 => tree::<25>(base),
            26..=32 => tree::<32>(base),
            dim => return Err(format!("a tree for few dimensions: called up to 32, not with {dim}")),
        }?;
        Ok(Self { tree, bytes: (base.rows() * (base.dim() + 1) * 4) as u64 })
    }

    fn grid(&self) -> Vec<Value> {
        vec![json!({})]
    }

    fn apply(&mut self, _: &Value, _: usize) -> Result<(), String> {
        Ok(())
    }

    fn search(
        &mut self,
        query: &[f32],
        k: usize,
        _: Option<&[u8]>,
        found: &mut Vec<u32>,
    ) -> Result<(), String> {
        self.tree.nearest(query, NonZero::new(k).ok_or("k is 0")?, found);
        Ok(())
    }

    fn index_bytes(&mut self, _: &Path) -> Result<u64, String> {
        Ok(self.bytes)
    }

    fn notes(&self) -> Vec<String> {
        vec!["exact; in-process from Rust, compiled here with -C target-cpu=native; its size is nominal: points and ids; \
              its batches, which share work, are measured by benches/peers/kiddo itself"
            .to_owned()]
    }
}

fn main() {
    serve::<Kiddo>("kiddo", include_str!("../../Cargo.lock"));
}
