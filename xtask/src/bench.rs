//! `cargo xtask bench`: from the command line to a table, `results.jsonl` and `report.html`.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use bench_harness::bar::Bar;
use bench_harness::baseline::Baseline;
use bench_harness::dataset::Metric;
use bench_harness::dtype::Dtype;
use bench_harness::engine::Suite;
use bench_harness::gate::{GateError, Rules};
use bench_harness::graph_engine::GraphSpec;
use bench_harness::open::{OpenOptions, open};
use bench_harness::peers::{Limits, PeerSettings};
use bench_harness::protocol::{Clock, Mode};
use bench_harness::record::{read_records, write_records};
use bench_harness::run::{Run, Settings};
use bench_harness::zonal_engine::ZonalSpec;
use bench_harness::{report, table};
use clap::{Args, ValueEnum};
use simd_kernels::{Kernels, Tier};

use crate::{gate, peers, say};

/// Queries of a set that are measured when nothing else is said.
const QUERIES: usize = 1000;

/// Generated sets of a quick run: integers, which `f32`, `f16`, `bf16` and `u8` hold exactly, and bits.
const QUICK: [&str; 2] = ["synth:sift?n=50000&q=200", "synth:bits?n=100000&d=256&q=200"];
/// Generated sets of a full run without `--dataset`.
const FULL: [&str; 3] = ["synth:sift?n=200000", "synth:clustered?n=100000&d=96", "synth:bits?n=500000&d=256"];

