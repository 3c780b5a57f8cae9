//! Glacier vaults beside their being stores: which one is meant, what an audit says of one, a
//! companion that was lost, and archives of whoever's that are asked for by their ids.

use std::sync::Arc;

use darkslide_audit::{Report, Severity};
use darkslide_catalog::{Catalog, LedgerRow};
use darkslide_price::{PriceTable, Quote};
use darkslide_store::vault::{Archive, Doubt, Standing, Vault};
use darkslide_store::{Store, StoreError};
use darkslide_thaw::Need;
use darkslide_words::{Bytes, Count, Money, RetrievalPolicy, StorageClass, Tier};

use crate::repository::Repository;
use crate::{Engine, EngineError, StoreOpener, StoreSettings};

/// A vault that was opened.
pub struct OpenVault {
    store: Arc<dyn Store>,
}

impl std::fmt::Debug for OpenVault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OpenVault({})", self.store.label())
    }
}

impl OpenVault {
    fn new(store: Arc<dyn Store>) -> Result<Self, EngineError> {
        match store.vault() {
            Some(_) => Ok(Self { store }),
            None => Err(EngineError::NoSuch { what: "vault", name: store.label() }),
        }
    }

    /// What can be asked of it.
    pub fn get(&self) -> &dyn Vault {
        // invariant: it was made of a store that is a vault.
        self.store.vault().expect("a vault")
    }

    /// The store that it is.
    pub(crate) fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// How it is called in messages.
    pub fn label(&self) -> String {
        self.store.label()
    }

    /// Brings what is known of its archives up with the companion's receipts.
    pub fn sync(&self) -> Result<Count, EngineError> {
        let mut objects = Count(0);
        self.store.list("packs/", &mut |_| {
            objects += Count(1);
            Ok(())
        })?;
        Ok(objects)
    }

    /// All archives that are known.
    pub fn archives(&self) -> Result<Vec<Archive>, EngineError> {
        let mut all = Vec::new();
        self.get().archives(&mut |archive| {
            all.push(archive);
            Ok(())
        })?;
        Ok(all)
    }
}

/// Opens a vault that is no store of a repository: to look at it, or to get archives out of it.
pub fn visit_vault(settings: &StoreSettings, opener: &dyn StoreOpener) -> Result<OpenVault, EngineError> {
    OpenVault::new(opener.visit(settings)?)
}

impl Engine {
    /// The configured vault of that name or URL; the only one, where none is named. Nothing where a
    /// name is given that is not configured.
    pub fn vault_settings(&self, which: Option<&str>) -> Result<Option<StoreSettings>, EngineError> {
        let all: Vec<StoreSettings> = self.store_settings().into_iter().filter(|s| s.vault().is_some()).collect();
        match (which, &all[..]) {
            (None, [only]) => Ok(Some(only.clone())),
            (None, []) => {
                Err(EngineError::NoSuch { what: "vault", name: "(no [[store]] is one; name it by --vault)".into() })
            }
            (None, several) => {
                let names: Vec<&str> = several.iter().filter_map(|s| s.vault()).collect();
                Err(EngineError::NoSuch {
                    what: "single vault",
                    name: format!("(name it by --vault: {})", names.join(", ")),
                })
            }
            (Some(which), all) => {
                Ok(all.iter().find(|s| s.vault() == Some(which) || s.label() == which.trim_end_matches('/')).cloned())
            }
        }
    }

    /// Opens a configured vault.
    pub fn open_vault(&self, settings: &StoreSettings) -> Result<OpenVault, EngineError> {
        let settings = if self.reads { settings.for_reading() } else { settings.clone() };
        OpenVault::new(self.opener.open(&settings)?)
    }

    /// Gives a vault whose companion was lost a new one, for the set of archives with this id. An
    /// inventory brings its receipts back.
    pub fn rebuild_vault(&self, settings: &StoreSettings, set: &str) -> Result<OpenVault, EngineError> {
        OpenVault::new(self.opener.rebuild(settings, set)?)
    }
}

/// Who pays for archives that are asked for by their ids.
#[derive(Clone, Copy)]
pub enum Payer<'a> {
    /// A repository: within its budget, and into its ledger.
    Repository(&'a Engine),
    /// Whoever has no configuration: no budget but the limit of the order, and no ledger.
    Visitor,
}

impl std::fmt::Debug for Payer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Repository(_) => "Repository",
            Self::Visitor => "Visitor",
        })
    }
}

