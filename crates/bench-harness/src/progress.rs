//! Progress of long work: told to whoever shows it, who can also ask for an end.

/// Hears how far long work has come. Called from several threads.
pub trait Progress: Sync {
    /// A piece of work of `total` steps begins.
    fn start(&self, what: &str, total: u64);
    /// `steps` more are done.
    fn advance(&self, steps: u64);
    /// The piece of work has ended, done or not.
    fn finish(&self);
    /// Whether the work shall end early, with an error.
    fn is_cancelled(&self) -> bool {
        false
    }
}

/// Shows nothing and never cancels.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn start(&self, _what: &str, _total: u64) {}
    fn advance(&self, _steps: u64) {}
    fn finish(&self) {}
}
