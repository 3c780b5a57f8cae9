//! The account behind the stores: planned, made, verified, taken down.
//!
//! **Invariant:** nothing is written to the account but by `cloud_apply` and `cloud_rotate`, and the
//! first of them takes a plan that somebody has seen. Secrets go to the [`KeyKeeper`] and nowhere else.

use std::path::PathBuf;
use std::sync::Arc;

use darkslide_price::{Holding, Prices};
use darkslide_provision::apply::Watcher;
use darkslide_provision::desired::{AccountId, BucketDesired, IamName, Region, Transport};
use darkslide_provision::verify::{Probe, ProbeOpener, Verified, verify};
use darkslide_provision::{
    Applied, CloudError, Desired, Hands, IdentityKind, KeyKeeper, OldKey, Plan, Pricing, Purpose, Rotated, observe,
};

use crate::cloud_settings::KeyPlace;
use crate::cloud_settings::owner_tag;
use crate::{CloudSettings, Engine, EngineError, StoreSettings};

/// How an account is reached, and as whom.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CloudAccess {
    /// The region.
    pub region: String,
    /// Profile of the shared AWS files.
    pub profile: Option<String>,
    /// A server other than Amazon's.
    pub endpoint: Option<String>,
    /// The file of a key that was made here, instead of a profile.
    pub key_file: Option<PathBuf>,
}

/// Reaches an account; the concrete cloud comes from the caller.
pub trait CloudOpener: Send + Sync {
    /// The account.
    fn open(&self, access: &CloudAccess) -> Result<Arc<dyn Hands>, CloudError>;
    /// The bucket, as somebody sees it.
    fn probe(&self, access: &CloudAccess, bucket: &BucketDesired) -> Result<Box<dyn Probe>, CloudError>;
}

/// An account, and what shall be in it.
pub struct CloudSetup {
    hands: Arc<dyn Hands>,
    desired: Desired,
    prices: Option<Prices>,
    holdings: Vec<Holding>,
    /// The file of the key that this machine uses itself.
    used_here: Option<PathBuf>,
}

impl CloudSetup {
    /// Asks whose the credentials are, and nothing else.
    pub fn begin(
        opener: &dyn CloudOpener,
        settings: &CloudSettings,
        store: Option<&StoreSettings>,
        repository: &str,
        prices: Option<Prices>,
    ) -> Result<Self, EngineError> {
        let access = access(settings, store)?;
        let hands = opener.open(&access).map_err(darkslide_provision::ProvisionError::from)?;
        let plain = access.endpoint.as_deref().is_some_and(|endpoint| endpoint.starts_with("http://"));
        let region = Region::new(access.region).map_err(darkslide_provision::ProvisionError::from)?;
        let account = match &settings.account {
            Some(account) => account.clone(),
            None => hands.caller().map_err(darkslide_provision::ProvisionError::from)?.account,
        };
        let desired = settings.desired(store, account, region, &owner_tag(store, repository));
        let mut desired = desired.map_err(darkslide_provision::ProvisionError::from)?;
        desired.transport = if plain { Transport::Plain } else { Transport::Tls };
        let used_here = store.and_then(|store| store.credentials.clone());
        Ok(Self { hands, desired, prices, holdings: Vec::new(), used_here })
    }

    /// The same, priced for what is going to be stored.
    pub fn holding(self, holdings: Vec<Holding>) -> Self {
        Self { holdings, ..self }
    }

    /// What shall be there.
    pub fn desired(&self) -> &Desired {
        &self.desired
    }

    /// What has to be done so that it is there.
    pub fn plan(&self, keeper: &dyn KeyKeeper) -> Result<Plan, EngineError> {
        let facts = observe(&self.desired, &*self.hands, keeper, Purpose::Apply)?;
        let pricing = self.prices.as_ref().map(|prices| Pricing { prices, holdings: self.holdings.clone() });
        Ok(darkslide_provision::plan(&self.desired, &facts, pricing.as_ref())?)
    }

