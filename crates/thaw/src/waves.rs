//! Waves: no more is thawed at once than can be downloaded before it vanishes.
//!
//! The rule, with `d` the days that thawed copies stay: a wave is at most what the line carries in
//! ¾ d. The next one is asked for so that, at the slow end of its tier's time, it becomes ready
//! when the download before it ends; but at most d/4 before that end. So even a copy that is ready
//! at once lives through its wave's download.
//!
//! Where the account has a data retrieval policy, a wave is at most what it lets through at once,
//! and the next one is not asked for before the jobs of the one before are done.

use std::time::Duration;

use std::collections::BTreeMap;

use darkslide_price::download_time;
use darkslide_words::{Bytes, Count, Readable, StorageClass, Tier, Time};

use crate::choose::Chosen;
use crate::cost;
use crate::plan::{How, Options, Wave};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// How long before the end of a download the next wave may be asked for.
pub(crate) fn lead(slowest: Duration, days: u32) -> Duration {
    slowest.min(DAY.saturating_mul(days) / 4)
}

/// Puts what is ready first (what vanishes first before the rest), and gives each other pack its
/// wave. What does not vanish, in Intelligent-Tiering, needs no second one. True if the line is why
/// there are several.
pub(crate) fn cut(chosen: &mut [Chosen<'_>], options: &Options) -> bool {
    chosen.sort_by_key(|c| match (c.how, c.place.readable) {
        (How::Ready, Readable::Until(time)) => (0, time.0),
        (How::Ready, _) => (1, 0),
        (How::Thaw, Readable::Thawing | Readable::Until(_)) => (2, 0),
        (How::Thaw, _) => (3, 0),
    });
    let most = DAY.saturating_mul(options.days) / 4 * 3;
    let (mut wave, mut bytes, mut by_line) = (1, Bytes(0), false);
    let mut through: BTreeMap<&str, Bytes> = BTreeMap::new();
    for c in chosen.iter_mut().filter(|c| c.how == How::Thaw) {
        if c.place.class == StorageClass::IntelligentTiering {
            c.wave = 1;
            continue;
        }
        bytes += c.need.wanted;
        let too_long = download_time(bytes, options.bandwidth) > most && bytes > c.need.wanted;
        let pace = options.pace(c.place).map(|pace| {
            let takes = pace.takes(cost::thawed(&c.place.class, c.need.size, c.need.span));
            let taken = through.entry(&c.place.store).or_default();
            *taken += takes;
            (takes, *taken > pace.at_once && *taken > takes)
        });
        if too_long || pace.is_some_and(|(_, too_much)| too_much) {
            wave += 1;
            bytes = c.need.wanted;
            by_line |= too_long;
            through.clear();
            through.extend(pace.map(|(takes, _)| (c.place.store.as_str(), takes)));
        }
        c.wave = wave;
    }
    chosen.sort_by_key(|c| c.wave);
    by_line
}

/// The earliest that a policy lets what was not asked for before `due` be asked for; `due` where none
/// cares.
fn next_round(packs: &[&Chosen<'_>], due: Time, options: &Options) -> Time {
    packs.iter().filter_map(|c| options.pace(c.place)).map(|pace| pace.next_round(due)).max().unwrap_or(due)
}

/// When what happens.
pub(crate) struct Timeline {
    pub(crate) waves: Vec<Wave>,
    pub(crate) first: Duration,
    pub(crate) last: Duration,
}

pub(crate) fn timeline(chosen: &[Chosen<'_>], options: &Options) -> Timeline {
    let line = |c: &&Chosen<'_>| if c.place.local { Bytes(0) } else { c.need.wanted };
    let ready = chosen.iter().filter(|c| c.how == How::Ready);
    let mut end = download_time(ready.clone().map(|c| line(&c)).sum(), options.bandwidth);
    let (mut due, mut asked) = (Duration::ZERO, Duration::ZERO);
    let mut first = ready.clone().next().map(|_| Duration::ZERO);
    let mut waves = Vec::new();
    for number in 1.. {
        let packs: Vec<&Chosen<'_>> = chosen.iter().filter(|c| c.wave == number).collect();
        if packs.is_empty() {
            break;
        }
        let (soonest, slowest) = windows(&packs, options.tier);
        if number > 1 {
            due = due.max(end.saturating_sub(lead(slowest, options.days)));
            due = due.max(options.now.until(next_round(&packs, options.now.plus(asked), options)));
        }
        asked = due;
        let bytes: Bytes = packs.iter().map(|c| c.need.wanted).sum();
        let ready_last = due.saturating_add(slowest);
        first = first.or(Some(ready_last));
        end = end.max(ready_last).saturating_add(download_time(bytes, options.bandwidth));
        waves.push(Wave {
            packs: Count(packs.len() as u64),
            bytes,
            due: options.now.plus(due),
            ready_first: options.now.plus(due.saturating_add(soonest)),
            ready_last: options.now.plus(ready_last),
        });
    }
    Timeline { waves, first: first.unwrap_or_default(), last: end }
}

fn windows(packs: &[&Chosen<'_>], tier: Tier) -> (Duration, Duration) {
    let of = |c: &&Chosen<'_>| cost::window(&c.place.class, tier);
    let soonest = packs.iter().map(|c| of(c).first).min();
    let slowest = packs.iter().map(|c| of(c).last).max();
    (soonest.unwrap_or_default(), slowest.unwrap_or_default())
}
