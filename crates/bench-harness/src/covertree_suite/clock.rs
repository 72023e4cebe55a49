//! What the suite's speeds are counted by.
//!
//! One thread is counted by the time that it had a core: the suite has contenders whose calls take a hundred times
//! as long as others', and on a shared machine the time that passed would measure the neighbours. Several threads
//! are counted by the time that passed.

use std::time::Instant;

use crate::protocol::{Clock as Kind, Threads, cpu_seconds};

/// A running clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    start: Instant,
    cpu: Option<f64>,
}

impl Clock {
    /// Starts now, on the thread that does the work.
    pub(super) fn start(threads: &Threads) -> Self {
        Self { cpu: cpu_seconds().filter(|_| threads.count() == 1), start: Instant::now() }
    }

    /// Seconds since the start.
    pub(super) fn seconds(self) -> f64 {
        match self.cpu.and_then(|start| Some(cpu_seconds()? - start)) {
            Some(seconds) => seconds,
            None => self.start.elapsed().as_secs_f64(),
        }
    }

    /// What it counts.
    pub(super) fn kind(threads: &Threads) -> Kind {
        if threads.count() == 1 && cpu_seconds().is_some() { Kind::Cpu } else { Kind::Wall }
    }

    /// The clock's name in records.
    pub(super) fn name(threads: &Threads) -> Option<String> {
        (Self::kind(threads) == Kind::Cpu).then(|| Kind::Cpu.name().to_owned())
    }
}
