//! A Rust library as a peer: the protocol that the first lines of `serve.py` state, spoken by a program of its own.
//!
//! A peer implements [`Peer`] and calls [`serve`] in its `main`. Every search here is a native loop over single
//! queries in the peer's own process; the ids of a pass are collected in one buffer that is allocated beforehand.

mod data;
mod system;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

pub use data::Matrix;

/// Untimed searching before every timed pass: that of the harness's own protocol.
const WARM_UP: Duration = Duration::from_millis(300);
/// What stands where nothing was found.
const MISSING: u32 = u32::MAX;
/// Lengths of the list of candidates that all graphs are measured with.
const LENGTHS: [usize; 17] = [10, 12, 16, 20, 24, 32, 40, 56, 80, 112, 160, 224, 320, 448, 640, 900, 1300];

/// By what vectors are compared. `Angular` data come in at unit length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    Euclidean,
    Angular,
    InnerProduct,
}

/// Build parameters of a specification such as `hnsw_rs:M=16:efc=200`, each taken once.
#[derive(Debug, Default)]
pub struct Params {
    given: BTreeMap<String, String>,
    taken: Vec<String>,
}

impl Params {
    /// A parameter, or its default.
    pub fn take<T: std::str::FromStr + std::fmt::Display>(
        &mut self,
        name: &str,
        default: T,
    ) -> Result<T, String> {
        let value = match self.given.remove(name) {
            Some(text) => text.parse().map_err(|_| format!("{name}={text} is no value of this parameter"))?,
            None => default,
        };
        self.taken.push(format!("{name}={value}"));
        Ok(value)
    }

    fn of(spec: &str) -> Result<Self, String> {
        let pair = |word: &str| {
            let (name, value) =
                word.split_once('=').ok_or_else(|| format!("{word:?} is no parameter: name=value"))?;
            Ok((name.to_owned(), value.to_owned()))
        };
        let given =
            spec.split(':').filter(|word| !word.is_empty()).map(pair).collect::<Result<_, String>>()?;
        Ok(Self { given, taken: Vec::new() })
    }

    /// What was taken, for the records; an error if something was given that nobody took.
    fn words(self) -> Result<String, String> {
        let names = |words: &[String]| {
            words
                .iter()
                .map(|word| word.split('=').next().unwrap_or(word).to_owned())
                .collect::<Vec<_>>()
                .join(", ")
        };
        if !self.given.is_empty() {
            let unknown: Vec<String> = self.given.into_keys().collect();
            return Err(format!("unknown parameters {}; known: {}", unknown.join(", "), names(&self.taken)));
        }
        Ok(if self.taken.is_empty() { "-".to_owned() } else { self.taken.join(" ") })
    }
}

/// A library with its index built.
pub trait Peer: Sized {
    /// Builds an index of copies of the rows, on one thread. Parameters are taken before anything slow begins.
    fn build(base: &Matrix, metric: Metric, params: &mut Params) -> Result<Self, String>;

    /// What is searched.
    fn codes(&self) -> String {
        "f32".to_owned()
    }

    /// Search settings by rising effort: lists of candidates, unless the library says otherwise.
    fn grid(&self) -> Vec<Value> {
        LENGTHS.iter().map(|ef| json!({ "ef": ef })).collect()
    }

    /// Searches by this setting from now on; nothing of it is timed.
    fn apply(&mut self, setting: &Value, k: usize) -> Result<(), String>;

    /// Appends the ids of the k nearest rows, or of the k nearest among those whose byte in `allowed` is 1.
    fn search(
        &mut self,
        query: &[f32],
        k: usize,
        allowed: Option<&[u8]>,
        found: &mut Vec<u32>,
    ) -> Result<(), String>;

    /// Whether `search` takes a filter.
    const FILTERS: bool = false;

    /// The size of the index as the library saves it.
    fn index_bytes(&mut self, folder: &std::path::Path) -> Result<u64, String>;

    /// What a reader should know to judge the figures.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The list of candidates that a setting asks for, never shorter than k.
pub fn ef(setting: &Value, k: usize) -> Result<usize, String> {
    let ef = setting.get("ef").and_then(Value::as_u64).ok_or_else(|| format!("{setting} has no ef"))?;
    Ok((ef as usize).max(k))
}

/// The version of a library by the lock file that this program was built from.
fn version<'a>(lock: &'a str, library: &str) -> &'a str {
    let place = format!("name = \"{library}\"\nversion = \"");
    lock.split(&place).nth(1).and_then(|rest| rest.split('"').next()).unwrap_or("of unknown version")
}

