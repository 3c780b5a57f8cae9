//! A Glacier vault as a store, with a hot companion store beside it: packs go into the vault,
//! everything else into the companion, which also keeps a receipt for each archive.
//!
//! Level 2. **Invariant:** an object of the vault counts as there when its receipt is in the
//! companion. Archives that are not this store's are never touched by a put, a listing or a
//! deletion. A job, which costs money, is never asked for twice because an answer got lost.

mod admin;
mod amazon;
mod control;
mod description;
mod events;
mod failure;
mod foreign;
mod inventory;
mod jobs;
mod link;
mod queue;
mod receipts;
mod record;
mod retry;
mod rules;
mod service;
mod settings;
mod tree;
mod turns;
mod upload;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use darkslide_store::vault::Vault;
use darkslide_store::{
    Capabilities, Listed, OnListed, Payload, PutFacts, PutOutcome, ReadOutcome, Readable, Store, StoreError, StoredSum,
    ThawAsk, ThawOutcome,
};
use darkslide_words::{Bytes, Clock, ObjectName, Span, StorageClass, Temperature, Time};

use failure::Failure;
use record::Record;
use service::Service;
use turns::Turns;

pub use link::Surroundings;
pub use retry::{NoSleep, Sleeper, ThreadSleeper};
pub use settings::{Key, MULTIPART_FROM, PART, Patience, VaultSettings};

/// The set of a vault that is no store: no archive carries it.
const NOBODY: &str = "0000000000000000";

/// Uploads at once that are worth it.
const PUTS: usize = 2;

/// One vault and its companion.
pub struct VaultStore {
    label: String,
    settings: VaultSettings,
    service: Box<dyn Service>,
    companion: Arc<dyn Store>,
    record: Record,
    clock: Arc<dyn Clock>,
    sleeper: Arc<dyn Sleeper>,
    /// Which of the vault's archives are this store's: an id that stands in their descriptions.
    set: String,
    turns: Turns,
    policy: Mutex<jobs::Policy>,
}

impl fmt::Debug for VaultStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VaultStore").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// How a vault is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Opening {
    /// It has to have a companion that knows it.
    There,
    /// The vault is made where there is none, and the companion is told.
    Make,
    /// The companion was lost: a new one is told of the set of archives with this id.
    Rebuild(String),
    /// It is no store: nothing is asked of it yet, and no archive of it is this store's.
    Visit,
}

impl VaultStore {
    /// Opens a vault with the companion that belongs to it.
    pub fn open(
        settings: VaultSettings,
        companion: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        surroundings: Surroundings,
    ) -> Result<Self, StoreError> {
        Self::amazon(settings, companion, clock, surroundings, &Opening::There)
    }

    /// Opens a vault, new or not, with a companion that is new.
    pub fn create(
        settings: VaultSettings,
        companion: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        surroundings: Surroundings,
    ) -> Result<Self, StoreError> {
        Self::amazon(settings, companion, clock, surroundings, &Opening::Make)
    }

    /// Opens a vault whose companion was lost, with a new one. `set` is the id of the set of
    /// archives that shall be this store's; an inventory brings them back.
    pub fn rebuild(
        settings: VaultSettings,
        companion: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        surroundings: Surroundings,
        set: &str,
    ) -> Result<Self, StoreError> {
        Self::amazon(settings, companion, clock, surroundings, &Opening::Rebuild(set.to_string()))
    }

    /// Opens a vault that is no store of a repository, to look at it or to get archives out of it.
    /// Asks nobody yet.
    pub fn visit(
        settings: VaultSettings,
        clock: Arc<dyn Clock>,
        surroundings: Surroundings,
    ) -> Result<Self, StoreError> {
        let nothing = Arc::new(darkslide_store::MemoryStore::default());
        Self::amazon(settings, nothing, clock, surroundings, &Opening::Visit)
    }

    fn amazon(
        settings: VaultSettings,
        companion: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        mut surroundings: Surroundings,
        how: &Opening,
    ) -> Result<Self, StoreError> {
        settings.check()?;
        let mut random = [0; 8];
        surroundings.rng.fill(&mut random);
        let sleeper = surroundings.sleeper.clone();
        let service = Box::new(amazon::Amazon::open(&settings, surroundings)?);
        Self::over(settings, service, companion, clock, sleeper, (how, random))
    }

