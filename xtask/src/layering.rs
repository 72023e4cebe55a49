//! Who may depend on whom: arrows only point down. Checked from `cargo metadata`, so that it cannot be forgotten.

use std::path::PathBuf;

use serde::Deserialize;

use crate::process::{Outcome, capture, cargo};

/// Every package of the workspace with what it may depend on, ground floor first.
const LAYERS: &[(&str, &[&str])] = &[
    ("simd-kernels", &[]),
    ("kernel-probe", &["simd-kernels"]),
    ("layouts", &["simd-kernels"]),
    ("covertree", &["simd-kernels", "layouts"]),
    ("hnsw", &["simd-kernels", "layouts"]),
    ("zonal-pq", &["simd-kernels", "layouts", "hnsw"]),
    ("bench-harness", &["simd-kernels", "layouts", "covertree", "hnsw", "zonal-pq"]),
    ("benches", &["simd-kernels", "layouts", "covertree", "hnsw", "zonal-pq", "bench-harness"]),
    ("xtask", &["simd-kernels", "layouts", "covertree", "hnsw", "zonal-pq", "bench-harness"]),
];

#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

/// A package of the workspace.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) manifest_path: PathBuf,
}

/// One of its dependencies, of any kind: tests must not point up either.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// Set for those that lie in the workspace.
    path: Option<String>,
    /// The condition under which it is there at all.
    pub(crate) target: Option<String>,
}

/// The packages of the workspace.
pub(crate) fn packages() -> Outcome<Vec<Package>> {
    let text = capture(cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
    Ok(serde_json::from_str::<Metadata>(&text)?.packages)
}

/// Checks the workspace.
pub(crate) fn check() -> Outcome<()> {
    let violations = violations(&packages()?);
    if violations.is_empty() { Ok(()) } else { Err(violations.join("; ").into()) }
}

fn violations(packages: &[Package]) -> Vec<String> {
    let mut violations = Vec::new();
    for package in packages {
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == package.name) else {
            violations
                .push(format!("{} has no place among the layers (xtask/src/layering.rs)", package.name));
            continue;
        };
        for dependency in package.dependencies.iter().filter(|dependency| dependency.path.is_some()) {
            if !allowed.contains(&dependency.name.as_str()) {
                violations.push(format!("{} must not depend on {}", package.name, dependency.name));
            }
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, dependencies: &[(&str, bool)]) -> Package {
        let dependencies = dependencies
            .iter()
            .map(|&(name, ours)| Dependency {
                name: name.to_owned(),
                path: ours.then(|| format!("/somewhere/{name}")),
                target: None,
            })
            .collect();
        Package { name: name.to_owned(), dependencies, manifest_path: PathBuf::new() }
    }

    #[test]
    fn arrows_that_point_down_are_fine() {
        let packages =
            [package("hnsw", &[("layouts", true), ("rayon", false)]), package("zonal-pq", &[("hnsw", true)])];
        assert!(violations(&packages).is_empty());
    }

    #[test]
    fn an_arrow_that_points_up_or_aside_is_found() {
        let packages = [
            package("simd-kernels", &[("layouts", true)]),
            package("covertree", &[("hnsw", true)]),
            package("hnsw", &[("bench-harness", true)]),
        ];
        assert_eq!(violations(&packages).len(), 3);
    }

    #[test]
    fn a_package_without_a_place_is_found() {
        assert_eq!(violations(&[package("sidecar", &[])]).len(), 1);
    }

    #[test]
    fn the_layers_themselves_point_down() {
        for (at, (name, allowed)) in LAYERS.iter().enumerate() {
            for below in *allowed {
                assert!(LAYERS[..at].iter().any(|(known, _)| known == below), "{name} may use {below}");
            }
        }
    }
}
