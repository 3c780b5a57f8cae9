//! Cards, mirrors, catalogs, as a user runs them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub struct Desk {
    pub folder: tempfile::TempDir,
}

impl Desk {
    pub fn new() -> Self {
        let desk = Self { folder: tempfile::tempdir().unwrap() };
        for n in 0..3u8 {
            desk.write(&format!("card/DCIM/100TEST/IMG_{n}.JPG"), &[n; 30_000]);
        }
        desk.write("library/old.jpg", b"old");
        std::fs::create_dir(desk.path("nas")).unwrap();
        let out = desk.run(&["init", "--library", "library", "--store", "repo", "--identity", "identity.txt"]);
        assert!(out.status.success(), "{out:?}");
        let more = "[ingest]\nsecond = [\"second\"]\n[safe]\nplaces = 1\n\
                    [[mirror]]\nname = \"nas\"\ntarget = \"nas\"\nbrake_files = 1\n";
        let text = std::fs::read_to_string(desk.path("darkslide.toml")).unwrap();
        std::fs::write(desk.path("darkslide.toml"), text + more).unwrap();
        desk
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    pub fn run(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_darkslide"))
            .args(["--config", "darkslide.toml"])
            .args(args)
            .current_dir(self.folder.path())
            .env_remove("DARKSLIDE_IDENTITY")
            .output()
            .unwrap()
    }

    pub fn code(&self, args: &[&str], code: i32) -> String {
        let out = self.run(args);
        assert_eq!(out.status.code(), Some(code), "{args:?}: {out:?}");
        String::from_utf8(out.stdout).unwrap()
    }
}

pub fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text.trim()).unwrap()
}

