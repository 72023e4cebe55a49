//! Other libraries, measured in the same run as ours, in turns.
//!
//! Every peer is a process of its own, pinned to the core that our single thread measures on: whoever is not asked
//! waits, so only one works at a time. All indexes are built first. Then, round by round, every search point of
//! every party is measured once, one party after the other, and which party begins changes with the round: what
//! disturbs the machine for a while disturbs all of them. The ids that a peer finds are judged by the code that
//! judges ours.
//!
//! Single queries are timed by the peer's batch call where that is a native loop over single queries, which spares
//! it the cost of Python; where it may share work among queries, each query is a Python call, and the batch call is
//! compared with our batches only.
//!
//! A peer that is not installed, refuses the data, dies, says nothing or talks nonsense is named in the notices of
//! the run with the reason, and the others go on.

mod data;
mod guest;
mod interleave;
mod lane;
mod message;
mod process;
pub mod standing;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) use guest::Guests;
pub(crate) use interleave::{Contender, Measured, interleave, turns};
pub use message::How;

/// How a peer's process is started. Arguments for data, metric, k, core and answers are added to these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerCommand {
    /// The name in records: `glass` is recorded as `peer:glass`.
    pub name: String,
    /// The program.
    pub program: PathBuf,
    /// Its first arguments.
    pub arguments: Vec<String>,
}

/// How long a peer may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// To load the data and build its index.
    pub build: Duration,
    /// For one pass over the queries.
    pub pass: Duration,
}

impl Default for Limits {
    /// Two hours to build, ten minutes to search.
    fn default() -> Self {
        Self { build: Duration::from_secs(7200), pass: Duration::from_secs(600) }
    }
}

/// The peers of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerSettings {
    /// The peers, in order.
    pub commands: Vec<PeerCommand>,
    /// Where a folder for their data is made; it is removed in the end.
    pub work: PathBuf,
    /// How long they may take.
    pub limits: Limits,
    /// How many build at a time, each on a core of its own (0 counts as 1, and no more than there are cores).
    pub builders: usize,
}

/// Why a peer is not, or no longer, measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PeerError {
    /// The process could not be started.
    #[error("cannot start {}: {source}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The library is not there.
    #[error("not installed: {reason}")]
    Absent {
        /// What is missing.
        reason: String,
    },
    /// The library does not take these data, parameters or this setting.
    #[error("refused: {reason}")]
    Refused {
        /// What the library said.
        reason: String,
    },
    /// The process ended, or closed its output.
    #[error("ended ({status}): {last_words}")]
    Died {
        /// How.
        status: String,
        /// The last line of its standard error.
        last_words: String,
    },
    /// It said what is no message.
    #[error("said {line:?}, which is no answer: {why}")]
    Garbled {
        /// The beginning of what it said.
        line: String,
        /// What is wrong with it.
        why: String,
    },
    /// It took too long and was ended.
    #[error("was ended: {what} took more than {seconds} s")]
    Timeout {
        /// `building` or `searching`.
        what: &'static str,
        /// The limit.
        seconds: f64,
    },
    /// Answers for another number of queries.
    #[error("answered {found} queries of {expected}")]
    Answers {
        /// Queries that were answered.
        found: usize,
        /// Queries that were asked.
        expected: usize,
    },
    /// An answer that cannot be judged.
    #[error("gave an answer that cannot be judged: {0}")]
    Judged(#[from] crate::recall::RecallError),
    /// A file that could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl PeerError {
    fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}

/// Why no peer can be compared with at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PeersError {
    /// The data could not be handed over.
    #[error("the peers' data: {0}")]
    Write(#[from] crate::write::WriteError),
    /// The data are of a kind that peers do not take.
    #[error("the peers' data: {0}")]
    Vectors(#[from] crate::vectors::VectorsError),
    /// No folder for the data.
    #[error("a folder for the peers' data in {}: {source}", path.display())]
    Folder {
        /// Where it should have been made.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Peers run on one thread, so do we.
    #[error("peers run on one thread: measure with one thread beside them, not {threads}")]
    Threads {
        /// Threads that were asked for.
        threads: usize,
    },
}
