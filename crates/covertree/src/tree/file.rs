//! Trees on rows of numbers in files: what a search reads is mapped as it lies.
//!
//! Kind `covertree`, layout 1, in a [`layouts::container`]. Sections: `parameters` (one record), `nodes`, `children`,
//! `least-ids`, `leaves`, `ids`, `points`, `boxes`: the arrays of the tree as they are in memory.
//!
//! Opening checks every reference, range and id, that all coordinates are numbers, and that each box is the box of
//! its points, so that no later search can fail or miss a point. That reads the file once.

use std::path::Path;

use bytemuck::{Pod, Zeroable};
use layouts::Storage;
use layouts::container::{Container, OpenOptions, Placement, Writer};
use simd_kernels::Kernels;

use super::{BuildOptions, CoverTree, Shape, VectorTree};
use crate::error::Error;
use crate::filter::next_state;
use crate::scalar::Scalar;
use crate::space::{Embedding, FANOUT, Space, VectorMetric, Vectors, bound_boxes};

const KIND: &str = "covertree";
const LAYOUT: u32 = 1;

/// What is not an array.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
struct Parameters {
    points: u64,
    dim: u64,
    /// Of the sphere, else 0.
    radius: f64,
    /// 0 L2, 1 L1, 2 angular, 3 great circle.
    metric: u32,
    /// Bytes of a coordinate.
    scalar: u32,
    leaf: u32,
    root: u32,
    next_id: u32,
    reserved: u32,
}

impl<T: Scalar> VectorTree<T> {
    /// Writes the tree to a file, in place of any that is there; if that fails, the old file stays.
    ///
    /// # Errors
    /// [`Error::File`].
    ///
    /// ```
    /// use covertree::{Search, VectorMetric, VectorTree};
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("stations.nigh");
    /// VectorTree::from_rows(&[0.0, 0.0, 3.0, 4.0], 2, VectorMetric::L2)?.save(&path)?;
    /// let tree = VectorTree::<f64>::open(&path)?; // mapped, not read
    /// assert_eq!(tree.search_batch(&[3.0, 3.0], &Search::nearest(1))?.of(0)[0].id, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let Shape { root, len, next_id, .. } = &self.shape;
        let (metric, radius) = match self.space.embedding.metric {
            VectorMetric::L2 => (0, 0.0),
            VectorMetric::L1 => (1, 0.0),
            VectorMetric::Angular => (2, 0.0),
            VectorMetric::GreatCircle { radius } => (3, radius),
        };
        let parameters = Parameters {
            points: *len as u64,
            dim: self.space.embedding.dim as u64,
            radius,
            metric,
            scalar: size_of::<T>() as u32,
            leaf: self.options.leaf_size(FANOUT)? as u32,
            root: *root,
            next_id: *next_id,
            reserved: 0,
        };
        let parameters = [parameters];
        let writer = Writer::new(KIND, LAYOUT).section("parameters", Placement::Plain, &parameters);
        add_shape(writer, &self.shape)
            .section("points", Placement::Hot, &self.space.panels)
            .section("boxes", Placement::Hot, &self.space.boxes)
            .save(path)?;
        Ok(())
    }

    /// Opens a file that [`save`](Self::save) wrote: mapped, and checked in full.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be read, is damaged, of another kind, version or coordinate type, or holds
    /// what is no tree; [`Error::Kernels`] if `NIGH_SIMD` names no tier of this CPU.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::open_with(path, OpenOptions::new())
    }

    /// As [`open`](Self::open), with options of the container.
    ///
    /// # Errors
    /// As there.
    pub fn open_with(path: &Path, options: OpenOptions) -> Result<Self, Error> {
        let file = options.open(path, KIND)?;
        file.expect_layout(&[LAYOUT])?;
        let parameters = file.value::<Parameters>("parameters")?;
        let refuse = |section: &str, index, reason| {
            Error::from(file.invalid(section, layouts::Error::Invariant { structure: "tree", index, reason }))
        };
        if parameters.scalar as usize != size_of::<T>() {
            return Err(refuse("parameters", 0, "its coordinates are of another type"));
        }
        let metric = match parameters.metric {
            0 => VectorMetric::L2,
            1 => VectorMetric::L1,
            2 => VectorMetric::Angular,
            3 => VectorMetric::GreatCircle { radius: parameters.radius },
            _ => return Err(refuse("parameters", 0, "its metric is unknown")),
        };
        let dim = usize::try_from(parameters.dim).unwrap_or(usize::MAX);
        let embedding = Embedding::new::<T>(metric, dim)
            .map_err(|_| refuse("parameters", 0, "its dimension or radius is none"))?;
        let leaf = parameters.leaf as usize;
        if leaf == 0 || leaf > 1 << 16 {
            return Err(refuse("parameters", 0, "its leaf size is none"));
        }
        let Parameters { points, root, next_id, .. } = parameters;
        let shape = read_shape(&file, points, root, next_id, false)?;
        let lanes = Vectors::<T>::LANES;
        if !shape.ids.len().is_multiple_of(lanes) {
            return Err(refuse("ids", shape.ids.len(), "its last panel is not whole"));
        }
        shape.validate(lanes).map_err(|error| file.invalid("children", error))?;
        let panels = file.section::<T>("points")?;
        if Some(panels.len()) != shape.ids.len().checked_mul(embedding.width()) {
            return Err(refuse("points", panels.len(), "it does not hold a point for each slot"));
        }
        if let Some(index) = panels.iter().position(|coordinate| !coordinate.finite()) {
            return Err(refuse("points", index, "a coordinate is not finite"));
        }
        let boxes = file.section::<T>("boxes")?;
        if bound_boxes(&shape, embedding.width(), &panels)?[..] != boxes[..] {
            return Err(refuse("boxes", 0, "a box is not that of its points"));
        }
        let space = Vectors {
            embedding,
            panels: panels.into(),
            boxes: Storage::from(boxes),
            kernels: Kernels::active()?,
        };
        let options = BuildOptions::new().leaf(leaf);
        Ok(CoverTree { space, shape, state: next_state(), options })
    }
}

/// The arrays of a shape as sections.
pub(super) fn add_shape<'a>(writer: Writer<'a>, shape: &'a Shape) -> Writer<'a> {
    writer
        .section("nodes", Placement::Plain, &shape.nodes)
        .section("children", Placement::Plain, &shape.children)
        .section("least-ids", Placement::Plain, &shape.least)
        .section("leaves", Placement::Plain, &shape.leaves)
        .section("ids", Placement::Hot, &shape.ids)
}

/// The shape that [`add_shape`] wrote, not yet validated.
pub(super) fn read_shape(
    file: &Container,
    points: u64,
    root: u32,
    next_id: u32,
    centred: bool,
) -> Result<Shape, Error> {
    Ok(Shape {
        nodes: file.section("nodes")?.into(),
        children: file.section("children")?.into(),
        least: file.section("least-ids")?.into(),
        leaves: file.section("leaves")?.into(),
        ids: file.section("ids")?.into(),
        root,
        centred,
        len: usize::try_from(points).unwrap_or(usize::MAX),
        next_id,
    })
}
