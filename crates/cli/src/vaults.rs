//! Vaults from settings.

use std::sync::Arc;

use darkslide_engine::{StoreSettings, parse_bytes};
use darkslide_store::{Store, StoreError};
use darkslide_store_dir::DirStore;
use darkslide_store_glacier::{Surroundings, VaultSettings, VaultStore};
use darkslide_words::Bytes;

use crate::{buckets, wiring};

/// The companion; `new` makes a directory where there is none.
fn companion(settings: &StoreSettings, new: New) -> Result<Arc<dyn Store>, StoreError> {
    let lacking = || StoreError::Setup {
        store: settings.label(),
        why: "has no companion".into(),
        advice: "add a [store.companion] with a `path` or a `url`, or `--companion PLACE`".into(),
    };
    let beside = settings.companion.as_deref().ok_or_else(lacking)?;
    match (&beside.path, new) {
        (Some(path), New::Yes) => Ok(Arc::new(DirStore::create(path)?.with_parity(beside.parity_percent()))),
        (Some(path), New::No) => {
            Ok(Arc::new(DirStore::open(path, &*wiring::clock())?.with_parity(beside.parity_percent())))
        }
        (None, New::Yes) => Ok(Arc::new(buckets::create(beside)?)),
        (None, New::No) => Ok(Arc::new(buckets::open(beside)?)),
    }
}

/// Whether a place may be made.
#[derive(Clone, Copy)]
enum New {
    Yes,
    No,
}

/// What the settings say, for the client.
pub fn resolve(settings: &StoreSettings) -> Result<VaultSettings, StoreError> {
    let mut vault = VaultSettings::from_url(&settings.label())?;
    vault.account.clone_from(&settings.account);
    vault.region.clone_from(&settings.region);
    vault.endpoint.clone_from(&settings.endpoint);
    vault.profile.clone_from(&settings.profile);
    vault.record.clone_from(&settings.record);
    vault.events.clone_from(&settings.events);
    vault.limit_upload = settings.limit_upload.as_deref().and_then(parse_bytes).map(Bytes);
    Ok(vault)
}

/// Makes a store of a vault, new or not, with a new companion.
pub fn create(settings: &StoreSettings) -> Result<VaultStore, StoreError> {
    let beside = companion(settings, New::Yes)?;
    VaultStore::create(resolve(settings)?, beside, wiring::clock(), Surroundings::default())
}

/// Opens a vault with its companion.
pub fn open(settings: &StoreSettings) -> Result<VaultStore, StoreError> {
    let beside = companion(settings, New::No)?;
    VaultStore::open(resolve(settings)?, beside, wiring::clock(), Surroundings::default())
}

/// Opens a vault that is no store.
pub fn visit(settings: &StoreSettings) -> Result<VaultStore, StoreError> {
    VaultStore::visit(resolve(settings)?, wiring::clock(), Surroundings::default())
}

/// Opens a vault whose companion was lost, with a new one.
pub fn rebuild(settings: &StoreSettings, set: &str) -> Result<VaultStore, StoreError> {
    let beside = companion(settings, New::Yes)?;
    VaultStore::rebuild(resolve(settings)?, beside, wiring::clock(), Surroundings::default(), set)
}
