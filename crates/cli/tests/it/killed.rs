//! Processes that are killed at any moment while they copy: no wrong file ever bears a right name,
//! nothing that was there is lost, and the next run completes.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::local::{Desk, json};

const ROUNDS: u32 = 12;

fn bytes(n: usize) -> Vec<u8> {
    (0..300_000usize).map(|at| (at.wrapping_mul(2_654_435_761) >> 7) as u8 ^ n as u8).collect()
}

fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut out = BTreeMap::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            match path.is_dir() {
                true if name == ".darkslide-tmp" || name == ".darkslide-trash" || name.ends_with("ascmhl") => {}
                true => folders.push(path),
                false if name.contains(".darkslide-part-") => {}
                false => {
                    out.insert(name, std::fs::read(&path).unwrap());
                }
            }
        }
    }
    out
}

/// Runs a command and kills it, each time a little later; tells whether it came to its end.
fn killed(desk: &Desk, args: &[&str], round: u32, whole: Duration) -> bool {
    let mut child = Command::new(env!("CARGO_BIN_EXE_darkslide"))
        .args(["--config", "darkslide.toml"])
        .args(args)
        .current_dir(desk.folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Spread over the time that an undisturbed run takes.
    std::thread::sleep(whole * (2 * round + 1) / (2 * ROUNDS));
    let ended = child.try_wait().unwrap().is_some();
    let _ = child.kill();
    child.wait().unwrap();
    ended
}

#[test]
fn a_killed_ingest_is_continued() {
    let fill = |desk: &Desk| {
        (0..40).for_each(|n| desk.write(&format!("card/DCIM/101TEST/IMG_1{n:03}.JPG"), &bytes(n)));
        for n in 0..3 {
            std::fs::remove_file(desk.path(&format!("card/DCIM/100TEST/IMG_{n}.JPG"))).unwrap();
        }
    };
    let ingest = ["ingest", "card", "--template", "{stem}/{name}"];
    let whole = {
        let desk = Desk::new();
        fill(&desk);
        let start = Instant::now();
        desk.code(&ingest, 0);
        start.elapsed()
    };
    let desk = Desk::new();
    fill(&desk);
    let card = files(&desk.path("card"));
    let mut cut = 0;
    for round in 0..ROUNDS {
        cut += u32::from(!killed(&desk, &ingest, round, whole));
        assert_eq!(files(&desk.path("card")), card, "the card is as it was");
        for place in ["library", "second"] {
            for (name, found) in files(&desk.path(place)) {
                let Some(stem) = name.split('/').next().and_then(|stem| stem.strip_prefix("IMG_1")) else { continue };
                assert_eq!(found, bytes(stem.parse().unwrap()), "{place}/{name} in round {round}");
            }
        }
        // Each round begins with less: what came so far is taken away every other time.
        if round % 4 == 3 {
            std::fs::remove_dir_all(desk.path("second")).unwrap();
        }
    }
    assert!(cut >= 1, "no run was cut off");
    let done = json(&desk.code(&[&ingest[..], &["--json"]].concat(), 0));
    assert_eq!(done["cards"][0]["failures"].as_array().map(Vec::len), Some(0), "{done}");
    for place in ["library", "second"] {
        let got = files(&desk.path(place));
        for n in 0..40 {
            assert_eq!(got[&format!("IMG_1{n:03}/IMG_1{n:03}.JPG")], bytes(n), "{place}");
        }
        let copies = got.keys().filter(|name| name.starts_with("IMG_1")).count();
        assert_eq!(copies, 40, "{place}: nothing is there twice");
        assert!(!desk.path(&format!("{place}/.darkslide-tmp")).exists(), "{place}");
    }
}

#[test]
fn a_killed_mirror_is_continued() {
    let fill = |desk: &Desk| (0..40).for_each(|n| desk.write(&format!("library/s{}/IMG_{n}.CR3", n / 10), &bytes(n)));
    let mirror = ["mirror", "--allow", "changes", "--allow", "deletions"];
    let whole = {
        let desk = Desk::new();
        fill(&desk);
        let start = Instant::now();
        desk.code(&mirror, 0);
        start.elapsed()
    };
    let desk = Desk::new();
    fill(&desk);
    let mut versions: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    let mut cut = 0;
    for round in 0..ROUNDS {
        for (name, content) in files(&desk.path("library")) {
            versions.entry(name).or_default().push(content);
        }
        cut += u32::from(!killed(&desk, &mirror, round, whole));
        for (name, found) in files(&desk.path("nas")) {
            let known = versions.get(&name).unwrap_or_else(|| panic!("{name} was never in the library"));
            assert!(known.contains(&found), "{name} is no version of it, in round {round}");
        }
        // An edit, a move, a new photograph.
        desk.write(&format!("library/s0/IMG_{}.CR3", round % 10), &bytes(100 + round as usize));
        let (from, to) = (desk.path("library/s1/IMG_1"), desk.path("library/s2/moved"));
        let (from, to) =
            (from.with_file_name(format!("IMG_1{}.CR3", round % 10)), to.with_extension(round.to_string()));
        let _ = std::fs::rename(from, to);
        desk.write(&format!("library/new/IMG_{round}.CR3"), &bytes(200 + round as usize));
    }
    assert!(cut >= 1, "no run was cut off");
    desk.code(&mirror, 0);
    assert_eq!(files(&desk.path("nas")), files(&desk.path("library")));
    assert!(!desk.path("nas/.darkslide-tmp").exists());
    let left = std::process::Command::new("find").arg(desk.path("nas")).args(["-name", ".darkslide-part-*"]).output();
    assert!(left.unwrap().stdout.is_empty(), "what runs that died left is swept");
}
