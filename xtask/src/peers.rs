//! Where the peers of `cargo xtask bench --peers` come from: a private Python environment and the drivers in
//! `benches/peers`, and the programs there that hold a Rust library each.
//!
//! `NIGH_PEERS` names an environment; one that exists is used as it is, so that libraries that PyPI lacks can be put
//! into it. Otherwise one is made under the target folder. What cannot be installed there, and what of the programs
//! does not compile, is left out and named. A list of Rust peers needs no Python.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use bench_harness::peers::PeerCommand;
use serde::Deserialize;

use crate::process::{Outcome, capture, capture_any, cargo, root, shown, target};
use crate::say;

/// The variable that names another environment.
const VARIABLE: &str = "NIGH_PEERS";
/// In an environment of our own: the requirements it was made from.
const MARKER: &str = "nigh-requirements.txt";

/// The Rust peers: each a folder in `benches/peers` with a program `peer-NAME`.
const RUST: [&str; 4] = ["usearch-rust", "hnsw_rs", "instant-distance", "kiddo"];
/// The group of all of them.
const RUST_GROUP: &str = "rust";
/// Rust peers that are not graphs.
const TREES: [&str; 1] = ["kiddo"];

/// What `serve.py --list` says, and the Rust peers.
#[derive(Debug, Default, Deserialize)]
struct Catalogue {
    peers: Vec<String>,
    groups: BTreeMap<String, Vec<String>>,
}

impl Catalogue {
    /// With the Rust peers added to the names and to the groups that they belong to.
    fn with_rust(mut self) -> Self {
        let names: Vec<String> = RUST.map(str::to_owned).to_vec();
        let graphs = names.iter().filter(|name| !TREES.contains(&name.as_str())).cloned();
        self.groups.entry("graphs".to_owned()).or_default().extend(graphs);
        self.groups.entry("all".to_owned()).or_default().extend(names.iter().cloned());
        self.groups.insert(RUST_GROUP.to_owned(), names.clone());
        self.peers.extend(names);
        self
    }
}

/// The commands that start the peers of a list, and what could not be installed or built.
pub(crate) fn commands(list: &str) -> Outcome<(Vec<PeerCommand>, Vec<String>)> {
    let drivers = root().join("benches/peers");
    let server = drivers.join("serve.py");
    let (mut python, mut notices) = (PathBuf::new(), Vec::new());
    let mut catalogue = Catalogue::default();
    if !names(list).all(is_rust) {
        (python, notices) = environment(std::env::var_os(VARIABLE).map(PathBuf::from), &drivers)?;
        let text = capture(Command::new(&python).arg(&server).arg("--list"))?;
        catalogue = serde_json::from_str(&text)
            .map_err(|error| format!("{} --list said what is no list: {error}", server.display()))?;
    }
    let mut commands = Vec::new();
    // A library that is measured with two sets of parameters is built once, and named once if that fails.
    let mut built: BTreeMap<&str, Option<PathBuf>> = BTreeMap::new();
    for name in chosen(list, &catalogue.with_rust())? {
        let Some(library) = RUST.into_iter().find(|rust| name.split(':').next() == Some(rust)) else {
            let arguments = vec![server.display().to_string(), name.clone()];
            commands.push(PeerCommand { program: python.clone(), arguments, name });
            continue;
        };
        let program = built.entry(library).or_insert_with(|| match build(&drivers.join(library), library) {
            Ok(program) => Some(program),
            Err(error) => {
                notices.push(format!("peers: {library} could not be built: {error}"));
                None
            }
        });
        if let Some(program) = program {
            commands.push(PeerCommand { program: program.clone(), arguments: vec![name.clone()], name });
        }
    }
    Ok((commands, notices))
}

/// The names in a list, without parameters.
fn names(list: &str) -> impl Iterator<Item = &str> {
    let words = list.split(',').map(str::trim).filter(|word| !word.is_empty());
    words.map(|word| word.split(':').next().unwrap_or(word))
}

