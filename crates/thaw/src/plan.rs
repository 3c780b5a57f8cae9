//! The plan: which copy of each pack is read, what is thawed when, what it costs and when the
//! first and the last photograph is there. Pure: needs, options and prices in, a value out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use darkslide_price::{Access, Group, Pace, Quote, RestoreFacts, restore_quote};
use darkslide_words::{Bytes, Count, Money, ObjectName, Readable, RetrievalPolicy, Span, StorageClass, Tier, Time};
use serde::{Serialize, Serializer};

use crate::choose::{Chosen, choose};
use crate::{PlanError, PriceMap, bulk_pays, cost, show, waves};

/// Days that the output of a retrieval job stays, whatever was asked for.
const VAULT_DAYS: u32 = 1;

/// How often a thaw's progress is looked up by listing, as the quote counts it.
const LOOKS: u64 = 17;

/// A pack that has to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// Its name.
    pub name: ObjectName,
    /// Stored bytes: what is thawed.
    pub size: Bytes,
    /// Bytes that are downloaded: less than all where ranges suffice.
    pub wanted: Bytes,
    /// Where they lie: a store that can thaw a part thaws no more.
    pub span: Option<Span>,
    /// GET requests.
    pub gets: Count,
    /// Where it is.
    pub copies: Vec<Place>,
}

/// A copy of a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Label of the store.
    pub store: String,
    /// Storage class.
    pub class: StorageClass,
    /// Whether it can be read, as last seen.
    pub readable: Readable,
    /// In a directory of this machine: costs nothing and needs no line.
    pub local: bool,
}

/// How a thaw shall be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How fast.
    pub tier: Tier,
    /// Days that thawed copies stay.
    pub days: u32,
    /// The line's speed, bits per second.
    pub bandwidth: u64,
    /// When the first request goes out.
    pub now: Time,
    /// What the account has sent to the internet this month.
    pub egress_used: Bytes,
    /// The reading machine is in AWS, in the same region.
    pub inside_aws: bool,
    /// Labels of the stores whose bulk engine is set up.
    pub bulk: BTreeSet<String>,
    /// Packs from which on it is used.
    pub bulk_from: u64,
    /// Objects that each store is known to hold: decides how looking is cheapest.
    pub held: BTreeMap<String, u64>,
    /// The data retrieval policies that hold for the stores that are vaults, as last heard.
    pub policies: BTreeMap<String, RetrievalPolicy>,
}

impl Options {
    /// How fast the account's policy lets what lies there through; none where it does not care.
    pub(crate) fn pace(&self, place: &Place) -> Option<Pace> {
        let policy = self.policies.get(&place.store).filter(|_| place.class == StorageClass::Vault)?;
        Pace::of(*policy, self.tier)
    }
}

/// How a pack becomes readable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// It is.
    Ready,
    /// By a thaw.
    Thaw,
}

/// A pack of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Planned {
    /// Its name.
    pub name: ObjectName,
    /// Stored bytes.
    pub size: Bytes,
    /// Bytes to be downloaded.
    pub wanted: Bytes,
    /// Where they lie.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
    /// Label of the store that it is read from.
    pub store: String,
    /// Its class there.
    pub class: StorageClass,
    /// How it becomes readable.
    pub how: How,
    /// Which wave thaws it, from 1; 0 for what is ready.
    pub wave: u32,
    /// Until when it can be read, where it is ready and that ends.
    pub until: Option<Time>,
    /// What its thaw costs.
    pub ask: Money,
    /// What its download costs.
    pub fetch: Money,
}

/// Packs that are asked for together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wave {
    /// How many.
    pub packs: Count,
    /// Bytes to be downloaded.
    pub bytes: Bytes,
    /// When they are asked for.
    pub due: Time,
    /// When the first can be read at the earliest.
    pub ready_first: Time,
    /// By when the last can be read, typically.
    pub ready_last: Time,
}

/// What will be done, for how much, and when it is over. Never changes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ThawPlan {
    /// The packs: what is ready first, then wave by wave.
    pub packs: Vec<Planned>,
    /// The waves; `packs[i].wave` counts them from 1.
    pub waves: Vec<Wave>,
    /// What it costs.
    pub quote: Quote,
    /// From the first request to the first photograph.
    #[serde(serialize_with = "seconds")]
    pub first_byte: Duration,
    /// From the first request to the end of the download.
    #[serde(serialize_with = "seconds")]
    pub last_byte: Duration,
    /// How fast.
    pub tier: Tier,
    /// Days that thawed copies stay.
    pub days: u32,
    /// When the first request goes out.
    pub made: Time,
    /// What was assumed, in sentences.
    pub assumptions: Vec<String>,
}

fn seconds<S: Serializer>(time: &Duration, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_u64(time.as_secs())
}