#[derive(Debug, Default)]
struct Arguments {
    params: String,
    data: PathBuf,
    metric: String,
    k: usize,
    core: Option<usize>,
    build_core: Option<usize>,
    ids: PathBuf,
}

impl Arguments {
    fn read() -> Result<Self, String> {
        let mut all = std::env::args().skip(1);
        let spec = all.next().ok_or("the first argument is NAME or NAME:key=value")?;
        let params = spec.split_once(':').map_or("", |(_, rest)| rest).to_owned();
        let mut read = Self { params, ..Self::default() };
        while let Some(name) = all.next() {
            let value = all.next().ok_or_else(|| format!("{name} needs a value"))?;
            let number = || value.parse::<usize>().map_err(|_| format!("{name} {value} is no number"));
            match name.as_str() {
                "--data" => read.data = value.into(),
                "--metric" => read.metric = value,
                "--k" => read.k = number()?,
                "--core" => read.core = Some(number()?),
                "--build-core" => read.build_core = Some(number()?),
                "--ids" => read.ids = value.into(),
                _ => return Err(format!("unknown argument {name}")),
            }
        }
        if read.k == 0 { Err("--k must be at least 1".to_owned()) } else { Ok(read) }
    }

    fn metric(&self) -> Result<Metric, String> {
        match self.metric.as_str() {
            "euclidean" => Ok(Metric::Euclidean),
            "angular" => Ok(Metric::Angular),
            "ip" => Ok(Metric::InnerProduct),
            other => Err(format!("does not compare by {other}")),
        }
    }
}

/// Builds the peer and answers requests until the input ends. `lock` is the text of the program's lock file, `library`
/// the package in it that is measured.
pub fn serve<P: Peer>(library: &str, lock: &str) {
    // Whatever libraries print goes to the standard error: the standard output is ours.
    let mut out = system::private_output();
    let mut say = |message: Value| {
        let _ = writeln!(out, "{message}");
    };
    let refused = |reason: String| json!({ "said": "refused", "reason": reason });
    let (ready, mut session) = match Session::<P>::start(library, lock) {
        Ok(started) => started,
        Err(reason) => return say(refused(reason)),
    };
    say(ready);
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let request = serde_json::from_str(&line).map_err(|error| error.to_string());
        say(request.and_then(|request: Value| session.answer(&request)).unwrap_or_else(refused));
    }
}

/// A peer, its queries, and the clock.
struct Session<P> {
    peer: P,
    arguments: Arguments,
    count: usize,
    queries: Matrix,
    filter: Option<(String, Vec<u8>)>,
}

impl<P: Peer> Session<P> {
    fn start(library: &str, lock: &str) -> Result<(Value, Self), String> {
        let arguments = Arguments::read()?;
        let metric = arguments.metric()?;
        if let Some(core) = arguments.build_core.or(arguments.core) {
            system::pin_to(core);
        }
        let base = Matrix::read(&arguments.data.join("base.npy"))?;
        let queries = Matrix::read(&arguments.data.join("query.npy"))?;
        let mut params = Params::of(&arguments.params)?;
        system::settle();
        let (before, start, cpu) = (system::resident_bytes(), Instant::now(), system::cpu_seconds());
        let mut peer = P::build(&base, metric, &mut params)?;
        let (build_s, build_cpu_s) = (start.elapsed().as_secs_f64(), system::cpu_seconds() - cpu);
        system::settle();
        let grown = system::resident_bytes().saturating_sub(before);
        let count = base.rows();
        drop(base);
        if let Some(core) = arguments.core {
            system::pin_to(core);
        }
        let grid = peer.grid();
        let ready = json!({
            "said": "ready",
            "library": format!("{library} {}", version(lock, library)),
            "params": params.words()?,
            "codes": peer.codes(),
            "build_s": build_s,
            "build_cpu_s": build_cpu_s,
            "index_bytes": peer.index_bytes(&arguments.data)?,
            "resident_bytes": grown,
            "loop": true,
            "families": vec![0; grid.len()],
            "grid": grid,
            "notes": peer.notes(),
        });
        Ok((ready, Self { peer, arguments, count, queries, filter: None }))
    }

