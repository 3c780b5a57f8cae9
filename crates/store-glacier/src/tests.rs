//! The store over the double: what is put is found, whatever is cut off where; what is asked for is
//! asked for once; an inventory tells ours from others'.

mod double;

use std::sync::Arc;
use std::time::Duration;

use darkslide_store::vault::{Doubt, InventoryState, Reconciled, RetrievalPolicy, Standing, Vault};
use darkslide_store::{
    MemoryStore, PutFacts, PutOutcome, ReadOutcome, Readable, Store, StoreError, ThawAsk, ThawOutcome, list_all,
};
use darkslide_words::{Bytes, Clock as _, Count, ObjectName, Span, Temperature, Tier, Time};

use self::double::{Double, Kept};
use crate::failure::Failure;
use crate::{NoSleep, Opening, VaultSettings, VaultStore};

const MIB: u64 = 1 << 20;
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const BULK: ThawAsk = ThawAsk { tier: Tier::Bulk, days: Some(1), span: None };

/// A vault, its companion, and this machine's folder.
struct Site {
    double: Double,
    companion: Arc<MemoryStore>,
    folder: tempfile::TempDir,
    settings: VaultSettings,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = VaultSettings {
            record: Some(folder.path().join("vaults/photos.sqlite")),
            multipart_from: Bytes::mib(4),
            part: Bytes::mib(1),
            ..VaultSettings::new("photos")
        };
        let double = Double::new(Time::from_compact("20260310T093000.000Z").unwrap());
        Self { double, companion: Arc::default(), folder, settings }
    }

    fn open_as(&self, how: Opening) -> Result<VaultStore, StoreError> {
        let service = Box::new(self.double.clone());
        let (companion, clock) = (self.companion.clone(), self.double.clock.clone());
        VaultStore::over(self.settings.clone(), service, companion, clock, Arc::new(NoSleep), (&how, [7; 8]))
    }

    fn open(&self) -> VaultStore {
        self.open_as(Opening::Make).unwrap()
    }

    fn lose_record(&self) {
        std::fs::remove_dir_all(self.folder.path().join("vaults")).unwrap();
    }

    fn archives(&self) -> usize {
        self.double.world.lock().unwrap().archives.len()
    }

    fn mend(&self) {
        self.double.world.lock().unwrap().cut = None;
    }
}

fn name(text: &str) -> ObjectName {
    ObjectName::new(text).unwrap()
}

fn noise(seed: u64, len: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..len).map(|_| next()).collect()
}

fn put(store: &dyn Store, at: &str, bytes: &[u8]) -> Result<PutOutcome, StoreError> {
    let crc64 = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, bytes);
    store.put(&name(at), bytes, &PutFacts { crc64, temperature: Temperature::Cold })
}

/// The clock of tests moves a little whenever it is read.
fn held_about(outcome: ThawOutcome, at: Time) -> bool {
    let second = Duration::from_secs(1);
    matches!(outcome, ThawOutcome::HeldBack { until } if until <= at.plus(second) && at <= until.plus(second))
}

fn names(store: &dyn Store) -> Vec<String> {
    list_all(store, "").unwrap().into_iter().map(|l| l.name.to_string()).collect()
}

#[test]
fn hot_objects_keep_the_contract() {
    darkslide_store::contract::run(&|| Box::new(Site::new().open()));
}