impl ThawPlan {
    /// What it costs in all.
    pub fn total(&self) -> Money {
        self.quote.total()
    }
}

/// Makes the plan. Of each pack the cheapest readable copy is taken: a local one, then one that
/// can be read in the cloud, then the one that is cheapest to thaw.
pub fn plan(needs: &[Need], options: &Options, prices: &PriceMap) -> Result<ThawPlan, PlanError> {
    if options.bandwidth == 0 {
        return Err(PlanError::NoLine);
    }
    let mut chosen = choose(needs, options, prices)?;
    let of_vault = |c: &Chosen<'_>| c.how == How::Thaw && c.place.class == StorageClass::Vault;
    let days = if chosen.iter().any(of_vault) { VAULT_DAYS } else { options.days };
    let options = &Options { days, ..options.clone() };
    let lost = chosen.iter().any(|c| c.how == How::Thaw && c.place.class != StorageClass::IntelligentTiering);
    if options.days == 0 && lost {
        return Err(PlanError::NoDays);
    }
    let by_line = waves::cut(&mut chosen, options);
    let timeline = waves::timeline(&chosen, options);
    let mut quote = Quote::default();
    let mut packs: Vec<Planned> = chosen.iter().map(planned).collect();
    price(&chosen, &mut packs, options, prices, &mut quote)?;
    let assumptions = assumptions(&chosen, options, by_line.then_some(timeline.waves.len()));
    Ok(ThawPlan {
        packs,
        waves: timeline.waves,
        quote,
        first_byte: timeline.first,
        last_byte: timeline.last,
        tier: options.tier,
        days: options.days,
        made: options.now,
        assumptions,
    })
}

/// The plan at every tier, cheapest first, or why there is none.
pub fn compare(needs: &[Need], options: &Options, prices: &PriceMap) -> Vec<(Tier, Result<ThawPlan, PlanError>)> {
    let at = |tier| (tier, plan(needs, &Options { tier, ..options.clone() }, prices));
    Tier::ALL.into_iter().map(at).collect()
}

fn planned(chosen: &Chosen<'_>) -> Planned {
    Planned {
        name: chosen.need.name.clone(),
        size: chosen.need.size,
        wanted: chosen.need.wanted,
        span: chosen.need.span,
        store: chosen.place.store.clone(),
        class: chosen.place.class.clone(),
        how: chosen.how,
        wave: chosen.wave,
        until: match (chosen.how, chosen.place.readable) {
            (How::Ready, Readable::Until(time)) => Some(time),
            _ => None,
        },
        ask: chosen.ask,
        fetch: Money::ZERO,
    }
}

/// Quotes store by store, each going on with the free gigabytes where the one before stopped, and
/// gives each pack its share of the download.
fn price(
    chosen: &[Chosen<'_>],
    packs: &mut [Planned],
    options: &Options,
    prices: &PriceMap,
    quote: &mut Quote,
) -> Result<(), PlanError> {
    let mut sent = options.egress_used;
    for (store, prices) in prices {
        let is_here = |c: &Chosen<'_>| c.place.store == *store && !c.place.local;
        let here: Vec<&Chosen<'_>> = chosen.iter().filter(|c| is_here(c)).collect();
        if here.is_empty() {
            continue;
        }
        let wanted: Bytes = here.iter().map(|c| c.need.wanted).sum();
        let facts = RestoreFacts {
            groups: groups(&here),
            tier: options.tier,
            days: options.days,
            download_bytes: wanted,
            get_requests: Count(0),
            egress_used_this_month: sent,
            inside_aws: options.inside_aws,
            via_batch: false,
        };
        let mut of_store = restore_quote(prices, &facts)?;
        for (class, gets) in gets(&here) {
            of_store.merge(Quote { lines: prices.get(class, gets)?, ..Quote::default() });
        }
        for objects in jobs(&here, options) {
            of_store.merge(Quote { lines: prices.batch(Count(1), Count(objects)), ..Quote::default() });
        }
        let cold = here.iter().filter(|c| c.how == How::Thaw).map(|c| c.need.name.as_str());
        let calls = crate::look::calls(cold, options.held.get(store).copied().unwrap_or(0));
        of_store.merge(Quote { lines: prices.list(Count(LOOKS.saturating_mul(calls))), ..Quote::default() });
        quote.merge(of_store);

        let transfer = match options.inside_aws {
            true => Money::ZERO,
            false => prices.egress(wanted, sent).iter().map(|line| line.amount).sum(),
        };
        for (c, pack) in chosen.iter().zip(packs.iter_mut()).filter(|(c, _)| is_here(c)) {
            let own = cost::fetch(Some(prices), &c.place.class, c.need.gets, c.need.wanted)?;
            pack.fetch = own + cost::share(transfer, c.need.wanted, wanted);
        }
        if !options.inside_aws {
            sent += wanted;
        }
    }
    Ok(())
}

/// What a store's quote covers: the cold by class; of what is ready only what charges for reading.
fn groups(here: &[&Chosen<'_>]) -> Vec<Group> {
    let mut sums: BTreeMap<(&StorageClass, Option<Access>), (Count, Bytes)> = BTreeMap::new();
    for c in here {
        let (key, bytes) = match c.how {
            How::Thaw => ((&c.place.class, None), cost::thawed(&c.place.class, c.need.size, c.need.span)),
            How::Ready if c.place.class.is_archive() => continue,
            How::Ready => ((&c.place.class, Some(Access::Frequent)), c.need.wanted),
        };
        let sum = sums.entry(key).or_default();
        sum.0 += Count(1);
        sum.1 += bytes;
    }
    let group = |((class, access), (objects, bytes)): ((&StorageClass, Option<Access>), (Count, Bytes))| Group {
        class: class.clone(),
        access: access.filter(|_| *class == StorageClass::IntelligentTiering),
        objects,
        bytes,
    };
    sums.into_iter().map(group).collect()
}

fn gets<'a>(here: &[&Chosen<'a>]) -> BTreeMap<&'a StorageClass, Count> {
    let mut sums = BTreeMap::new();
    for c in here {
        *sums.entry(&c.place.class).or_insert(Count(0)) += c.need.gets;
    }
    sums
}