    fn over(
        settings: VaultSettings,
        service: Box<dyn Service>,
        companion: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        sleeper: Arc<dyn Sleeper>,
        (how, random): (&Opening, [u8; 8]),
    ) -> Result<Self, StoreError> {
        let label = settings.label();
        let asked = if *how == Opening::Visit { Ok(()) } else { service.describe().map(drop) };
        let described = match asked {
            Ok(()) => Ok(()),
            Err(failure) if failure.is_missing() && *how == Opening::Make => service.create(),
            Err(failure) => Err(failure),
        };
        described.map_err(|f| f.error(&label, "asking for its description", None))?;
        let record = Record::open(settings.record.as_deref(), &label)?;
        let new = match how {
            Opening::There => None,
            Opening::Make => Some(hex::encode(random)),
            Opening::Rebuild(set) => Some(set.clone()),
            Opening::Visit => Some(NOBODY.into()),
        };
        let set = set_of(&*companion, &settings, new)?;
        if record.meta("set")?.is_some_and(|before| before != set) {
            return Err(StoreError::Setup {
                store: label,
                why: "has another companion than the one that this machine knows".into(),
                advice: "check `[store.companion]`; if it was replaced on purpose, remove this machine's record of the vault"
                    .into(),
            });
        }
        if matches!(how, Opening::Rebuild(_)) {
            record.forget_receipts()?;
        }
        record.set_meta("set", &set)?;
        let (turns, policy) = (Turns::default(), Mutex::default());
        Ok(Self { label, settings, service, companion, record, clock, sleeper, set, turns, policy })
    }

    /// The id that stands in the descriptions of this store's archives.
    pub fn set(&self) -> &str {
        &self.set
    }

    fn description(&self, name: &ObjectName) -> String {
        description::write(&self.set, name)
    }

    fn error(&self, failure: &Failure, what: &str, name: Option<&ObjectName>) -> StoreError {
        let what = name.map_or_else(|| what.to_string(), |name| format!("{what} {name}"));
        failure.error(&self.label, &what, name)
    }

    fn asked<T>(&self, what: &str, answer: Result<T, Failure>) -> Result<T, StoreError> {
        answer.map_err(|f| self.error(&f, what, None))
    }

    /// Waits so long that uploads keep to their limit.
    fn pace(&self, bytes: u64) {
        if let Some(rate) = self.settings.limit_upload {
            self.sleeper.sleep(Duration::from_secs_f64(bytes as f64 / rate.0.max(1) as f64));
        }
    }

    /// The row of an object that lies in the vault; nothing where it is in the companion or nowhere.
    fn row(&self, name: &ObjectName) -> Result<Option<record::ArchiveRow>, StoreError> {
        self.record.archive_of(name)
    }

    fn list_archives(&self, prefix: &str, each: &mut OnListed<'_>) -> Result<(), StoreError> {
        self.sync(prefix)?;
        let rows = self.record.ours(prefix)?;
        if rows.is_empty() {
            return Ok(());
        }
        match self.refresh_jobs() {
            // A writer may not: to him all of it is as cold as it was.
            Err(StoreError::Denied { .. }) => {}
            done => done?,
        }
        for row in rows {
            let all = Span { from: 0, to: row.size };
            let readable = self.readable(&row, all)?;
            let Some(name) = row.name else { continue };
            let (size, modified, class) = (Bytes(row.size), row.created, StorageClass::Vault);
            each(Listed { name, size, modified, class, readable })?;
        }
        Ok(())
    }
}

/// The set of archives that a companion belongs to; `new` is what a companion without one is told.
fn set_of(companion: &dyn Store, settings: &VaultSettings, new: Option<String>) -> Result<String, StoreError> {
    let setup = |why: String, advice: &str| StoreError::Setup { store: settings.label(), why, advice: advice.into() };
    let name = ObjectName::new(receipts::SET).map_err(|e| setup(e.to_string(), ""))?;
    let mut new = new;
    loop {
        if let ReadOutcome::Bytes(bytes) = companion.read(&name, None)? {
            let facts: receipts::SetFacts = serde_json::from_slice(&bytes).map_err(|e| {
                setup(format!("has a companion whose archives.json cannot be read: {e}"), "check the companion")
            })?;
            if facts.vault != settings.vault || !description::is_set(&facts.set) {
                let why = format!("has a companion that belongs to the vault `{}`", facts.vault);
                return Err(setup(why, "each vault has a companion of its own: check `[store.companion]`"));
            }
            return Ok(facts.set);
        }
        let Some(set) = new.take() else {
            let why = format!("has a companion, {}, that knows of no vault", companion.label());
            let advice = "check `[store.companion]`: is the disk mounted? If it was lost, `darkslide vault rebuild` makes a \
                          new one from an inventory";
            return Err(setup(why, advice));
        };
        if !description::is_set(&set) {
            return Err(setup(format!("has no set of archives called `{set}`"), "a set is called by 16 hex digits"));
        }
        let facts = receipts::SetFacts { darkslide: 1, vault: settings.vault.clone(), set };
        // Whoever was faster has said which set it is: it is read again.
        match receipts::put_small(companion, &name, serde_json::to_vec(&facts).unwrap_or_default()) {
            Err(error) if !matches!(error, StoreError::Different { .. }) => return Err(error),
            _ => {}
        }
    }
}