impl Payer<'_> {
    /// What it costs to ask for archives.
    pub fn quote(self, settings: &StoreSettings, archives: &[Archive], tier: Tier) -> Result<Quote, EngineError> {
        let Some(region) = settings.price_region() else { return Ok(Quote::default()) };
        let table = match self {
            Self::Repository(engine) => engine.price_table()?,
            Self::Visitor => PriceTable::builtin(),
        };
        let prices = table.region(region)?;
        let bytes: Bytes = archives.iter().map(|archive| archive.size).sum();
        let mut quote = prices.quote();
        let mut lines = prices.vault_retrieval(tier, Count(archives.len() as u64), bytes)?;
        lines.extend(prices.egress(bytes, Bytes(0)));
        quote.merge(Quote { lines, ..Quote::default() });
        Ok(quote)
    }

    /// Asks for archives, for what the quote says; their jobs. What was asked for is in the ledger,
    /// where there is one, whatever comes after it.
    pub fn retrieve(
        self,
        vault: &OpenVault,
        archives: &[Archive],
        tier: Tier,
        quoted: Money,
        max_cost: Option<Money>,
    ) -> Result<Vec<String>, EngineError> {
        let over = |why: String| EngineError::from(StoreError::OverBudget { store: vault.label(), why });
        let books = match self {
            Self::Repository(engine) => Some((engine, Catalog::open(&engine.catalog_path())?)),
            Self::Visitor => None,
        };
        if let Some((engine, catalog)) = &books {
            for allowance in engine.allowances(catalog, max_cost)? {
                let after = allowance.before + quoted;
                if let Some(limit) = allowance.limit.filter(|limit| after > *limit) {
                    return Err(over(format!("would cost more than {} allows: {after} of {limit}", allowance.which)));
                }
            }
        } else if let Some(limit) = max_cost.filter(|limit| quoted > *limit) {
            return Err(over(format!("would cost more than `--max-cost` allows: {quoted} of {limit}")));
        }
        let mut jobs = Vec::with_capacity(archives.len());
        let each = Money(quoted.0 / archives.len().max(1) as i64);
        for archive in archives {
            jobs.push(vault.get().retrieve(&archive.id, tier, None)?);
            let Some((engine, catalog)) = &books else { continue };
            catalog.add_ledger(&LedgerRow {
                at: engine.clock.now(),
                kind: "thaw".into(),
                reference: "vault retrieve".into(),
                what: format!("archive {}, {}", short(&archive.id), vault.label()),
                quoted: each,
                actual: each,
            })?;
        }
        Ok(jobs)
    }
}

/// The beginning of an archive's id, for people.
pub fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

/// What the last inventory of a store that is a vault says beside what it lists.
pub(crate) fn audit_vault(store: &dyn Store, report: &mut Report) -> Result<(), EngineError> {
    let Some(vault) = store.vault() else { return Ok(()) };
    let Some(last) = vault.last_inventory()? else {
        let what = "no inventory of the vault was read yet, so what it holds was taken from this machine's uploads: \
                    `darkslide vault inventory start`";
        report.add(Severity::Note, None, what);
        return Ok(());
    };
    let date = last.date.local();
    let mut too_new = (Count(0), Bytes(0));
    for doubtful in vault.doubtful()? {
        match doubtful.doubt {
            Doubt::TooNew => {
                too_new.0 += Count(1);
                too_new.1 += doubtful.size;
            }
            Doubt::Missing => {
                let what = format!(
                    "it was uploaded {}, and the inventory of {date} does not show it",
                    doubtful.uploaded.local()
                );
                report.add(Severity::Damage, Some(&doubtful.name), what);
            }
            Doubt::Different => {
                let what = format!("the inventory of {date} shows another size or tree hash than what was uploaded");
                report.add(Severity::Damage, Some(&doubtful.name), what);
            }
        }
    }
    if too_new.0.0 > 0 {
        let what =
            format!("{} packs with {} are too new for the inventory of {date}: nothing is wrong", too_new.0, too_new.1);
        report.add(Severity::Note, None, what);
    }
    let mut others = [Count(0); 2];
    vault.archives(&mut |archive| {
        match archive.standing {
            Standing::Foreign => others[0] += Count(1),
            Standing::Duplicate => others[1] += Count(1),
            Standing::Ours | Standing::Gone => {}
        }
        Ok(())
    })?;
    if others[0].0 > 0 {
        report.add(
            Severity::Note,
            None,
            format!("{} archives of the vault are not this repository's; they are left alone", others[0]),
        );
    }
    if others[1].0 > 0 {
        let what =
            format!("{} archives are second copies of an upload: `darkslide vault discard` deletes them", others[1]);
        report.add(Severity::Note, None, what);
    }
    Ok(())
}

fn policy_key(label: &str) -> String {
    format!("retrieval policy {label}")
}

/// Asks a store that is a vault for the account's data retrieval policy, so that quotes, which ask
/// nobody, know it. Whoever may not ask for it plans without.
pub(crate) fn hear_policy(catalog: &Catalog, store: &dyn Store) -> Result<(), EngineError> {
    let Some(policy) = store.vault().and_then(|vault| vault.retrieval_policy().ok()) else { return Ok(()) };
    Ok(catalog.set_meta(&policy_key(&store.label()), &serde_json::to_vec(&policy).unwrap_or_default())?)
}

/// What was heard last.
pub(crate) fn known_policy(catalog: &Catalog, label: &str) -> Result<Option<RetrievalPolicy>, EngineError> {
    let heard = catalog.meta(&policy_key(label))?;
    Ok(heard.and_then(|json| serde_json::from_slice(&json).ok()))
}

/// Where a store thaws parts of objects, it is the wanted part that has to be readable.
pub(crate) fn see_parts(needs: &mut [Need], repo: &Repository) -> Result<(), EngineError> {
    for need in needs {
        let Some(span) = need.span else { continue };
        for place in need.copies.iter_mut().filter(|place| place.class == StorageClass::Vault) {
            let store = repo.reached.stores.iter().find(|store| store.label() == place.store);
            if let Some(readable) = store.map(|store| store.readable_part(&need.name, span)).transpose()?.flatten() {
                place.readable = readable;
            }
        }
    }
    Ok(())
}