#[test]
fn a_pack_goes_into_the_vault_and_all_else_beside_it() {
    let site = Site::new();
    let store = site.open();
    assert_eq!(put(&store, "packs/ab/one", b"frozen").unwrap(), PutOutcome::Created);
    let hot = PutFacts { crc64: 0, temperature: Temperature::Hot };
    store.put(&name("index/x"), b"hot", &hot).unwrap();
    assert_eq!(site.archives(), 1);
    let kept = site.double.world.lock().unwrap().archives.values().next().unwrap().clone();
    assert_eq!(kept.description, format!("darkslide-1 {} packs packs/ab/one", store.set()));
    assert_eq!(names(&store), ["index/x", "packs/ab/one"], "receipts are not shown");
    assert_eq!(put(&store, "packs/ab/one", b"frozen").unwrap(), PutOutcome::AlreadyThere);
    assert!(matches!(put(&store, "packs/ab/one", b"longer than that"), Err(StoreError::Different { .. })));
    assert_eq!(site.archives(), 1, "nothing was sent twice");
    assert!(
        matches!(store.read(&name("packs/ab/one"), None).unwrap(), ReadOutcome::Cold { class } if class == "VAULT")
    );
    assert!(matches!(put(&store, "archives/x", b"x"), Err(StoreError::Denied { .. })));
    store.delete(&name("packs/ab/one")).unwrap();
    assert_eq!((site.archives(), names(&store)), (0, vec!["index/x".to_string()]));
    assert_eq!(put(&store, "packs/ab/one", b"again").unwrap(), PutOutcome::Created);
}

#[test]
fn a_put_that_is_cut_off_anywhere_is_whole_afterwards() {
    for size in [1000, 5 * MIB + 77] {
        let bytes = noise(1, size);
        for arrives in [false, true] {
            for cut in 2.. {
                let site = Site::new();
                let first = site.open();
                site.double.world.lock().unwrap().cut = Some((cut, arrives));
                let done = put(&first, "packs/ab/one", &bytes);
                drop(first);
                site.mend();
                if done.is_ok() {
                    assert!(cut > 2, "nothing was cut off");
                    break;
                }
                // A process that starts anew, as if nothing had been.
                let store = site.open();
                put(&store, "packs/ab/one", &bytes).unwrap();
                assert_eq!(names(&store), ["packs/ab/one"], "size {size}, cut {cut}, arrives {arrives}");
                assert_eq!(store.thaw(&name("packs/ab/one"), &BULK).unwrap(), ThawOutcome::Started);
                site.double.advance(11 * HOUR);
                list_all(&store, "").unwrap();
                assert_eq!(store.read(&name("packs/ab/one"), None).unwrap(), ReadOutcome::Bytes(bytes.clone()));
                let once = site.archives();
                // Sent at once, an archive whose answer got lost cannot be recognised before the inventory.
                let twice = size < MIB && arrives && cut == 2;
                assert_eq!(once, 1 + usize::from(twice), "size {size}, cut {cut}, arrives {arrives}");
            }
        }
    }
}

#[test]
fn several_at_once_are_each_there_once() {
    let site = Site::new();
    let store = site.open();
    std::thread::scope(|scope| {
        for n in 0..8u64 {
            let store = &store;
            scope.spawn(move || {
                for m in 0..5 {
                    put(store, &format!("packs/{n}/{m}"), &noise(n * 10 + m, 100)).unwrap();
                    put(store, "packs/shared", b"the same").unwrap();
                }
            });
        }
    });
    assert_eq!((names(&store).len(), site.archives()), (41, 41));
}

#[test]
fn parts_that_arrived_are_not_sent_again() {
    let site = Site::new();
    let bytes = noise(2, 6 * MIB + 5);
    let store = site.open();
    // Describe, begin, and three parts; then the line is dead.
    site.double.world.lock().unwrap().cut = Some((6, false));
    assert!(put(&store, "packs/ab/one", &bytes).is_err());
    assert_eq!(site.double.count("put_part"), 3);
    site.mend();
    put(&site.open(), "packs/ab/one", &bytes).unwrap();
    assert_eq!((site.double.count("put_part"), site.double.count("begin_upload")), (7, 1));
}