/// The sets of archives in a vault that some Darkslide wrote, and how many archives each has; from
/// what is known of the vault by inventories.
pub fn sets_of(vault: &dyn Vault) -> Result<BTreeMap<String, u64>, StoreError> {
    let mut sets = BTreeMap::new();
    vault.archives(&mut |archive| {
        if let Some(described) = description::read(&archive.description) {
            *sets.entry(described.set).or_default() += 1;
        }
        Ok(())
    })?;
    Ok(sets)
}

impl Store for VaultStore {
    fn label(&self) -> String {
        self.label.clone()
    }

    fn capabilities(&self) -> Capabilities {
        let companion = self.companion.capabilities();
        Capabilities { create_only: false, ranges: true, cold: true, delete: companion.delete, puts: PUTS }
    }

    fn put(&self, name: &ObjectName, bytes: &[u8], facts: &PutFacts) -> Result<PutOutcome, StoreError> {
        self.put_shared(name, &Payload::copy_from_slice(bytes), facts)
    }

    fn put_shared(&self, name: &ObjectName, bytes: &Payload, facts: &PutFacts) -> Result<PutOutcome, StoreError> {
        if receipts::is_own(name.as_str()) {
            let source = std::io::Error::other("the name is one that the store keeps for itself");
            return Err(StoreError::Denied { store: self.label.clone(), name: name.to_string(), source });
        }
        // A vault takes no empty archive.
        if facts.temperature != Temperature::Cold || bytes.is_empty() {
            return self.companion.put_shared(name, bytes, facts);
        }
        self.put_archive(name, bytes)
    }

    fn read(&self, name: &ObjectName, range: Option<Range<u64>>) -> Result<ReadOutcome, StoreError> {
        if receipts::is_own(name.as_str()) {
            return Ok(ReadOutcome::Missing);
        }
        if let Some(row) = self.row(name)? {
            return self.read_archive(&row, range);
        }
        match self.companion.read(name, range.clone())? {
            ReadOutcome::Missing => {}
            found => return Ok(found),
        }
        // Another machine may have uploaded it since the last listing.
        match self.receipt(name)? {
            Some(row) => {
                self.record.transaction(|| self.adopt(&row))?;
                self.read_archive(&row, range)
            }
            None => Ok(ReadOutcome::Missing),
        }
    }

    fn list(&self, prefix: &str, each: &mut OnListed<'_>) -> Result<(), StoreError> {
        self.companion.list(prefix, &mut |listed| match receipts::is_own(listed.name.as_str()) {
            true => Ok(()),
            false => each(listed),
        })?;
        if receipts::is_own(prefix) {
            return Ok(());
        }
        self.list_archives(prefix, each)
    }

    fn delete(&self, name: &ObjectName) -> Result<(), StoreError> {
        if receipts::is_own(name.as_str()) || self.delete_archives(name)? {
            return Ok(());
        }
        self.companion.delete(name)
    }

    fn extend_lock(&self, name: &ObjectName, until: Time) -> Result<bool, StoreError> {
        match self.row(name)? {
            Some(_) => Ok(false),
            None => self.companion.extend_lock(name, until),
        }
    }

    fn locked_until(&self, name: &ObjectName) -> Result<Option<Time>, StoreError> {
        match self.row(name)? {
            Some(_) => Ok(None),
            None => self.companion.locked_until(name),
        }
    }

    fn vault(&self) -> Option<&dyn Vault> {
        Some(self)
    }

    fn warmed(&self) -> Result<Option<darkslide_store::Warmed>, StoreError> {
        self.hear()
    }

    fn stored_sum(&self, name: &ObjectName) -> Result<StoredSum, StoreError> {
        match self.row(name)? {
            // A tree hash, which is none of the checksums that others keep.
            Some(_) => Ok(StoredSum::NotKept),
            None => self.companion.stored_sum(name),
        }
    }

    fn rules(&self) -> Result<Vec<darkslide_store::rules::Rule>, StoreError> {
        let mut rules = self.vault_rules()?;
        rules.extend(self.companion.rules()?);
        Ok(rules)
    }

    fn readable_part(&self, name: &ObjectName, span: Span) -> Result<Option<Readable>, StoreError> {
        self.row(name)?.map(|row| self.readable(&row, span)).transpose()
    }

    fn thaw(&self, name: &ObjectName, ask: &ThawAsk) -> Result<ThawOutcome, StoreError> {
        if let Some(row) = self.row(name)? {
            return self.thaw_archive(&row, ask);
        }
        match self.receipt(name)? {
            Some(row) => {
                self.record.transaction(|| self.adopt(&row))?;
                self.thaw_archive(&row, ask)
            }
            None => self.companion.thaw(name, ask),
        }
    }
}

#[cfg(test)]
mod tests;
