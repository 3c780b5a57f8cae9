//! What every store promises, as checks: run by each store's tests, and by
//! whoever wants to know whether a bucket of theirs will do.
//!
//! Each check wants a fresh, empty store and says which promise was broken.

use std::fmt;

use darkslide_words::{ObjectName, Temperature};

use crate::{PutFacts, PutOutcome, ReadOutcome, Store, StoreError, ThawOutcome, list_all};

/// A promise that was not kept.
#[derive(Debug)]
pub struct Broken(String);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<StoreError> for Broken {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

type Kept = Result<(), Broken>;

/// One check.
pub struct Check {
    /// The promise.
    pub promise: &'static str,
    /// Holds a fresh, empty store to it.
    pub check: fn(&dyn Store) -> Kept,
}

/// All checks.
pub const CHECKS: &[Check] = &[
    Check { promise: "what was put is read", check: what_was_put_is_read },
    Check { promise: "nothing is ever replaced", check: nothing_is_ever_replaced },
    Check { promise: "what comes in pieces is as what is put", check: pieces },
    Check { promise: "parts of objects are read", check: ranges },
    Check { promise: "listings show what is there", check: listings },
    Check { promise: "what is deleted is gone", check: deletion },
    Check { promise: "what came later is listed with a later time, or the same", check: times },
    Check { promise: "of several at once one wins", check: racers_have_one_winner },
    Check { promise: "long names fit", check: names_of_full_length },
    Check { promise: "what is not cold need not be thawed", check: nothing_to_thaw },
];

/// Runs every check; `make` gives a fresh, empty store each time.
///
/// # Panics
/// If a promise is broken.
pub fn run(make: &dyn Fn() -> Box<dyn Store>) {
    for Check { promise, check } in CHECKS {
        if let Err(broken) = check(&*make()) {
            panic!("{promise}: {broken}");
        }
    }
}

fn ensure(kept: bool, otherwise: impl Into<String>) -> Kept {
    if kept { Ok(()) } else { Err(Broken(otherwise.into())) }
}

fn name(text: &str) -> Result<ObjectName, Broken> {
    ObjectName::new(text).map_err(|e| Broken(e.to_string()))
}

/// Sends bytes with their true checksum.
fn put(store: &dyn Store, at: &str, bytes: &[u8]) -> Result<PutOutcome, Broken> {
    Ok(store.put(&name(at)?, bytes, &PutFacts { crc64: crc64(bytes), temperature: Temperature::Hot })?)
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

fn what_was_put_is_read(store: &dyn Store) -> Kept {
    for (at, len) in [("empty", 0), ("x/one", 1), ("x/y/large", 3_000_000)] {
        let bytes: Vec<u8> = (0..len).map(|i: u32| (i * 31 / 7) as u8).collect();
        ensure(put(store, at, &bytes)? == PutOutcome::Created, format!("{at} was there already"))?;
        ensure(store.read(&name(at)?, None)? == ReadOutcome::Bytes(bytes), format!("{at} came back different"))?;
    }
    for range in [None, Some(0..1)] {
        let found = store.read(&name("absent/deep")?, range)?;
        ensure(found == ReadOutcome::Missing, format!("an absent object was read as {found:?}"))?;
    }
    Ok(())
}

fn nothing_is_ever_replaced(store: &dyn Store) -> Kept {
    put(store, "a", b"first")?;
    ensure(put(store, "a", b"first")? == PutOutcome::AlreadyThere, "the same bytes again were not recognised")?;
    let longer = store.put(
        &name("a")?,
        b"longer than first",
        &PutFacts { crc64: crc64(b"longer than first"), temperature: Temperature::Hot },
    );
    ensure(matches!(longer, Err(StoreError::Different { .. })), format!("other bytes were answered with {longer:?}"))?;
    let left = store.read(&name("a")?, None)?;
    ensure(left == ReadOutcome::Bytes(b"first".to_vec()), "the object was replaced")
}

fn pieces(store: &dyn Store) -> Kept {
    if store.incoming().is_none() {
        return Ok(());
    }
    let whole: Vec<u8> = (0..300_000u32).map(|n| (n * 31 / 7) as u8).collect();
    let send = |at: &str, bytes: &[u8]| -> Result<Result<PutOutcome, StoreError>, Broken> {
        let mut incoming = store.incoming().ok_or_else(|| Broken("it took pieces before".into()))?;
        bytes.chunks(70_001).for_each(|piece| incoming.write(piece));
        let facts = PutFacts { crc64: crc64(bytes), temperature: Temperature::Cold };
        ensure(at == "a/other" || list_all(store, at)?.is_empty(), "what is still coming appears")?;
        Ok(incoming.finish(&name(at)?, &facts))
    };
    ensure(send("a/new", &whole)?? == PutOutcome::Created, "a new one was not created")?;
    ensure(store.read(&name("a/new")?, None)? == ReadOutcome::Bytes(whole.clone()), "other bytes than came")?;
    ensure(send("a/none", b"")?? == PutOutcome::Created, "an empty one was not created")?;
    ensure(store.read(&name("a/none")?, None)? == ReadOutcome::Bytes(Vec::new()), "an empty one has bytes")?;
    put(store, "a/other", b"12345")?;
    ensure(send("a/other", b"54321")?? == PutOutcome::AlreadyThere, "one of the same length is there")?;
    let other = send("a/other", &whole)?;
    ensure(matches!(other, Err(StoreError::Different { .. })), "another length is no error")?;
    ensure(store.read(&name("a/other")?, None)? == ReadOutcome::Bytes(b"12345".to_vec()), "it was replaced")?;
    let mut dropped = store.incoming().ok_or_else(|| Broken("it took pieces before".into()))?;
    dropped.write(&whole);
    drop(dropped);
    ensure(list_all(store, "")?.len() == 3, "what never ended is there")
}

fn ranges(store: &dyn Store) -> Kept {
    put(store, "r", b"0123456789")?;
    for (range, wanted) in [(0..10, &b"0123456789"[..]), (3..5, b"34"), (9..10, b"9")] {
        let found = store.read(&name("r")?, Some(range.clone()))?;
        ensure(found == ReadOutcome::Bytes(wanted.to_vec()), format!("bytes {range:?} came as {found:?}"))?;
    }
    for range in [5..11, 50..60] {
        let found = store.read(&name("r")?, Some(range.clone()));
        let short = matches!(found, Err(StoreError::Short { size: 10, .. }));
        ensure(short, format!("bytes {range:?} of 10 were answered with {found:?}"))?;
    }
    Ok(())
}

fn listings(store: &dyn Store) -> Kept {
    for at in ["packs/ab/one", "packs/cd/two", "packsaddle", "index/three", "top"] {
        put(store, at, at.as_bytes())?;
    }
    let wanted: [(&str, &[&str]); 5] = [
        ("packs/", &["packs/ab/one", "packs/cd/two"]),
        ("packs/cd", &["packs/cd/two"]),
        ("index/", &["index/three"]),
        ("absent/", &[]),
        ("", &["index/three", "packs/ab/one", "packs/cd/two", "packsaddle", "top"]),
    ];
    for (prefix, names) in wanted {
        let all = list_all(store, prefix)?;
        let found: Vec<&str> = all.iter().map(|l| l.name.as_str()).collect();
        ensure(found == names, format!("`{prefix}` lists {found:?}"))?;
        let sizes = all.iter().all(|l| l.size.0 == l.name.as_str().len() as u64);
        ensure(sizes, format!("`{prefix}` lists wrong sizes"))?;
    }
    let stop = store.list("packs/", &mut |l| Err(StoreError::Missing { name: l.name }));
    ensure(stop.is_err(), "an error of the caller did not end the listing")
}

fn deletion(store: &dyn Store) -> Kept {
    put(store, "d/e", b"x")?;
    store.delete(&name("d/e")?)?;
    // Deleting what is gone is no error.
    store.delete(&name("d/e")?)?;
    ensure(store.read(&name("d/e")?, None)? == ReadOutcome::Missing, "it can still be read")?;
    ensure(put(store, "d/e", b"y")? == PutOutcome::Created, "its name stays taken")
}

/// Prune goes by the store's clock alone.
fn times(store: &dyn Store) -> Kept {
    for at in ["t/1", "t/2", "t/3"] {
        put(store, at, b"x")?;
    }
    let times: Vec<_> = list_all(store, "t/")?.into_iter().map(|l| l.modified).collect();
    ensure(times.len() == 3 && times.is_sorted(), format!("three objects came at {times:?}"))
}

fn racers_have_one_winner(store: &dyn Store) -> Kept {
    let outcomes: Vec<Result<PutOutcome, Broken>> = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..8u8).map(|n| scope.spawn(move || put(store, "race", &[n; 100]))).collect();
        racers.into_iter().map(|r| r.join().unwrap_or_else(|_| Err(Broken("a racer panicked".into())))).collect()
    });
    let mut created = 0;
    for outcome in outcomes {
        created += u32::from(outcome? == PutOutcome::Created);
    }
    ensure(created == 1, format!("{created} of 8 were told that they created it"))?;
    match store.read(&name("race")?, None)? {
        ReadOutcome::Bytes(bytes) => {
            ensure(bytes.len() == 100 && bytes.iter().all(|b| *b == bytes[0]), "it is a mixture")
        }
        other => Err(Broken(format!("it was read as {other:?}"))),
    }
}

fn names_of_full_length(store: &dyn Store) -> Kept {
    let long = format!("{}/{}", "p".repeat(200), "q".repeat(250));
    put(store, &long, b"x")?;
    let listed = list_all(store, &"p".repeat(200))?.len();
    ensure(listed == 1, format!("it is listed {listed} times"))
}

fn nothing_to_thaw(store: &dyn Store) -> Kept {
    let ask = crate::ThawAsk { tier: darkslide_words::Tier::Bulk, days: Some(1), span: None };
    if store.capabilities().cold {
        return Ok(());
    }
    put(store, "warm", b"x")?;
    let outcome = store.thaw(&name("warm")?, &ask)?;
    ensure(outcome == ThawOutcome::NotCold, format!("a thaw was answered with {outcome:?}"))
}
