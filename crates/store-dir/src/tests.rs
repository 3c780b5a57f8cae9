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

#[test]
fn what_goes_wrong_with_pieces_is_told_in_the_end_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("repo");
    let store = DirStore::create(&root).unwrap();
    let tmp = root.join(TMP);
    let left = || fs::read_dir(&tmp).unwrap().count();
    let name = ObjectName::new("packs/ab/x").unwrap();
    let send = |incoming: &mut Box<dyn Incoming + '_>| (0..3).for_each(|n| incoming.write(&[n; 1000]));

    // A device that is full from the first byte on stands in for the file.
    let mut full = Arriving::full(&store);
    full.write(&[1; 1000]);
    assert_eq!(left(), 0, "others have its room at once");
    full.write(&[1; 1000]);
    assert!(matches!(Box::new(full).finish(&name, &facts(b"")), Err(StoreError::Full { .. })));

    // It is unplugged while pieces come.
    let mut incoming = store.incoming().unwrap();
    send(&mut incoming);
    fs::rename(&root, folder.path().join("elsewhere")).unwrap();
    send(&mut incoming);
    assert!(matches!(incoming.finish(&name, &facts(b"")), Err(StoreError::Unreachable { .. })));
    fs::rename(folder.path().join("elsewhere"), &root).unwrap();
    fs::remove_dir_all(&tmp).unwrap();

    // `tmp/` is made anew, and of two that come under one name the first one stays.
    let (mut one, mut other) = (store.incoming().unwrap(), store.incoming().unwrap());
    assert!(!tmp.exists(), "nothing happens before the first piece");
    send(&mut one);
    send(&mut other);
    assert_eq!(left(), 2);
    assert_eq!(one.finish(&name, &facts(b"")).unwrap(), PutOutcome::Created);
    assert_eq!(other.finish(&name, &facts(b"")).unwrap(), PutOutcome::AlreadyThere);
    assert_eq!((left(), fs::metadata(root.join(name.as_str())).unwrap().len()), (0, 3000));
    let mut dropped = store.incoming().unwrap();
    send(&mut dropped);
    let later = SystemClock::default().now().plus(2 * LEFTOVER);
    DirStore::open(&root, &FixedClock::new(later)).unwrap();
    assert_eq!(left(), 1, "what is held is no leftover, however old");
    drop(dropped);
    assert_eq!(left(), 0);

    // A store that keeps parity wants whole objects.
    assert!(DirStore::create(&root).unwrap().with_parity(10).incoming().is_none());
}

/// In a process of its own, whose files may not become larger than 3 MB: a write ends in the middle of a block, the next
/// one is refused.
#[test]
fn packs_that_outgrow_what_the_system_allows_are_told_and_leave_nothing_behind() {
    const LIMITED: &str = "DARKSLIDE_TEST_LIMITED";
    if std::env::var_os(LIMITED).is_none() {
        let exe = std::env::current_exe().unwrap();
        let run = "trap '' XFSZ; ulimit -f 5860; exec \"$0\" --exact \"$1\" --nocapture";
        let this = "tests::packs_that_outgrow_what_the_system_allows_are_told_and_leave_nothing_behind";
        let ran = std::process::Command::new("sh").arg("-c").arg(run).arg(exe).arg(this).env(LIMITED, "1").output();
        let ran = ran.unwrap();
        let said = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&ran.stderr));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let store = DirStore::create(folder.path()).unwrap();
    let left = || fs::read_dir(folder.path().join(TMP)).unwrap().count();
    let name = ObjectName::new("packs/ab/x").unwrap();
    for megabytes in [4, 5, 9, 30] {
        let mut incoming = store.incoming().unwrap();
        (0..megabytes).for_each(|_| incoming.write(&[1; 1 << 20]));
        assert!(matches!(incoming.finish(&name, &facts(b"")), Err(StoreError::Io { .. })), "{megabytes}");
        let bytes = vec![1; megabytes << 20];
        assert!(matches!(store.put(&name, &bytes, &facts(&bytes)), Err(StoreError::Io { .. })), "{megabytes}");
        assert_eq!(left(), 0);
    }
    // Its room is given back as soon as the thread saw it, though nobody asked.
    let path = folder.path().join("alone");
    let mut output = Output::new(open_new(&path).unwrap(), None, &Blocks::default());
    if matches!(output, Output::Past(_)) {
        output.write(&vec![1; 4 << 20]).unwrap();
        let ended = (0..10_000).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(1));
            output.has_ended()
        });
        assert!(ended);
        assert_eq!(fs::metadata(&path).unwrap().len(), 0);
    }
    let small = vec![1; 2_900_000];
    store.put(&name, &small, &facts(&small)).unwrap();
    let mut incoming = store.incoming().unwrap();
    incoming.write(&small);
    incoming.finish(&ObjectName::new("packs/ab/y").unwrap(), &facts(b"")).unwrap();
    assert_eq!(store.read(&name, None).unwrap().bytes(&name).unwrap(), small);
}
