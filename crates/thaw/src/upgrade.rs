//! A thaw that shall become faster while it is under way.
//!
//! S3 lets a faster tier be asked for while a thaw runs, for the same days; the request and the
//! retrieval are charged again at the faster tier (user guide, restoring-objects: upgrading the
//! speed of an in-progress restore).

use std::collections::BTreeMap;

use darkslide_catalog::{PackStep, ThawId};
use darkslide_price::{Quote, restore_quote, tiers_offered};
use darkslide_words::{Bytes, Count, Money, StorageClass, Tier, Time};
use serde::Serialize;

use crate::progress::Progress;
use crate::work::{Kind, Work};
use crate::{Executor, Limit, NotOffered, OverBudget, PlanError, ThawError, cost};

/// What a faster thaw costs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Upgrade {
    /// The tier.
    pub tier: Tier,
    /// Packs under way that are asked for again.
    pub again: Count,
    /// Packs that were not asked for yet, and will be at the faster tier.
    pub later: Count,
    /// What is asked for from here on.
    pub quote: Quote,
    /// What the packs not asked for yet would have cost at the tier so far.
    pub instead_of: Money,
    /// What the whole thaw costs then.
    pub quoted: Money,
}

impl Executor<'_> {
    /// What a faster tier would cost; nothing changes.
    pub fn upgrade_quote(&self, id: ThawId, tier: Tier, now: Time) -> Result<Upgrade, ThawError> {
        let have = self.open(id)?.tier;
        if tier <= have {
            return Err(ThawError::NotFaster { id, have, wanted: tier });
        }
        let work = Work::load(self, id, now)?;
        let steps = |step| work.packs.iter().filter(move |row| row.step == step);
        refuse_tiers(&work, tier)?;
        let mut instead_of = Money::ZERO;
        for row in steps(PackStep::Cold) {
            instead_of += work.cost(row, Kind::Ask)?;
        }
        let mut quote = Quote::default();
        for ((store, class, step), (objects, bytes)) in sums(&work) {
            let Some(prices) = self.prices.get(store) else {
                continue;
            };
            quote.merge(match step {
                PackStep::Cold => {
                    let facts = cost::thaw_facts(cost::group(class, objects, bytes), tier, work.thaw.days);
                    restore_quote(prices, &facts)?
                }
                _ => {
                    let thaw = cost::Thaw { class, tier, days: work.thaw.days, size: bytes };
                    Quote { lines: cost::hurry_lines(Some(prices), thaw, objects)?, ..prices.quote() }
                }
            });
        }
        let quoted = work.thaw.quoted - instead_of + quote.total();
        let count = |step| Count(steps(step).count() as u64);
        Ok(Upgrade { tier, again: count(PackStep::Asked), later: count(PackStep::Cold), quote, instead_of, quoted })
    }

    /// Makes it so: `confirmed` is the total of the quote that somebody has seen. Asks for what is
    /// under way again, as a step.
    pub fn upgrade(&self, id: ThawId, tier: Tier, confirmed: Money, now: Time) -> Result<Progress, ThawError> {
        let mut work = Work::load(self, id, now)?;
        let unsettled = |work: &Work<'_>| work.packs.iter().any(|row| row.step == PackStep::Asking);
        if unsettled(&work) && tier > work.thaw.tier {
            work.look()?;
            work.run_jobs()?;
        }
        if unsettled(&work) {
            return Err(ThawError::Unsettled { id });
        }
        let upgrade = self.upgrade_quote(id, tier, now)?;
        if upgrade.quote.total() > confirmed {
            return Err(ThawError::UpgradeDearer { confirmed, now: upgrade.quote.total() });
        }
        let thaw = self.open(id)?;
        if let Some(limit) = thaw.max_cost.filter(|limit| upgrade.quoted > *limit) {
            let needed = upgrade.quoted - thaw.spent;
            return Err(OverBudget { which: Limit::Run, limit, spent: thaw.spent, needed }.into());
        }
        self.catalog.transaction(|| -> Result<(), ThawError> {
            self.catalog.confirm_thaw(id, tier, upgrade.quoted, thaw.max_cost)?;
            for mut row in self.catalog.thaw_packs(id)?.into_iter().filter(|row| row.step == PackStep::Cold) {
                row.tier = tier;
                self.catalog.put_thaw_pack(id, &row)?;
            }
            Ok(())
        })?;
        self.step(id, now)
    }
}

type Sums<'a> = BTreeMap<(&'a str, &'a StorageClass, PackStep), (Count, Bytes)>;

fn sums<'a>(work: &'a Work<'_>) -> Sums<'a> {
    let mut sums = Sums::new();
    for row in work.packs.iter().filter(|row| matches!(row.step, PackStep::Cold | PackStep::Asked)) {
        let sum = sums.entry((&row.store, &row.class, row.step)).or_default();
        sum.0 += Count(1);
        sum.1 += row.size;
    }
    sums
}

fn refuse_tiers(work: &Work<'_>, tier: Tier) -> Result<(), ThawError> {
    let mut refused: BTreeMap<&StorageClass, NotOffered> = BTreeMap::new();
    for row in work.packs.iter().filter(|row| matches!(row.step, PackStep::Cold | PackStep::Asked)) {
        if !cost::offers(&row.class, tier) {
            let offered = || NotOffered {
                class: row.class.clone(),
                offered: tiers_offered(&row.class).to_vec(),
                packs: Vec::new(),
            };
            refused.entry(&row.class).or_insert_with(offered).packs.push(row.name.clone());
        }
    }
    match refused.is_empty() {
        true => Ok(()),
        false => Err(PlanError::TierNotOffered { tier, groups: refused.into_values().collect() }.into()),
    }
}

impl std::fmt::Display for Upgrade {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{} under way are asked for again at {},", crate::show::packs(self.again.0), self.tier)?;
        writeln!(f, "{} not asked for yet will be (instead of {}).", self.later, self.instead_of)?;
        writeln!(f, "\n{}", self.quote)?;
        writeln!(f, "The whole thaw then costs {}.", self.quoted)
    }
}