#[test]
fn uploads_that_nobody_goes_on_with_are_ended_and_others_are_left() {
    let site = Site::new();
    let store = site.open();
    site.double.world.lock().unwrap().cut = Some((4, false));
    assert!(put(&store, "packs/ab/one", &noise(3, 5 * MIB)).is_err());
    site.mend();
    use crate::service::Service as _;
    site.double.begin_upload("somebody else's", MIB).unwrap();
    assert_eq!(store.sweep_uploads().unwrap(), 0, "it may go on");
    site.double.advance(2 * DAY);
    assert_eq!(store.sweep_uploads().unwrap(), 1);
    assert_eq!(site.double.uploads().unwrap().len(), 1);
}

#[test]
fn one_photograph_does_not_thaw_a_pack() {
    let site = Site::new();
    let store = site.open();
    let bytes = noise(4, 9 * MIB + 123);
    put(&store, "packs/ab/one", &bytes).unwrap();
    let pack = name("packs/ab/one");
    let wanted = Span { from: 2 * MIB + 10, to: 3 * MIB + 20 };
    let ask = ThawAsk { tier: Tier::Standard, days: Some(1), span: Some(wanted) };
    assert_eq!(store.thaw(&pack, &ask).unwrap(), ThawOutcome::Started);
    assert_eq!(store.thaw(&pack, &ask).unwrap(), ThawOutcome::InProgress);
    assert_eq!(store.readable_part(&pack, wanted).unwrap(), Some(Readable::Thawing));
    let job = store.jobs().unwrap().remove(0);
    assert_eq!((job.span, job.name), (Some(Span { from: 2 * MIB, to: 4 * MIB }), Some(pack.clone())));
    site.double.advance(5 * HOUR);
    assert_eq!(list_all(&store, "").unwrap()[0].readable, Readable::Cold, "the whole of it is not thawed");
    assert!(matches!(store.readable_part(&pack, wanted).unwrap(), Some(Readable::Until(_))));
    assert_eq!(store.thaw(&pack, &ask).unwrap(), ThawOutcome::NotCold);
    let part = store.read(&pack, Some(wanted.from..wanted.to)).unwrap();
    assert_eq!(part, ReadOutcome::Bytes(bytes[wanted.from as usize..wanted.to as usize].to_vec()));
    assert!(matches!(store.read(&pack, Some(0..10)).unwrap(), ReadOutcome::Cold { .. }));
    assert!(matches!(store.read(&pack, Some(0..bytes.len() as u64 + 1)), Err(StoreError::Short { .. })));
    site.double.advance(2 * DAY);
    assert!(matches!(store.read(&pack, Some(wanted.from..wanted.to)).unwrap(), ReadOutcome::Cold { .. }));
    assert_eq!(site.double.count("begin_job"), 1);
}

#[test]
fn a_job_whose_answer_was_lost_is_found_in_the_list_and_not_asked_for_twice() {
    let site = Site::new();
    let store = site.open();
    put(&store, "packs/ab/one", b"frozen").unwrap();
    let calls = site.double.world.lock().unwrap().calls;
    site.double.world.lock().unwrap().cut = Some((calls + 1, true));
    assert!(store.thaw(&name("packs/ab/one"), &BULK).unwrap_err().is_transient());
    site.mend();
    // Not even this machine's record is left.
    drop(store);
    site.lose_record();
    let store = site.open();
    assert_eq!(list_all(&store, "packs/").unwrap()[0].readable, Readable::Thawing);
    assert_eq!(store.thaw(&name("packs/ab/one"), &BULK).unwrap(), ThawOutcome::InProgress);
    let fast = ThawAsk { tier: Tier::Expedited, ..BULK };
    assert_eq!(store.thaw(&name("packs/ab/one"), &fast).unwrap(), ThawOutcome::Started, "a faster one is another job");
    assert_eq!(site.double.count("begin_job"), 2);
}