    fn answer(&mut self, request: &Value) -> Result<Value, String> {
        self.restrict(request.get("filter").and_then(Value::as_str))?;
        let k = self.arguments.k;
        self.peer.apply(request.get("setting").unwrap_or(&Value::Null), k)?;
        let is_calls = request.get("how").and_then(Value::as_str) == Some("calls");
        let wanted =
            request.get("queries").and_then(Value::as_u64).map_or(usize::MAX, |wanted| wanted as usize);
        let count = if is_calls { self.queries.rows().min(wanted) } else { self.queries.rows() };
        let allowed = self.filter.as_ref().map(|(_, allowed)| allowed.as_slice());

        let start = Instant::now();
        let mut found = Vec::with_capacity(count * k);
        for query in self.queries.iter().take(count) {
            self.peer.search(query, k, allowed, &mut found)?;
            if start.elapsed() > WARM_UP {
                break;
            }
        }
        found.clear();
        // Where each list ends: a peer may find fewer than k.
        let mut ends = Vec::with_capacity(count);
        let mut latencies_us = Vec::with_capacity(if is_calls { count } else { 0 });
        let (start, cpu) = (Instant::now(), system::cpu_seconds());
        for query in self.queries.iter().take(count) {
            if is_calls {
                let start = Instant::now();
                self.peer.search(query, k, allowed, &mut found)?;
                latencies_us.push(start.elapsed().as_secs_f64() * 1e6);
            } else {
                self.peer.search(query, k, allowed, &mut found)?;
            }
            ends.push(found.len());
        }
        let (seconds, cpu_seconds) = (start.elapsed().as_secs_f64(), system::cpu_seconds() - cpu);
        if request.get("save").and_then(Value::as_bool) == Some(true) {
            self.keep(&found, &ends)?;
        }
        Ok(json!({
            "said": "answer", "queries": count, "seconds": seconds, "cpu_seconds": cpu_seconds,
            "latencies_us": latencies_us,
        }))
    }

    fn restrict(&mut self, wanted: Option<&str>) -> Result<(), String> {
        if wanted == self.filter.as_ref().map(|(name, _)| name.as_str()) {
            return Ok(());
        }
        self.filter = None;
        let Some(name) = wanted else { return Ok(()) };
        if !P::FILTERS {
            return Err("takes no filters".to_owned());
        }
        let allowed = data::bytes(&self.arguments.data.join(format!("filter-{name}.npy")))?;
        if allowed.len() != self.count {
            return Err(format!("a filter of {} rows for {}", allowed.len(), self.count));
        }
        self.filter = Some((name.to_owned(), allowed));
        Ok(())
    }

    /// Writes k ids for every query.
    fn keep(&self, found: &[u32], ends: &[usize]) -> Result<(), String> {
        let k = self.arguments.k;
        let mut table = vec![MISSING; self.queries.rows() * k];
        let mut begin = 0;
        for (row, &end) in table.chunks_exact_mut(k).zip(ends) {
            let ids = found[begin..end].iter().filter(|&&id| (id as usize) < self.count);
            row.iter_mut().zip(ids).for_each(|(place, &id)| *place = id);
            begin = end;
        }
        let bytes: Vec<u8> = table.iter().flat_map(|id| id.to_le_bytes()).collect();
        let path = &self.arguments.ids;
        File::create(path)
            .and_then(|mut file| file.write_all(&bytes))
            .map_err(|error| format!("{}: {error}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_taken_once_and_none_is_overlooked() {
        let mut params = Params::of("M=24:efc=100").unwrap();
        assert_eq!((params.take("M", 16), params.take("seed", 1u64)), (Ok(24), Ok(1)));
        assert_eq!(params.words().unwrap_err(), "unknown parameters efc; known: M, seed");
        let mut params = Params::of("").unwrap();
        assert_eq!(params.take("M", 16), Ok(16));
        assert_eq!(params.words().unwrap(), "M=16");
        assert!(Params::of("M=x").unwrap().take("M", 16).is_err() && Params::of("M").is_err());
    }

    #[test]
    fn the_version_is_that_of_the_lock_file() {
        let lock = "[[package]]\nname = \"ab\"\nversion = \"1.0\"\n\n[[package]]\nname = \"a\"\nversion = \"2.1.0\"\n";
        assert_eq!((version(lock, "a"), version(lock, "c")), ("2.1.0", "of unknown version"));
    }
}
