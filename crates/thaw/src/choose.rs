//! Which copy of each pack is read.

use std::collections::BTreeMap;
use std::time::Duration;

use darkslide_price::{PriceError, download_time, tiers_offered};
use darkslide_words::{Bytes, Money, Readable, RetrievalPolicy, StorageClass, Time};

use crate::plan::{How, Need, Options, Place};
use crate::{NotOffered, PlanError, PriceMap, cost};

/// A pack with the copy that is read.
#[derive(Debug, Clone)]
pub(crate) struct Chosen<'a> {
    pub(crate) need: &'a Need,
    pub(crate) place: &'a Place,
    pub(crate) how: How,
    pub(crate) ask: Money,
    pub(crate) wave: u32,
}

/// Takes the cheapest readable copy of each pack. Of thawed copies that would vanish before their
/// turn in the download comes, none counts as readable.
pub(crate) fn choose<'a>(
    needs: &'a [Need],
    options: &Options,
    prices: &PriceMap,
) -> Result<Vec<Chosen<'a>>, PlanError> {
    let ends = Ends { now: options.now, queue: BTreeMap::new() };
    let mut chosen = each(needs, options, prices, &ends)?;
    let late = late(&chosen, options);
    if late.queue.is_empty() {
        return Ok(chosen);
    }
    for (at, c) in each(needs, options, prices, &late)?.into_iter().enumerate() {
        chosen[at] = c;
    }
    Ok(chosen)
}

/// Which thawed copies are as good as gone.
struct Ends {
    now: Time,
    /// By name: those whose turn comes too late.
    queue: BTreeMap<String, ()>,
}

impl Ends {
    fn readable(&self, need: &Need, place: &Place) -> bool {
        match place.readable {
            Readable::Now => true,
            Readable::Until(time) => time > self.now && !self.queue.contains_key(need.name.as_str()),
            Readable::Cold | Readable::Thawing | Readable::Unknown => false,
        }
    }
}

/// The ready packs whose copies end, in the order of their ends, each with its turn in the download.
fn late(chosen: &[Chosen<'_>], options: &Options) -> Ends {
    let mut ending: Vec<(Time, &Need)> = chosen
        .iter()
        .filter_map(|c| match (c.how, c.place.readable) {
            (How::Ready, Readable::Until(time)) => Some((time, c.need)),
            _ => None,
        })
        .collect();
    ending.sort_by_key(|(time, _)| *time);
    let mut queue = BTreeMap::new();
    let mut bytes = Bytes(0);
    for (time, need) in ending {
        let turn: Duration = download_time(bytes + need.wanted, options.bandwidth);
        // A third more than the line needs, as waves have it.
        match options.now.plus(turn.saturating_add(turn / 3)) > time {
            true => drop(queue.insert(need.name.as_str().to_string(), ())),
            false => bytes += need.wanted,
        }
    }
    Ends { now: options.now, queue }
}

fn each<'a>(
    needs: &'a [Need],
    options: &Options,
    prices: &PriceMap,
    ends: &Ends,
) -> Result<Vec<Chosen<'a>>, PlanError> {
    let mut chosen = Vec::with_capacity(needs.len());
    let (mut nowhere, mut held) = (Vec::new(), Vec::new());
    let mut refused: BTreeMap<&StorageClass, NotOffered> = BTreeMap::new();
    for need in needs {
        let mut best: Option<(u8, Money, Chosen<'a>)> = None;
        for place in &need.copies {
            let Some(candidate) = candidate(need, place, options, prices, ends)? else {
                continue;
            };
            if best.as_ref().is_none_or(|best| (candidate.0, candidate.1) < (best.0, best.1)) {
                best = Some(candidate);
            }
        }
        match (best, need.copies.first()) {
            (Some((_, _, best)), _) => chosen.push(best),
            (None, None) => nowhere.push(need.name.clone()),
            (None, Some(_)) => match need.copies.iter().find_map(|place| forbidden(need, place, options)) {
                Some(why) => held.push((why, need.name.clone())),
                None => refuse(&mut refused, need),
            },
        }
    }
    if !nowhere.is_empty() {
        return Err(PlanError::Nowhere { packs: nowhere });
    }
    match (held.first(), refused.is_empty()) {
        (None, true) => Ok(chosen),
        (Some(((policy, most), _)), true) => {
            let (policy, most) = (*policy, *most);
            Err(PlanError::NeverLetThrough { policy, most, packs: held.into_iter().map(|(_, name)| name).collect() })
        }
        (_, false) => Err(PlanError::TierNotOffered { tier: options.tier, groups: refused.into_values().collect() }),
    }
}

fn refuse<'a>(refused: &mut BTreeMap<&'a StorageClass, NotOffered>, need: &'a Need) {
    for place in &need.copies {
        let group = refused.entry(&place.class).or_insert_with(|| NotOffered {
            class: place.class.clone(),
            offered: tiers_offered(&place.class).to_vec(),
            packs: Vec::new(),
        });
        if group.packs.last() != Some(&need.name) {
            group.packs.push(need.name.clone());
        }
    }
}

/// The policy, and what it lets through at once, where that is less than the pack needs: then it never
/// comes at this tier.
fn forbidden(need: &Need, place: &Place, options: &Options) -> Option<(RetrievalPolicy, Bytes)> {
    let (pace, policy) = (options.pace(place)?, options.policies.get(&place.store)?);
    let takes = pace.takes(cost::thawed(&place.class, need.size, need.span));
    (takes > pace.at_once && place.readable != Readable::Thawing).then_some((*policy, pace.at_once))
}

/// A copy with its rank and its cost; nothing if its class does not have the tier, or a policy forbids it.
fn candidate<'a>(
    need: &'a Need,
    place: &'a Place,
    options: &Options,
    prices: &PriceMap,
    ends: &Ends,
) -> Result<Option<(u8, Money, Chosen<'a>)>, PlanError> {
    let of_store = prices.get(&place.store).filter(|_| !place.local);
    if ends.readable(need, place) {
        let rank = if place.local { 0 } else { 1 };
        let cost = cost::fetch(of_store, &place.class, need.gets, need.wanted)?;
        return Ok(Some((rank, cost, Chosen { need, place, how: How::Ready, ask: Money::ZERO, wave: 0 })));
    }
    if !cost::offers(&place.class, options.tier) || forbidden(need, place, options).is_some() {
        return Ok(None);
    }
    let size = cost::thawed(&place.class, need.size, need.span);
    let thaw = cost::Thaw { class: &place.class, tier: options.tier, days: options.days, size };
    let ask = match cost::ask(of_store, thaw) {
        Ok(ask) => ask,
        Err(PriceError::TierNotOffered { .. }) => return Ok(None),
        Err(PriceError::NoDays { .. }) => return Err(PlanError::NoDays),
        Err(error) => return Err(error.into()),
    };
    // What is under way is there soonest.
    let rank = if place.readable == Readable::Thawing { 2 } else { 3 };
    Ok(Some((rank, ask, Chosen { need, place, how: How::Thaw, ask, wave: 1 })))
}
