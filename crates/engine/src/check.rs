//! `audit` and `scrub`.

use darkslide_audit::{
    AuditContext, Classes, Report, Rotated, Rotation, Sample, ScrubContext, Severity, Sums, audit, checksums,
    inventories, is_at_hand, round, runs_of_round, sample, scrub,
};
use darkslide_catalog::{Catalog, Checked, PackState, ScrubRow};
use darkslide_format::identity::IdentityFile;
use darkslide_restore::{ChunkReader, Pages};
use darkslide_words::{Bytes, Count, Money, ObjectName, Rng, StorageClass, Time};

use crate::observe::CheckObserver;
use crate::secrets::{self, WriterFile};
use crate::{Engine, EngineError, index_sync};

/// How a check is run.
#[derive(Debug, Clone, Copy)]
pub struct CheckOptions {
    /// Which objects a scrub reads.
    pub sample: Sample,
}

impl Engine {
    /// Which classes a store is to keep what in; nothing for a directory.
    fn classes_of(&self, label: &str) -> Option<Classes> {
        let settings = self.settings.stores.iter().find(|s| s.url.is_some() && s.label() == label)?;
        let [cold, warm, hot] = crate::pricing::classes_of(settings);
        Some(Classes { cold, warm, hot })
    }

    /// Remembers what a check found rotten, for `repair`.
    fn remember_rotten(
        &self,
        catalog: &Catalog,
        store: &str,
        rotten: &[(ObjectName, Bytes, String)],
    ) -> Result<(), EngineError> {
        let row = |(name, size, why): &(ObjectName, Bytes, String)| ScrubRow {
            name: name.clone(),
            size: *size,
            checked: self.clock.now(),
            outcome: Checked::Damaged,
            why: why.clone(),
        };
        let rows: Vec<ScrubRow> = rotten.iter().map(row).collect();
        catalog.transaction(|| Ok(catalog.put_scrubs(store, &rows)?))
    }

    /// What asking each bucket for the checksums that it keeps would cost.
    pub fn quote_stored_checksums(&self) -> Result<Money, EngineError> {
        let catalog = Catalog::open(&self.catalog_path())?;
        let mut packs = Count(0);
        catalog.for_each_pack::<EngineError>(|_, _, state, _| {
            packs += Count(u64::from(state == PackState::Stored));
            Ok(())
        })?;
        let mut cost = Money::ZERO;
        for prices in self.price_book()?.by_store.values() {
            cost += prices.get(&StorageClass::Standard, packs)?.into_iter().map(|line| line.amount).sum::<Money>();
        }
        Ok(cost)
    }

    /// Holds the checksums that the stores keep of each pack against the index: one HEAD each, cold
    /// packs too, no thaw.
    pub fn stored_checksums(&self, observer: &dyn CheckObserver) -> Result<(Report, Vec<(String, Sums)>), EngineError> {
        let mut repo = self.repository()?;
        let meters = self.meter(&mut repo, None)?;
        let catalog = Catalog::open(&self.catalog_path())?;
        let (mut all, mut sums) = (Report::default(), Vec::new());
        let mut look = || -> Result<(), EngineError> {
            // A directory keeps no checksums; scrub reads it.
            for store in repo.reached.stores.iter().filter(|store| store.mending().is_none()) {
                let mut report = Report::default();
                let found = checksums(&**store, &catalog, observer, &mut report)?;
                self.remember_rotten(&catalog, &store.label(), &report.rotten)?;
                merge(&mut all, report, &store.label(), repo.reached.stores.len());
                sums.push((store.label(), found));
            }
            Ok(())
        };
        let outcome = look();
        self.settle(&meters, "checksums")?;
        outcome.map(|()| (all, sums))
    }

    /// Audits every store that can be reached.
    pub(crate) fn audit_stores(
        &self,
        identity: Option<&IdentityFile>,
        observer: &dyn CheckObserver,
    ) -> Result<Report, EngineError> {
        let repo = self.repository()?;
        let catalog = Catalog::open(&self.catalog_path())?;
        let opened = identity.map(|i| repo.opened(i)).transpose()?;
        let index = match &opened {
            Some((_, keys)) => keys.index.clone(),
            None => match WriterFile::load(&secrets::path(&self.settings.state_dir())) {
                Ok(file) => file.secrets.index,
                Err(_) => return Err(EngineError::NeedIdentity { what: "an audit on a machine that is no writer" }),
            },
        };
        index_sync::segments(&catalog, repo.store(), &repo.trust, &index)?;
        let mut all = Report::default();
        for store in &repo.reached.stores {
            let mut reader = match &opened {
                Some((keys, _)) => {
                    let catalog = Catalog::open(&self.catalog_path())?;
                    Some(ChunkReader::new(catalog, vec![store.clone()], keys.clone())?)
                }
                None => None,
            };
            // An empty cache: the audit is to see the store's pages, not ours.
            let (_folder, nothing) = empty_catalog(&self.settings.state_dir())?;
            let mut pages = reader.as_mut().map(|reader| Pages::new(&nothing, reader));
            let context = AuditContext {
                store: &**store,
                catalog: &self.catalog_path(),
                trust: &repo.trust,
                index: &index,
                classes: self.classes_of(&store.label()),
                identities: opened.as_ref().map(|(keys, _)| &keys.identities),
                observer,
            };
            let mut report = audit(&context, pages.as_mut())?;
            crate::vaults::audit_vault(&**store, &mut report)?;
            self.remember_rotten(&catalog, &store.label(), &report.rotten)?;
            merge(&mut all, report, &store.label(), repo.reached.stores.len());
        }
        for (name, reason) in &repo.reached.missing {
            all.add(Severity::Warning, None, format!("the store {name} was not audited: {reason}"));
        }
        Ok(all)
    }