#[test]
fn requests_keep_below_what_the_policy_lets_be_in_progress() {
    let site = Site::new();
    // 5 MiB an hour are 20 MiB in progress.
    site.double.world.lock().unwrap().policy = Some(RetrievalPolicy::BytesPerHour { bytes: Bytes(5 * MIB) });
    let store = site.open();
    let packs = ["packs/a", "packs/b", "packs/c"].map(name);
    for pack in &packs {
        put(&store, pack.as_str(), &noise(5, 8 * MIB)).unwrap();
    }
    let ask = ThawAsk { tier: Tier::Standard, days: Some(1), span: None };
    let begun = site.double.clock.now();
    assert_eq!(store.thaw(&packs[0], &ask).unwrap(), ThawOutcome::Started);
    site.double.advance(HOUR / 2);
    assert_eq!(store.thaw(&packs[1], &ask).unwrap(), ThawOutcome::Started);
    assert!(held_about(store.thaw(&packs[2], &ask).unwrap(), begun.plus(3 * HOUR)));
    assert_eq!(site.double.count("begin_job"), 2, "the service was not even asked");
    assert_eq!(store.thaw(&packs[2], &BULK).unwrap(), ThawOutcome::Started, "the policy is for Standard only");
    let fast = ThawAsk { tier: Tier::Expedited, ..ask };
    site.double.world.lock().unwrap().refuse = Some(Failure::refused(503, "InsufficientCapacityException", "x"));
    assert_eq!(store.thaw(&packs[2], &fast).unwrap(), ThawOutcome::NoCapacity);
    site.double.world.lock().unwrap().refuse = None;
    let huge = name("packs/huge");
    put(&store, huge.as_str(), &noise(6, 21 * MIB)).unwrap();
    site.double.advance(26 * HOUR);
    let never = store.thaw(&huge, &ask).unwrap_err().to_string();
    assert!(never.contains("never lets") && never.contains("bulk"), "{never}");
}

#[test]
fn the_free_share_of_a_day_is_not_exceeded() {
    let site = Site::new();
    site.double.world.lock().unwrap().policy = Some(RetrievalPolicy::FreeTier);
    let store = site.open();
    let packs: Vec<_> = (0..12).map(|n| name(&format!("packs/{n}"))).collect();
    for (n, pack) in packs.iter().enumerate() {
        put(&store, pack.as_str(), &noise(n as u64, 32 * MIB)).unwrap();
    }
    let ask = ThawAsk { tier: Tier::Standard, days: Some(1), span: None };
    let outcomes: Vec<_> = packs.iter().map(|pack| store.thaw(pack, &ask).unwrap()).collect();
    assert_eq!(outcomes.iter().filter(|o| **o == ThawOutcome::Started).count(), 10, "330 MiB are free");
    let ThawOutcome::HeldBack { until } = outcomes[11] else { panic!("{outcomes:?}") };
    assert_eq!(until, darkslide_price::midnight_after(site.double.clock.now()));
}

#[test]
fn a_refusal_by_the_policy_is_no_failure() {
    let site = Site::new();
    let store = site.open();
    put(&store, "packs/a", b"x").unwrap();
    site.double.world.lock().unwrap().refuse = Some(Failure::refused(400, "PolicyEnforcedException", "over"));
    let held = store.thaw(&name("packs/a"), &BULK).unwrap();
    assert!(held_about(held, site.double.clock.now().plus(HOUR)));
}

