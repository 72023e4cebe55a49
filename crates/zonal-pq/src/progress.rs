//! Counts the stages of a build for whoever listens.

use std::ops::ControlFlow;

use hnsw::Progress;

use crate::Error;

/// Where a build is.
pub(crate) struct Stages<'a> {
    progress: &'a dyn Progress,
    done: usize,
    total: usize,
}

impl<'a> Stages<'a> {
    pub(crate) fn new(progress: &'a dyn Progress, total: usize) -> Self {
        Self { progress, done: 0, total }
    }

    pub(crate) fn begin(&mut self, name: &'static str) -> Result<(), Error> {
        match self.progress.stage(name, self.done, self.total) {
            ControlFlow::Continue(()) => {
                self.done += 1;
                Ok(())
            }
            ControlFlow::Break(()) => Err(Error::Cancelled),
        }
    }
}
