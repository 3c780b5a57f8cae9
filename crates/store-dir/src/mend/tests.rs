//! Mending on a disk: rot, zeroed sectors, truncation, absence, and a crash at each operation.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use darkslide_disk::{FaultyDisk, Harm, RealDisk};
use darkslide_store::{Healed, Mending as _, ParityState, PutFacts, PutOutcome, Store as _, list_all};
use darkslide_words::{Clock as _, Count, ObjectId, ObjectName, Rng as _, SeededRng, Temperature};

use super::salvage_from;
use crate::{DirStore, LEFTOVER, TMP, parity};

fn facts(bytes: &[u8]) -> PutFacts {
    PutFacts { crc64: crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, bytes), temperature: Temperature::Cold }
}

fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    SeededRng::new(seed).fill(&mut bytes);
    bytes
}

fn id_of(bytes: &[u8]) -> ObjectId {
    ObjectId::new(*blake3::hash(bytes).as_bytes())
}

struct Shelf {
    folder: tempfile::TempDir,
    store: DirStore,
    disk: FaultyDisk<RealDisk>,
    name: ObjectName,
    id: ObjectId,
    object: Vec<u8>,
}

impl Shelf {
    fn new(percent: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let disk = FaultyDisk::new(RealDisk);
        let object = noise(1, 50 * 4096 + 17);
        let id = id_of(&object);
        let name = ObjectName::new(format!("packs/ab/{id}.tar.zst.age")).unwrap();
        let store = DirStore { disk: Box::new(disk.clone()), ..DirStore::create(folder.path()).unwrap() };
        let store = store.with_parity(percent);
        store.put(&name, &object, &facts(&object)).unwrap();
        Self { folder, store, disk, name, id, object }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(self.name.as_str())
    }

    fn parity(&self) -> PathBuf {
        self.folder.path().join(format!("parity/{}.rs", self.name))
    }

    fn harm(&self, harm: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = fs::read(self.path()).unwrap();
        harm(&mut bytes);
        fs::write(self.path(), bytes).unwrap();
    }

    fn state(&self) -> ParityState {
        self.store.parity(&self.name, Some(self.id), None).unwrap()
    }

    fn heal(&self) -> Healed {
        self.store.heal(&self.name, Some(self.id)).unwrap()
    }

    fn is_whole(&self) -> bool {
        fs::read(self.path()).is_ok_and(|found| found == self.object)
    }

    fn aside(&self) -> Vec<Vec<u8>> {
        let path = |n: u32| self.folder.path().join(format!("damaged/{}.{n}", self.name));
        (0..).map_while(|n| fs::read(path(n)).ok()).collect()
    }

    fn leftovers(&self) -> usize {
        fs::read_dir(self.folder.path().join(TMP)).unwrap().count()
    }
}

#[test]
fn the_contract_with_parity() {
    let folder = tempfile::tempdir().unwrap();
    let serial = AtomicU64::new(0);
    darkslide_store::contract::run(&|| {
        let n = serial.fetch_add(1, Ordering::Relaxed);
        Box::new(DirStore::create(&folder.path().join(n.to_string())).unwrap().with_parity(10))
    });
}

#[test]
fn parity_is_beside_each_object_and_in_no_listing() {
    let shelf = Shelf::new(10);
    assert_eq!(shelf.state(), ParityState::Whole);
    shelf.harm(|bytes| bytes[9000] ^= 1);
    shelf.heal();
    for prefix in ["", "parity/", "damaged/", "tmp/", "parity/packs/ab/"] {
        let listed = list_all(&shelf.store, prefix).unwrap();
        let wanted: &[ObjectName] = if prefix.is_empty() { std::slice::from_ref(&shelf.name) } else { &[] };
        assert_eq!(listed.into_iter().map(|l| l.name).collect::<Vec<_>>(), wanted, "{prefix}");
    }
    shelf.store.delete(&shelf.name).unwrap();
    assert!(!shelf.parity().exists());
    assert_eq!(Shelf::new(0).state(), ParityState::Absent);
}