/// Measure speed and recall on generated or real data.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Offline on small generated sets, under a minute: several element types, fewer runs and kernels.
    #[arg(long)]
    quick: bool,
    /// What to measure, comma-separated: kernels, exact, covertree, hnsw, zonal-pq, or all that exist.
    #[arg(long, value_name = "SUITES", value_delimiter = ',', default_value = "all")]
    suite: Vec<String>,
    /// A name, folder, file, or generator such as `synth:clustered?n=100000&d=96`; repeatable.
    #[arg(long = "dataset", value_name = "NAME|DIR|FILE|synth:...")]
    datasets: Vec<String>,
    /// Of the covertree suite only the workloads whose names contain this; of the hnsw suite instead of the usual curve
    /// the case parts, filters, build, memory or churn; repeatable.
    #[arg(long = "case", value_name = "PART")]
    cases: Vec<String>,
    /// Neighbours of a query.
    #[arg(long, default_value_t = 10, value_parser = at_least_one)]
    k: usize,
    /// Threads: they share out a batch, and a single query where the index can.
    #[arg(long, default_value_t = 1, value_parser = at_least_one)]
    threads: usize,
    /// Runs, of which the best counts [default: 5, quick: 3].
    #[arg(long, value_parser = at_least_one)]
    runs: Option<usize>,
    /// One query per call, all queries in one call, or both (measured apart).
    #[arg(long, value_enum, default_value = "both")]
    mode: ModeArgument,
    /// Element types, comma-separated, or `all` [default: those that hold the data exactly, and f16].
    #[arg(long, value_name = "TYPES", value_delimiter = ',')]
    dtype: Vec<String>,
    /// Build parameters of the graph index, such as `degree=48,quality=max,storage=lines:2`; repeatable.
    #[arg(long = "graph", value_name = "SPEC")]
    graphs: Vec<GraphSpec>,
    /// Build parameters of the zonal index, such as `zones=1024,second=0.3,code=rabitq:1`; repeatable.
    #[arg(long = "zonal", value_name = "SPEC")]
    zonals: Vec<ZonalSpec>,
    /// The metric, where the set does not say it or another one is wanted.
    #[arg(long)]
    metric: Option<String>,
    /// Only the first N base vectors.
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    limit_base: Option<usize>,
    /// Only the first N queries.
    #[arg(long, value_name = "N", default_value_t = QUERIES, value_parser = at_least_one)]
    limit_queries: usize,
    /// The instruction-set tier to search with [default: what dispatch takes, see NIGH_SIMD].
    #[arg(long)]
    tier: Option<String>,
    /// Folder for results.jsonl and report.html.
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    out: PathBuf,
    /// Other libraries in turns with ours, comma-separated (`glass,hnswlib`, `glass:R=48`), or all that can be had;
    /// a first use installs them (NIGH_PEERS names another environment, see benches/peers/README.md).
    #[arg(long, value_name = "LIST", num_args = 0..=1, default_missing_value = "all")]
    peers: Option<String>,
    /// How many peers build at a time, each on a core of its own. They are measured one after the other all the same.
    #[arg(long, requires = "peers", value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    peer_builds: usize,
    /// What speeds are counted by: the time that passed, or (on a machine that other work shares) the time that the
    /// measuring thread had a core.
    /// [default: wall, gate: cpu]
    #[arg(long, value_enum)]
    clock: Option<ClockArgument>,
    /// An earlier results.jsonl: prints the ratio to it.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Ends with status 1 and a table if speed (over the machine's pace), recall or memory was lost since the
    /// baseline, or a case of it is missing. Measures small generated sets in five passes, by the CPU clock, unless
    /// something else is said.
    #[arg(long)]
    gate: bool,
    /// With --gate: this run is the first, there is nothing to compare it with.
    #[arg(long, requires = "gate", conflicts_with = "baseline")]
    first: bool,
    /// With --gate: the share of its speed below which nothing counts as lost.
    #[arg(long, requires = "gate", value_name = "SHARE", default_value_t = Rules::default().least_loss, value_parser = a_share)]
    least_loss: f64,
    /// With --gate: compares speeds over paces with a baseline of another CPU too.
    #[arg(long, requires = "gate")]
    across_cpus: bool,
    /// With --gate: sees that runs of unchanged code pass and that a planted lower tier does not.
    #[arg(long, requires = "gate", conflicts_with_all = ["baseline", "first"])]
    self_test: bool,
    /// With --gate: measures nothing but the cases of these records, for the gate that asks.
    #[arg(long, requires = "gate", value_name = "FILE", hide = true)]
    again: Option<PathBuf>,
    /// Runs of unchanged code in the self-test.
    #[arg(long, requires = "self_test", value_name = "N", default_value_t = 10, value_parser = at_least_one)]
    rounds: usize,
    /// Adds the records to those of the day and CPU under benches/records; with --gate they are a file of their own.
    #[arg(long)]
    records: bool,
    /// Leaves what every search point found in DIR too, as ann-benchmarks does in its folder `results`.
    #[arg(long, value_name = "DIR")]
    hdf5: Option<PathBuf>,
    /// At most N search points of an index, spread over its grid [default: all, gate: 4]. Few make no curve of zones, whose
    /// grid has two parameters.
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    points: Option<usize>,
    /// Measures everything N times from the start, apart in time; all runs count [default: 1, gate: 5].
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    passes: Option<usize>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ModeArgument {
    Single,
    Batch,
    Both,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ClockArgument {
    Wall,
    Cpu,
}

/// The command that did this, as it can be typed.
fn command(words: impl Iterator<Item = String>) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_=/.,:".contains(c);
    let quoted = |word: String| if word.chars().all(is_plain) { word } else { format!("'{word}'") };
    let words: Vec<String> = words.map(quoted).collect();
    format!("cargo xtask {}", words.join(" "))
}

fn a_share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..1.0).contains(&share) => Ok(share),
        _ => Err("must be at least 0 and less than 1".to_owned()),
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(error) => Err(error.to_string()),
    }
}

