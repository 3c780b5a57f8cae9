//! Looking ahead: growing libraries, other classes.

use darkslide_words::{Bytes, Count, Money, StorageClass, Tier};
use serde::{Deserialize, Serialize};

use crate::{Access, Holding, PriceError, Prices, Quote, lifecycle_allows, monthly};

/// The bill of this month (0) and of each of the next `months`, while every month adds `growth`:
/// the storage then, and from month 1 on the uploads of that month. Objects in
/// Intelligent-Tiering are taken to stay in their tier, so a library that rests costs less.
pub fn forecast(
    prices: &Prices,
    holdings: &[Holding],
    growth: &[Holding],
    months: u32,
) -> Result<Vec<(u32, Money)>, PriceError> {
    let mut uploads = Money::ZERO;
    for Holding { class, objects, .. } in growth {
        uploads += prices.put(class, *objects)?.into_iter().map(|line| line.amount).sum();
    }
    let bill = |month: u32| {
        let grown = growth.iter().map(|more| Holding {
            objects: Count(more.objects.0.saturating_mul(month.into())),
            bytes: Bytes(more.bytes.0.saturating_mul(month.into())),
            ..more.clone()
        });
        let then: Vec<Holding> = holdings.iter().cloned().chain(grown).collect();
        let uploads = if month == 0 { Money::ZERO } else { uploads };
        Ok((month, monthly(prices, &then)?.total() + uploads))
    };
    (0..=months).map(bill).collect()
}

/// What moving everything to another class would change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WhatIf {
    /// A month as things are.
    pub now_monthly: Money,
    /// A month after the move.
    pub then_monthly: Money,
    /// Moving, without what follows.
    pub transition_cost: Money,
    /// The rest of minimum stays in the present classes.
    pub early_deletion: Money,
    /// Whole months until the saving has paid for the move; none if nothing is saved.
    pub pays_back_after_months: Option<u32>,
    /// The items of `transition_cost` and `early_deletion`, and what was assumed.
    pub once: Quote,
}

/// What moving everything to another class would cost and save.
///
/// By lifecycle rule where S3 allows that way, at one transition per object; else by a copy, out
/// of an archive after a thaw at its cheapest tier. Objects of unknown age pay the whole minimum
/// stay of their present class.
pub fn what_if(prices: &Prices, holdings: &[Holding], to: &StorageClass) -> Result<WhatIf, PriceError> {
    prices.class(to)?;
    let mut moving = prices.quote();
    let mut early = prices.quote();
    for holding in holdings.iter().filter(|holding| holding.class != *to) {
        move_one(prices, holding, to, &mut moving)?;
        let age = holding.age_days.unwrap_or(0);
        early.extend(prices.early_deletion(&holding.class, holding.objects, holding.bytes, age)?);
        if holding.age_days.is_none() && crate::terms(&holding.class, None).min_days > 0 {
            early.note(format!("The age of objects in {} is not known; they are taken to be new.", holding.class));
        }
    }
    let moved = |holding: &Holding| match holding.class == *to {
        true => holding.clone(),
        false => Holding {
            class: to.clone(),
            access: (*to == StorageClass::IntelligentTiering).then_some(Access::Frequent),
            ..holding.clone()
        },
    };
    let then: Vec<Holding> = holdings.iter().map(moved).collect();
    let now = monthly(prices, holdings)?;
    let (now_monthly, then_monthly) = (now.total(), monthly(prices, &then)?.total());
    let (transition_cost, early_deletion) = (moving.total(), early.total());
    let mut once = moving;
    once.merge(early);
    now.notes.into_iter().for_each(|note| once.note(note));
    let pays_back_after_months = pay_back(once.total(), now_monthly - then_monthly);
    Ok(WhatIf { now_monthly, then_monthly, transition_cost, early_deletion, pays_back_after_months, once })
}

fn move_one(prices: &Prices, holding: &Holding, to: &StorageClass, quote: &mut Quote) -> Result<(), PriceError> {
    let Holding { class, access, objects, bytes, .. } = holding;
    if lifecycle_allows(class, to) {
        quote.extend(prices.transition(to, *objects)?);
        return Ok(());
    }
    if prices.needs_thaw(class, *access)? {
        let offered = |tier: &Tier| prices.restore_requests(class, *access, *tier, *objects).is_ok();
        let tier = Tier::ALL.into_iter().find(offered).unwrap_or(Tier::Standard);
        quote.extend(prices.restore_requests(class, *access, tier, *objects)?);
        quote.extend(prices.retrieval(class, *access, tier, *bytes)?);
        if *class != StorageClass::IntelligentTiering {
            // A day, and the rest of it until midnight.
            quote.extend(prices.thawed_copy(*bytes, 2)?);
        }
    } else {
        quote.extend(prices.read(class, *bytes)?);
    }
    quote.extend(prices.put(to, *objects)?);
    quote.note(format!("No lifecycle rule leads from {class} to {to}: the objects are copied."));
    Ok(())
}

/// Months, rounded up; exact, as money is whole.
fn pay_back(cost: Money, saving: Money) -> Option<u32> {
    let saving = u64::try_from(saving.0).ok().filter(|saving| *saving > 0)?;
    let cost = u64::try_from(cost.0).unwrap_or(0);
    Some(u32::try_from(cost.div_ceil(saving)).unwrap_or(u32::MAX))
}
