//! What plans ask: a restore, a backup, a deletion, a month.

use std::collections::BTreeMap;
use std::fmt;

use darkslide_words::{Bytes, Count, StorageClass, Tier};
use serde::{Deserialize, Serialize};

use crate::{Access, GIB, PriceError, Prices, Quote};

/// Objects of one class to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Their class.
    pub class: StorageClass,
    /// In Intelligent-Tiering where they are, if that is known; else they are taken to be cold.
    pub access: Option<Access>,
    /// How many, and
    pub objects: Count,
    /// how large together; to be thawed as a whole, or in a class that needs no thaw, to be read.
    pub bytes: Bytes,
}

/// What a restore needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreFacts {
    /// The objects, by class. Those already thawed are left out.
    pub groups: Vec<Group>,
    /// How fast a thaw is bought.
    pub tier: Tier,
    /// How long thawed copies shall live.
    pub days: u32,
    /// Bytes to be downloaded: less than all where parts of objects suffice.
    pub download_bytes: Bytes,
    /// GET requests, shared among the groups by their objects.
    pub get_requests: Count,
    /// What the account has sent to the internet this month.
    pub egress_used_this_month: Bytes,
    /// The reading machine is in AWS, in the same region: no transfer is charged.
    pub inside_aws: bool,
    /// S3 Batch Operations starts the thaw.
    pub via_batch: bool,
}

/// Objects of one class to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Puts {
    /// Their class.
    pub class: StorageClass,
    /// How many, each with one PUT.
    pub objects: Count,
    /// How large together.
    pub bytes: Bytes,
}

/// What a backup writes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BackupFacts {
    /// The objects, by class.
    pub puts: Vec<Puts>,
    /// LIST requests.
    pub lists: Count,
}

/// What a backup costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackupQuote {
    /// Now, once.
    pub once: Quote,
    /// Every month from now on, besides what is stored already.
    pub monthly: Quote,
}

/// Objects of one class and age to be deleted or overwritten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// Their class.
    pub class: StorageClass,
    /// How large together.
    pub bytes: Bytes,
    /// Whole days since they were written or moved into the class.
    pub age_days: u32,
    /// How many.
    pub objects: Count,
}

/// Objects of one class that are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// Their class.
    pub class: StorageClass,
    /// In Intelligent-Tiering where they are, if that is known; else Frequent, the dearest.
    pub access: Option<Access>,
    /// How many.
    pub objects: Count,
    /// How large together.
    pub bytes: Bytes,
    /// Whole days since they were written, for [`crate::what_if`]; unknown counts as today.
    pub age_days: Option<u32>,
}

/// What a thaw and the download after it cost.
///
/// Requests and bytes by class and tier, the thawed copies until the midnight after their last
/// day, Intelligent-Tiering's return to Frequent Access, the downloads, the transfer.
pub fn restore_quote(prices: &Prices, facts: &RestoreFacts) -> Result<Quote, PriceError> {
    let mut quote = prices.quote();
    for group in &facts.groups {
        thaw(prices, facts, group, &mut quote)?;
    }
    if facts.via_batch {
        batch(prices, facts, &mut quote)?;
    }
    for (class, requests) in shares(&facts.groups, facts.get_requests) {
        quote.extend(prices.get(&class, requests)?);
    }
    for group in &facts.groups {
        if !prices.needs_thaw(&group.class, group.access)? {
            quote.extend(prices.read(&group.class, group.bytes)?);
        }
    }
    if facts.inside_aws {
        quote.note("Downloaded inside AWS, in the same region: no transfer is charged.");
    } else {
        quote.extend(prices.egress(facts.download_bytes, facts.egress_used_this_month));
    }
    Ok(quote)
}

fn thaw(prices: &Prices, facts: &RestoreFacts, group: &Group, quote: &mut Quote) -> Result<(), PriceError> {
    let Group { class, access, objects, bytes } = group;
    if (*objects, *bytes) == (Count(0), Bytes(0)) || !prices.needs_thaw(class, *access)? {
        return Ok(());
    }
    quote.extend(prices.restore_requests(class, *access, facts.tier, *objects)?);
    quote.extend(prices.retrieval(class, *access, facts.tier, *bytes)?);
    if *class == StorageClass::IntelligentTiering {
        // Unknown: the return from the cheapest tier costs most. Of the archives only Archive Access
        // has Expedited.
        let dearest = if facts.tier == Tier::Expedited { Access::Archive } else { Access::DeepArchive };
        quote.extend(prices.back_to_frequent(access.unwrap_or(dearest), *bytes)?);
        if access.is_none() {
            quote.note(format!("Where the objects of {class} are is not known; all are taken to need a thaw."));
            if facts.tier == Tier::Expedited {
                quote.note(format!(
                    "What {} holds by now cannot be thawed at this tier; it is named, and costs nothing.",
                    Access::DeepArchive
                ));
            }
        }
        quote.note(format!(
            "A thaw moves objects of {class} back to Frequent Access; they become cheaper again when idle."
        ));
        return Ok(());
    }
    if *class == StorageClass::Vault {
        quote.note("What a retrieval job brings out of a vault can be downloaded for 24 hours, at no charge.");
        return Ok(());
    }
    if facts.days == 0 {
        return Err(PriceError::NoDays { class: class.clone() });
    }
    quote.extend(prices.thawed_copy(*bytes, facts.days)?);
    quote.note("Thawed copies stay until the midnight (UTC) after their last day; the days asked for are billed.");
    Ok(())
}

