//! Leaving a vault: what it holds is thawed in waves, checked by its tree hash, and put into another
//! store, which then holds the whole repository. The vault is emptied by a step of its own, object by
//! object, and only of what the other store is seen to hold.

use std::path::PathBuf;

use darkslide_catalog::{Catalog, PackStep, ThawId, ThawState};
use darkslide_format::names::{self, Kind};
use darkslide_format::object_id;
use darkslide_format::stream::crc64;
use darkslide_price::{BackupFacts, Puts, Quote, backup_quote};
use darkslide_store::vault::Standing;
use darkslide_store::{Payload, PutFacts, PutOutcome, ReadOutcome, Store, StoreError, StoredSum, list_all};
use darkslide_thaw::{Executor, Need, Place, Stop, ThawPlan, plan};
use darkslide_words::{Bytes, Count, Money, ObjectName, Readable, StorageClass, Temperature, Tier};

use crate::thaw_order::{Order, read_order};
use crate::{Engine, EngineError, OpenVault, StoreSettings, ThawOptions, secrets};

/// How a vault is left.
#[derive(Debug, Clone, Copy)]
pub struct LeaveOptions {
    /// How fast it is thawed.
    pub tier: Tier,
    /// Never to be exceeded.
    pub max_cost: Option<Money>,
}

/// What leaving a vault takes.
#[derive(Debug)]
pub struct LeavePlan {
    /// The thaw: waves, hours, what it costs.
    pub thaw: ThawPlan,
    /// What the uploads cost.
    pub uploads: Quote,
    /// What the new place costs every month.
    pub monthly: Quote,
}

impl LeavePlan {
    /// What it costs in all, once.
    pub fn total(&self) -> Money {
        self.thaw.total() + self.uploads.total()
    }
}

/// How far it is.
#[derive(Debug)]
pub enum Leaving {
    /// Something is still frozen: run again later.
    Waiting {
        /// Number of the thaw.
        id: i64,
        /// Packs that the other store has.
        moved: Count,
        /// Packs that it does not have yet.
        left: Count,
        /// Why nothing more is asked for.
        stop: Option<Stop>,
    },
    /// The other store has everything; the vault is as it was.
    Moved {
        /// Packs.
        packs: Count,
        /// Other objects.
        others: Count,
    },
    /// Whoever was asked said no.
    Declined,
}

/// What emptying the vault did.
#[derive(Debug, Clone, Default)]
pub struct Left {
    /// Packs that were deleted there.
    pub deleted: Count,
    /// Their bytes.
    pub bytes: Bytes,
    /// Packs that stay, and why.
    pub kept: Vec<(ObjectName, String)>,
}

/// The packs of this repository in a vault.
fn packs_of(vault: &OpenVault) -> Result<Vec<(ObjectName, Bytes)>, EngineError> {
    vault.sync()?;
    let ours = vault.archives()?.into_iter().filter(|a| a.standing == Standing::Ours);
    Ok(ours.filter_map(|a| a.name.map(|name| (name, a.size))).collect())
}

impl Engine {
    fn leave_plan(
        &self,
        catalog: &Catalog,
        packs: &[(ObjectName, Bytes)],
        (from, to): (&StoreSettings, &StoreSettings),
        options: LeaveOptions,
    ) -> Result<LeavePlan, EngineError> {
        let place =
            || Place { store: from.label(), class: StorageClass::Vault, readable: Readable::Cold, local: false };
        let need = |(name, size): &(ObjectName, Bytes)| Need {
            name: name.clone(),
            size: *size,
            wanted: *size,
            span: None,
            gets: Count(1),
            copies: vec![place()],
        };
        let needs: Vec<Need> = packs.iter().map(need).collect();
        let thaw = ThawOptions { tier: options.tier, days: Some(1), max_cost: options.max_cost };
        let thaw = plan(&needs, &self.plan_options(catalog, &needs, &thaw)?, &self.price_map()?)?;
        let (mut uploads, mut monthly) = (Quote::default(), Quote::default());
        if let Some(region) = to.price_region() {
            let prices = self.price_table()?.region(region)?;
            let class = to.class.clone().unwrap_or(StorageClass::DeepArchive);
            let bytes = packs.iter().map(|(_, size)| *size).sum();
            let puts = vec![Puts { class, objects: Count(packs.len() as u64), bytes }];
            let quote = backup_quote(&prices, &BackupFacts { puts, lists: Count(0) })?;
            (uploads, monthly) = (quote.once, quote.monthly);
        }
        Ok(LeavePlan { thaw, uploads, monthly })
    }

