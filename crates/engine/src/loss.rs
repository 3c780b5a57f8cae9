//! The house burns down, on paper: everything is thawed and fetched in a world
//! where time and money are simulated, to know beforehand how long it takes and
//! what it costs.

use std::collections::BTreeMap;
use std::time::Duration;

use darkslide_catalog::{Catalog, PackStep, ThawId, ThawState};
use darkslide_price::download_time;
use darkslide_thaw::{Executor, How, Need, Place, ThawPlan, plan};
use darkslide_words::{Bytes, Count, Money, ObjectName, Readable, StorageClass, Tier, Time};

use crate::cold_world::{ColdWorld, Inventory, MakeWorld};
use crate::thawing::ThawOptions;
use crate::{Engine, EngineError, RestoreOptions};

/// How losing everything would go at one tier.
#[derive(Debug)]
pub struct LossAt {
    /// The tier.
    pub tier: Tier,
    /// The plan, with its quote.
    pub plan: ThawPlan,
    /// From the first request to the first photograph.
    pub first: Duration,
    /// To the last.
    pub last: Duration,
    /// What the simulated world billed.
    pub billed: Money,
}

/// Losing everything.
#[derive(Debug)]
pub struct Loss {
    /// Photographs and other files.
    pub files: Count,
    /// Their bytes.
    pub bytes: Bytes,
    /// Packs.
    pub packs: Count,
    /// Download rate, bits a second.
    pub rate: u64,
    /// By tier; those that are not offered are left out.
    pub tiers: Vec<LossAt>,
}

impl Engine {
    /// Loses the house in a simulated world, at every tier, from what the newest
    /// snapshot needs. Asks no store.
    pub fn simulate_loss(&self, make: &MakeWorld<'_>) -> Result<Loss, EngineError> {
        let options = RestoreOptions {
            snapshot: "latest".into(),
            paths: Vec::new(),
            to: self.settings.state_dir(),
            existing: darkslide_restore::Existing::Keep,
            accept_writers: Vec::new(),
        };
        let any = ThawOptions { tier: Tier::Bulk, days: None, max_cost: None };
        let quote = self.quote_restore(&options, &any)?;
        let catalog = Catalog::open(&self.catalog_path())?;
        let (needs, _) = self.needs(&catalog, &quote.restore)?;
        // With the house go its disks: only what lies in buckets is left.
        let left: Vec<Need> = needs.into_iter().filter_map(in_buckets).collect();
        if left.len() < quote.restore.needs.len() {
            return Err(EngineError::NoStore {
                detail: "not all packs lie in a bucket: with the house everything on its disks would be gone".into(),
            });
        }
        let mut tiers = Vec::new();
        for tier in Tier::ALL {
            let wanted = self.plan_options(&catalog, &left, &ThawOptions { tier, ..any })?;
            if plan(&left, &wanted, &self.price_map()?).is_ok() {
                tiers.push(self.lose_at(tier, &left, make)?);
            }
        }
        let (files, bytes, packs) = (quote.restore.files, quote.restore.bytes, quote.restore.packs);
        Ok(Loss { files, bytes, packs, rate: self.download_rate(), tiers })
    }

