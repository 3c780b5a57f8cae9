//! The walls between crates: an arrow points to a strictly lower level.
//!
//! The levels are those of `ARCHITECTURE.md`, top to bottom as the photograph travels.

use std::process::Command;

use serde::Deserialize;

use crate::{House, Offence};

/// The house, lowest level first.
const LEVELS: &[&[&str]] = &[
    &["words"],
    &["format", "catalog", "store", "disk", "photo", "price", "coldsim"],
    &[
        "ingest",
        "mirror",
        "snapshot",
        "thaw",
        "restore",
        "audit",
        "notify",
        "provision",
        "store-dir",
        "store-s3",
        "store-glacier",
    ],
    &["engine"],
    &["web"],
    &["cli"],
];

/// Workspace members beside the house: nothing in the house may depend on them.
const OUTSIDE: &[&str] = &["tidy", "bench", "fuzz"];

/// Arrows that may break the rule: from, to, the reason and its ADR.
const EXCEPTIONS: &[(&str, &str, &str)] = &[];

/// What `cargo metadata` says, as far as the rule needs it.
#[derive(Debug, Deserialize)]
pub struct Metadata {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    /// `None` is a normal dependency; otherwise `dev` or `build`.
    kind: Option<String>,
    /// Where it lies, for a dependency by path.
    path: Option<String>,
}

/// Asks the running cargo about the workspace at the root of `house`.
///
/// # Panics
/// If cargo fails or answers in another shape.
pub fn read_metadata(house: &House) -> Metadata {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let args = ["metadata", "--format-version", "1", "--no-deps", "--offline"];
    let output = Command::new(cargo).args(args).current_dir(&house.root).output();
    let output = output.unwrap_or_else(|error| panic!("cannot start cargo metadata: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo metadata failed: {stderr}");
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("cargo metadata answers in another shape: {error}"))
}

/// Rule: normal and build dependencies point strictly down, dev-dependencies never up.
/// The file of each offence is the depending crate's manifest, its line always 1.
pub fn arrows(metadata: &Metadata) -> Vec<Offence> {
    metadata.packages.iter().flat_map(package_arrows).collect()
}

/// Moves each offence to the line of the manifest that names its dependency.
pub fn locate(house: &House, offences: &mut [Offence]) {
    for offence in offences {
        let Some(manifest) = house.file(&offence.file) else {
            continue;
        };
        let name = offence.reason.split('`').nth(1).unwrap_or_default();
        let names_it = |line: &str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['.', ' ']));
        let found = manifest.text.lines().position(names_it);
        offence.line = found.map_or(offence.line, |at| at + 1);
    }
}

fn package_arrows(package: &Package) -> Vec<Offence> {
    let from = short(&package.name);
    let manifest = format!("crates/{from}/Cargo.toml");
    if OUTSIDE.contains(&from) {
        return Vec::new();
    }
    let Some(level) = level(from) else {
        let reason =
            format!("`{}` is not on the map; give it a level in tidy/src/arrows.rs and ARCHITECTURE.md", package.name);
        return vec![Offence::new(&manifest, 1, reason)];
    };
    let ours = package.dependencies.iter().filter(|to| to.is_ours());
    ours.filter_map(|to| Some(Offence::new(&manifest, 1, breach(from, level, to)?))).collect()
}

/// Why the arrow from `from` to `to` is wrong, if it is.
fn breach(from: &str, from_level: usize, to: &Dependency) -> Option<String> {
    let name = short(&to.name);
    if EXCEPTIONS.iter().any(|(a, b, _)| (*a, *b) == (from, name)) {
        return None;
    }
    let full = &to.name;
    let Some(to_level) = level(name) else {
        return Some(format!(
            "`{full}` is outside the house or has no level; do not depend on it, or give it a level in tidy/src/arrows.rs"
        ));
    };
    let dev = to.kind.as_deref() == Some("dev");
    if to_level < from_level || (dev && to_level == from_level) {
        return None;
    }
    Some(format!(
        "`{full}` is on level {to_level}, `{from}` on level {from_level}: an arrow points down; \
         let them meet in a lower crate, or wire them together in a higher one"
    ))
}

impl Dependency {
    fn is_ours(&self) -> bool {
        self.path.is_some() || self.name.starts_with("darkslide-")
    }
}

fn short(package: &str) -> &str {
    package.strip_prefix("darkslide-").unwrap_or(package)
}

fn level(name: &str) -> Option<usize> {
    LEVELS.iter().position(|crates| crates.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::house_of;

    /// The offences of one package with one dependency of one kind.
    fn offences(from: &str, to: &str, kind: &str) -> Vec<Offence> {
        let text = format!(
            r#"{{"packages":[{{"name":"{from}","dependencies":[
                {{"name":"serde","kind":null}},{{"name":"{to}","kind":{kind},"path":"/x"}}]}}]}}"#
        );
        arrows(&serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn down_is_allowed_sideways_and_up_are_not() {
        assert_eq!(offences("darkslide-engine", "darkslide-store-dir", "null"), []);
        for to in ["darkslide-restore", "darkslide-engine", "darkslide-snapshot"] {
            assert_eq!(offences("darkslide-snapshot", to, "null").len(), 1, "{to}");
            assert_eq!(offences("darkslide-snapshot", to, r#""build""#).len(), 1, "{to}");
        }
    }

    #[test]
    fn a_dev_dependency_may_point_sideways_but_not_up() {
        assert_eq!(offences("darkslide-restore", "darkslide-snapshot", r#""dev""#), []);
        assert_eq!(offences("darkslide-restore", "darkslide-engine", r#""dev""#).len(), 1);
    }

    #[test]
    fn an_unknown_crate_needs_a_level() {
        let caught = offences("darkslide-attic", "darkslide-words", "null");
        assert!(caught[0].reason.contains("give it a level"));
        let caught = offences("darkslide-engine", "darkslide-attic", "null");
        assert!(caught[0].reason.contains("give it a level"));
    }

    #[test]
    fn what_is_outside_may_depend_on_the_house_but_not_the_reverse() {
        assert_eq!(offences("tidy", "darkslide-cli", "null"), []);
        assert_eq!(offences("darkslide-cli", "bench", "null").len(), 1);
    }

    #[test]
    fn an_offence_points_to_the_line_of_its_manifest() {
        let text = "[dependencies]\nserde = \"1\"\ndarkslide-restore.workspace = true\n";
        let house = house_of(&[("crates/snapshot/Cargo.toml", text)]);
        let mut caught = offences("darkslide-snapshot", "darkslide-restore", "null");
        locate(&house, &mut caught);
        assert_eq!(caught[0].line, 3);
    }

    #[test]
    fn every_exception_gives_its_reason() {
        assert!(EXCEPTIONS.iter().all(|(_, _, reason)| !reason.is_empty()));
    }
}
