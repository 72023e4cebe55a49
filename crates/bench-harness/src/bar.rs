//! Progress of long work as a bar on a terminal.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::progress::Progress;

/// One bar on the standard error, hidden when that is not a terminal.
#[derive(Debug)]
pub struct Bar {
    bar: ProgressBar,
}

impl Bar {
    /// A bar that appears with the first stage.
    pub fn new() -> Self {
        let target = if std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr_with_hz(10)
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        Self { bar }
    }

    /// Removes the bar, so that what is printed next starts on a clean line.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

impl Default for Bar {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress for Bar {
    fn start(&self, what: &str, total: u64) {
        let template = if total == 0 {
            "{spinner} {msg}  {elapsed}"
        } else {
            "{msg:40!} [{bar:30}] {pos}/{len}  {elapsed} (about {eta} left)"
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        self.bar.reset();
        self.bar.set_style(style.progress_chars("=> "));
        if total == 0 {
            self.bar.unset_length()
        } else {
            self.bar.set_length(total)
        }
        self.bar.set_message(what.to_owned());
        // A stage of counted steps is drawn when a step is done, between measurements: a ticking thread would
        // run beside what is being timed.
        if total == 0 {
            self.bar.enable_steady_tick(Duration::from_millis(200));
        }
    }

    fn advance(&self, steps: u64) {
        self.bar.inc(steps);
    }

    fn finish(&self) {
        self.bar.disable_steady_tick();
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_follow_one_another() {
        let bar = Bar::new();
        for total in [0, 10] {
            bar.start("stage", total);
            bar.advance(3);
            assert_eq!(bar.bar.position(), 3);
            bar.finish();
        }
        bar.clear();
    }
}
