//! What every store promises, as checks that each store's tests run.
//!
//! The checks panic with the promise that was broken; `make` gives a fresh,
//! empty store each time.

use darkslide_words::{ObjectName, Temperature};

use crate::{PutFacts, PutOutcome, ReadOutcome, Store, StoreError, list_all};

const FACTS: PutFacts = PutFacts { crc64: 0, temperature: Temperature::Hot };

fn name(text: &str) -> ObjectName {
    // invariant: the contract's own names fit the alphabet.
    ObjectName::new(text).expect("a name") // invariant: as above
}

/// Sends bytes with their true checksum.
fn put(store: &dyn Store, at: &str, bytes: &[u8]) -> Result<PutOutcome, StoreError> {
    store.put(&name(at), bytes, &PutFacts { crc64: crc64(bytes), ..FACTS })
}

/// CRC64NVME, bit by bit: slow, and independent of the one in use.
fn crc64(bytes: &[u8]) -> u64 {
    let mut crc = u64::MAX;
    for byte in bytes {
        crc ^= u64::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x9a6c_9329_ac4b_c9b5 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

/// Runs every check.
pub fn run(make: &dyn Fn() -> Box<dyn Store>) {
    what_was_put_is_read(&*make());
    nothing_is_ever_replaced(&*make());
    ranges(&*make());
    listings(&*make());
    deletion(&*make());
    racers_have_one_winner(&*make());
    names_of_full_length(&*make());
}

fn what_was_put_is_read(store: &dyn Store) {
    for (at, len) in [("empty", 0), ("x/one", 1), ("x/y/large", 3_000_000)] {
        let bytes: Vec<u8> = (0..len).map(|i: u32| (i * 31 / 7) as u8).collect();
        assert_eq!(put(store, at, &bytes).expect("put"), PutOutcome::Created, "{at}"); // invariant: a check
        assert_eq!(store.read(&name(at), None).expect("read"), ReadOutcome::Bytes(bytes), "{at}"); // invariant: a check
    }
    assert_eq!(store.read(&name("absent"), None).expect("read"), ReadOutcome::Missing); // invariant: a check
    assert_eq!(store.read(&name("absent/deep"), Some(0..1)).expect("read"), ReadOutcome::Missing); // invariant: a check
}

fn nothing_is_ever_replaced(store: &dyn Store) {
    put(store, "a", b"first").expect("put"); // invariant: a check
    assert_eq!(put(store, "a", b"first").expect("put"), PutOutcome::AlreadyThere); // invariant: a check
    assert!(matches!(put(store, "a", b"longer than first"), Err(StoreError::Different { .. })));
    assert_eq!(store.read(&name("a"), None).expect("read"), ReadOutcome::Bytes(b"first".to_vec())); // invariant: a check
}

fn ranges(store: &dyn Store) {
    put(store, "r", b"0123456789").expect("put"); // invariant: a check
    let read = |range| store.read(&name("r"), Some(range));
    assert_eq!(read(0..10).expect("read"), ReadOutcome::Bytes(b"0123456789".to_vec())); // invariant: a check
    assert_eq!(read(3..5).expect("read"), ReadOutcome::Bytes(b"34".to_vec())); // invariant: a check
    assert!(matches!(read(5..11), Err(StoreError::Short { size: 10, .. })));
    assert!(matches!(read(50..60), Err(StoreError::Short { size: 10, .. })));
}

fn listings(store: &dyn Store) {
    for at in ["packs/ab/one", "packs/cd/two", "packsaddle", "index/three", "top"] {
        put(store, at, at.as_bytes()).expect("put"); // invariant: a check
    }
    let names = |prefix: &str| -> Vec<String> {
        let all = list_all(store, prefix).expect("list"); // invariant: a check
        assert!(all.iter().all(|l| l.size.0 == l.name.as_str().len() as u64));
        all.into_iter().map(|l| l.name.as_str().to_string()).collect()
    };
    assert_eq!(names("packs/"), ["packs/ab/one", "packs/cd/two"]);
    assert_eq!(names("packs/cd"), ["packs/cd/two"]);
    assert_eq!(names("index/"), ["index/three"]);
    assert_eq!(names("absent/"), [""; 0]);
    assert_eq!(names("").len(), 5);
    let stop = store.list("packs/", &mut |l| Err(StoreError::Missing { name: l.name }));
    assert!(stop.is_err(), "an error from the caller ends the listing");
}

fn deletion(store: &dyn Store) {
    put(store, "d/e", b"x").expect("put"); // invariant: a check
    store.delete(&name("d/e")).expect("delete"); // invariant: a check
    store.delete(&name("d/e")).expect("deleting twice is no error"); // invariant: a check
    assert_eq!(store.read(&name("d/e"), None).expect("read"), ReadOutcome::Missing); // invariant: a check
    assert_eq!(put(store, "d/e", b"y").expect("put"), PutOutcome::Created); // invariant: a check
}

fn racers_have_one_winner(store: &dyn Store) {
    let created = std::thread::scope(|scope| {
        let racers: Vec<_> =
            (0..8u8).map(|n| scope.spawn(move || put(store, "race", &[n; 100]).expect("put"))).collect(); // invariant: a check
        racers
            .into_iter()
            .map(|r| r.join().expect("a racer")) // invariant: a check
            .filter(|outcome| *outcome == PutOutcome::Created)
            .count()
    });
    assert_eq!(created, 1);
    let left = store.read(&name("race"), None).expect("read"); // invariant: a check
    let ReadOutcome::Bytes(bytes) = left else { panic!("the race left nothing") };
    assert!(bytes.len() == 100 && bytes.iter().all(|b| *b == bytes[0]), "no mixture");
}

fn names_of_full_length(store: &dyn Store) {
    let long = format!("{}/{}", "p".repeat(200), "q".repeat(250));
    put(store, &long, b"x").expect("put"); // invariant: a check
    assert_eq!(list_all(store, &"p".repeat(200)).expect("list").len(), 1); // invariant: a check
}
