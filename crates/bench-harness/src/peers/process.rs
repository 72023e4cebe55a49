//! A peer's process: started, asked, and ended, whatever it does. Nothing here waits without a limit.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::message::{Answer, How, Ready, Request, Said, parse};
use super::{Limits, PeerCommand, PeerError};

/// Longest line that is read: latencies of some hundred thousand queries.
const LONGEST_LINE: u64 = 4 << 20;
/// What is kept of the standard error.
const LAST_WORDS: u64 = 4096;
/// How long a peer may take to end by itself.
const FAREWELL: Duration = Duration::from_secs(5);

/// The ids that were found, a list for every query.
type Found = Vec<Vec<u32>>;

/// What the thread that reads a peer's output has to say.
enum Heard {
    Line(String),
    TooLong,
    End,
}

/// Where a peer finds its data and leaves its answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    /// The folder with `base.npy` and `query.npy`.
    pub(super) folder: &'a Path,
    pub(super) metric: &'a str,
    pub(super) k: usize,
    pub(super) queries: usize,
    /// The core to be pinned to.
    pub(super) core: Option<usize>,
    /// The core to build on, where that is another one.
    pub(super) build_core: Option<usize>,
}

/// A peer whose index is built.
#[derive(Debug)]
pub(super) struct PeerProcess {
    child: Child,
    input: Option<ChildStdin>,
    output: Receiver<Heard>,
    log: PathBuf,
    ids: PathBuf,
    k: usize,
    queries: usize,
    limits: Limits,
    pub(super) ready: Ready,
}

impl std::fmt::Debug for Heard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Heard::Line(line) => write!(f, "line of {} bytes", line.len()),
            Heard::TooLong => f.write_str("too long"),
            Heard::End => f.write_str("end"),
        }
    }
}