/// One job for archives, one for Intelligent-Tiering: the two kinds cannot share one.
fn batch(prices: &Prices, facts: &RestoreFacts, quote: &mut Quote) -> Result<(), PriceError> {
    let mut kinds = [Count(0); 2];
    for group in &facts.groups {
        if prices.needs_thaw(&group.class, group.access)? {
            kinds[usize::from(group.class == StorageClass::IntelligentTiering)] += group.objects;
        }
    }
    let jobs = kinds.iter().filter(|objects| objects.0 > 0).count() as u64;
    if jobs > 0 && facts.tier == Tier::Expedited {
        return Err(PriceError::BatchExpedited);
    }
    quote.extend(prices.batch(Count(jobs), kinds.into_iter().sum()));
    Ok(())
}

/// Shares requests among groups by their objects, none lost; without objects they are `STANDARD`'s.
fn shares(groups: &[Group], requests: Count) -> Vec<(StorageClass, Count)> {
    let total: u128 = groups.iter().map(|group| u128::from(group.objects.0)).sum();
    if total == 0 {
        return vec![(StorageClass::Standard, requests)];
    }
    let mut objects = 0;
    let mut given = 0;
    let share = |group: &Group| {
        objects += u128::from(group.objects.0);
        let upto = u128::from(requests.0) * objects / total;
        let share = Count((upto - given) as u64);
        given = upto;
        (group.class.clone(), share)
    };
    groups.iter().map(share).collect()
}

/// What a backup costs now, and what it adds to every month. Transfer in is free.
pub fn backup_quote(prices: &Prices, facts: &BackupFacts) -> Result<BackupQuote, PriceError> {
    let mut once = prices.quote();
    for Puts { class, objects, .. } in &facts.puts {
        once.extend(prices.put(class, *objects)?);
        let days = crate::terms(class, None).min_days;
        if days > 0 && objects.0 > 0 {
            once.note(format!("{class} is billed for at least {days} days: deleting earlier costs the rest."));
        }
    }
    once.extend(prices.list(facts.lists));
    let stored = |puts: &Puts| Holding {
        class: puts.class.clone(),
        access: (puts.class == StorageClass::IntelligentTiering).then_some(Access::Frequent),
        objects: puts.objects,
        bytes: puts.bytes,
        age_days: Some(0),
    };
    let stored: Vec<Holding> = facts.puts.iter().map(stored).collect();
    Ok(BackupQuote { once, monthly: monthly(prices, &stored)? })
}

impl fmt::Display for BackupQuote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Once:\n{}\nEvery month:\n{}", self.once, self.monthly)
    }
}

/// What deleting or overwriting costs: the rest of minimum stays; the requests are free.
pub fn delete_quote(prices: &Prices, removals: &[Removal]) -> Result<Quote, PriceError> {
    let mut quote = prices.quote();
    for Removal { class, bytes, age_days, objects } in removals {
        quote.extend(prices.early_deletion(class, *objects, *bytes, *age_days)?);
    }
    quote.extend(prices.delete(removals.iter().map(|removal| removal.objects).sum()));
    Ok(quote)
}

/// A month of everything that is stored; the holdings of one class share its steps.
pub fn monthly(prices: &Prices, holdings: &[Holding]) -> Result<Quote, PriceError> {
    let mut quote = prices.quote();
    let mut stored: BTreeMap<(&StorageClass, Access), f64> = BTreeMap::new();
    for holding in holdings {
        let Holding { class, access, objects, bytes, .. } = holding;
        let before = stored.entry((class, access.unwrap_or(Access::Frequent))).or_default();
        quote.extend(prices.storage_beyond(class, *access, *objects, *bytes, *before)?);
        *before += bytes.0 as f64 / GIB;
        if *class == StorageClass::IntelligentTiering && access.is_none() && bytes.0 > 0 {
            quote.note(format!(
                "Where the objects of {class} are is not known; all are counted as Frequent Access, the dearest."
            ));
        }
    }
    Ok(quote)
}