fn is_rust(name: &str) -> bool {
    name == RUST_GROUP || RUST.contains(&name)
}

/// Compiles a Rust peer for this very CPU, as its user would who wants speed, and returns the program. Nothing is
/// written to its folder.
fn build(source: &Path, name: &str) -> Outcome<PathBuf> {
    let out = std::path::absolute(target())?.join(format!("peers-{name}"));
    let program = out.join("release").join(format!("peer-{name}{}", std::env::consts::EXE_SUFFIX));
    if !program.exists() {
        say::note(format!("building the peer {name}, which takes minutes"));
    }
    let mut command = cargo();
    command.args(["build", "--quiet", "--release", "--locked", "--manifest-path"]);
    command.arg(source.join("Cargo.toml")).arg("--target-dir").arg(&out);
    command.args(["--bin", &format!("peer-{name}")]);
    // Set by a cargo that runs this program, these would be heeded before the flags that follow.
    command.env_remove("CARGO_ENCODED_RUSTFLAGS").env("RUSTFLAGS", "-C target-cpu=native");
    if name == "kiddo" {
        // Its other program holds our tree, too.
        command.arg("--no-default-features");
    }
    let (succeeded, _) = capture_any(&mut command)?;
    if succeeded { Ok(program) } else { Err("cargo's words stand above".into()) }
}

/// The peers that a list names: names, groups, and names with parameters (`glass:R=48`), each once.
fn chosen(list: &str, catalogue: &Catalogue) -> Outcome<Vec<String>> {
    let mut chosen: Vec<String> = Vec::new();
    for word in list.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        let name = word.split(':').next().unwrap_or(word);
        let found = match catalogue.groups.get(word) {
            Some(group) => group.clone(),
            None if catalogue.peers.iter().any(|peer| peer == name) => vec![word.to_owned()],
            None => {
                let groups: Vec<&str> = catalogue.groups.keys().map(String::as_str).collect();
                let (peers, groups) = (catalogue.peers.join(", "), groups.join(", "));
                return Err(
                    format!("unknown peer {word:?}: there are {peers}, and the groups {groups}").into()
                );
            }
        };
        for name in found {
            if !chosen.contains(&name) {
                chosen.push(name);
            }
        }
    }
    if chosen.is_empty() { Err("--peers names no peer".into()) } else { Ok(chosen) }
}

/// The Python of the environment, made if there is none, and what could not be installed in it.
fn environment(given: Option<PathBuf>, drivers: &Path) -> Outcome<(PathBuf, Vec<String>)> {
    let folder = given.unwrap_or_else(|| target().join("peers"));
    let folder = std::path::absolute(folder)?;
    let python = folder.join("bin/python");
    let requirements = drivers.join("requirements.txt");
    let wanted = std::fs::read_to_string(&requirements)?;
    let marker = folder.join(MARKER);
    let made_from = std::fs::read_to_string(&marker).ok();
    let is_current = made_from.as_deref().is_some_and(|text| text.starts_with(&wanted));
    // Without our marker it is somebody else's, and not ours to change.
    if python.exists() && (made_from.is_none() || is_current) {
        return Ok((python, made_from.iter().flat_map(|text| failures(text)).collect()));
    }
    if !python.exists() {
        say::note(format!("making a Python environment in {}", folder.display()));
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv"]).arg(&folder);
        let (succeeded, text) = capture_any(&mut venv)
            .map_err(|error| format!("peers need Python 3 ({VARIABLE} may name an environment): {error}"))?;
        if !succeeded {
            return Err(format!("{} failed: {}", shown(&venv), text.trim()).into());
        }
        // From here on it is ours, even if what follows is interrupted.
        std::fs::write(&marker, "")?;
    }
    let mut record = wanted.clone();
    for package in packages(&wanted) {
        say::note(format!("installing {package}"));
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-c"]);
        pip.arg(&requirements).arg(package);
        // One at a time: what cannot be had must not keep the others out.
        if !capture_any(&mut pip)?.0 {
            record.push_str(&format!("{FAILED}{package} could not be installed (pip's words stand above)\n"));
        }
    }
    std::fs::write(&marker, &record)?;
    Ok((python, failures(&record)))
}