/// The objects of each bulk job: one a wave, and one more for Intelligent-Tiering.
fn jobs(here: &[&Chosen<'_>], options: &Options) -> Vec<u64> {
    let mut sizes: BTreeMap<(u32, bool), u64> = BTreeMap::new();
    for c in here.iter().filter(|c| c.how == How::Thaw && options.bulk.contains(&c.place.store)) {
        *sizes.entry((c.wave, c.place.class == StorageClass::IntelligentTiering)).or_default() += 1;
    }
    sizes.into_values().filter(|objects| bulk_pays(*objects, options.bulk_from, options.tier)).collect()
}

/// `waves` are told where they come from the line.
fn assumptions(chosen: &[Chosen<'_>], options: &Options, waves: Option<usize>) -> Vec<String> {
    let cold: Vec<&Chosen<'_>> = chosen.iter().filter(|c| c.how == How::Thaw).collect();
    let packs = |test: fn(Readable) -> bool| {
        let count = cold.iter().filter(|c| test(c.place.readable)).count() as u64;
        (count > 0).then(|| show::packs(count))
    };
    let speed = show::speed(options.bandwidth);
    let mut out = vec![format!("The download runs at {speed} day and night, from when something can be read.")];
    out.extend(packs(|readable| readable == Readable::Unknown).map(|packs| {
        format!(
            "Not known to be readable at once (no listing tells it of their class): {packs}, counted as cold. What \
             then needs no thaw costs none."
        )
    }));
    out.extend(
        packs(|readable| readable == Readable::Thawing)
            .map(|packs| format!("Already being thawed: {packs}, counted as if nobody had asked.")),
    );
    out.extend(packs(|readable| matches!(readable, Readable::Until(_))).map(|packs| {
        format!(
            "Thawed copies that may vanish before their turn in the download: {packs}, counted as cold. To make them \
             stay longer costs less."
        )
    }));
    if !cold.is_empty() {
        out.push("Times of thaws are those that AWS documents; very large thaws take longer.".into());
    }
    out.extend(paced(&cold, options));
    if let Some(waves) = waves {
        out.push(format!(
            "All at once could not be downloaded within three quarters of {} days: it is asked for in {waves} waves, \
             each when the download before it is about to end.",
            options.days
        ));
    }
    out
}

/// What there is to say of data retrieval policies; nothing where all goes at once.
fn paced(cold: &[&Chosen<'_>], options: &Options) -> Vec<String> {
    let mut rounds: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
    for c in cold.iter().filter(|c| options.pace(c.place).is_some()) {
        rounds.entry(&c.place.store).or_default().insert(c.wave);
    }
    let told = |(store, waves): (&str, BTreeSet<u32>)| {
        let policy = options.policies.get(store)?;
        let pace = Pace::of(*policy, options.tier).filter(|_| waves.len() > 1)?;
        let each = if pace.daily { "a day, counted from midnight UTC" } else { "at a time" };
        Some(format!(
            "The account's data retrieval policy ({policy}) lets {} {each} out of {store}: it is asked for in {} \
             rounds. The tiers bulk and expedited are not under it.",
            pace.at_once,
            waves.len()
        ))
    };
    rounds.into_iter().filter_map(told).collect()
}
