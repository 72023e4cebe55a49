//! Exact nearest neighbours in metric spaces: a compressed cover tree over blocks.
//!
//! | points | tree | metric |
//! |---|---|---|
//! | rows of `f32` or `f64` | [`VectorTree`] | [`VectorMetric`]: L2, L1, angular, great circle |
//! | values of any type | [`ItemTree`] | yours: a closure, or a [`Metric`] |
//!
//! Both answer the same questions with the same calls: the k nearest, all within a radius, both at once, among
//! predecessors only, among the ids that a [`Filter`] lets pass ([`Search`]); one at a time ([`CoverTree::search`]),
//! in batches ([`CoverTree::search_batch`]), or for all points of the tree ([`CoverTree::all_nearest`],
//! [`CoverTree::all_predecessors`]). Points come and go in batches (`insert`, `remove`); trees on rows are saved and
//! mapped (`save`, `open`); of trees on values the shape is saved, and the values are given back when it is opened.
//!
//! # The nearest stations for a table of coordinates
//!
//! ```
//! use covertree::{Search, VectorMetric, VectorTree};
//!
//! let stations = ["Paris", "London", "Madrid", "Suva", "Apia"];
//! #[rustfmt::skip]
//! let places = [ // latitude, longitude
//!     48.8566, 2.3522,   51.5074, -0.1278,   40.4168, -3.7038,   -18.1416, 178.4419,   -13.8333, -171.7667,
//! ];
//! let tree = VectorTree::from_rows(&places, 2, VectorMetric::EARTH_KM)?;
//!
//! let table = [50.63, 3.06, -17.0, -179.5]; // Lille, and a ship beyond the date line
//! let nearest = tree.search_batch(&table, &Search::nearest(2))?;
//! let names = |query| nearest.of(query).iter().map(|found| stations[found.id as usize]).collect::<Vec<_>>();
//! assert_eq!((names(0), names(1)), (vec!["Paris", "London"], vec!["Suva", "Apia"]));
//! assert_eq!(nearest.of(0)[0].distance as u32, 203); // kilometres
//! # Ok::<(), covertree::Error>(())
//! ```
//!
//! # A metric of your own
//!
//! ```
//! use covertree::{CoverTree, Search, Searcher, Traversal};
//!
//! /// The edit distance of Levenshtein.
//! fn edits(a: &String, b: &String) -> f64 {
//!     let mut row: Vec<usize> = (0..=b.chars().count()).collect();
//!     for (i, x) in a.chars().enumerate() {
//!         let mut corner = row[0];
//!         row[0] = i + 1;
//!         for (j, y) in b.chars().enumerate() {
//!             let replaced = corner + usize::from(x != y);
//!             corner = row[j + 1];
//!             row[j + 1] = replaced.min(corner + 1).min(row[j] + 1);
//!         }
//!     }
//!     row[row.len() - 1] as f64
//! }
//!
//! let words = ["cover", "tree", "metric", "ball", "radius", "leaf"].map(String::from).to_vec();
//! let tree = CoverTree::from_items(words, edits)?;
//! // An expensive metric: best first measures the fewest.
//! let search = Search::within(2.0).traversal(Traversal::BestFirst);
//! let mut searcher = Searcher::new();
//! let found = tree.search(&mut searcher, &"three".to_owned(), &search)?;
//! assert_eq!((found.len(), found[0].id, found[0].distance), (1, 1, 1.0));
//! println!("{} distances measured", searcher.certificate().distances);
//! # Ok::<(), covertree::Error>(())
//! ```
//!
//! # Results
//!
//! [`Neighbor`]s sorted by distance, ties by the lower id, exactly those of brute force: the k first by (what the
//! metric compares, id), whatever the order of search, the number of threads, or the CPU. What is compared of rows is
//! defined to the last bit ([`VectorMetric`]), so that ties, as on a grid, are ties. Each search leaves a
//! [`Certificate`]: how many distances it took, and whether it was exact. It always is, unless a budget was set.
//!
//! # How it works
//!
//! The tree has up to sixteen children a node and up to 32 points a leaf. It has no pointers and gathers nothing:
//! nodes, leaves and points lie in the order of the tree, so that the children of a node, and the points of a leaf,
//! are one block that is measured in one stream.
//!
//! Rows are bounded by boxes, values by balls. Balls are a cover tree's: a node's centres are points of the set, far
//! from one another (a greedy net, Gonzalez 1985), each covers what is below it within a stored radius, and each point
//! is stored once, at the highest level where it is a centre (the compression of Elkin and Kurlin 2023). Unlike in the
//! trees of Beygelzimer, Kakade and Langford (2006) the scale does not halve from level to level: a node takes the net
//! that sixteen children make, which is what a block can hold. So the invariants are
//!
//! - *nesting*: every point has one slot, and a centre is a point of the set;
//! - *covering*: everything below a child lies within its radius (after a build, exactly the greatest distance);
//! - *balance*: depth is logarithmic whatever the metric, since a child with more than three quarters of its node's
//!   points is cut into equal shells.
//!
//! A search that rules nothing out costs as many distances as brute force and little more; in 2 to about 10 dimensions
//! it is O(log n) nodes.
#![forbid(unsafe_code)]

pub mod ordering;
pub mod residual;

mod error;
mod filter;
mod metric;
mod parallel;
mod scalar;
mod search;
mod space;
mod tree;

pub use error::Error;
pub use filter::Filter;
pub use layouts::Neighbor;
pub use metric::Metric;
pub use scalar::Scalar;
pub use search::{Certificate, Search, Traversal};
pub use space::{Items, Space, VectorMetric, Vectors};
pub use tree::{BuildOptions, CoverTree, ItemTree, Neighbors, Searcher, VectorTree};

/// Fails to compile should a public type stop being shareable between threads.
const _: () = {
    const fn shareable<T: Send + Sync>() {}
    shareable::<VectorTree<f32>>();
    shareable::<ItemTree<String, fn(&String, &String) -> f64>>();
    shareable::<Searcher<Vectors<f64>>>();
    shareable::<Neighbors<f64>>();
    shareable::<Filter>();
    shareable::<Search<'_>>();
    shareable::<Certificate>();
    shareable::<Error>();
};