    fn lose_at(&self, tier: Tier, needs: &[Need], make: &MakeWorld<'_>) -> Result<LossAt, EngineError> {
        let inventory: Vec<Inventory> = needs
            .iter()
            .map(|n| Inventory { name: n.name.clone(), size: n.size, class: n.copies[0].class.clone() })
            .collect();
        let world = make(&inventory)?;
        let label = world.store().label();
        let prices = self.price_map()?;
        let region = needs.first().and_then(|n| prices.get(&n.copies[0].store)).cloned();
        let prices = region.into_iter().map(|p| (label.clone(), p)).collect();
        let needs: Vec<Need> = needs.iter().map(|n| moved(n, &label)).collect();
        let folder = self.settings.state_dir().join("loss");
        let io = |source| EngineError::Io { what: "simulating in", path: folder.clone(), source };
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).map_err(io)?;
        let catalog = Catalog::create(&folder.join("catalog.sqlite"))?;
        let real = Catalog::open(&self.catalog_path())?;
        let any = ThawOptions { tier, days: None, max_cost: None };
        let mut options = self.plan_options(&real, &needs, &any)?;
        (options.now, options.bulk) = (world.now(), Default::default());
        let made = plan(&needs, &options, &prices)?;
        let settings = darkslide_thaw::Settings {
            bandwidth: self.download_rate(),
            budget: Default::default(),
            bulk_from: u64::MAX,
        };
        let executor = Executor::new(&catalog, &[world.store()], &prices, settings);
        let began = world.now();
        let id = executor.begin(&made, "{}", None, began)?;
        let (first, last) = self.play(&*world, &executor, &catalog, id, &needs)?;
        drop(catalog);
        std::fs::remove_dir_all(&folder).map_err(io)?;
        // The bill is whole when the last thawed copy is gone.
        world.advance(Duration::from_secs(u64::from(made.days + 2) * 86_400));
        let (first, last) = (began.until(first), began.until(last));
        Ok(LossAt { tier, plan: made, first, last, billed: world.bill() })
    }

    /// Plays a thaw to its end: time passes as requests, thaws and the line need.
    fn play(
        &self,
        world: &dyn ColdWorld,
        executor: &Executor<'_>,
        catalog: &Catalog,
        id: ThawId,
        needs: &[Need],
    ) -> Result<(Time, Time), EngineError> {
        let by_name: BTreeMap<&ObjectName, &Need> = needs.iter().map(|n| (&n.name, n)).collect();
        let mut first = None;
        loop {
            let progress = executor.step(id, world.now())?;
            let mut fetched = 0;
            for row in catalog.thaw_packs(id)?.into_iter().filter(|row| row.step == PackStep::Warm) {
                let Some(need) = by_name.get(&row.name) else { continue };
                world.advance(download_time(need.wanted, self.download_rate()));
                let names = [row.name.clone()];
                match world.fetch(&row.name, need.wanted, need.gets) {
                    true => executor.verified(id, &names, world.now())?,
                    false => executor.found_cold(id, &names, world.now())?,
                }
                first.get_or_insert(world.now());
                fetched += 1;
            }
            let state = catalog.thaw(id)?.map(|row| row.state);
            if state != Some(ThawState::Open) {
                return Ok((first.unwrap_or(world.now()), world.now()));
            }
            let progress = if fetched > 0 { executor.progress(id, world.now())? } else { progress };
            let Some(at) = progress.next_step_at.filter(|_| progress.stop.is_none()) else {
                let path = self.settings.state_dir();
                let message = format!("the simulated thaw stands still: {progress}");
                return Err(EngineError::BadConfig { path, message });
            };
            world.advance(world.now().until(at).max(Duration::from_secs(60)));
        }
    }
}

/// The need without copies that burn; cold as it was written. The simulated world has buckets only:
/// what lies in a vault lies there in GLACIER, which comes in the same times.
fn in_buckets(need: Need) -> Option<Need> {
    let as_bucket = |place: &Place| match place.class {
        StorageClass::Vault => Place { class: StorageClass::Glacier, ..place.clone() },
        _ => place.clone(),
    };
    let copies: Vec<Place> = need.copies.iter().filter(|c| !c.local).map(as_bucket).collect();
    (!copies.is_empty()).then_some(Need { copies, ..need })
}

fn moved(need: &Need, store: &str) -> Need {
    let class = need.copies[0].class.clone();
    let readable = if class.may_be_cold() { Readable::Cold } else { Readable::Now };
    let copy = Place { store: store.to_string(), class, readable, local: false };
    Need { copies: vec![copy], ..need.clone() }
}

/// True if a plan thaws anything.
pub fn thaws_anything(plan: &ThawPlan) -> bool {
    plan.packs.iter().any(|pack| pack.how == How::Thaw)
}
