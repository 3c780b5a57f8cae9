//! A directory as a store, and what goes wrong with disks.

use super::*;
use darkslide_words::{FixedClock, SystemClock, Temperature};

fn facts(bytes: &[u8]) -> PutFacts {
    PutFacts { crc64: crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, bytes), temperature: Temperature::Hot }
}

#[test]
fn contract() {
    let folder = tempfile::tempdir().unwrap();
    let serial = AtomicU64::new(0);
    darkslide_store::contract::run(&|| {
        let n = serial.fetch_add(1, Ordering::Relaxed);
        Box::new(DirStore::create(&folder.path().join(n.to_string())).unwrap())
    });
}

#[test]
fn an_unplugged_disk_is_unreachable_and_not_empty() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("usb");
    let store = DirStore::create(&root).unwrap();
    let name = ObjectName::new("a/b").unwrap();
    store.put(&name, b"x", &facts(b"x")).unwrap();
    fs::rename(&root, folder.path().join("elsewhere")).unwrap();
    assert!(matches!(store.read(&name, None), Err(StoreError::Unreachable { .. })));
    assert!(matches!(store.list("", &mut |_| Ok(())), Err(StoreError::Unreachable { .. })));
    assert!(matches!(store.put(&name, b"x", &facts(b"x")), Err(StoreError::Unreachable { .. })));
    assert!(matches!(DirStore::open(&root, &SystemClock::default()), Err(StoreError::Unreachable { .. })));
}

#[test]
fn leftovers_are_not_listed_and_swept_after_a_day() {
    let folder = tempfile::tempdir().unwrap();
    let store = DirStore::create(folder.path()).unwrap();
    fs::write(folder.path().join("tmp/half"), b"half an object").unwrap();
    let mut seen = 0;
    store
        .list("", &mut |_| {
            seen += 1;
            Ok(())
        })
        .unwrap();
    assert_eq!(seen, 0);
    let now = SystemClock::default().now();
    DirStore::open(folder.path(), &FixedClock::new(now)).unwrap();
    assert!(folder.path().join("tmp/half").exists());
    DirStore::open(folder.path(), &FixedClock::new(now.plus(2 * LEFTOVER))).unwrap();
    assert!(!folder.path().join("tmp/half").exists());
}

#[test]
fn a_full_disk_is_said_and_leaves_nothing_behind() {
    // A file size limit stands in for a full disk: both end a write early.
    let error = DirStore::at(Path::new("/")).error(
        "writing",
        &ObjectName::new("x").unwrap(),
        io::ErrorKind::StorageFull.into(),
    );
    assert!(matches!(error, StoreError::Full { .. }));
    let folder = tempfile::tempdir().unwrap();
    let store = DirStore::create(folder.path()).unwrap();
    // A folder in the way of the object's folder makes placing it fail.
    fs::write(folder.path().join("packs"), b"in the way").unwrap();
    let name = ObjectName::new("packs/ab/x").unwrap();
    assert!(store.put(&name, b"x", &facts(b"x")).is_err());
    assert_eq!(fs::read_dir(folder.path().join("tmp")).unwrap().count(), 0);
}