/// How a line of the marker begins that names a failure.
const FAILED: &str = "# failed: ";

fn failures(record: &str) -> Vec<String> {
    record.lines().filter_map(|line| line.strip_prefix(FAILED)).map(|line| format!("peers: {line}")).collect()
}

fn packages(requirements: &str) -> impl Iterator<Item = &str> {
    requirements.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue() -> Catalogue {
        serde_json::from_str(r#"{"peers": ["glass", "usearch-f32", "usearch-i8"],
            "groups": {"all": ["glass", "usearch-f32", "usearch-i8"], "usearch": ["usearch-f32", "usearch-i8"]}}"#)
        .unwrap()
    }

    #[test]
    fn lists_name_peers_groups_and_parameters() {
        let chosen = |list| chosen(list, &catalogue());
        assert_eq!(chosen("all").unwrap(), ["glass", "usearch-f32", "usearch-i8"]);
        assert_eq!(chosen("usearch-i8, usearch").unwrap(), ["usearch-i8", "usearch-f32"]);
        assert_eq!(chosen("glass:R=48,glass").unwrap(), ["glass:R=48", "glass"]);
        for (list, words) in [("glas", "usearch-i8"), ("", "no peer"), (" , ", "no peer")] {
            let message = chosen(list).unwrap_err().to_string();
            assert!(message.contains(words), "{list:?}: {message}");
        }
    }

    #[test]
    fn rust_peers_belong_to_all_and_need_no_python() {
        let catalogue = catalogue().with_rust();
        let all = chosen("all", &catalogue).unwrap();
        assert!(RUST.iter().all(|name| all.iter().any(|chosen| chosen == name)), "{all:?}");
        assert_eq!(all[..3], ["glass", "usearch-f32", "usearch-i8"], "and they come last");
        let alone = Catalogue::default().with_rust();
        assert_eq!(chosen("hnsw_rs:M=24,rust", &alone).unwrap()[..2], ["hnsw_rs:M=24", "usearch-rust"]);
        assert!(!chosen("graphs", &alone).unwrap().iter().any(|name| name == "kiddo"));
        assert!(names("hnsw_rs:M=24, kiddo,rust").all(is_rust) && !names("hnsw_rs,glass").all(is_rust));
    }

    #[test]
    fn every_rust_peer_is_a_workspace_of_its_own_with_a_lock_file() {
        for name in RUST {
            let folder = root().join("benches/peers").join(name);
            let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
            assert!(manifest.contains("[workspace]"), "{name}");
            assert!(manifest.contains(&format!("name = \"peer-{name}\"")), "{name}");
            assert!(folder.join("Cargo.lock").exists(), "{name}");
        }
    }

    #[test]
    fn a_peer_that_does_not_compile_is_an_error_and_no_program() {
        let folder = std::env::temp_dir().join(format!("nigh-no-peer-{}", std::process::id()));
        assert!(build(&folder, "of-no-name").is_err());
    }

    #[test]
    fn an_environment_that_somebody_made_is_used_as_it_is() {
        let folder = std::env::temp_dir().join(format!("nigh-peers-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("bin")).unwrap();
        std::fs::write(folder.join("bin/python"), "").unwrap();
        let (python, missing) = environment(Some(folder.clone()), &root().join("benches/peers")).unwrap();
        assert!(!folder.join(MARKER).exists(), "nothing is installed in it");
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!((python, missing), (folder.join("bin/python"), Vec::new()));
    }

    #[test]
    fn what_could_not_be_installed_is_remembered() {
        let requirements = "# words\nnumpy==1\n\nngt==2\n";
        assert_eq!(packages(requirements).collect::<Vec<_>>(), ["numpy==1", "ngt==2"]);
        let record = format!("{requirements}{FAILED}ngt==2 could not be installed\n");
        assert_eq!(failures(&record), ["peers: ngt==2 could not be installed"]);
    }
}
