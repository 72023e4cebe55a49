//! Trees on values of any type in files: everything but the values, which only the user can write.
//!
//! Kind `covertree-items`, layout 1, in a [`layouts::container`]. Sections: `parameters` (one record), `nodes`,
//! `children`, `least-ids`, `leaves`, `ids`, `to-centre`, `radii`: the arrays of the tree as they are in memory. What a
//! build costs is distances, and a file saves all of them.
//!
//! Opening checks every reference, range and id and the order of distances, so that no search can fail; and, by
//! measuring some of the items that it is given, that they and their metric are those of the file. A search relies on
//! two kinds of stored distances: that of a point to the centre above it, and the radius that everything below a centre
//! lies within. Both are measured for each point that is checked, the latter all the way up.

use std::path::Path;

use bytemuck::{Pod, Zeroable};
use layouts::container::{Container, Placement, Writer};

use super::file::{add_shape, read_shape};
use super::{BuildOptions, CoverTree, ItemTree, Reference, Shape};
use crate::error::Error;
use crate::filter::next_state;
use crate::metric::Metric;
use crate::space::{FANOUT, Items, Space};

const KIND: &str = "covertree-items";
const LAYOUT: u32 = 1;
/// Items that are measured unless more are asked for.
const SAMPLE: usize = 64;

/// What is not an array.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
struct Parameters {
    points: u64,
    leaf: u32,
    root: u32,
    next_id: u32,
    reserved: u32,
}

impl<P: Send + Sync, M: Metric<P>> ItemTree<P, M> {
    /// Writes the tree without its items to a file, in place of any that is there; if that fails, the old file stays.
    /// Keep the items, by ascending id, and the metric: [`open`](Self::open) asks for them.
    ///
    /// # Errors
    /// [`Error::File`].
    ///
    /// ```
    /// use covertree::{CoverTree, Error, ItemTree, Search};
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("words.nigh");
    /// let words = ["leaf", "radius", "tree"];
    /// let lengths = |a: &&str, b: &&str| a.len().abs_diff(b.len()) as f64;
    /// CoverTree::from_items(words.to_vec(), lengths)?.save(&path)?;
    ///
    /// let tree = ItemTree::open(&path, words.to_vec(), lengths)?;
    /// assert_eq!(tree.search_batch(&["branch"], &Search::nearest(1))?.of(0)[0].id, 1);
    /// let others = ItemTree::open(&path, vec!["cover", "tree"], lengths);
    /// assert!(matches!(others, Err(Error::Length { argument: "items", .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let parameters = Parameters {
            points: self.shape.len as u64,
            leaf: self.options.leaf_size(Items::<P, M>::LANES)? as u32,
            root: self.shape.root,
            next_id: self.shape.next_id,
            reserved: 0,
        };
        let parameters = [parameters];
        let writer = Writer::new(KIND, LAYOUT).section("parameters", Placement::Plain, &parameters);
        add_shape(writer, &self.shape)
            .section("to-centre", Placement::Hot, &self.space.to_centre)
            .section("radii", Placement::Hot, &self.space.radii)
            .save(path)?;
        Ok(())
    }

    /// Opens a file that [`save`](Self::save) wrote, for the `items` that were in the tree, by ascending id, and their
    /// metric. As [`open_measuring`](Self::open_measuring) with 64 points.
    ///
    /// # Errors
    /// As there.
    pub fn open(path: &Path, items: Vec<P>, metric: M) -> Result<Self, Error> {
        Self::open_measuring(path, items, metric, SAMPLE)
    }

    /// As [`open`](Self::open), measuring `points` of the items, spread evenly over the tree, against all the centres
    /// above them: `points` times the depth distances, within the metric's
    /// [`rounding`](Metric::rounding). If all are measured (`usize::MAX`) and the metric is one, no search can miss a
    /// neighbour; a sample finds items in another order or under another metric, but not a single wrong one.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be read, is damaged, of another kind or version, or holds what is no tree;
    /// [`Error::Length`] if there are not as many items; [`Error::OtherItems`] if a distance is not that of the
    /// file; [`Error::Metric`].
    pub fn open_measuring(path: &Path, items: Vec<P>, metric: M, points: usize) -> Result<Self, Error> {
        let file = Container::open(path, KIND)?;
        file.expect_layout(&[LAYOUT])?;
        let parameters = file.value::<Parameters>("parameters")?;
        let refuse = |section: &str, index, reason| {
            Error::from(file.invalid(section, layouts::Error::Invariant { structure: "tree", index, reason }))
        };
        let leaf = parameters.leaf as usize;
        if leaf == 0 || leaf > 1 << 16 {
            return Err(refuse("parameters", 0, "its leaf size is none"));
        }
        let Parameters { points: len, root, next_id, .. } = parameters;
        let shape = read_shape(&file, len, root, next_id, true)?;
        if shape.ids.len() != shape.len {
            return Err(refuse("ids", shape.ids.len(), "it does not hold an id for each point"));
        }
        shape.validate(Items::<P, M>::LANES).map_err(|error| file.invalid("children", error))?;
        let to_centre = file.section::<f64>("to-centre")?.to_vec();
        if to_centre.len() != shape.len {
            return Err(refuse("to-centre", to_centre.len(), "it does not hold a distance for each point"));
        }
        let radii = file.section::<f64>("radii")?.to_vec();
        if radii.len() != shape.children.len() {
            return Err(refuse("radii", radii.len(), "it does not hold a radius for each child"));
        }
        for (section, distances) in [("to-centre", &to_centre), ("radii", &radii)] {
            if let Some(index) = distances.iter().position(|&distance| distance.is_nan() || distance < 0.0) {
                return Err(refuse(section, index, "a distance is NaN or negative"));
            }
        }
        let blocks = shape.leaves.iter().map(|leaf| leaf.range());
        let blocks = blocks.chain((0..shape.nodes.len() as u32).map(|node| shape.centres(node)));
        for slots in blocks {
            if !to_centre[slots.clone()].is_sorted() {
                return Err(refuse("to-centre", slots.start, "a block is not sorted by it"));
            }
        }
        if items.len() != shape.len {
            let expected = format!("{}, the points of the file", shape.len);
            return Err(Error::Length { argument: "items", expected, actual: items.len() });
        }
        let space = Items { metric, points: in_slots(items, &shape.ids), to_centre, radii };
        space.measure_some(&shape, points)?;
        let options = BuildOptions::new().leaf(leaf);
        Ok(CoverTree { space, shape, state: next_state(), options })
    }
}

