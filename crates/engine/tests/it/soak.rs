//! Years of nights: edits, a mirror, a backup, forget, prune, an audit, while stores fail, machines are
//! off and clocks are wrong. At the end everything that is still promised comes back.
//!
//! `SOAK_NIGHTS` says how many nights: a thousand in `ci.sh`; without it so many as a test run by hand
//! has time for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use darkslide_engine::observe::{MirrorObserver, MirrorProgress};
use darkslide_engine::words::{Clock as _, Name, Rng as _, SeededRng};
use darkslide_engine::{Engine, ForgetOptions, Founder, IdentityFile, Period, PruneOptions, Rules, Severity};
use darkslide_store::{Fault, MemoryStore};

use crate::harness::{
    Quiet, Tree, World, assert_same, audit, identity, noise, options, same, scrub, tree, try_backup, try_restore,
};

const DAY: Duration = Duration::from_secs(86_400);
const NIGHTS: u64 = 70;

struct Still;

impl MirrorObserver for Still {
    fn progress(&self, _: &MirrorProgress) {}
    fn problem(&self, _: &Name, _: &str) {}
    fn note(&self, _: &str) {}
    fn cancelled(&self) -> bool {
        false
    }
}

/// What happens by chance, the same in each run of one seed.
struct Chance(SeededRng);

impl Chance {
    fn below(&mut self, n: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes) % n
    }

    fn once_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

struct Soak {
    world: World,
    identity: IdentityFile,
    chance: Chance,
    night: u64,
    /// Each snapshot that was said to be complete, and the library then; contents by hash.
    promised: BTreeMap<String, Tree>,
    failed: u64,
}

fn hashed(tree: Tree) -> Tree {
    let short = |bytes: Vec<u8>| blake3::hash(&bytes).as_bytes().to_vec();
    tree.into_iter().map(|(path, (kind, mode, s, n, content))| (path, (kind, mode, s, n, short(content)))).collect()
}

impl Soak {
    fn new(seed: u64) -> Self {
        let world = World::empty();
        world.write("2024/first/IMG_0.CR3", &noise(0, 30_000));
        // Stores stamp what they take by a clock, which is the world's.
        (0..2).for_each(|n| world.put_store(n, MemoryStore::with_clock(world.clock())));
        let identity = identity();
        world.init(Founder::Identity(same(&identity)), 2).unwrap();
        fs::create_dir(world.folder.path().join("nas")).unwrap();
        let text = fs::read_to_string(&world.config).unwrap();
        let mirror = "\n[[mirror]]\nname = \"nas\"\ntarget = \"nas\"\nbrake_files = 1000\n";
        fs::write(&world.config, text + mirror).unwrap();
        let chance = Chance(SeededRng::new(seed));
        Self { world, identity, chance, night: 0, promised: BTreeMap::new(), failed: 0 }
    }

    fn engine(&self) -> Engine {
        self.world.engine().for_pruning()
    }

    /// A day's work.
    fn edit(&mut self) {
        let files: Vec<PathBuf> = tree(&self.world.library)
            .into_iter()
            .filter(|(_, facts)| facts.0 == 'f')
            .map(|(path, _)| self.world.library.join(path))
            .collect();
        for n in 0..1 + self.chance.below(3) {
            let seed = self.night * 10 + n + 1;
            let size = 200 + self.chance.below(20_000) as usize;
            let some = files.get(self.chance.below(files.len().max(1) as u64) as usize);
            match (self.chance.below(6), some) {
                (0, Some(path)) if files.len() > 10 => fs::remove_file(path).unwrap_or_default(),
                (1, Some(path)) => {
                    let to = self.world.library.join(format!("best/{seed}.CR3"));
                    fs::create_dir_all(to.parent().unwrap()).unwrap();
                    let _ = fs::rename(path, to);
                }
                (2, Some(path)) if path.exists() => fs::write(path, noise(seed, size)).unwrap(),
                _ => {
                    self.world
                        .write(&format!("20{}/shoot {}/IMG_{seed}.CR3", 24 + seed % 3, seed % 7), &noise(seed, size));
                }
            }
        }
        // The library stays small, however long it goes on.
        for path in files.iter().skip(40) {
            let _ = fs::remove_file(path);
        }
    }

    /// What goes wrong tonight.
    fn mishap(&mut self) {
        match self.chance.below(12) {
            0 => self.world.clock.set(self.world.clock.now().plus(DAY * (2 + self.chance.below(60) as u32))),
            1 => {
                let back = Duration::from_secs(self.chance.below(7_200));
                let now = self.world.clock.now();
                self.world.clock.set(darkslide_engine::words::Time(now.0 - back.as_nanos() as i64));
            }
            2 => self.world.unplug(1),
            3..=5 => {
                let n = self.chance.below(60);
                let fault = match self.chance.below(4) {
                    0 => Fault::CallBefore(n),
                    1 => Fault::CallAfter(n),
                    2 => Fault::PowerAfter(n % 8),
                    _ => Fault::FullAt(n % 8),
                };
                self.world.store(self.chance.below(2) as usize).arm(fault);
            }
            _ => {}
        }
    }

