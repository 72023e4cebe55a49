//! The cases of the `hnsw` suite beyond speed at recall: what the parts are worth, filters, builds, memory, change.
//!
//! `--case NAME` measures a case on every data set instead of the usual curve. Whatever is compared is built in the
//! same run and measured in turns, peers included; of every figure the recall is known.

mod churn;
mod filters;

use crate::dataset::Dataset;
use crate::engine::Engine;
use crate::graph_engine::{GraphEngine, GraphSpec};
use crate::peers::{Contender, Guests, turns};
use crate::progress::Progress;
use crate::protocol::{Clock, Mode, Threads, process_cpu_seconds};
use crate::record::Record;
use crate::reference::Pace;
use crate::run::{RunError, Settings, graph_dtype};

/// A case of the suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    /// Builds with one part changed, beside the default.
    Parts,
    /// Searches under filters, beside peers.
    Filters,
    /// Builds on two threads, beside peers, and the curves of what was built.
    Build,
    /// Bytes a vector by storage, beside peers.
    Memory,
    /// Turnover, and readers beside a writer.
    Churn,
}

impl Case {
    const ALL: [Case; 5] = [Case::Parts, Case::Filters, Case::Build, Case::Memory, Case::Churn];

    const fn name(self) -> &'static str {
        match self {
            Case::Parts => "parts",
            Case::Filters => "filters",
            Case::Build => "build",
            Case::Memory => "memory",
            Case::Churn => "churn",
        }
    }

    /// The cases of these names; those of other suites are passed over.
    pub(crate) fn asked(names: &[String]) -> Vec<Case> {
        Self::ALL.into_iter().filter(|case| names.iter().any(|name| name == case.name())).collect()
    }

    /// All names, for a message.
    pub(crate) fn names() -> String {
        Self::ALL.map(Case::name).join(", ")
    }
}

/// Threads of the case `build`: peers are to be given as many (`hnswlib:threads=2`).
const BUILD_THREADS: usize = 2;

/// Builds that differ from the default in one part.
const PARTS: [&str; 14] = [
    "-",
    "storage=full",
    "storage=bytes",
    "storage=bits",
    "storage=lines:1",
    "storage=lines:2",
    "storage=lines:3",
    "degree=16",
    "degree=48",
    "seeds=16",
    "seeds=1024",
    "reorder=off",
    "quality=fast",
    "quality=max",
];

/// Ways to store what a search walks by.
const STORAGES: [&str; 5] = ["-", "storage=full", "storage=bytes", "storage=lines:1", "storage=bits"];

/// What a case measured, and what a reader should know.
pub(crate) type Measured = (Vec<Record>, Vec<String>);

/// Measures one case on one data set.
pub(crate) fn measure(
    settings: &Settings,
    case: Case,
    dataset: &Dataset,
    threads: &Threads,
    progress: &dyn Progress,
) -> Result<Measured, RunError> {
    let specs = |texts: &[&str]| -> Vec<GraphSpec> {
        match settings.graphs.as_slice() {
            [] => texts.iter().filter_map(|text| text.parse().ok()).collect(),
            graphs => graphs.to_vec(),
        }
    };
    let (mut records, notices) = match case {
        Case::Parts => compared(settings, dataset, (&specs(&parts_of(dataset)), threads), threads, progress)?,
        Case::Memory => {
            let once = Settings { runs: 1, modes: vec![Mode::Single], ..settings.clone() };
            compared(&once, dataset, (&specs(&STORAGES), threads), threads, progress)?
        }
        Case::Build => {
            let builders = Threads::start(BUILD_THREADS)?;
            // Time that passed is what a caller waits for; what it cost stands beside it.
            let waited = Settings { modes: vec![Mode::Single], ..settings.clone() };
            compared(&waited, dataset, (&specs(&["-", "quality=fast"]), &builders), threads, progress)?
        }
        Case::Filters => filters::measure(settings, dataset, &specs(&["-"]), threads, progress)?,
        Case::Churn => churn::measure(settings, dataset, progress)?,
    };
    for record in &mut records {
        record.case = Some(case.name().to_owned());
    }
    Ok((records, notices))
}