fn read_inventory(site: &Site, store: &VaultStore) -> Reconciled {
    store.start_inventory().unwrap();
    assert!(matches!(store.inventory().unwrap(), InventoryState::Working { .. }));
    site.double.advance(5 * HOUR);
    match store.inventory().unwrap() {
        InventoryState::Read(made) => made,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_inventory_tells_ours_from_others_and_new_from_missing() {
    let site = Site::new();
    let stranger = Kept { description: "IMG_1.CR2".into(), bytes: vec![1; 10], created: site.double.clock.now() };
    site.double.world.lock().unwrap().archives.insert("other".into(), stranger);
    let store = site.open();
    assert!(store.start_inventory().unwrap_err().to_string().contains("no inventory yet"));
    put(&store, "packs/a", b"one").unwrap();
    put(&store, "packs/b", b"two").unwrap();
    site.double.advance(DAY);
    // Deleted behind our back, just before the inventory; and one that comes after it.
    let lost = site.double.world.lock().unwrap().archives.iter().find(|(_, k)| k.bytes == b"two").unwrap().0.clone();
    site.double.world.lock().unwrap().archives.remove(&lost);
    site.double.take_inventory();
    site.double.advance(HOUR);
    put(&store, "packs/c", b"three").unwrap();
    let made = read_inventory(&site, &store);
    let counts = (made.archives, made.known, made.foreign, made.too_new, made.missing, made.found);
    assert_eq!(counts, (Count(2), Count(1), Count(1), Count(1), Count(1), Count(0)));
    let doubts: Vec<_> = store.doubtful().unwrap().into_iter().map(|d| (d.name.to_string(), d.doubt)).collect();
    assert_eq!(doubts, [("packs/b".into(), Doubt::Missing), ("packs/c".into(), Doubt::TooNew)]);
    assert_eq!(store.last_inventory().unwrap(), Some(made));
    assert_eq!(store.inventory().unwrap(), InventoryState::None, "it was read");
    assert_eq!(names(&store), ["packs/a", "packs/b", "packs/c"], "a listing says what is believed");
    let mut foreign = Vec::new();
    store
        .archives(&mut |a| {
            foreign.extend((a.standing == Standing::Foreign).then_some(a.id));
            Ok(())
        })
        .unwrap();
    assert_eq!(foreign, ["other"]);
    assert!(site.double.world.lock().unwrap().archives.contains_key("other"), "and left alone");
}

#[test]
fn duplicates_are_told_by_description_and_tree_hash_and_can_be_discarded() {
    let site = Site::new();
    let store = site.open();
    site.double.world.lock().unwrap().cut = Some((2, true));
    assert!(put(&store, "packs/a", b"one").is_err());
    site.mend();
    put(&store, "packs/a", b"one").unwrap();
    assert_eq!(site.archives(), 2);
    site.double.take_inventory();
    let made = read_inventory(&site, &store);
    assert_eq!((made.known, made.duplicates, made.found), (Count(1), Count(1), Count(0)));
    let mut all = Vec::new();
    store
        .archives(&mut |a| {
            all.push((a.standing, a.id));
            Ok(())
        })
        .unwrap();
    all.sort();
    assert!(store.discard(&all[0].1).is_err(), "the one that counts stays");
    store.discard(&all[1].1).unwrap();
    assert_eq!(site.archives(), 1);
    store.thaw(&name("packs/a"), &BULK).unwrap();
    site.double.advance(11 * HOUR);
    list_all(&store, "").unwrap();
    assert_eq!(store.read(&name("packs/a"), None).unwrap(), ReadOutcome::Bytes(b"one".to_vec()));
}

#[test]
fn a_lost_record_comes_back_from_the_companion_at_once() {
    let site = Site::new();
    let store = site.open();
    for n in 0..20 {
        put(&store, &format!("packs/{n:02}/x"), &noise(n, 100)).unwrap();
    }
    let before = list_all(&store, "").unwrap();
    drop(store);
    site.lose_record();
    let store = site.open_as(Opening::There).unwrap();
    assert_eq!(list_all(&store, "").unwrap(), before);
    assert_eq!(site.double.count("begin_job"), 0, "no inventory was needed");
}

#[test]
fn a_lost_companion_comes_back_from_an_inventory() {
    let site = Site::new();
    let store = site.open();
    for n in 0..20 {
        put(&store, &format!("packs/{n:02}/x"), &noise(n, 100)).unwrap();
    }
    let (before, set) = (names(&store), store.set().to_string());
    drop(store);
    site.lose_record();
    let site = Site { companion: Arc::default(), ..site };
    assert!(site.open_as(Opening::There).unwrap_err().to_string().contains("vault rebuild"));
    site.double.take_inventory();
    let store = site.open_as(Opening::Rebuild(set.clone())).unwrap();
    assert_eq!(names(&store), Vec::<String>::new());
    let made = read_inventory(&site, &store);
    assert_eq!((made.found, made.archives), (Count(20), Count(20)));
    assert_eq!(names(&store), before);
    assert_eq!(crate::sets_of(&store).unwrap(), [(set, 20)].into());
    drop(store);
    site.lose_record();
    assert_eq!(names(&site.open_as(Opening::There).unwrap()), before, "the receipts are back");
}

#[test]
fn a_companion_that_was_lost_gets_its_receipts_from_a_record_that_was_not() {
    let site = Site::new();
    let store = site.open();
    for n in 0..5 {
        put(&store, &format!("packs/{n:02}/x"), &noise(n, 100)).unwrap();
    }
    let (before, set) = (names(&store), store.set().to_string());
    drop(store);
    let site = Site { companion: Arc::default(), ..site };
    let store = site.open_as(Opening::Rebuild(set)).unwrap();
    assert_eq!(names(&store), before);
    assert_eq!(site.double.count("begin_job"), 0, "no inventory was needed");
}

#[test]
fn what_was_deleted_since_an_inventory_stays_deleted() {
    let site = Site::new();
    let store = site.open();
    put(&store, "packs/a", b"one").unwrap();
    site.double.take_inventory();
    site.double.advance(HOUR);
    store.delete(&name("packs/a")).unwrap();
    let made = read_inventory(&site, &store);
    assert_eq!((made.found, made.missing), (Count(0), Count(0)));
    assert_eq!(names(&store), Vec::<String>::new());
}

#[test]
fn two_machines_see_each_others_archives() {
    let site = Site::new();
    let here = site.open();
    let other = VaultSettings { record: None, ..site.settings.clone() };
    let (companion, clock) = (site.companion.clone(), site.double.clock.clone());
    let there = VaultStore::over(
        other,
        Box::new(site.double.clone()),
        companion,
        clock,
        Arc::new(NoSleep),
        (&Opening::There, [1; 8]),
    )
    .unwrap();
    put(&here, "packs/a", b"one").unwrap();
    assert_eq!(names(&there), ["packs/a"]);
    assert_eq!(put(&there, "packs/a", b"one").unwrap(), PutOutcome::AlreadyThere);
    there.delete(&name("packs/a")).unwrap();
    assert_eq!(names(&here), Vec::<String>::new());
    assert_eq!(put(&here, "packs/a", b"one").unwrap(), PutOutcome::Created, "what another one deleted is put again");
    assert_eq!(site.archives(), 1);
}

#[test]
fn a_companion_of_another_vault_is_refused() {
    let site = Site::new();
    drop(site.open());
    let other = Site { settings: VaultSettings::new("films"), ..site };
    assert!(other.open_as(Opening::Make).unwrap_err().to_string().contains("belongs to the vault `photos`"));
}

#[test]
fn a_closed_service_says_what_to_use_instead() {
    let site = Site::new();
    site.double.world.lock().unwrap().refuse = Some(Failure::refused(400, "NoLongerSupportedException", "closed"));
    let error = site.open_as(Opening::Make).unwrap_err();
    assert!(matches!(error, StoreError::Setup { .. }) && error.to_string().contains("DEEP_ARCHIVE"), "{error}");
}

#[test]
fn bytes_that_are_not_the_archives_are_refused() {
    let site = Site::new();
    let store = site.open();
    put(&store, "packs/a", &noise(9, 3 * MIB)).unwrap();
    store.thaw(&name("packs/a"), &BULK).unwrap();
    site.double.advance(11 * HOUR);
    list_all(&store, "").unwrap();
    site.double.world.lock().unwrap().archives.values_mut().for_each(|kept| kept.bytes[5] ^= 1);
    assert!(matches!(store.read(&name("packs/a"), None), Err(StoreError::Corrupted { .. })));
}
