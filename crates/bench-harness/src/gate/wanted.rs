//! What a record measured, apart from what came of it; and which of that is wanted.

use std::collections::BTreeSet;
use std::fmt;

use crate::record::Record;

/// What must be equal for two records to measure the same thing. The tier is no part of it: it may be just what made
/// the difference.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Case {
    names: [String; 8],
    numbers: [usize; 4],
    case: Option<String>,
}

impl Case {
    pub(super) fn of(record: &Record) -> Self {
        let names = [
            &record.suite,
            &record.dataset,
            &record.index,
            &record.dtype,
            &record.build,
            &record.params,
            &record.mode,
            &record.metric,
        ];
        Self {
            names: names.map(Clone::clone),
            numbers: [record.n, record.dim, record.k, record.threads],
            case: record.case.clone(),
        }
    }

    pub(super) fn suite(&self) -> &str {
        &self.names[0]
    }

    /// The index that it is a search point of.
    pub(super) fn index_name(&self) -> String {
        let [suite, dataset, index, dtype, build, ..] = &self.names;
        let name = if index == suite { String::new() } else { format!(" {index}") };
        let build = if matches!(build.as_str(), "" | "-") { String::new() } else { format!(" {build}") };
        let case = self.case.as_ref().map(|case| format!(" {case}")).unwrap_or_default();
        format!("{suite}{name}{build} {dtype} {dataset}{case}")
    }

    fn is_point_of(&self, other: &Self) -> bool {
        self.names[..5] == other.names[..5]
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [suite, _, index, _, _, params, mode, _] = &self.names;
        let [_, dim, _, threads] = self.numbers;
        if suite == "kernels" {
            return write!(f, "kernels {index} dim {dim}, {mode}");
        }
        write!(f, "{} {mode}", self.index_name())?;
        if !matches!(params.as_str(), "" | "-") {
            write!(f, " {params}")?;
        }
        if threads > 1 { write!(f, " {threads} threads") } else { Ok(()) }
    }
}

/// Cases that are to be measured, the others left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    cases: BTreeSet<Case>,
}

impl FromIterator<Case> for Wanted {
    fn from_iter<I: IntoIterator<Item = Case>>(cases: I) -> Self {
        Self { cases: cases.into_iter().collect() }
    }
}

impl Wanted {
    /// The cases of these records.
    pub fn of(records: &[Record]) -> Self {
        records.iter().map(Case::of).collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.cases.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.cases.is_empty()
    }

    /// Whether what this record (which need not have been measured yet) is about is wanted.
    pub fn has(&self, record: &Record) -> bool {
        self.cases.contains(&Case::of(record))
    }

    /// Whether any search point of this record's index is wanted.
    pub fn has_index(&self, record: &Record) -> bool {
        let case = Case::of(record);
        self.cases.iter().any(|wanted| wanted.is_point_of(&case))
    }

    /// Whether anything of a suite on a data set is wanted.
    pub fn has_set(&self, suite: &str, dataset: &str) -> bool {
        self.cases.iter().any(|case| case.names[0] == suite && case.names[1] == dataset)
    }

    /// Whether anything of a suite is wanted.
    pub fn has_suite(&self, suite: &str) -> bool {
        self.cases.iter().any(|case| case.suite() == suite)
    }
}