    /// The jobs of one night; what fails is tried again the next.
    fn jobs(&mut self) {
        let engine = self.engine();
        let allowed = BTreeSet::from(["changes".to_string(), "deletions".to_string()]);
        engine.mirror(None, &allowed, &Still).unwrap();
        assert_same(&tree(&self.world.library), &mirrored(&self.world));
        let before = hashed(tree(&self.world.library));
        match try_backup(&engine) {
            Ok(done) => {
                assert_eq!(done.done.failures, [], "night {}", self.night);
                self.promised.insert(done.done.snapshot.to_string(), before);
            }
            Err(_) => self.failed += 1,
        }
        let rules = Rules {
            last: 2,
            periods: BTreeMap::from([(Period::Daily, 5), (Period::Weekly, 3), (Period::Monthly, 4)]),
            ..Rules::default()
        };
        let wanted = ForgetOptions { rules: Some(rules), ..ForgetOptions::default() };
        let forgotten = engine.forget_plan(&wanted, None).and_then(|plan| engine.forget(&plan));
        let pruned = engine.prune(&PruneOptions::default(), &mut |_| true, &Quiet);
        self.failed += u64::from(forgotten.is_err()) + u64::from(pruned.is_err());
    }

    fn heal(&self) {
        (0..2).for_each(|n| _ = self.world.store(n).heal());
        self.world.plug(1);
    }

    fn night(&mut self) {
        self.night += 1;
        self.edit();
        self.mishap();
        self.jobs();
        self.heal();
        let step = 20 * 3600 + self.chance.below(8 * 3600);
        self.world.clock.set(self.world.clock.now().plus(Duration::from_secs(step)));
        if self.chance.once_in(10) {
            self.check();
        }
    }

    /// Nothing is damaged, and one snapshot of those that are kept comes back as it was.
    fn check(&mut self) {
        // A store that was away or failed is behind until the next quiet run.
        self.jobs();
        let engine = self.engine();
        let report = audit(&engine, None);
        assert_eq!(report.count(Severity::Damage), 0, "night {}: {:?}", self.night, report.findings);
        let kept = self.kept(&engine);
        if let Some(name) = kept.get(self.chance.below(kept.len().max(1) as u64) as usize) {
            self.comes_back(&engine, name);
        }
    }

    /// Complete snapshots of ours that are still there.
    fn kept(&self, engine: &Engine) -> Vec<String> {
        let listed = engine.snapshots(Some(&self.identity)).unwrap();
        listed.iter().map(|info| info.name.to_string()).filter(|name| self.promised.contains_key(name)).collect()
    }

    fn comes_back(&self, engine: &Engine, name: &str) {
        let to = self.world.target(&format!("{}-{}", self.night, &name[name.len() - 12..]));
        let done = try_restore(engine, &options(name, &to), &self.identity).unwrap();
        assert_eq!(done.casualties, [], "night {}: {name}", self.night);
        assert_same(&self.promised[name], &hashed(tree(&to)));
        fs::remove_dir_all(to).unwrap();
    }
}

fn mirrored(world: &World) -> Tree {
    let mut found = tree(&world.folder.path().join("nas"));
    found.retain(|path, _| !path.starts_with(".darkslide-trash"));
    found
}

#[test]
fn nights_of_edits_and_mishaps_end_with_everything_that_was_promised() {
    let nights = std::env::var("SOAK_NIGHTS").ok().and_then(|n| n.parse().ok()).unwrap_or(NIGHTS);
    let mut soak = Soak::new(7);
    (0..nights).for_each(|_| soak.night());
    soak.heal();
    // One quiet night brings everything up.
    soak.jobs();
    let engine = soak.engine();
    assert_eq!(audit(&engine, Some(&soak.identity)).count(Severity::Damage), 0);
    assert_eq!(scrub(&engine, Some(&soak.identity)).count(Severity::Damage), 0);
    let kept = soak.kept(&engine);
    assert!(kept.len() >= 5 && soak.failed > 0, "{} kept, {} failed", kept.len(), soak.failed);
    kept.iter().for_each(|name| soak.comes_back(&engine, name));
    assert_eq!(soak.promised[kept.last().unwrap()], hashed(tree(&soak.world.library)), "the last is the library");
    let gone = soak.promised.len() - kept.len();
    assert!(nights < 60 || gone > 0, "nothing was ever forgotten");
}