#[test]
fn a_pack_that_was_found_damaged_makes_no_card_safe() {
    let desk = Desk::new();
    desk.code(&["ingest", "card", "--job-code", "walk"], 0);
    desk.code(&["backup"], 0);
    let stores = |desk: &Desk| {
        let out = desk.run(&["card", "check", "card", "--json"]);
        let said = json(&String::from_utf8_lossy(&out.stdout));
        let files = said["files"].as_array().unwrap().clone();
        let in_store =
            |file: &serde_json::Value| file["copies"].as_array().unwrap().iter().any(|c| c["kind"] == "store");
        files.iter().filter(|file| in_store(file)).count()
    };
    assert_eq!(stores(&desk), 3);
    for kind in ["packs", "warm"] {
        let found = Command::new("find").arg(desk.path(&format!("repo/{kind}"))).args(["-type", "f"]).output().unwrap();
        for path in String::from_utf8(found.stdout).unwrap().lines() {
            let mut bytes = std::fs::read(path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::write(path, bytes).unwrap();
        }
    }
    desk.code(&["scrub", "--all"], 1);
    assert_eq!(stores(&desk), 0, "what a scrub found damaged is no copy");
}

#[test]
fn from_the_card_to_safe_to_format() {
    let desk = Desk::new();
    assert!(desk.code(&["card", "check", "card"], 3).contains("NOT SAFE TO FORMAT"));
    let planned = desk.code(&["ingest", "card", "--job-code", "walk", "--dry-run"], 0);
    assert!(planned.contains("_walk/IMG_0.JPG") && !desk.path("second").exists(), "{planned}");
    let done = json(&desk.code(&["ingest", "card", "--job-code", "walk", "--json"], 0));
    assert_eq!(done["cards"][0]["copied"], "3", "{done}");
    assert_eq!(
        (&done["previews"]["made"], &done["previews"]["left"]),
        (&"3".into(), &serde_json::Value::Null),
        "{done}"
    );
    let again = json(&desk.code(&["ingest", "card", "--job-code", "walk", "--json"], 0));
    assert_eq!((&again["cards"][0]["copied"], &again["cards"][0]["present"]), (&"0".into(), &"3".into()));
    let shoot = again_shoot(&desk.path("library"));
    assert!(desk.code(&["card", "verify-mhl", shoot.to_str().unwrap()], 0).contains("3 files"));
    desk.code(&["backup"], 0);
    desk.code(&["mirror"], 0);
    let said = json(&desk.code(&["card", "check", "card", "--json"], 0));
    assert_eq!(said["state"], "safe-to-format");
    let kinds: Vec<&str> =
        said["files"][0]["copies"].as_array().unwrap().iter().map(|c| c["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["library", "second", "mirror", "store"]);
    let refused = desk.run(&["card", "check", "library"]);
    assert_eq!(refused.status.code(), Some(2), "a library is not its own copy: {refused:?}");
    desk.write("card/DCIM/100TEST/IMG_9.JPG", &[9; 30_000]);
    let said = desk.code(&["card", "check", "card"], 3);
    assert!(said.contains("not safe: DCIM/100TEST/IMG_9.JPG"), "{said}");
}

fn again_shoot(library: &Path) -> PathBuf {
    let year = std::fs::read_dir(library)
        .unwrap()
        .map(|e| e.unwrap().path())
        .find(|p| p.is_dir() && !p.file_name().unwrap().to_str().unwrap().starts_with('.'))
        .unwrap();
    std::fs::read_dir(year).unwrap().next().unwrap().unwrap().path()
}

#[test]
fn a_mirror_brakes_verifies_and_heals() {
    let desk = Desk::new();
    desk.code(&["ingest", "card"], 0);
    desk.code(&["backup"], 0);
    assert!(desk.code(&["mirror", "--dry-run"], 0).contains("new"));
    desk.code(&["mirror", "nas"], 0);
    // Rot on both sides: only the repository knows better.
    for side in ["library", "nas"] {
        let path = desk.path(side).join("old.jpg");
        let time = std::fs::metadata(&path).unwrap().modified().unwrap();
        std::fs::write(&path, if side == "nas" { b"0ld" } else { b"01d" }).unwrap();
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    }
    let found = json(&desk.code(&["mirror", "--verify", "--json"], 3));
    assert_eq!(found["verified"]["rot"][0]["agrees"], "neither", "{found}");
    desk.code(&["mirror", "--heal"], 3);
    desk.code(&["mirror", "--heal", "--identity", "identity.txt"], 0);
    for side in ["library", "nas"] {
        assert_eq!(std::fs::read(desk.path(side).join("old.jpg")).unwrap(), b"old", "{side}");
    }
    desk.code(&["mirror", "--verify"], 0);
    std::fs::remove_dir_all(again_shoot(&desk.path("library"))).unwrap();
    let out = desk.run(&["mirror"]);
    assert_eq!(out.status.code(), Some(5), "{out:?}");
    assert!(String::from_utf8_lossy(&out.stderr).contains("--allow deletions"));
    desk.code(&["mirror", "--allow", "deletions"], 0);
    desk.code(&["mirror", "--allow", "nonsense"], 2);
}

#[test]
fn catalogs_tell_what_they_miss() {
    let desk = Desk::new();
    let path = desk.path("library/Trips.lrcat");
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch(
        "CREATE TABLE AgLibraryRootFolder (id_local INTEGER PRIMARY KEY, absolutePath);
         CREATE TABLE AgLibraryFolder (id_local INTEGER PRIMARY KEY, pathFromRoot, rootFolder);
         CREATE TABLE AgLibraryFile (id_local INTEGER PRIMARY KEY, baseName, extension, folder);
         INSERT INTO AgLibraryRootFolder VALUES (1, 'P:/Photos/');
         INSERT INTO AgLibraryFolder VALUES (2, '', 1), (3, 'gone/', 1);
         INSERT INTO AgLibraryFile VALUES (4, 'old', 'jpg', 2), (5, 'lost', 'CR3', 3);",
    )
    .unwrap();
    drop(db);
    desk.code(&["backup"], 0);
    let found = json(&desk.code(&["catalogs", "--json"], 0));
    let one = &found[0];
    assert_eq!((&one["photographs"], &one["missing"], &one["check"]), (&"2".into(), &"1".into(), &"ok".into()));
    assert_eq!(one["missing_paths"][0], "P:/Photos/gone/lost.CR3");
    assert_eq!(one["backed_up"], true);
    // A damaged one is named, and the exit code says so.
    let mut bytes = std::fs::read(&path).unwrap();
    let end = bytes.len();
    bytes[4096..end.min(8192)].fill(0xff);
    std::fs::write(&path, bytes).unwrap();
    let said = desk.code(&["catalogs"], 3);
    assert!(said.contains("does not hold it as it is now"), "{said}");
}
