//! Replays the fuzz corpus, and mutates it a little, without a fuzzer.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use darkslide_format::fuzzing::TARGETS;
use darkslide_words::SeededRng;

/// Mutations of each seed; of a long one fewer.
const MUTATIONS: usize = 200;
/// Bytes from which a seed is long.
const LONG: usize = 4096;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus")
}

/// What a folder holds: names and paths.
fn list(folder: &Path) -> Vec<(String, PathBuf)> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), path)).collect()
}

/// The seeds of each folder, sorted by name.
fn seeds() -> BTreeMap<String, BTreeMap<String, Vec<u8>>> {
    let mut all = BTreeMap::new();
    for (name, folder) in list(&corpus()) {
        // Another crate's, replayed by its own test.
        if name == "photo" {
            continue;
        }
        let files: BTreeMap<String, Vec<u8>> =
            list(&folder).into_iter().map(|(file, path)| (file, fs::read(path).unwrap())).collect();
        all.insert(name, files);
    }
    all
}

/// Runs a target; a panic says which bytes it was.
fn run(target: &(&str, fn(&[u8])), what: &str, data: &[u8]) {
    let (name, body) = *target;
    let head: Vec<u8> = data.iter().copied().take(2048).collect();
    let outcome = std::panic::catch_unwind(|| body(data));
    assert!(outcome.is_ok(), "{name} fails on {what}, {} bytes: {}", data.len(), head.escape_ascii());
}

#[test]
fn corpus_is_replayed() {
    let seeds = seeds();
    let targets: BTreeSet<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    let folders: BTreeSet<&str> = seeds.keys().map(String::as_str).collect();
    assert_eq!(targets.len(), TARGETS.len(), "a target stands twice");
    assert_eq!(folders, targets, "left the folders of fuzz/corpus, right the targets");
    for target in TARGETS {
        let files = &seeds[target.0];
        assert!(files.len() >= 2, "{} has {} seeds, two are wanted", target.0, files.len());
        for (file, data) in files {
            run(target, file, data);
        }
    }
}

#[test]
fn every_target_has_its_file_and_row() {
    let fuzz = corpus().join("..");
    let (manifest, readme) =
        (fs::read_to_string(fuzz.join("Cargo.toml")).unwrap(), fs::read_to_string(fuzz.join("README.md")).unwrap());
    for (name, _) in TARGETS {
        let source = fs::read_to_string(fuzz.join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(source.contains(&format!("fuzzing::{name}(data)")), "{name}.rs calls another target");
        assert!(manifest.contains(&format!("name = \"{name}\"\n")), "fuzz/Cargo.toml lacks {name}");
        assert!(readme.contains(&format!("| `{name}` |")), "fuzz/README.md lacks {name}");
    }
}

/// A number below `limit`.
fn below(rng: &mut SeededRng, limit: usize) -> usize {
    rng.below(limit as u64) as usize
}

/// One to three small changes.
fn mutate(seed: &[u8], rng: &mut SeededRng) -> Vec<u8> {
    const TELLING: &[u8] = b"\0\x01\x7f\x80\xff\"\\{}[]:,-+ /.\n0119AZaz";
    let mut data = seed.to_vec();
    for _ in 0..1 + below(rng, 3) {
        let at = below(rng, data.len() + 1);
        let (bit, byte) = (below(rng, 8), TELLING[below(rng, TELLING.len())]);
        match below(rng, 6) {
            0 => data.truncate(at),
            1 => data.insert(at, byte),
            2 if at < data.len() => data[at] = byte,
            3 if at < data.len() => drop(data.remove(at)),
            4 => {
                let end = data.len().min(at + 1 + below(rng, 40));
                let copy = data[at..end].to_vec();
                data.splice(at..at, copy);
            }
            _ if at < data.len() => data[at] ^= 1 << bit,
            _ => data.push(byte),
        }
    }
    data
}

#[test]
fn mutations_do_not_panic() {
    let seeds = seeds();
    for (number, target) in (1..).zip(TARGETS) {
        let mut rng = SeededRng::new(number);
        for (file, data) in seeds.get(target.0).into_iter().flatten() {
            let count = if data.len() < LONG { MUTATIONS } else { MUTATIONS / 5 };
            for n in 0..count {
                run(target, &format!("{file}, mutation {n}"), &mutate(data, &mut rng));
            }
        }
    }
}