    /// Moves what a vault holds to another store, as far as it is thawed by now. The same order again
    /// goes on. `confirm` sees the plan before anything is spent. The vault keeps what it has.
    pub fn leave_vault(
        &self,
        from: &StoreSettings,
        to: &StoreSettings,
        options: LeaveOptions,
        confirm: &mut dyn FnMut(&LeavePlan) -> bool,
    ) -> Result<Leaving, EngineError> {
        let catalog = Catalog::open(&self.catalog_path())?;
        let vault = self.open_vault(from)?;
        let order = Order::leaving(&from.label(), &to.label());
        let same = |row: &darkslide_catalog::ThawRow| read_order(row).is_ok_and(|begun| begun == order);
        let target = self.opener.create(to)?;
        let there = list_all(&*target, Kind::Packs.prefix())?;
        let has = |name: &ObjectName, size: Bytes| {
            there.binary_search_by(|l| l.name.cmp(name)).is_ok_and(|at| there[at].size == size)
        };
        let missing: Vec<(ObjectName, Bytes)> =
            packs_of(&vault)?.into_iter().filter(|(name, size)| !has(name, *size)).collect();
        let begun = catalog.thaws()?.into_iter().find(|row| row.state == ThawState::Open && same(row));
        if missing.is_empty() && begun.is_none() {
            return self.finish_leaving(&vault, &*target);
        }
        let stores = [vault.store()];
        let prices = self.price_map()?;
        let executor = Executor::new(&catalog, &stores, &prices, self.thaw_settings());
        let id = match begun {
            Some(row) => row.id,
            None => {
                let made = self.leave_plan(&catalog, &missing, (from, to), options)?;
                if !confirm(&made) {
                    return Ok(Leaving::Declined);
                }
                let text = serde_json::to_string(&order).map_err(|e| EngineError::BadConfig {
                    path: PathBuf::from("the order of the thaw"),
                    message: e.to_string(),
                })?;
                executor.begin(&made.thaw, &text, options.max_cost, self.clock.now())?
            }
        };
        let _lock = secrets::lock(&self.settings.state_dir())?;
        let progress = executor.step(id, self.clock.now())?;
        self.move_thawed(&executor, &catalog, id, (vault.store(), &*target))?;
        let rows = catalog.thaw_packs(id)?;
        let moved = rows.iter().filter(|row| row.step == PackStep::Verified).count() as u64;
        let left = rows.len() as u64 - moved;
        match left {
            0 => self.finish_leaving(&vault, &*target),
            _ => Ok(Leaving::Waiting { id: id.0, moved: Count(moved), left: Count(left), stop: progress.stop }),
        }
    }

    /// Copies every pack that can be read, each checked by its tree hash as it comes, and by its name.
    fn move_thawed(
        &self,
        executor: &Executor<'_>,
        catalog: &Catalog,
        id: ThawId,
        (from, to): (&dyn Store, &dyn Store),
    ) -> Result<(), EngineError> {
        for row in catalog.thaw_packs(id)? {
            if !matches!(row.step, PackStep::Warm | PackStep::Downloaded) {
                continue;
            }
            let one = std::slice::from_ref(&row.name);
            let bytes = match from.read(&row.name, None)? {
                ReadOutcome::Bytes(bytes) => bytes,
                ReadOutcome::Missing => return Err(StoreError::Missing { name: row.name.clone() }.into()),
                ReadOutcome::Cold { .. } | ReadOutcome::Thawing { .. } => {
                    executor.found_cold(id, one, self.clock.now())?;
                    continue;
                }
            };
            put_checked(to, &row.name, bytes, Temperature::Cold)?;
            executor.verified(id, one, self.clock.now())?;
        }
        Ok(())
    }