impl PeerProcess {
    /// Starts a peer and waits for its index.
    pub(super) fn start(
        command: &PeerCommand,
        number: usize,
        place: Place<'_>,
        limits: Limits,
    ) -> Result<Self, PeerError> {
        let (log, ids) = (
            place.folder.join(format!("peer-{number}.log")),
            place.folder.join(format!("peer-{number}.ids")),
        );
        let errors = File::create(&log).map_err(|source| PeerError::io(&log, source))?;
        let mut process = Command::new(&command.program);
        process.args(&command.arguments).arg("--data").arg(place.folder).args(["--metric", place.metric]);
        process.args(["--k", &place.k.to_string()]).arg("--ids").arg(&ids);
        if let Some(core) = place.core {
            process.args(["--core", &core.to_string()]);
        }
        if let Some(core) = place.build_core.filter(|_| place.build_core != place.core) {
            process.args(["--build-core", &core.to_string()]);
        }
        process.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::from(errors));
        let start = |source| PeerError::Start { program: command.program.clone(), source };
        let mut child = process.spawn().map_err(start)?;
        let input = child.stdin.take();
        // Lines wait in the channel, so that a peer that talks without being asked cannot fill our memory.
        let (sender, output) = sync_channel(4);
        if let Some(stdout) = child.stdout.take() {
            std::thread::spawn(move || {
                let mut stdout = BufReader::new(stdout);
                while let Some(heard) = read_line(&mut stdout) {
                    if sender.send(heard).is_err() {
                        return;
                    }
                }
                let _ = sender.send(Heard::End);
            });
        }
        let (k, queries) = (place.k, place.queries);
        let mut peer = Self { child, input, output, log, ids, k, queries, limits, ready: Ready::default() };
        match peer.hear("building", limits.build)? {
            Said::Ready(ready) => peer.ready = ready,
            Said::Absent { reason } => return Err(PeerError::Absent { reason }),
            Said::Refused { reason } => return Err(PeerError::Refused { reason }),
            Said::Answer(_) => return Err(peer.garbled("an answer before the index", "out of turn")),
        }
        Ok(peer)
    }

    /// One pass over the queries (of `calls` only over the first `some`), and what was found where `save` asks
    /// for it: the ids of every query.
    pub(super) fn ask(
        &mut self,
        setting: &Value,
        (how, filter): (How, Option<&str>),
        (save, some): (bool, Option<usize>),
    ) -> Result<(Answer, Option<Found>), PeerError> {
        // What an earlier request left must not be taken for this one's answer.
        let _ = fs::remove_file(&self.ids);
        let mut line = serde_json::to_string(&Request { setting, how, save, queries: some, filter })
            .map_err(|error| PeerError::io(&self.log, error.into()))?;
        line.push('\n');
        let sent = match &mut self.input {
            Some(input) => input.write_all(line.as_bytes()).and_then(|()| input.flush()),
            None => Ok(()),
        };
        if sent.is_err() {
            return Err(self.died());
        }
        let answer = match self.hear("searching", self.limits.pass)? {
            Said::Answer(answer) => answer,
            Said::Refused { reason } => return Err(PeerError::Refused { reason }),
            other => return Err(self.garbled(&format!("{other:?}"), "out of turn")),
        };
        let expected = some.unwrap_or(self.queries).min(self.queries);
        if answer.queries != expected {
            return Err(PeerError::Answers { found: answer.queries, expected });
        }
        if how == How::Calls && answer.latencies_us.len() != answer.queries {
            return Err(PeerError::Answers { found: answer.latencies_us.len(), expected: answer.queries });
        }
        let found = if save { Some(self.found()?) } else { None };
        Ok((answer, found))
    }

    /// The ids that were written, an id named twice counted once, places that were not filled left out.
    fn found(&self) -> Result<Found, PeerError> {
        let bytes = fs::read(&self.ids).map_err(|source| PeerError::io(&self.ids, source))?;
        let (found, expected) = (bytes.len(), self.queries * self.k * 4);
        if found != expected {
            return Err(PeerError::Answers { found: found / (self.k * 4).max(1), expected: self.queries });
        }
        let row = |row: &[u8]| {
            let mut ids: Vec<u32> = Vec::with_capacity(self.k);
            for word in row.chunks_exact(4) {
                let id = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
                if id != u32::MAX && !ids.contains(&id) {
                    ids.push(id);
                }
            }
            ids
        };
        Ok(bytes.chunks_exact((self.k * 4).max(1)).map(row).collect())
    }

    fn hear(&mut self, what: &'static str, limit: Duration) -> Result<Said, PeerError> {
        match self.output.recv_timeout(limit) {
            Ok(Heard::Line(line)) => parse(&line).map_err(|why| self.garbled(&line, &why)),
            Ok(Heard::TooLong) => Err(self.garbled("a line without end", "too long")),
            Ok(Heard::End) | Err(RecvTimeoutError::Disconnected) => Err(self.died()),
            Err(RecvTimeoutError::Timeout) => {
                let _ = self.child.kill();
                Err(PeerError::Timeout { what, seconds: limit.as_secs_f64() })
            }
        }
    }

    fn garbled(&mut self, line: &str, why: &str) -> PeerError {
        let _ = self.child.kill();
        let line: String = line.trim_end().chars().take(80).collect();
        PeerError::Garbled { line, why: why.to_owned() }
    }

    /// How it ended, with the last line that it complained in.
    fn died(&mut self) -> PeerError {
        let status = match self.wait(FAREWELL) {
            Some(status) => status.to_string(),
            None => "closed its output".to_owned(),
        };
        let _ = self.child.kill();
        PeerError::Died { status, last_words: last_words(&self.log) }
    }

    fn wait(&mut self, limit: Duration) -> Option<std::process::ExitStatus> {
        let start = Instant::now();
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if start.elapsed() < limit => std::thread::sleep(Duration::from_millis(5)),
                _ => return None,
            }
        }
    }
}

impl Drop for PeerProcess {
    fn drop(&mut self) {
        // The end of its input asks it to end, which lets it remove its files; it is not asked twice.
        drop(self.input.take());
        if self.wait(FAREWELL).is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// The next line, or `None` at the end.
fn read_line(output: &mut impl BufRead) -> Option<Heard> {
    let mut line = Vec::new();
    let read = output.take(LONGEST_LINE).read_until(b'\n', &mut line).unwrap_or(0);
    match read as u64 {
        0 => None,
        LONGEST_LINE.. => Some(Heard::TooLong),
        _ => Some(Heard::Line(String::from_utf8_lossy(&line).into_owned())),
    }
}

/// The last line of a log that says anything.
fn last_words(log: &Path) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LAST_WORDS)))?;
        let mut bytes = Vec::new();
        file.take(LAST_WORDS).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    let line = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("");
    line.trim().chars().take(200).collect()
}