impl Arguments {
    /// What to measure, checked before anything slow begins.
    fn settings(&self) -> Result<Settings, Box<dyn Error>> {
        // Asked for even when `--tier` is given: a wrong NIGH_SIMD is an error, whatever else is said.
        let active = Kernels::active()?.tier();
        let tier = match &self.tier {
            Some(name) => name.parse::<Tier>()?,
            None => active,
        };
        if Kernels::for_tier(tier).is_none() {
            return Err(format!("this CPU cannot run the tier {tier} (it can run {active})").into());
        }
        let dtypes: Vec<Dtype> = match self.dtype.as_slice() {
            [all] if all == "all" => Dtype::ALL.to_vec(),
            names => names.iter().map(|name| name.parse()).collect::<Result<_, _>>()?,
        };
        let mut wanted = Vec::new();
        for suite in &self.suite {
            wanted.extend(suite.parse::<Suite>()?.resolve());
        }
        Ok(Settings {
            suites: Suite::BUILT.into_iter().filter(|suite| wanted.contains(suite)).collect(),
            k: self.k,
            threads: self.threads,
            runs: self.runs.unwrap_or(if self.is_quick() { 3 } else { 5 }),
            modes: match self.mode {
                ModeArgument::Single => vec![Mode::Single],
                ModeArgument::Batch => vec![Mode::Batch],
                ModeArgument::Both => vec![Mode::Single, Mode::Batch],
            },
            dtypes: (!dtypes.is_empty()).then_some(dtypes),
            tier,
            graphs: self.graphs.clone(),
            zonals: self.zonals.clone(),
            quick: self.is_quick(),
            clock: match self.clock {
                Some(ClockArgument::Wall) => Clock::Wall,
                Some(ClockArgument::Cpu) => Clock::Cpu,
                // Who gates a change rarely has a machine to himself.
                None if self.gate && self.threads == 1 => Clock::Cpu,
                None => Clock::Wall,
            },
            peers: None,
            cases: self.cases.clone(),
            passes: self.passes.unwrap_or(if self.gate { gate::PASSES } else { 1 }),
            points: self.points.or(self.gate.then_some(gate::POINTS)),
            gate: self.gate,
            wanted: None,
            hdf5: self.hdf5.clone(),
        })
    }

    fn is_quick(&self) -> bool {
        self.quick || self.gate
    }

    fn dataset_names(&self) -> Vec<String> {
        let unasked: &[&str] = match self.quick {
            _ if !self.datasets.is_empty() => return self.datasets.clone(),
            _ if self.gate => &gate::SETS,
            true => &QUICK,
            false => &FULL,
        };
        // Zones of bits were not asked for, and zones alone do not take them.
        let takes_bits = self.suite != [Suite::ZonalPq.name()];
        let taken = unasked.iter().filter(|name| takes_bits || !name.starts_with("synth:bits"));
        taken.map(|&name| name.to_owned()).collect()
    }
}

/// Runs the benchmark. What cannot be run as asked ends with status 2 and one line that says why, a loss that the gate
/// found with status 1.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    match bench(arguments, &mut |text| say::line(text)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say::warn(format_args!("error: {error}"));
            ExitCode::from(if error.is::<GateError>() { 1 } else { 2 })
        }
    }
}