    /// Scrubs every store that can be reached.
    pub(crate) fn scrub_stores(
        &self,
        options: CheckOptions,
        identity: Option<&IdentityFile>,
        rng: &mut dyn Rng,
        observer: &dyn CheckObserver,
    ) -> Result<Report, EngineError> {
        let repo = self.repository()?;
        let opened = identity.map(|i| repo.opened(i)).transpose()?;
        let begun = self.clock.elapsed();
        let until = match options.sample {
            Sample::Rotation(Rotation { time: Some(time), .. }) => Some(begun + time),
            _ => None,
        };
        let context = ScrubContext {
            stores: &repo.reached.stores,
            catalog: &self.catalog_path(),
            trust: &repo.trust,
            keys: opened.as_ref().map(|(keys, _)| (&keys.identities, &keys.id_key)),
            observer,
            clock: &*self.clock,
            until,
        };
        let mut report = Report::default();
        let mut found = inventories(&context)?;
        let turns = std::mem::take(&mut found.turns);
        let mut all = match options.sample {
            Sample::All => scrub(&context, turns, &found, report)?,
            Sample::Percent(percent) => scrub(&context, sample(turns, percent, rng), &found, report)?,
            Sample::Rotation(rotation) => {
                let (at_hand, cold): (Vec<_>, Vec<_>) = turns.into_iter().partition(|turn| is_at_hand(&turn.listed));
                cold.iter().for_each(|turn| report.add_cold(&turn.listed.class, turn.listed.size));
                let round = round(at_hand, &rotation, self.clock.now());
                let about = (round.total, round.due, round.never, round.oldest);
                let mut done = scrub(&context, round.queue, &found, report)?;
                tell_rotation(&mut done, &rotation, about);
                done
            }
        };
        for (name, reason) in &repo.reached.missing {
            all.add(Severity::Warning, None, format!("the store {name} was not scrubbed: {reason}"));
        }
        Ok(all)
    }
}

/// Says how long a full round takes at this budget, and whether that is in time.
fn tell_rotation(
    report: &mut Report,
    rotation: &Rotation,
    (total, due, never, oldest): (Bytes, Bytes, Count, Option<Time>),
) {
    let days = rotation.every.as_secs().div_ceil(24 * 3600);
    let (read, left) = (report.bytes, Bytes(due.0.saturating_sub(report.bytes.0)));
    let mut rotated = Rotated { total, due, read, never, oldest, every_days: days, round_days: None };
    if left.0 == 0 {
        report.rotated = Some(rotated);
        return;
    }
    rotated.round_days = runs_of_round(total, read);
    let what = match rotated.round_days {
        Some(round) if round > days => format!(
            "at {read} a day a full round of {total} takes {round} days, and {days} are wanted: a larger budget, more \
             runs a day, or a longer time (`--every`)"
        ),
        Some(round) => format!("{left} are left; at {read} a day a full round of {total} takes {round} days"),
        None => format!("{left} are left, and nothing was read within the budget"),
    };
    let severity = match rotated.round_days {
        Some(round) if round <= days => Severity::Note,
        _ => Severity::Warning,
    };
    report.add(severity, None, what);
    report.rotated = Some(rotated);
}

fn merge(all: &mut Report, one: Report, store: &str, stores: usize) {
    all.objects += one.objects;
    all.bytes += one.bytes;
    all.snapshots += one.snapshots;
    all.chunks += one.chunks;
    all.denied += one.denied;
    all.healable += one.healable;
    all.without_parity += one.without_parity;
    for (class, (objects, bytes)) in one.cold {
        let sum = all.cold.entry(class).or_default();
        sum.0 += objects;
        sum.1 += bytes;
    }
    all.findings.extend(one.findings.into_iter().map(|mut finding| {
        if stores > 1 {
            finding.what = format!("[{store}] {}", finding.what);
        }
        finding
    }));
}

/// A catalog without pages, in a folder that goes away.
fn empty_catalog(state: &std::path::Path) -> Result<(Scratch, Catalog), EngineError> {
    let path = state.join(format!("audit-{}.sqlite", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let catalog = Catalog::create(&path)?;
    Ok((Scratch(path), catalog))
}

struct Scratch(std::path::PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        for suffix in ["", "-wal", "-shm"] {
            let mut path = self.0.clone().into_os_string();
            path.push(suffix);
            let _ = std::fs::remove_file(path);
        }
    }
}
