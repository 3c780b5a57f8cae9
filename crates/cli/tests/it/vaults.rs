//! A Glacier vault as a user meets it: founded, backed up to, looked at, set up, left, lost.

mod others;

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use darkslide_coldsim::{ColdSim, Options, Running};
use darkslide_words::{Clock as _, SystemClock};
use serde_json::Value;

use crate::harness::{Ran, World};

const HOUR: Duration = Duration::from_secs(3600);

struct Site {
    world: World,
    sim: ColdSim,
    running: Running,
}

impl Site {
    /// A library of two photographs, and a repository in a vault.
    fn founded() -> Self {
        let real = Arc::new(SystemClock::default());
        let sim = ColdSim::open(Options::new(real.now()), real).unwrap();
        let running = sim.start(([127, 0, 0, 1], 0).into()).unwrap();
        let site = Self { world: World::new(), sim, running };
        for n in 0..2u8 {
            let bytes: Vec<u8> = (0..900_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8 ^ n).collect();
            fs::write(site.world.library().join(format!("IMG_{n}.CR3")), bytes).unwrap();
        }
        let init = "init --library library --store glacier://photos --companion companion --identity identity.txt";
        site.run(&format!("{init} --pack-size 16 --region us-east-1 --endpoint {}", site.running.url())).exits(0);
        site.run("backup").exits(0);
        site
    }

    fn run(&self, line: &str) -> Ran {
        let mut command = self.world.command(line);
        command.env("AWS_ACCESS_KEY_ID", "coldsim").env("AWS_SECRET_ACCESS_KEY", "coldsim-secret");
        let output = command.env_remove("AWS_PROFILE").output().unwrap();
        Ran::of(format!("darkslide {line}"), &output)
    }

    fn json(&self, line: &str) -> Value {
        let ran = self.run(&format!("{line} --json"));
        serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{line}: {e}: {} {}", ran.out, ran.err))
    }

    fn inventory(&self) {
        self.sim.advance(26 * HOUR);
        self.run("vault inventory start").exits(4);
        self.sim.advance(6 * HOUR);
    }
}

#[test]
fn a_vault_is_looked_at_and_set_up() {
    let site = Site::founded();
    assert_eq!(site.json("vault list")[0]["name"], "photos");
    site.run("vault inventory start").exits(1).says("no inventory yet");
    site.inventory();
    site.run("vault inventory show").exits(0).says("of this repository").says("ours");
    let shown = site.json("vault inventory show");
    assert_eq!(shown["archives"][0]["standing"], "ours");
    let csv = site.run("vault inventory show --csv").exits(0).out;
    assert!(csv.starts_with("archive,standing,object") && csv.contains("darkslide-1 "), "{csv}");
    assert_eq!(site.json("vault jobs")[0]["kind"], "inventory");
    site.run("vault tags add owner=me kind=photos").exits(0);
    site.run("vault tags remove kind").exits(0);
    assert_eq!(site.json("vault tags list")["owner"], "me");
    site.run("vault retrieval-policy set 5GB").exits(0);
    site.run("vault retrieval-policy show").exits(0).says("an hour");
    site.run("vault retrieval-policy set much").exits(1).says("free-tier");
    site.run("vault policy show").exits(0).says("it has none");
    fs::write(site.world.path("bad.json"), "{").unwrap();
    site.run("vault policy set bad.json").exits(1).says("no JSON");
    site.run("vault lock show").exits(0).says("it has none");
    site.run("vault lock initiate").exits(2);
    let id = site.json("vault lock initiate --keep-days 365")["lock"].as_str().unwrap().to_string();
    site.run("vault lock show").exits(0).says("InProgress").says("ArchiveAgeInDays");
    site.run(&format!("vault lock complete -- {id}")).exits(1).says("--i-mean");
    site.run(&format!("vault lock complete --i-mean photo -- {id}")).exits(5).says("nothing was done");
    site.run("vault lock abort").exits(0);
    let id = site.json("vault lock initiate --keep-days 365")["lock"].as_str().unwrap().to_string();
    site.run(&format!("vault lock complete --i-mean photos -- {id}")).exits(0).says("never be changed");
    site.run("vault lock show").exits(0).says("Locked");
    site.run("vault lock abort").exits(1);
    site.run("vault notify show").exits(0).says("nobody");
    site.run("vault notify set --topic arn:aws:sns:us-east-1:1:x --event Never")
        .exits(1)
        .says("ArchiveRetrievalCompleted");
    site.run("vault sweep").exits(0).says("0 uploads");
    site.run("audit").exits(0);
}