    /// What has to be done so that nothing is left but data.
    pub fn plan_destroy(&self, keeper: &dyn KeyKeeper) -> Result<Plan, EngineError> {
        let facts = observe(&self.desired, &*self.hands, keeper, Purpose::Destroy)?;
        Ok(darkslide_provision::plan_destroy(&self.desired, &facts)?)
    }

    /// Makes a plan true that somebody has seen.
    pub fn apply(
        &self,
        plan: &Plan,
        keeper: &dyn KeyKeeper,
        watcher: &mut dyn Watcher,
    ) -> Result<Applied, EngineError> {
        Ok(darkslide_provision::apply(plan, &*self.hands, keeper, watcher)?)
    }

    /// Waits until AWS knows a new key everywhere.
    pub fn prove(&self, user: &IamName, keeper: &dyn KeyKeeper) -> Result<(), EngineError> {
        match keeper.read(user, darkslide_provision::keys::Slot::Current)? {
            Some(key) => Ok(darkslide_provision::keys::prove(user, &key, &*self.hands)?),
            None => Ok(()),
        }
    }

    /// Exchanges the key of an identity, or of a NAS program's user. The old one goes at once where this machine
    /// uses it from its file; else it works on until `finish_rotation`.
    pub fn rotate(&self, who: &str, keeper: &dyn KeyKeeper) -> Result<Rotated, EngineError> {
        let user = self.user(who)?;
        let own = format!("{user}.credentials");
        let used_here = self.used_here.as_ref().and_then(|file| file.file_name()).is_some_and(|name| *name == *own);
        let old = if used_here { OldKey::Deleted } else { OldKey::Kept };
        Ok(darkslide_provision::rotate(&user, &*self.hands, keeper, &*self.hands, old)?)
    }

    /// Ends such a rotation: the old key goes.
    pub fn finish_rotation(&self, who: &str, keeper: &dyn KeyKeeper) -> Result<Rotated, EngineError> {
        let user = self.user(who)?;
        Ok(darkslide_provision::finish_rotation(&user, &*self.hands, keeper, &*self.hands)?)
    }

    /// A user by its kind or name.
    fn user(&self, who: &str) -> Result<IamName, EngineError> {
        use darkslide_provision::desired::Form;
        let identities = self.desired.identities.iter().filter(|one| one.form == Form::User);
        let named = identities.map(|one| (one.kind.word(), &one.name));
        let mut all = named.chain(self.desired.nas.iter().map(|nas| (nas.name.as_str(), &nas.name)));
        let found = all.find(|(word, name)| *word == who || name.as_str() == who).map(|(_, name)| name.clone());
        found.ok_or_else(|| EngineError::NoSuch { what: "user with a key", name: who.to_string() })
    }
}

fn is_bucket(store: &StoreSettings) -> bool {
    store.url.as_deref().is_some_and(|url| url.starts_with("s3://"))
}

/// Region and credentials: of `[cloud]`, else of the store.
fn access(settings: &CloudSettings, store: Option<&StoreSettings>) -> Result<CloudAccess, EngineError> {
    let region =
        settings.region.as_ref().map(ToString::to_string).or_else(|| store.and_then(|store| store.region.clone()));
    let endpoint = settings.endpoint.clone().or_else(|| store.and_then(|store| store.endpoint.clone()));
    let region = region.ok_or_else(|| {
        EngineError::Provision(darkslide_provision::ProvisionError::Impossible {
            what: "the account's region is not known".into(),
            advice: "set `region` of the [[store]], or of [cloud]".into(),
        })
    })?;
    Ok(CloudAccess { region, profile: settings.profile.clone(), endpoint, key_file: None })
}

/// Each identity's credentials on this machine: a profile of the store, or the file of a key made here.
struct OwnProbes<'a> {
    opener: &'a dyn CloudOpener,
    bucket: Option<&'a BucketDesired>,
    accesses: Vec<(IdentityKind, CloudAccess)>,
}

impl ProbeOpener for OwnProbes<'_> {
    fn open(&self, kind: IdentityKind) -> Result<Option<Box<dyn Probe>>, CloudError> {
        let access = self.accesses.iter().find(|(own, _)| *own == kind).zip(self.bucket);
        access.map(|((_, access), bucket)| self.opener.probe(access, bucket)).transpose()
    }
}

