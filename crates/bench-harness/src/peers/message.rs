//! What a peer's process and we say to each other: one JSON object a line.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How a peer is to search all queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// Its batch call, which is nothing but a native loop over single queries.
    Loop,
    /// Its batch call, which may share work among queries.
    Batch,
    /// One call of its Python interface a query.
    Calls,
}

impl How {
    /// As records and tables have it.
    pub const fn words(self) -> &'static str {
        match self {
            How::Loop => "native loop",
            How::Batch => "native batch",
            How::Calls => "Python calls",
        }
    }
}

/// A request for one pass over the queries.
#[derive(Debug, Serialize)]
pub(super) struct Request<'a> {
    pub(super) setting: &'a Value,
    pub(super) how: How,
    /// Whether the ids are to be written.
    pub(super) save: bool,
    /// Only the first so many queries (`calls` only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) queries: Option<usize>,
    /// Which filter of those that lie beside the data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) filter: Option<&'a str>,
}

/// What a peer says.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "said", rename_all = "lowercase")]
pub(super) enum Said {
    Ready(Ready),
    Answer(Answer),
    Absent { reason: String },
    Refused { reason: String },
}

/// A built index.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub(super) struct Ready {
    /// Name and version.
    pub(super) library: String,
    /// Build parameters.
    pub(super) params: String,
    /// What is searched: `f32`, `i8`, `sq4u+fp16`.
    pub(super) codes: String,
    pub(super) build_s: f64,
    #[serde(default)]
    pub(super) build_cpu_s: Option<f64>,
    pub(super) index_bytes: Option<u64>,
    #[serde(default)]
    pub(super) resident_bytes: Option<u64>,
    /// Whether its batch call is a loop over single queries.
    #[serde(rename = "loop")]
    pub(super) is_loop: bool,
    /// Search settings by rising effort, within each family.
    pub(super) grid: Vec<Value>,
    /// The curve that each setting lies on.
    pub(super) families: Vec<Value>,
    #[serde(default)]
    pub(super) notes: Vec<String>,
}

/// One pass over the queries.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub(super) struct Answer {
    pub(super) queries: usize,
    pub(super) seconds: f64,
    pub(super) cpu_seconds: f64,
    /// Of every query, where each was a call of its own.
    #[serde(default)]
    pub(super) latencies_us: Vec<f64>,
}

/// Reads a line, or says what is wrong with it.
pub(super) fn parse(line: &str) -> Result<Said, String> {
    let said: Said = serde_json::from_str(line).map_err(|error| error.to_string())?;
    // No figure that could make a speed of infinity or less than nothing gets past this place.
    match &said {
        Said::Ready(ready) if ready.grid.is_empty() => Err("no search settings".to_owned()),
        Said::Ready(ready) if ready.grid.len() != ready.families.len() => {
            Err(format!("{} settings but {} families", ready.grid.len(), ready.families.len()))
        }
        Said::Ready(ready) if ready.build_s < 0.0 => Err(format!("built in {} s", ready.build_s)),
        Said::Answer(answer) if answer.queries == 0 || answer.seconds <= 0.0 => {
            Err(format!("{} queries in {} s", answer.queries, answer.seconds))
        }
        Said::Answer(answer) if answer.latencies_us.iter().any(|&latency| latency < 0.0) => {
            Err("a latency below zero".to_owned())
        }
        _ => Ok(said),
    }
}

/// A setting as it is printed: `ef=64 over=2`.
pub(super) fn words(setting: &Value) -> String {
    match setting {
        Value::Object(fields) if fields.is_empty() => "-".to_owned(),
        Value::Object(fields) => {
            let words: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
            words.join(" ")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_says_is_understood() {
        let ready = r#"{"said": "ready", "library": "glass 2.1.0", "params": "R=32", "codes": "sq4u", "build_s": 1.5,
            "index_bytes": 7, "resident_bytes": 9, "loop": true, "grid": [{"ef": 10, "over": 1}], "families": [1],
            "notes": ["n"], "unknown": 3}"#;
        match parse(ready).unwrap() {
            Said::Ready(ready) => {
                assert!(ready.is_loop && ready.index_bytes == Some(7) && ready.build_cpu_s.is_none());
                assert_eq!(words(&ready.grid[0]), "ef=10 over=1");
            }
            other => panic!("{other:?}"),
        }
        let answer =
            parse(r#"{"said": "answer", "queries": 4, "seconds": 0.5, "cpu_seconds": 0.25}"#).unwrap();
        assert!(matches!(answer, Said::Answer(Answer { queries: 4, .. })), "{answer:?}");
        assert_eq!(
            parse(r#"{"said": "absent", "reason": "no module"}"#),
            Ok(Said::Absent { reason: "no module".into() })
        );
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for line in [
            "",
            "hello",
            "{}",
            "[]",
            r#"{"said": "hello"}"#,
            r#"{"said": "answer", "queries": 4, "seconds": 0, "cpu_seconds": 0}"#,
            r#"{"said": "answer", "queries": 4, "seconds": -1, "cpu_seconds": 0}"#,
            r#"{"said": "answer", "queries": 0, "seconds": 1, "cpu_seconds": 0}"#,
            r#"{"said": "answer", "queries": 4, "seconds": NaN, "cpu_seconds": 0}"#,
            r#"{"said": "answer", "queries": 4, "seconds": 1, "cpu_seconds": 0, "latencies_us": [-1]}"#,
            r#"{"said": "ready", "library": "l", "params": "-", "codes": "f32", "build_s": 1, "index_bytes": 1,
                "loop": true, "grid": [], "families": []}"#,
            r#"{"said": "ready", "library": "l", "params": "-", "codes": "f32", "build_s": 1, "index_bytes": 1,
                "loop": true, "grid": [{}], "families": []}"#,
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_request_is_one_line_that_names_what_is_wanted() {
        let setting = serde_json::json!({ "ef": 64 });
        let request = Request { setting: &setting, how: How::Loop, save: true, queries: None, filter: None };
        let line = serde_json::to_string(&request).unwrap();
        assert_eq!(line, r#"{"setting":{"ef":64},"how":"loop","save":true}"#);
    }
}
