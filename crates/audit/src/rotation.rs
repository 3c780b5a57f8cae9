//! Which objects a scrub reads: all, some at random, or those whose turn it is. Pure.
//!
//! The rotation reads what was read longest ago, as far as the budget goes, so that each object is
//! read again within the time that is wanted. Objects in the cold have no turn.

use std::time::Duration;

use darkslide_store::Listed;
use darkslide_words::{Bytes, Count, Rng, SeededRng, Time};

/// Which objects are read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sample {
    /// All.
    All,
    /// This share of the objects, picked at random.
    Percent(u8),
    /// Those whose turn it is.
    Rotation(Rotation),
}

/// How a rotation goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rotation {
    /// Each object is to be read again within this time.
    pub every: Duration,
    /// Bytes to read at most in one run; one object at least is read.
    pub bytes: Option<Bytes>,
    /// Time to read at most in one run.
    pub time: Option<Duration>,
}

/// One object of one store, and when its bytes were read last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Number of the store.
    pub store: usize,
    /// The object.
    pub listed: Listed,
    /// When it was read last; nothing if it never was.
    pub last: Option<Time>,
}

/// What a run is to read, and how that stands to the whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Round {
    /// In this order.
    pub queue: Vec<Turn>,
    /// Bytes of all objects that have a turn.
    pub total: Bytes,
    /// Bytes of those whose turn it is.
    pub due: Bytes,
    /// Objects that were never read.
    pub never: Count,
    /// When the one that waits longest was read.
    pub oldest: Option<Time>,
}

/// An object's turn comes at this share of the time, so that it is over in time though runs are a
/// while apart.
const EARLY: (u32, u32) = (9, 10);

fn size(turns: &[Turn]) -> Bytes {
    turns.iter().map(|turn| turn.listed.size).sum()
}

/// What a rotation reads now: what was never read, then what was read longest ago.
pub fn round(mut turns: Vec<Turn>, rotation: &Rotation, now: Time) -> Round {
    let total = size(&turns);
    let never = Count(turns.iter().filter(|turn| turn.last.is_none()).count() as u64);
    let oldest = turns.iter().filter_map(|turn| turn.last).min();
    let early = rotation.every * EARLY.0 / EARLY.1;
    // A time to come is a clock that was wrong: it says nothing.
    turns.retain(|turn| turn.last.is_none_or(|last| last > now || last.until(now) >= early));
    turns.sort_by(|a, b| {
        let key = |turn: &Turn| (turn.last.filter(|last| *last <= now), turn.store);
        key(a).cmp(&key(b)).then_with(|| a.listed.name.cmp(&b.listed.name))
    });
    let due = size(&turns);
    let mut left = rotation.bytes.unwrap_or(Bytes(u64::MAX)).0;
    let mut first = true;
    let end = turns.iter().position(|turn| {
        let fits = std::mem::take(&mut first) || turn.listed.size.0 <= left;
        left = left.saturating_sub(turn.listed.size.0);
        !fits
    });
    turns.truncate(end.unwrap_or(turns.len()));
    Round { queue: turns, total, due, never, oldest }
}

/// A share of the objects, picked at random; one at least.
pub fn sample(turns: Vec<Turn>, percent: u8, rng: &mut dyn Rng) -> Vec<Turn> {
    let mut seed = [0; 8];
    rng.fill(&mut seed);
    let mut order = SeededRng::new(u64::from_le_bytes(seed));
    let mut all = turns;
    let mut chosen: Vec<Turn> = all.extract_if(.., |_| order.below(100) < u64::from(percent)).collect();
    if chosen.is_empty() {
        chosen.extend(all.into_iter().next());
    }
    chosen
}

/// Runs until everything was read once, at so many bytes a run; nothing if none were read.
pub fn runs_of_round(total: Bytes, a_run: Bytes) -> Option<u64> {
    (a_run.0 > 0).then(|| total.0.div_ceil(a_run.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use darkslide_words::{ObjectName, Readable, StorageClass};

    const DAY: Duration = Duration::from_secs(86_400);

    fn turn(n: usize, size: u64, last: Option<Time>) -> Turn {
        let listed = Listed {
            name: ObjectName::new(format!("packs/{n:04}")).unwrap(),
            size: Bytes(size),
            modified: Time(0),
            class: StorageClass::Standard,
            readable: Readable::Now,
        };
        Turn { store: 0, listed, last }
    }

    fn names(round: &Round) -> Vec<&str> {
        round.queue.iter().map(|turn| turn.listed.name.as_str()).collect()
    }

    #[test]
    fn the_oldest_come_first_and_what_was_read_lately_does_not_come() {
        let now = Time(0).plus(1000 * DAY);
        let ago = |days: u32| Some(Time(now.0 - (days * DAY).as_nanos() as i64));
        let turns = vec![turn(1, 10, ago(100)), turn(2, 10, ago(3)), turn(3, 10, None), turn(4, 10, ago(200))];
        let rotation = Rotation { every: 90 * DAY, bytes: None, time: None };
        let all = round(turns.clone(), &rotation, now);
        assert_eq!(names(&all), ["packs/0003", "packs/0004", "packs/0001"]);
        assert_eq!((all.total, all.due, all.never, all.oldest), (Bytes(40), Bytes(30), Count(1), ago(200)));
        let two = round(turns.clone(), &Rotation { bytes: Some(Bytes(25)), ..rotation }, now);
        assert_eq!(names(&two), ["packs/0003", "packs/0004"]);
        let one = round(turns, &Rotation { bytes: Some(Bytes(1)), ..rotation }, now);
        assert_eq!(names(&one), ["packs/0003"], "one at least, or it would never go on");
        let ahead = vec![turn(1, 10, Some(now.plus(DAY)))];
        assert_eq!(names(&round(ahead, &rotation, now)), ["packs/0001"], "a clock that was wrong hides nothing");
    }

    /// A year of nightly runs: every object is read again within the time, and no more is read than
    /// that takes and the budget allows.
    #[test]
    fn a_year_of_nights_reads_everything_in_time() {
        let (every, objects, size) = (30 * DAY, 300, 7);
        let rotation = Rotation { every, bytes: Some(Bytes(12 * size)), time: None };
        let mut last: Vec<Option<Time>> = vec![None; objects];
        let mut read = 0;
        for night in 0..365 {
            let now = Time(0).plus(night * DAY);
            let turns = (0..objects).map(|n| turn(n, size, last[n])).collect();
            let round = round(turns, &rotation, now);
            assert!(round.queue.len() <= 12, "the budget holds");
            read += round.queue.len();
            for turn in round.queue {
                let n: usize = turn.listed.name.as_str()["packs/".len()..].parse().unwrap();
                last[n] = Some(now);
            }
            if night >= 30 {
                let oldest = last.iter().map(|last| last.unwrap().until(now)).max().unwrap();
                assert!(oldest <= every, "night {night}: {oldest:?}");
            }
        }
        assert!(read <= objects * (365 / 27 + 1), "{read}: what was read lately is left alone");
        assert_eq!(runs_of_round(Bytes(300 * size), Bytes(12 * size)), Some(25));
        assert_eq!(runs_of_round(Bytes(300), Bytes(0)), None);
    }
}