impl Engine {
    fn cloud_opener(&self) -> Result<&dyn CloudOpener, EngineError> {
        self.opener.cloud().ok_or_else(|| EngineError::NotAvailable { what: "a cloud".into() })
    }

    /// The store whose bucket is set up: the first that is one.
    pub(crate) fn cloud_store(&self) -> Option<&StoreSettings> {
        self.settings.stores.iter().find(|store| is_bucket(store))
    }

    /// The account of this configuration.
    pub fn cloud(&self) -> Result<CloudSetup, EngineError> {
        let store = self.cloud_store();
        let prices = match store.and_then(StoreSettings::price_region) {
            Some(region) => Some(self.price_table()?.region(region)?),
            None => None,
        };
        CloudSetup::begin(self.cloud_opener()?, &self.settings.cloud, store, &self.settings.repository.id, prices)
    }

    /// Where new keys go.
    pub fn cloud_keys(&self) -> KeyPlace {
        match self.settings.cloud.key_place() {
            KeyPlace::Folder(folder) => KeyPlace::Folder(self.settings.resolve(&folder)),
            other => other,
        }
    }

    /// What shall be there, without asking anybody: of the account that the configuration names, or of
    /// `stand_in`.
    pub(crate) fn cloud_desired(&self, stand_in: Option<AccountId>) -> Result<Desired, EngineError> {
        let (settings, store) = (&self.settings.cloud, self.cloud_store());
        let wrong = darkslide_provision::ProvisionError::from;
        let region = Region::new(access(settings, store)?.region).map_err(wrong)?;
        let account = settings.account.clone().or(stand_in).ok_or_else(|| {
            EngineError::Provision(darkslide_provision::ProvisionError::Impossible {
                what: "an export asks nobody, and the account is not known".into(),
                advice: "set `account` of [cloud] to its twelve digits".into(),
            })
        })?;
        let tag = owner_tag(store, &self.settings.repository.id);
        let desired = settings.desired(store, account, region, &tag);
        Ok(desired.map_err(wrong)?)
    }

    /// Proves least privilege, and looks for settings that have changed.
    pub fn cloud_verify(&self, keeper: &dyn KeyKeeper) -> Result<Verified, EngineError> {
        let setup = self.cloud()?;
        let opener = self.cloud_opener()?;
        let accesses = self.identity_accesses(&setup.desired)?;
        let probes = OwnProbes { opener, bucket: setup.desired.bucket.as_ref(), accesses };
        let mut verified = verify(&setup.desired, &*setup.hands, &probes)?;
        match setup.plan(keeper) {
            Ok(plan) => {
                verified.drift.extend(plan.changes().map(|step| step.item.to_string()));
                verified.drift.extend(plan.blocked);
            }
            // What cannot be told is not well.
            Err(error) => verified.drift.push(format!("the settings cannot be read: {error}")),
        }
        Ok(verified)
    }

    pub(crate) fn identity_accesses(&self, desired: &Desired) -> Result<Vec<(IdentityKind, CloudAccess)>, EngineError> {
        let Some(store) = self.cloud_store() else { return Ok(Vec::new()) };
        let base = access(&self.settings.cloud, Some(store))?;
        let mut out = Vec::new();
        for identity in &desired.identities {
            let file = self.cloud_keys();
            let file = file.folder().map(|folder| folder.join(format!("{}.credentials", identity.name)));
            let profile = match identity.kind {
                IdentityKind::Writer => &store.profile,
                IdentityKind::Restorer => &store.reader_profile,
                IdentityKind::Auditor => &store.auditor_profile,
                IdentityKind::Pruner => &store.pruner_profile,
                IdentityKind::Admin => &None,
            };
            let key_file = file.filter(|file| file.is_file());
            if key_file.is_some() || profile.is_some() {
                out.push((identity.kind, CloudAccess { profile: profile.clone(), key_file, ..base.clone() }));
            }
        }
        Ok(out)
    }
}