/// Items by ascending id, into the slots of their ids.
fn in_slots<P>(items: Vec<P>, ids: &[u32]) -> Vec<P> {
    let mut slots: Vec<u32> = (0..ids.len() as u32).collect();
    slots.sort_unstable_by_key(|&slot| ids[slot as usize]);
    let mut placed: Vec<(u32, P)> = slots.into_iter().zip(items).collect();
    placed.sort_unstable_by_key(|&(slot, _)| slot);
    placed.into_iter().map(|(_, item)| item).collect()
}

impl<P: Send + Sync, M: Metric<P>> Items<P, M> {
    /// Measures `count` of the points against the centres above them.
    fn measure_some(&self, shape: &Shape, count: usize) -> Result<(), Error> {
        // The child that holds each leaf and inner node: sixteen times its parent, and its number.
        let (mut above_leaf, mut above_node) =
            (vec![None; shape.leaves.len()], vec![None; shape.nodes.len()]);
        for (place, &code) in shape.children.iter().enumerate() {
            match Reference::decode(code) {
                Reference::Empty => {}
                Reference::Leaf(leaf) => above_leaf[leaf as usize] = Some(place),
                Reference::Inner(inner) => above_node[inner as usize] = Some(place),
            }
        }
        let mut above = vec![None; shape.len];
        for (leaf, &place) in shape.leaves.iter().zip(&above_leaf) {
            above[leaf.range()].fill(place);
        }
        for (node, &place) in (0..).zip(&above_node) {
            above[shape.centres(node)].fill(place);
        }
        let count = count.min(shape.len);
        for slot in (0..count).map(|at| (at as u128 * shape.len as u128 / count as u128) as usize) {
            let mut next = above[slot];
            let mut own = true;
            while let Some(place) = next {
                let (node, child) = (place / FANOUT, place % FANOUT);
                let centre = shape.centres(node as u32).start + child;
                let measured = self.metric.distance(&self.points[centre], &self.points[slot]);
                if measured.is_nan() || measured < 0.0 {
                    return Err(Error::Metric { value: measured });
                }
                let rounding = |stored: f64| 2.0 * self.metric.rounding() * (measured + stored);
                let (stored, radius) = (self.to_centre[slot], self.radii[place]);
                if own && measured != stored && (measured - stored).abs() > rounding(stored) {
                    return Err(Error::OtherItems { id: shape.ids[slot], stored, measured });
                }
                if measured > radius && measured - radius > rounding(radius) {
                    return Err(Error::OtherItems { id: shape.ids[slot], stored: radius, measured });
                }
                own = false;
                next = above_node[node];
            }
        }
        Ok(())
    }
}