#[test]
fn an_archive_is_retrieved_by_its_id_and_fetched_verified() {
    let site = Site::founded();
    site.inventory();
    let shown = site.json("vault inventory show");
    let (id, size) = (shown["archives"][0]["id"].as_str().unwrap(), shown["archives"][0]["size"].as_str().unwrap());
    site.run(&format!("vault retrieve -- {id}")).exits(1).says("--yes");
    site.run(&format!("vault retrieve --yes --max-cost 0.0000001 -- {id}")).exits(5);
    let job = site.run(&format!("vault retrieve --tier expedited --yes --json -- {id}")).exits(4).out;
    let job: Value = serde_json::from_str(&job).unwrap();
    let job = job["jobs"][0].as_str().unwrap();
    site.run(&format!("vault fetch --to pack -- {job}")).exits(1).says("works still");
    assert!(!site.world.path("pack").exists());
    site.sim.advance(HOUR);
    site.run(&format!("vault fetch --to pack -- {job}")).exits(0).says("tree hash");
    assert_eq!(fs::metadata(site.world.path("pack")).unwrap().len().to_string(), size);
    site.run(&format!("vault fetch --to pack -- {job}")).exits(1);
    site.run(&format!("vault discard --yes -- {id}")).exits(1).says("darkslide prune");
}

#[test]
fn an_archive_is_retrieved_by_somebody_without_a_configuration() {
    let site = Site::founded();
    site.inventory();
    fs::remove_file(site.world.path("darkslide.toml")).unwrap();
    let way = format!("--vault photos --region us-east-1 --endpoint {}", site.running.url());
    site.run(&format!("vault inventory start {way}")).exits(4);
    site.sim.advance(6 * HOUR);
    let shown = site.json(&format!("vault inventory show {way}"));
    let id = shown["archives"][0]["id"].as_str().unwrap();
    site.run(&format!("vault retrieve {way} -- {id}")).exits(1).says("--yes");
    site.run(&format!("vault retrieve {way} --yes --max-cost 0.0000001 -- {id}")).exits(5);
    let job = site.run(&format!("vault retrieve {way} --tier expedited --yes --json -- {id}")).exits(4).out;
    let job: Value = serde_json::from_str(&job).unwrap();
    assert!(job["quoted"].to_string().contains(|c: char| ('1'..='9').contains(&c)), "it has a price: {job}");
    site.sim.advance(HOUR);
    let job = job["jobs"][0].as_str().unwrap();
    site.run(&format!("vault fetch {way} --to pack -- {job}")).exits(0).says("tree hash");
    site.run(&format!("vault import list {way}")).exits(0);
    site.run(&format!("vault import get {way} --to back --yes")).exits(0).says("0 files");
}

#[test]
fn a_check_looks_at_the_vault_and_holds_the_companion_to_its_promises() {
    let site = Site::founded();
    let told = site.run("store check").exits(0).says("create-only").says("retrieval policy: no limit");
    assert!(told.out.contains("kept    the vault answers") && told.out.contains("companion"), "{}", told.out);
    assert_eq!(site.sim.requests().iter().filter(|r| r.operation == "UploadArchive").count(), 1, "none is put there");
    site.run("vault lock initiate --keep-days 365").exits(0);
    site.run("vault retrieval-policy set 5GB").exits(0);
    site.run("store check").exits(0).says("lapses").says("BytesPerHour");
    fs::remove_file(site.world.path("companion/archives.json")).unwrap();
    site.run("store check").exits(1).says("BROKEN");
}

#[test]
fn a_lost_companion_is_rebuilt_and_packs_alone_give_the_photographs_back() {
    let site = Site::founded();
    let script = fs::read(site.world.path("companion/recover.py")).unwrap();
    site.sim.advance(26 * HOUR);
    fs::remove_dir_all(site.world.path("companion")).unwrap();
    fs::remove_dir_all(site.world.path("darkslide-state/vaults")).unwrap();
    site.run("vault rebuild").exits(4).says("inventory");
    site.sim.advance(6 * HOUR);
    site.run("vault rebuild").exits(0).says("known again");
    // No index, no tree, no snapshot is left anywhere: packs alone, into a folder.
    site.run("vault leave --to rescued --yes").exits(4);
    site.sim.advance(13 * HOUR);
    site.run("vault leave --to rescued --yes").exits(0);
    fs::write(site.world.path("recover.py"), script).unwrap();
    let mut python = site.world.program("python3");
    python.args(["recover.py", "--identity", "identity.txt", "rescued", "packs", "out"]);
    Ran::of("recover.py packs".into(), &python.output().unwrap()).exits(0);
    let found = crate::trees::walk(&site.world.path("out"));
    for n in 0..2 {
        let name = format!("IMG_{n}.CR3");
        let at = found.iter().find(|p| p.file_name().is_some_and(|f| f == name.as_str())).unwrap();
        let back = fs::read(site.world.path("out").join(at)).unwrap();
        assert_eq!(back, fs::read(site.world.library().join(&name)).unwrap());
    }
}

#[test]
fn an_account_for_which_the_service_is_closed_is_told_what_to_use() {
    let site = Site::founded();
    let other = ColdSim::open(Options::new(SystemClock::default().now()), Arc::new(SystemClock::default())).unwrap();
    other.close_vaults();
    let running = other.start(([127, 0, 0, 1], 0).into()).unwrap();
    let list = format!("vault list --vault any --region us-east-1 --endpoint {}", running.url());
    site.run(&list).exits(1).says("no new customers").says("DEEP_ARCHIVE");
}

#[test]
fn the_demo_shows_the_way_into_a_vault_and_back() {
    let ran = World::new().run("demo --vault").exits(0);
    assert!(ran.out.contains("Everything came back.") && ran.out.contains("left alone"), "{}", ran.out);
}