    /// All that is not in the vault itself: whatever the packs are needed by comes after them.
    fn finish_leaving(&self, vault: &OpenVault, to: &dyn Store) -> Result<Leaving, EngineError> {
        let all = list_all(vault.store(), "")?;
        let packs = all.iter().filter(|l| l.class == StorageClass::Vault).count() as u64;
        let last = |name: &ObjectName| match names::parse(name).map(|parsed| parsed.kind) {
            Some(Kind::Snapshots) => 3,
            Some(Kind::Refs) => 2,
            Some(Kind::Index) => 1,
            _ => 0,
        };
        let mut others: Vec<_> = all.into_iter().filter(|l| l.class != StorageClass::Vault).collect();
        others.sort_by_key(|l| last(&l.name));
        for listed in &others {
            let warm = names::parse(&listed.name).is_some_and(|parsed| parsed.kind == Kind::Warm);
            let temperature = if warm { Temperature::Warm } else { Temperature::Hot };
            let bytes = vault.store().read(&listed.name, None)?.bytes(&listed.name)?;
            put_checked(to, &listed.name, bytes, temperature)?;
        }
        Ok(Leaving::Moved { packs: Count(packs), others: Count(others.len() as u64) })
    }

    /// Deletes from a vault the packs that another store is seen to hold: by their size, and by a
    /// checksum that the store keeps or by reading them. `confirm` is told how many and how large.
    pub fn empty_vault(
        &self,
        from: &StoreSettings,
        to: &StoreSettings,
        confirm: &mut dyn FnMut(Count, Bytes) -> bool,
    ) -> Result<Option<Left>, EngineError> {
        let catalog = Catalog::open(&self.catalog_path())?;
        let vault = self.open_vault(from)?;
        let target = self.opener.open(to)?;
        let (mut good, mut done) = (Vec::new(), Left::default());
        for (name, size) in packs_of(&vault)? {
            match vouched(&catalog, &*target, &name, size)? {
                Ok(()) => good.push((name, size)),
                Err(why) => done.kept.push((name, why)),
            }
        }
        let bytes = good.iter().map(|(_, size)| *size).sum();
        if !good.is_empty() && !confirm(Count(good.len() as u64), bytes) {
            return Ok(None);
        }
        for (name, size) in good {
            vault.store().delete(&name)?;
            done.deleted += Count(1);
            done.bytes += size;
        }
        Ok(Some(done))
    }
}

/// Whether a store holds an object whole; why not.
fn vouched(
    catalog: &Catalog,
    store: &dyn Store,
    name: &ObjectName,
    size: Bytes,
) -> Result<Result<(), String>, EngineError> {
    let Some(listed) = list_all(store, name.as_str())?.into_iter().find(|l| l.name == *name) else {
        return Ok(Err("the other store does not have it".into()));
    };
    if listed.size != size {
        return Ok(Err(format!("the other store has {} of its {size}", listed.size)));
    }
    let known = catalog.pack_named(name)?.map(|id| catalog.pack(id)).transpose()?;
    if let (Some(facts), StoredSum::Crc64(kept)) = (known, store.stored_sum(name)?) {
        let same = facts.crc64 == kept;
        return Ok(if same { Ok(()) } else { Err("the other store keeps another checksum of it".into()) });
    }
    let wanted = names::parse(name).and_then(|parsed| parsed.id);
    match store.read(name, None)? {
        ReadOutcome::Bytes(bytes) if wanted == Some(object_id(&bytes)) => Ok(Ok(())),
        ReadOutcome::Bytes(_) => Ok(Err("the other store has other bytes".into())),
        _ => Ok(Err("the other store keeps no checksum of it, and it lies there in the cold".into())),
    }
}

/// Puts an object whose name is its hash, after a look at both.
fn put_checked(to: &dyn Store, name: &ObjectName, bytes: Vec<u8>, temperature: Temperature) -> Result<(), EngineError> {
    let hash = names::parse(name).filter(|parsed| matches!(parsed.kind, Kind::Packs | Kind::Warm)).and_then(|p| p.id);
    if hash.is_some_and(|id| id != object_id(&bytes)) {
        return Err(StoreError::Corrupted { store: to.label(), name: name.clone() }.into());
    }
    let facts = PutFacts { crc64: crc64(&bytes), temperature };
    match to.put_shared(name, &Payload::from(bytes), &facts)? {
        PutOutcome::Created | PutOutcome::AlreadyThere => Ok(()),
    }
}
