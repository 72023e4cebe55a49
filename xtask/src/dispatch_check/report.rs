//! What the proofs found, as a table for people and as JSON for programs.

use comfy_table::{Table, presets::UTF8_BORDERS_ONLY};
use serde::Serialize;

use crate::process::Outcome;
use crate::say;

/// One thing that is not as it should be.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Violation {
    /// What sort of fault it is; the self-test looks for these.
    pub(crate) kind: &'static str,
    /// Where: a kernel and a tier, a CPU, a build.
    pub(crate) place: String,
    /// What was found, and what was expected.
    pub(crate) found: String,
}

/// The outcome of one proof.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Proof {
    pub(crate) title: &'static str,
    /// In one line, what was looked at.
    pub(crate) summary: String,
    /// Column names and rows of the overview.
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
    /// Every single finding, shown on request.
    pub(crate) details: Vec<String>,
    pub(crate) violations: Vec<Violation>,
    /// What could not be looked at here, and why.
    pub(crate) not_run: Vec<String>,
}

impl Proof {
    pub(crate) fn new(title: &'static str) -> Self {
        Self {
            title,
            summary: String::new(),
            columns: Vec::new(),
            rows: Vec::new(),
            details: Vec::new(),
            violations: Vec::new(),
            not_run: Vec::new(),
        }
    }

    pub(crate) fn violation(
        &mut self,
        kind: &'static str,
        place: impl Into<String>,
        found: impl Into<String>,
    ) {
        self.violations.push(Violation { kind, place: place.into(), found: found.into() });
    }

    /// What could not be run is a fault where everything is required.
    pub(crate) fn require_all(&mut self) {
        for missing in std::mem::take(&mut self.not_run) {
            self.violation("not run", "NIGH_REQUIRE_TIERS=all", missing);
        }
    }

    fn mark(&self) -> &'static str {
        match (self.violations.is_empty(), self.not_run.is_empty()) {
            (false, _) => "FAILED",
            (true, true) => "holds",
            (true, false) => "holds, in part not run",
        }
    }

    /// Prints the proof.
    pub(crate) fn print(&self, verbose: bool) {
        say::line(format!("\n{}: {} ({})", self.title, self.mark(), self.summary));
        if !self.rows.is_empty() {
            let mut table = Table::new();
            table.load_style(UTF8_BORDERS_ONLY);
            table.set_header(&self.columns);
            for row in &self.rows {
                table.add_row(row);
            }
            say::line(table);
        }
        if verbose {
            self.details.iter().for_each(say::line);
        }
        for missing in &self.not_run {
            say::line(format!("  not run: {missing}"));
        }
        for Violation { kind, place, found } in &self.violations {
            say::line(format!("  VIOLATION [{kind}] {place}: {found}"));
        }
    }
}

/// Prints all proofs and comes to an error if one failed.
pub(crate) fn conclude(proofs: &[Proof], json: bool, verbose: bool) -> Outcome<()> {
    let violations: usize = proofs.iter().map(|proof| proof.violations.len()).sum();
    let held = proofs.iter().filter(|proof| proof.violations.is_empty()).count();
    if json {
        say::line(serde_json::to_string_pretty(proofs)?);
    } else {
        proofs.iter().for_each(|proof| proof.print(verbose));
        say::line(format!("\n{held} passed, {} failed", proofs.len() - held));
    }
    if violations == 0 { Ok(()) } else { Err(format!("dispatch-check found {violations} violations").into()) }
}
