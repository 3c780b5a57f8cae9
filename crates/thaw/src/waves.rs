//! Waves: no more is thawed at once than can be downloaded before it vanishes.
//!
//! The rule, with `d` the days that thawed copies stay: a wave is at most what the line carries in
//! ¾ d. The next one is asked for so that, at the slow end of its tier's time, it becomes ready
//! when the download before it ends; but at most d/4 before that end. So even a copy that is ready
//! at once lives through its wave's download.

use std::time::Duration;

use darkslide_price::download_time;
use darkslide_words::{Bytes, Count, Readable, StorageClass, Tier};

use crate::choose::Chosen;
use crate::cost;
use crate::plan::{How, Options, Wave};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// How long before the end of a download the next wave may be asked for.
pub(crate) fn lead(slowest: Duration, days: u32) -> Duration {
    slowest.min(DAY.saturating_mul(days) / 4)
}

/// Puts what is ready first (what vanishes first before the rest), and gives each other pack its
/// wave. What does not vanish, in Intelligent-Tiering, needs no second one.
pub(crate) fn cut(chosen: &mut [Chosen<'_>], options: &Options) {
    chosen.sort_by_key(|c| match (c.how, c.place.readable) {
        (How::Ready, Readable::Until(time)) => (0, time.0),
        (How::Ready, _) => (1, 0),
        (How::Thaw, Readable::Thawing | Readable::Until(_)) => (2, 0),
        (How::Thaw, _) => (3, 0),
    });
    let most = DAY.saturating_mul(options.days) / 4 * 3;
    let (mut wave, mut bytes) = (1, Bytes(0));
    for c in chosen.iter_mut().filter(|c| c.how == How::Thaw) {
        if c.place.class == StorageClass::IntelligentTiering {
            c.wave = 1;
            continue;
        }
        bytes += c.need.wanted;
        if download_time(bytes, options.bandwidth) > most && bytes > c.need.wanted {
            wave += 1;
            bytes = c.need.wanted;
        }
        c.wave = wave;
    }
    chosen.sort_by_key(|c| c.wave);
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
    let mut due = Duration::ZERO;
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
        }
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