#[test]
fn rot_up_to_the_share_is_healed_and_the_damaged_one_kept() {
    type Strike = fn(&mut Vec<u8>);
    let harms: [(&str, Strike); 5] = [
        ("a bit", |bytes| bytes[123_456] ^= 0x10),
        ("zeroed sectors", |bytes| [3, 17, 40].iter().for_each(|n| bytes[n * 4096..(n + 1) * 4096].fill(0))),
        ("truncated", |bytes| bytes.truncate(47 * 4096)),
        ("grown", |bytes| bytes.extend([0; 5000])),
        ("a missing middle", |bytes| {
            bytes.drain(47 * 4096 + 5..47 * 4096 + 999);
        }),
    ];
    for (what, harm) in harms {
        let shelf = Shelf::new(10);
        let modified = fs::metadata(shelf.path()).unwrap().modified().unwrap();
        shelf.harm(harm);
        fs::File::open(shelf.path()).unwrap().set_modified(modified).unwrap();
        let harmed = fs::read(shelf.path()).unwrap();
        assert!(matches!(shelf.state(), ParityState::Healable { .. }), "{what}: {:?}", shelf.state());
        assert!(matches!(shelf.heal(), Healed::Healed { .. }), "{what}");
        assert!(shelf.is_whole(), "{what}");
        assert_eq!(shelf.aside(), [harmed], "{what}");
        assert_eq!(shelf.state(), ParityState::Whole, "{what}");
        assert_eq!(shelf.heal(), Healed::Whole, "{what}");
        assert_eq!(fs::metadata(shelf.path()).unwrap().modified().unwrap(), modified, "{what}");
        assert_eq!(shelf.leftovers(), 0, "{what}");
    }
}

#[test]
fn rot_beyond_the_share_is_said_and_nothing_is_touched() {
    let shelf = Shelf::new(10);
    shelf.harm(|bytes| bytes[..7 * 4096].fill(0));
    let harmed = fs::read(shelf.path()).unwrap();
    let wanted = ParityState::Beyond { damaged: Count(7), spare: Count(6) };
    assert_eq!((shelf.state(), shelf.heal()), (wanted, Healed::Not(wanted)));
    assert!(fs::read(shelf.path()).unwrap() == harmed);
    assert_eq!((shelf.aside().len(), shelf.leftovers()), (0, 0));
    // What the disk cannot give at all is one thing more; all of it comes back from as much parity.
    let shelf = Shelf::new(100);
    fs::remove_file(shelf.path()).unwrap();
    assert!(matches!(shelf.heal(), Healed::Healed { shards: Count(51) }));
    assert!(shelf.is_whole());
}

#[test]
fn worn_lost_and_foreign_parity_are_told_apart() {
    let shelf = Shelf::new(10);
    let good = fs::read(shelf.parity()).unwrap();
    let mut worn = good.clone();
    let middle = worn.len() / 2;
    worn[middle] ^= 1;
    fs::write(shelf.parity(), &worn).unwrap();
    assert_eq!(shelf.state(), ParityState::Worn { damaged: Count(1) });
    assert!(shelf.store.protect(&shelf.name, Some(shelf.id)).unwrap());
    assert!(fs::read(shelf.parity()).unwrap() == good);
    fs::write(shelf.parity(), vec![0; good.len()]).unwrap();
    assert_eq!((shelf.state(), shelf.heal()), (ParityState::Lost, Healed::Not(ParityState::Lost)));
    fs::write(shelf.parity(), parity::make(&noise(9, 1000), 10)).unwrap();
    assert_eq!((shelf.state(), shelf.heal()), (ParityState::Foreign, Healed::Not(ParityState::Foreign)));
    // Parity is never made of damaged bytes.
    shelf.harm(|bytes| bytes[1] ^= 1);
    assert!(!shelf.store.protect(&shelf.name, Some(shelf.id)).unwrap());
    assert!(shelf.is_whole() || fs::read(shelf.parity()).unwrap() == parity::make(&noise(9, 1000), 10));
}

