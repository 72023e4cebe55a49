//! What a run is to measure, and how.

use std::path::PathBuf;

use simd_kernels::Tier;

use crate::dtype::Dtype;
use crate::engine::Suite;
use crate::gate::Wanted;
use crate::graph_engine::GraphSpec;
use crate::peers::PeerSettings;
use crate::protocol::{Clock, Mode};
use crate::record::Record;
use crate::zonal_engine::ZonalSpec;

/// What to measure.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The suites, in order.
    pub suites: Vec<Suite>,
    /// Neighbours of a query.
    pub k: usize,
    /// Threads.
    pub threads: usize,
    /// Runs, of which the best counts.
    pub runs: usize,
    /// Single queries, batches or both.
    pub modes: Vec<Mode>,
    /// Element types; `None` takes those that hold the data exactly, and `f16`.
    pub dtypes: Option<Vec<Dtype>>,
    /// The tier that searches, and the highest that the kernel suite measures.
    pub tier: Tier,
    /// Build parameters of the graph index, each an index of its own; none is the default alone.
    pub graphs: Vec<GraphSpec>,
    /// Those of the zonal index, likewise.
    pub zonals: Vec<ZonalSpec>,
    /// Fewer dimensions and rounds of kernels, small workloads of the covertree suite.
    pub quick: bool,
    /// Workloads of the covertree suite: those whose names contain one of these, or all; cases of the hnsw suite.
    pub cases: Vec<String>,
    /// What speeds are counted by; anything but the time that passed needs a single thread.
    pub clock: Clock,
    /// Other libraries that take turns with ours.
    pub peers: Option<PeerSettings>,
    /// How often everything is measured from the start, apart in time, all runs counting; at least once.
    pub passes: usize,
    /// At most so many search points of an index, spread over its grid.
    pub points: Option<usize>,
    /// What the gate compares: of kernels only the lowest and the highest tier, and building as records of its own.
    pub gate: bool,
    /// Only these cases.
    pub wanted: Option<Wanted>,
    /// A folder for results in the layout of ann-benchmarks: what every search point found.
    pub hdf5: Option<PathBuf>,
}

impl Settings {
    /// Whether what this record (which need not have been measured yet) is about is to be measured.
    pub(crate) fn is_wanted(&self, record: &Record) -> bool {
        self.wanted.as_ref().is_none_or(|wanted| wanted.has(record))
    }
}

impl Default for Settings {
    /// No suite, and of everything else what `cargo xtask bench` does unasked, on the tier that every CPU has.
    fn default() -> Self {
        Self {
            suites: Vec::new(),
            k: 10,
            threads: 1,
            runs: 5,
            modes: vec![Mode::Single, Mode::Batch],
            dtypes: None,
            tier: Tier::Baseline,
            graphs: Vec::new(),
            zonals: Vec::new(),
            quick: false,
            cases: Vec::new(),
            clock: Clock::Wall,
            peers: None,
            passes: 1,
            points: None,
            gate: false,
            wanted: None,
            hdf5: None,
        }
    }
}
