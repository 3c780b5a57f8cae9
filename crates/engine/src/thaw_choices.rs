//! What somebody decides about a thaw that is under way, having seen it pack by pack: go on for more money,
//! or hurry.

use darkslide_catalog::{Catalog, PackStep, ThawId, ThawPackRow};
use darkslide_thaw::{Limit, OverBudget, Progress, Stop, ready};
use darkslide_words::{Bytes, Money, ObjectName, StorageClass, Tier, Time};
use serde::Serialize;

use crate::{Engine, EngineError};

/// A pack of a thaw, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ThawPack {
    /// Its name.
    pub object: ObjectName,
    /// The store that it is read from.
    pub store: String,
    /// Stored bytes.
    pub bytes: Bytes,
    /// Bytes of it that are downloaded.
    pub wanted: Bytes,
    /// Its class.
    pub class: StorageClass,
    /// `cold`, `asking`, `asked`, `warm`, `downloaded`, `verified`, `failed`.
    pub step: &'static str,
    /// How fast it is, or will be, asked for.
    pub tier: Tier,
    /// When it was asked for.
    pub asked: Option<Time>,
    /// When it can be read, about.
    pub ready_about: Option<Time>,
    /// Until when it can be read.
    pub until: Option<Time>,
    /// What it has cost.
    pub cost: Money,
    /// What there is to say of it.
    pub note: String,
}

/// A thaw that asks for nothing more until somebody confirms what it costs now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoppedThaw {
    /// Why.
    pub stop: Stop,
    /// For how much it would go on, in all.
    pub now: Money,
}

impl ThawPack {
    fn of(row: ThawPackRow, now: Time) -> Self {
        Self {
            ready_about: ready(&row, now),
            object: row.name,
            store: row.store,
            bytes: row.size,
            wanted: row.wanted,
            class: row.class,
            step: row.step.word(),
            tier: row.tier,
            asked: row.asked,
            until: row.until.filter(|_| matches!(row.step, PackStep::Warm | PackStep::Downloaded | PackStep::Verified)),
            cost: row.cost,
            note: row.note,
        }
    }
}

impl Engine {
    /// The packs of a thaw, wave by wave; asks no store.
    pub fn thaw_packs(&self, id: i64) -> Result<Vec<ThawPack>, EngineError> {
        let catalog = Catalog::open(&self.catalog_path())?;
        catalog.thaw(ThawId(id))?.ok_or(darkslide_thaw::ThawError::NoSuchThaw { id: ThawId(id) })?;
        let now = self.clock.now();
        Ok(catalog.thaw_packs(ThawId(id))?.into_iter().map(|row| ThawPack::of(row, now)).collect())
    }

    /// Does a step of a thaw, and tells why it asks for nothing more, if so, and for how much it would go on.
    pub fn stopped_at(&self, id: i64) -> Result<Option<StoppedThaw>, EngineError> {
        let row = Catalog::open(&self.catalog_path())?.thaw(ThawId(id))?;
        let quoted = row.map_or(Money::ZERO, |row| row.quoted);
        Ok(self.stopped_thaw(id)?.map(|stop| {
            let now = match &stop {
                Stop::Dearer { now, .. } => *now,
                Stop::OverBudget(over) => quoted.max(over.spent + over.needed),
            };
            StoppedThaw { stop, now }
        }))
    }

    /// Hurries, as [`Engine::upgrade_thaw`] does, and lets the whole thaw cost up to `limit` from here on.
    pub fn upgrade_thaw_within(
        &self,
        id: i64,
        tier: Tier,
        confirmed: Money,
        limit: Money,
    ) -> Result<Progress, EngineError> {
        let row = Catalog::open(&self.catalog_path())?.thaw(ThawId(id))?;
        let row = row.ok_or(darkslide_thaw::ThawError::NoSuchThaw { id: ThawId(id) })?;
        let quote = self.upgrade_quote(id, tier)?;
        if quote.quote.total() > confirmed {
            let now = quote.quote.total();
            return Err(darkslide_thaw::ThawError::UpgradeDearer { confirmed, now }.into());
        }
        if quote.quoted > limit {
            let (spent, needed) = (row.spent, quote.quoted - row.spent);
            let over = OverBudget { which: Limit::Run, limit, spent, needed };
            return Err(darkslide_thaw::ThawError::from(over).into());
        }
        if row.max_cost.is_some_and(|old| old < limit) {
            self.confirm_thaw(id, row.quoted, Some(limit))?;
        }
        self.upgrade_thaw(id, tier, confirmed)
    }
}