#[test]
fn parity_for_what_was_stored_before_is_made_on_request() {
    let mut shelf = Shelf::new(0);
    assert!(!shelf.store.protect(&shelf.name, Some(shelf.id)).unwrap());
    shelf.store.parity = 10;
    assert_eq!(shelf.state(), ParityState::Absent);
    assert!(shelf.store.protect(&shelf.name, Some(shelf.id)).unwrap());
    shelf.harm(|bytes| bytes[77_777] ^= 1);
    assert_eq!(shelf.heal(), Healed::Healed { shards: Count(1) });
    assert!(shelf.is_whole());
}

#[test]
fn good_bytes_take_the_place_of_damaged_ones() {
    for percent in [0, 10] {
        let shelf = Shelf::new(percent);
        shelf.harm(|bytes| bytes.fill(0));
        shelf.store.exchange(&shelf.name, &shelf.object).unwrap();
        assert!(shelf.is_whole());
        assert_eq!(shelf.aside(), [vec![0; shelf.object.len()]]);
        fs::remove_file(shelf.path()).unwrap();
        shelf.store.exchange(&shelf.name, &shelf.object).unwrap();
        assert!(shelf.is_whole());
        assert_eq!(shelf.state(), if percent == 0 { ParityState::Absent } else { ParityState::Whole });
    }
}

#[test]
fn parity_without_an_object_is_swept_when_it_is_old() {
    let shelf = Shelf::new(10);
    let now = darkslide_words::SystemClock::default().now();
    fs::remove_file(shelf.path()).unwrap();
    let other = ObjectName::new("warm/zz/kept").unwrap();
    shelf.store.put(&other, b"kept", &facts(b"kept")).unwrap();
    assert_eq!(shelf.store.sweep_parity(now).unwrap().0, Count(0));
    assert_eq!(shelf.store.sweep_parity(now.plus(2 * LEFTOVER)).unwrap().0, Count(1));
    assert!(!shelf.parity().exists());
    assert_eq!(shelf.store.parity(&other, None, None).unwrap(), ParityState::Whole);
}

/// Every operation of a heal fails once, or is the last: the object is damaged as before or whole,
/// what was there is kept, and the next try heals.
#[test]
fn a_crash_at_every_step_of_healing() {
    type Work = fn(&Shelf) -> bool;
    let works: [(&str, Work); 2] = [
        ("heal", |shelf| matches!(shelf.store.heal(&shelf.name, Some(shelf.id)), Ok(Healed::Healed { .. }))),
        ("exchange", |shelf| shelf.store.exchange(&shelf.name, &shelf.object).is_ok()),
    ];
    for (what, work) in works {
        for harm in [Harm::Dead, Harm::Errno(5), Harm::Short(28)] {
            let mut steps = 0;
            for n in 1.. {
                let shelf = Shelf::new(10);
                shelf.harm(|bytes| bytes[30_000] ^= 4);
                let harmed = fs::read(shelf.path()).unwrap();
                shelf.disk.arm(n, harm);
                let done = work(&shelf);
                let struck = shelf.disk.heal();
                let context = format!("{what}, {harm:?} at {n}, {struck:?}");
                if struck.is_none() {
                    assert!(done, "{context}");
                    break;
                }
                steps = n;
                let found = fs::read(shelf.path()).unwrap();
                assert!(found == harmed || found == shelf.object, "{context}: neither damaged nor whole");
                assert!(found == harmed || shelf.aside().contains(&harmed), "{context}: the damaged one is lost");
                if found == harmed {
                    assert!(matches!(shelf.heal(), Healed::Healed { .. }), "{context}");
                }
                assert!(shelf.is_whole(), "{context}");
                assert_eq!(shelf.aside(), [harmed], "{context}: kept once");
                assert_eq!(shelf.state(), ParityState::Whole, "{context}");
            }
            assert!(steps >= 10, "{what}: only {steps} operations");
        }
    }
}