/// Where a small set is scanned, what a walk would do as well.
fn parts_of(dataset: &Dataset) -> Vec<&'static str> {
    let mut parts = PARTS.to_vec();
    if dataset.base.len() * dataset.base.dim() <= 1 << 20 {
        parts.push("scan=off");
    }
    parts
}

/// Builds an index of each specification, on the threads that are given beside them, and lets the peers build theirs.
fn built(
    settings: &Settings,
    dataset: &Dataset,
    (specs, builders): (&[GraphSpec], &Threads),
    progress: &dyn Progress,
) -> Result<Vec<(Contender, Option<f64>)>, RunError> {
    let refuse = |error| RunError::Engine { dataset: dataset.name.clone(), error };
    let dtype = graph_dtype(settings, dataset);
    let searched = match dataset.base.dtype() == dtype {
        true => None,
        false => Some(converted(dataset, dtype)?),
    };
    specs
        .iter()
        .map(|spec| {
            let engine = GraphEngine::new(dtype, spec.clone());
            let set = searched.as_ref().unwrap_or(dataset);
            let (start, cpu) = (std::time::Instant::now(), process_cpu_seconds());
            let index = builders.pool().install(|| engine.build(set, progress)).map_err(refuse)?;
            let wall = start.elapsed().as_secs_f64();
            let cpu = process_cpu_seconds().zip(cpu).map(|(end, begin)| end - begin);
            let build_s = match (settings.clock, builders.count()) {
                (Clock::Cpu, 1) => cpu.unwrap_or(wall),
                _ => wall,
            };
            let (name, params) = (engine.name().to_owned(), engine.params());
            let suite = crate::engine::Suite::Hnsw;
            let (searched, pace) = (searched.clone(), Pace::default());
            let contender = Contender { suite, name, params, index, searched, build_s, pace };
            Ok((contender, cpu))
        })
        .collect()
}

fn converted(dataset: &Dataset, dtype: crate::dtype::Dtype) -> Result<Dataset, RunError> {
    let refuse = |error: crate::vectors::VectorsError| RunError::Engine {
        dataset: dataset.name.clone(),
        error: error.into(),
    };
    let base = dataset.base.convert(dtype).map_err(refuse)?.vectors;
    let queries = dataset.queries.convert(dtype).map_err(refuse)?.vectors;
    Ok(Dataset { base, queries, truth: None, ..dataset.clone() })
}

/// Builds and measures all of these, and the peers of the run, in turns.
fn compared(
    settings: &Settings,
    dataset: &Dataset,
    (specs, builders): (&[GraphSpec], &Threads),
    threads: &Threads,
    progress: &dyn Progress,
) -> Result<Measured, RunError> {
    let mut notices = Vec::new();
    let (contenders, cpu): (Vec<Contender>, Vec<Option<f64>>) =
        built(settings, dataset, (specs, builders), progress)?.into_iter().unzip();
    let mut guests = match &settings.peers {
        None => Guests::default(),
        Some(peers) => {
            let pinned = builders.count() == 1;
            Guests::invite((settings, peers), dataset, pinned, progress, &mut notices)?
        }
    };
    let outcome = turns(settings, (dataset, None), &contenders, &mut guests, threads, progress)?;
    let mut records = Vec::new();
    for found in &outcome.ours {
        let contender = &contenders[found.contender];
        let record = crate::run::record_of(contender, dataset, settings, found);
        records.push(Record { build_cpu_s: cpu[found.contender], ..record });
    }
    for mut record in outcome.peers {
        if builders.count() > 1 {
            record.build_s = guests.build_wall(&record.index).or(record.build_s);
        }
        records.push(record);
    }
    notices.extend(outcome.notices);
    Ok((records, notices))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_known_by_name_and_their_builds_can_be_read() {
        let names = ["churn".to_owned(), "gp-gold".to_owned(), "filters".to_owned()];
        assert_eq!(Case::asked(&names), [Case::Filters, Case::Churn]);
        assert_eq!(Case::asked(&["filter".to_owned()]), []);
        for text in PARTS.iter().chain(&STORAGES).chain(&["scan=off"]) {
            assert!(text.parse::<GraphSpec>().is_ok(), "{text}");
        }
    }
}