/// The benchmark; `print` is given what is to be printed, a piece at a time.
fn bench(arguments: &Arguments, print: &mut dyn FnMut(&str)) -> Result<(), Box<dyn Error>> {
    let mut settings = arguments.settings()?;
    if arguments.gate && arguments.peers.is_some() {
        return Err("--gate judges ours alone: leave --peers out".into());
    }
    if arguments.self_test {
        return gate::self_test((arguments.rounds, arguments.least_loss), &arguments.out, print);
    }
    if arguments.gate && arguments.baseline.is_none() && !arguments.first {
        return Err(
            "--gate compares with --baseline FILE (a first run to compare with: --gate --first --records)"
                .into(),
        );
    }
    let metric = arguments.metric.as_deref().map(str::parse::<Metric>).transpose()?;
    let earlier = arguments.baseline.as_ref().map(|path| read_records(path)).transpose()?;
    let baseline = earlier.clone().zip(arguments.baseline.as_ref());
    let baseline = baseline.map(|(records, path)| (path.display().to_string(), Baseline::new(records)));
    std::fs::create_dir_all(&arguments.out)
        .map_err(|error| format!("cannot make the folder {}: {error}", arguments.out.display()))?;
    let bar = Bar::new();
    let (mut sets, mut notices) = (Vec::new(), Vec::new());
    if let Some(list) = &arguments.peers {
        if arguments.threads > 1 {
            return Err("peers run on one thread: leave --threads at 1 beside --peers".into());
        }
        let (commands, missing) = peers::commands(list).map_err(|error| error.to_string())?;
        notices.extend(missing);
        let work = arguments.out.canonicalize()?;
        settings.peers =
            Some(PeerSettings { commands, work, limits: Limits::default(), builders: arguments.peer_builds });
    }
    if settings.suites.iter().any(|suite| suite.takes_datasets()) {
        let options = OpenOptions {
            k: settings.k,
            limit_base: arguments.limit_base,
            limit_queries: Some(arguments.limit_queries),
            metric,
            progress: &bar,
            ..OpenOptions::from_env()
        };
        for name in arguments.dataset_names() {
            let opened = open(&name, &options)?;
            notices.extend(opened.notices);
            sets.push(opened.set);
        }
    }
    if let Some(asked) = &arguments.again {
        return gate::again(asked, &arguments.out, (&settings, &sets), &bar);
    }
    let mut run = Run::perform(&settings, &sets, &bar)?;
    bar.clear();
    notices.append(&mut run.notices);
    run.notices = notices;
    run.baseline = baseline;
    run.facts.push(("rerun", command(std::env::args().skip(1))));

    let (results, page) = (arguments.out.join("results.jsonl"), arguments.out.join("report.html"));
    write_records(&results, &run.records)?;
    let kept = arguments.records.then(|| gate::records_path(&run.machine, arguments.gate));
    if let Some(path) = &kept {
        gate::keep(path, &run.records, arguments.gate)?;
    }
    std::fs::write(&page, report::page(&run)).map_err(|error| format!("{}: {error}", page.display()))?;
    print(table::header(&run).trim_end());
    let is_index = |record: &bench_harness::record::Record| {
        matches!(record.suite.as_str(), "exact" | "hnsw" | "zonal-pq") && record.case.is_none()
    };
    if run.records.iter().any(is_index) {
        print(&format!("\n{}", table::indexes(&run)));
    }
    if let Some(cases) = table::cases(&run) {
        print(&format!("\n{cases}"));
    }
    if let Some(peers) = table::peers(&run) {
        print(&format!("\n{peers}"));
    }
    if let Some(covertree) = table::covertree(&run) {
        print(&format!("\n{covertree}"));
    }
    if let Some(kernels) = table::kernels(&run) {
        print(&format!("\n{kernels}"));
    }
    if let Some((name, _)) = &run.baseline {
        print(&format!("\nbaseline: {name}; ~ is within the spread of the runs: no change"));
    }
    for notice in &run.notices {
        print(&format!("note: {notice}"));
    }
    print(&format!("\nresults: {}   report: {}", results.display(), page.display()));
    if let Some(path) = kept {
        print(&format!("records: {}", path.display()));
    }
    // The program belongs to the records: a later run of the gate measures beside it what seems lost.
    let leave = || {
        if arguments.gate {
            return gate::leave_program(&arguments.out);
        }
        gate::remove_program(&arguments.out);
        Ok(())
    };
    match earlier.filter(|_| arguments.gate) {
        Some(earlier) => {
            let rules = Rules {
                least_loss: arguments.least_loss,
                across_cpus: arguments.across_cpus,
                ..Rules::default()
            };
            let file = arguments.baseline.as_deref().unwrap_or(&results);
            let judgement = gate::judged((&earlier, file), &run, &rules, (&arguments.out, &bar))?;
            leave()?;
            gate::tell(&judgement, &arguments.out, print)
        }
        None => leave(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        bench: Arguments,
    }

    fn parse(arguments: &str) -> Result<Arguments, String> {
        let words = std::iter::once("bench").chain(arguments.split_whitespace());
        Command::try_parse_from(words).map(|command| command.bench).map_err(|error| error.to_string())
    }

    fn refusal(arguments: &str) -> String {
        match parse(arguments) {
            Ok(parsed) => bench(&parsed, &mut |_| ()).unwrap_err().to_string(),
            Err(error) => error,
        }
    }

    #[test]
    fn defaults_are_those_of_the_protocol() {
        let settings = parse("").unwrap().settings().unwrap();
        assert_eq!((settings.k, settings.threads, settings.runs), (10, 1, 5));
        assert_eq!(settings.modes, [Mode::Single, Mode::Batch]);
        assert_eq!(settings.suites, Suite::BUILT);
        let several = parse("--dtype f32,u8 --mode batch --runs 2 --suite exact --quick").unwrap();
        let settings = several.settings().unwrap();
        assert_eq!(settings.dtypes, Some(vec![Dtype::F32, Dtype::U8]));
        assert_eq!((settings.runs, settings.suites), (2, vec![Suite::Exact]));
        let engines = parse("--suite zonal-pq,hnsw").unwrap().settings().unwrap().suites;
        assert_eq!(engines, [Suite::Hnsw, Suite::ZonalPq]);
    }

    #[test]
    fn the_command_can_be_typed_again() {
        let words = ["bench", "--dataset", "synth:sift?n=9&q=2", "--k", "1"].map(str::to_owned);
        assert_eq!(command(words.into_iter()), "cargo xtask bench --dataset 'synth:sift?n=9&q=2' --k 1");
    }

    #[test]
    fn the_gate_has_defaults_of_its_own() {
        let settings = parse("--gate --first").unwrap().settings().unwrap();
        assert_eq!((settings.passes, settings.points, settings.clock), (5, Some(4), Clock::Cpu));
        assert!(settings.quick && settings.gate);
        let settings =
            parse("--gate --first --clock wall --points 9 --passes 1").unwrap().settings().unwrap();
        assert_eq!((settings.passes, settings.points, settings.clock), (1, Some(9), Clock::Wall));
        assert_eq!(parse("--gate --first").unwrap().dataset_names(), gate::SETS);
        for unasked in ["", "--quick", "--gate --first"] {
            let names = parse(&format!("--suite zonal-pq {unasked}")).unwrap().dataset_names();
            assert!(!names.is_empty() && names.iter().all(|name| !name.contains("bits")), "{names:?}");
        }
        let asked = parse("--suite zonal-pq --dataset synth:bits?n=9").unwrap().dataset_names();
        assert_eq!(asked, ["synth:bits?n=9"], "what is asked for is tried, and refused in words");
    }

    #[test]
    fn peers_are_all_or_those_that_are_named() {
        assert_eq!(parse("--peers --suite exact").unwrap().peers.as_deref(), Some("all"));
        assert_eq!(parse("--peers glass,hnswlib").unwrap().peers.as_deref(), Some("glass,hnswlib"));
        assert_eq!(parse("").unwrap().peers, None);
    }

    #[test]
    fn what_is_wrong_is_said_in_words() {
        for (arguments, words) in [
            ("--suite zonal-pq --zonal zones=many", "zones=many"),
            ("--suite hnsw --graph degree=many", "degree=many"),
            ("--suite covertree --case nonsense", "gp-gold"),
            ("--suite hnsw --case nonsense --dataset synth:uniform?n=9&d=2&q=1 --k 1", "churn"),
            ("--suite nonsense", "zonal-pq"),
            ("--tier nonsense", "baseline"),
            ("--tier neonx", "unknown SIMD tier"),
            ("--dtype f23", "f23"),
            ("--k 0", "at least 1"),
            ("--threads none", "invalid digit"),
            ("--runs 0", "at least 1"),
            ("--mode both,single", "possible values"),
            ("--metric manhatten --suite exact", "manhatten"),
            ("--baseline /nowhere/results.jsonl", "/nowhere/results.jsonl"),
            ("--peers --threads 2", "one thread"),
            ("--clock sundial", "possible values"),
            ("--gate", "--baseline"),
            ("--gate --baseline /nowhere/results.jsonl", "/nowhere/results.jsonl"),
            ("--gate --first --peers", "ours alone"),
            ("--first", "--gate"),
            ("--rounds 3", "--self-test"),
            ("--gate --first --least-loss 1.5", "less than 1"),
            ("--gate --first --passes 0", "at least 1"),
        ] {
            let message = refusal(arguments);
            assert!(message.contains(words), "{arguments}: {message}");
        }
    }

    #[test]
    fn a_data_set_that_does_not_exist_is_named_with_the_places_that_were_searched() {
        let out = std::env::temp_dir().join(format!("nigh-bench-{}", std::process::id()));
        let message =
            refusal(&format!("--suite exact --dataset nothing-of-this-name --out {}", out.display()));
        std::fs::remove_dir_all(&out).unwrap();
        assert!(message.contains("nothing-of-this-name") && message.contains("looked for"), "{message}");
    }
}