/// The same of a PUT: an object that is there has its parity, or was never there.
#[test]
fn a_crash_at_every_step_of_writing_parity() {
    for harm in [Harm::Dead, Harm::Errno(28), Harm::Short(28)] {
        let mut steps = 0;
        for n in 1.. {
            let shelf = Shelf::new(10);
            let bytes = noise(n, 20_000);
            let name = ObjectName::new("warm/cd/new").unwrap();
            shelf.disk.arm(n, harm);
            let put = shelf.store.put(&name, &bytes, &facts(&bytes));
            let struck = shelf.disk.heal();
            if struck.is_none() {
                assert_eq!(put.unwrap(), PutOutcome::Created);
                break;
            }
            steps = n;
            let there = shelf.folder.path().join("warm/cd/new").exists();
            assert_eq!(there, put.is_ok(), "{harm:?} at {n}");
            assert_eq!(shelf.store.put(&name, &bytes, &facts(&bytes)).unwrap(), PutOutcome::Created);
            assert_eq!(shelf.store.parity(&name, Some(id_of(&bytes)), None).unwrap(), ParityState::Whole);
        }
        assert!(steps >= 5, "only {steps} operations");
    }
}

/// Without second names (exFAT, some shares) the damaged object is moved; a crash then finds it
/// in `damaged/`.
#[test]
fn a_file_system_without_hard_links_and_a_crash_between() {
    use darkslide_disk::Op;
    let shelf = Shelf::new(10);
    shelf.harm(|bytes| bytes[30_000] ^= 4);
    shelf.disk.arm_at(Op::Link, 1, Harm::Errno(95));
    assert!(matches!(shelf.heal(), Healed::Healed { .. }));
    shelf.disk.heal();
    assert!(shelf.is_whole());
    let shelf = Shelf::new(10);
    shelf.harm(|bytes| bytes[30_000] ^= 4);
    fs::create_dir_all(shelf.folder.path().join("damaged/packs/ab")).unwrap();
    fs::rename(shelf.path(), shelf.folder.path().join(format!("damaged/{}.0", shelf.name))).unwrap();
    assert!(matches!(shelf.state(), ParityState::Healable { .. }));
    assert!(matches!(shelf.heal(), Healed::Healed { .. }));
    assert!(shelf.is_whole());
}

/// A file on a disk that has lost some of its sectors.
struct BadSectors<'b>(&'b [u8], &'b [usize]);

impl io::Read for BadSectors<'_> {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::from_raw_os_error(5))
    }
}

impl darkslide_disk::Source for BadSectors<'_> {
    fn stat(&self) -> io::Result<darkslide_disk::Stat> {
        Err(io::Error::from_raw_os_error(5))
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        let from = at as usize;
        let len = buf.len().min(self.0.len() - from);
        match self.1.iter().any(|bad| from < (bad + 1) * 4096 && bad * 4096 < from + len) {
            true => Err(io::Error::from_raw_os_error(5)),
            false => {
                buf[..len].copy_from_slice(&self.0[from..from + len]);
                Ok(len)
            }
        }
    }
}

/// A sector that cannot be read is a damaged shard, not the end of the object.
#[test]
fn sectors_that_cannot_be_read_are_passed_over() {
    let object = noise(5, 50 * 4096 + 17);
    let file = parity::make(&object, 10);
    let read = salvage_from(&BadSectors(&object, &[0, 15, 16, 50]), object.len()).unwrap();
    let parity = parity::read(&file).unwrap();
    let damage = parity.examine(&read);
    assert_eq!(damage.data, [0, 15, 16, 50]);
    assert!(parity.rebuild(read, &damage) == Some(object.clone()));
    assert!(salvage_from(&BadSectors(&object, &[]), object.len()).unwrap() == object);
}
