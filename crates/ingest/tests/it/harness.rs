//! A card, two targets, a catalog.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use darkslide_catalog::Catalog;
use darkslide_disk::{Disk, RealDisk};
use darkslide_ingest::{
    Card, Ingest, IngestError, Ingested, Observer, Options, Place, Progress, Template, Volume, ingest, plan,
    read_facts, scan,
};
use darkslide_words::{FixedClock, Name, Time};

pub struct Quiet;

impl Observer for Quiet {
    fn progress(&self, _: &Progress) {}
    fn problem(&self, _: &Name, _: &str) {}
    fn note(&self, _: &str) {}
    fn cancelled(&self) -> bool {
        false
    }
}

pub struct World {
    pub folder: tempfile::TempDir,
    pub clock: FixedClock,
}

pub const NOW: &str = "20261018T180000.000Z";

impl World {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Catalog::create(&folder.path().join("catalog")).unwrap().close().unwrap();
        Self { folder, clock: FixedClock::new(Time::from_compact(NOW).unwrap()) }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, dated in the summer of 2026.
    pub fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_782_900_000);
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(at).unwrap();
    }

    pub fn volume(&self, card: &str) -> Volume {
        Volume { root: self.path(card), id: format!("volume {card}"), label: card.to_uppercase() }
    }

    pub fn scan(&self, disk: &dyn Disk, card: &str) -> Result<Card, IngestError> {
        scan(disk, &self.volume(card))
    }

    pub fn places(&self) -> Vec<Place> {
        ["library", "second"].map(|label| Place { root: self.path(label), label: label.into() }).to_vec()
    }

    pub fn ingest(&self, disk: &dyn Disk, card: &str, job: &str) -> Result<Ingested, IngestError> {
        self.ingest_all(disk, &[card], "{date:%Y}/{date:%Y-%m-%d}_{job}/{name}", job).map(|mut done| done.remove(0))
    }

    pub fn ingest_all(
        &self,
        disk: &dyn Disk,
        cards: &[&str],
        template: &str,
        job: &str,
    ) -> Result<Vec<Ingested>, IngestError> {
        let cards = cards.iter().map(|card| self.scan(disk, card)).collect::<Result<_, _>>()?;
        self.ingest_cards(disk, cards, template, job)
    }

    pub fn ingest_cards(
        &self,
        disk: &dyn Disk,
        cards: Vec<Card>,
        template: &str,
        job: &str,
    ) -> Result<Vec<Ingested>, IngestError> {
        let options = Options {
            template: Template::parse(template).unwrap(),
            job_code: job.into(),
            day_starts: jiff::SignedDuration::from_hours(3),
            zone: jiff::tz::TimeZone::UTC,
            counter: 1,
        };
        let mut planned = Vec::new();
        for card in cards {
            let facts = read_facts(disk, &card);
            let plan = plan(&card, &facts, &options);
            planned.push((card, plan));
        }
        let work = Ingest {
            disk,
            catalog: &self.path("catalog"),
            clock: &self.clock,
            observer: &Quiet,
            targets: self.places(),
            host: "raid".into(),
            tool: ("darkslide".into(), "0.1".into()),
        };
        ingest(&work, &planned)
    }

    /// Files below a folder, without manifests.
    pub fn files(&self, root: &str) -> BTreeMap<String, Vec<u8>> {
        let mut out = BTreeMap::new();
        collect(&self.path(root), &self.path(root), &mut out);
        out.retain(|path, _| !path.contains("ascmhl/"));
        out
    }
}

fn collect(root: &Path, folder: &Path, out: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, out);
        } else {
            let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            out.insert(name, std::fs::read(&path).unwrap());
        }
    }
}

pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    darkslide_words::Rng::fill(&mut darkslide_words::SeededRng::new(seed), &mut out);
    out
}

/// A card with stills, a clip structure, and what systems leave behind.
pub fn card(world: &World, name: &str) {
    for n in 1..=3u64 {
        world.write(&format!("{name}/DCIM/100CANON/IMG_000{n}.CR3"), &noise(n, 200_000));
        world.write(&format!("{name}/DCIM/100CANON/IMG_000{n}.JPG"), &noise(n + 10, 50_000));
    }
    world.write(&format!("{name}/DCIM/100CANON/IMG_0001.WAV"), &noise(20, 10_000));
    world.write(&format!("{name}/DCIM/101CANON/IMG_0001.JPG"), &noise(21, 50_000));
    world.write(&format!("{name}/DCIM/EOSMISC/M0100.CTG"), &noise(22, 500));
    world.write(&format!("{name}/PRIVATE/M4ROOT/CLIP/C0001.MP4"), &noise(23, 100_000));
    world.write(&format!("{name}/PRIVATE/M4ROOT/MEDIAPRO.XML"), b"<xml/>");
    world.write(&format!("{name}/.DS_Store"), b"x");
    world.write(&format!("{name}/DCIM/100CANON/._IMG_0001.CR3"), b"x");
}

pub fn real() -> RealDisk {
    RealDisk
}
