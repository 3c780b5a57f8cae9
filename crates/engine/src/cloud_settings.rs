//! `[cloud]`: what shall be in the AWS account.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use darkslide_provision::desired::{
    AccountId, Boundary, BucketDesired, BucketName, BudgetAlarm, Encryption, Form, Frequency, IamName, IamPath,
    Identity, InventoryDesired, KeyPrefix, LockDesired, LockMode, Mfa, NameError, Namespace, NasProgram, NasUser,
    OldVersions, QueueName, Region, RetrievalLimit, ThawEvents, Tiering, Transition, VaultDesired, VaultName,
};
use darkslide_provision::{Desired, IdentityKind, KeyFiles, KeyKeeper, Keyring};
use darkslide_words::{Money, StorageClass};
use serde::{Deserialize, Serialize};

use crate::StoreSettings;
use crate::pricing::classes_of;
use crate::store_settings::parse_bytes;

/// What shall be in the AWS account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CloudSettings {
    /// The account's number; that of the credentials where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    /// The region; the bucket's where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// Profile of the shared AWS files with which the account is set up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// A server other than Amazon's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Whether the bucket's name is the world's or the account's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Namespace>,
    /// Folder for the files of new keys, or `keyring`; shown once instead where it is empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<PathBuf>,
    /// Who shall be there, as users.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<Vec<IdentityKind>>,
    /// Who shall be there, as roles.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<IdentityKind>>,
    /// Which roles need a second factor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mfa: Option<Vec<IdentityKind>>,
    /// ARNs of who may take on the roles.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trusted: Option<Vec<String>>,
    /// What names begin with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub names: Option<String>,
    /// Path in IAM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<IamPath>,
    /// Tags on all that is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
    /// `true`, `false`, or the ARN of a policy that exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boundary: Option<BoundarySetting>,
    /// ARN of a KMS key for the bucket's default encryption.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kms_key: Option<String>,
    /// Object Lock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock: Option<LockSetting>,
    /// Days after which an old version goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_versions_days: Option<u32>,
    /// Days after which an old version moves to DEEP_ARCHIVE before that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_versions_archive_days: Option<u32>,
    /// Days after which an unfinished upload goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abort_uploads_days: Option<u32>,
    /// Intelligent-Tiering's archive tiers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tiering: Option<Tiering>,
    /// Lifecycle moves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transitions: Option<Vec<Transition>>,
    /// S3 Inventory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inventory: Option<InventorySetting>,
    /// Name of a queue for finished thaws.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueName>,
    /// Name of a topic for finished thaws, and for vaults.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<QueueName>,
    /// Who is told by the topic and by the budget.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub emails: Option<Vec<String>>,
    /// Vaults.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vaults: Option<Vec<VaultSetting>>,
    /// Limit on retrievals from vaults.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retrieval: Option<String>,
    /// Users of NAS programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nas: Option<Vec<NasSetting>>,
    /// An alarm when the month's bill reaches so many dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alarm: Option<Money>,
    /// At how many percent of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alarm_percent: Option<u32>,
}

/// In the place of a folder: the system's keyring.
const KEYRING: &str = "keyring";

/// Where new keys go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyPlace {
    /// Files in a folder.
    Folder(PathBuf),
    /// The system's keyring.
    Keyring,
    /// Shown once, and kept nowhere.
    Screen,
}

impl KeyPlace {
    /// The folder, where it is one.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(folder) => Some(folder),
            Self::Keyring | Self::Screen => None,
        }
    }

    /// Who keeps them; nothing where somebody's screen does.
    pub fn keeper(&self) -> Option<Box<dyn KeyKeeper>> {
        match self {
            Self::Folder(folder) => Some(Box::new(KeyFiles::new(folder))),
            Self::Keyring => Some(Box::new(Keyring::default())),
            Self::Screen => None,
        }
    }
}

/// A permissions boundary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum BoundarySetting {
    /// One that is made here, or none.
    Made(bool),
    /// One that exists.
    Arn(String),
}

/// Object Lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockSetting {
    /// `governance` or `compliance`.
    pub mode: LockMode,
    /// Days.
    pub days: u32,
}

/// S3 Inventory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InventorySetting {
    /// Where the lists go.
    pub bucket: BucketName,
    /// Below which prefix.
    #[serde(default)]
    pub prefix: String,
    /// How often.
    pub frequency: Frequency,
}

/// A vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VaultSetting {
    /// Its name.
    pub name: VaultName,
    /// Archives younger than this are kept by its access policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_days: Option<u32>,
    /// Archives younger than this are kept by its lock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock_days: Option<u32>,
}

/// A user of a NAS program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NasSetting {
    /// Its name.
    pub name: IamName,
    /// `qnap-glacier` or `hyper-backup`.
    #[serde(rename = "for")]
    pub program: NasKind,
    /// The vault of a `qnap-glacier`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vault: Option<VaultName>,
    /// The bucket of a `hyper-backup`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket: Option<BucketName>,
}

/// A NAS program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NasKind {
    /// QNAP's Glacier app.
    QnapGlacier,
    /// Synology's Hyper Backup.
    HyperBackup,
}

/// Days after which Object Lock's or a version's days are plainly a slip.
const DAYS_MAX: u32 = 36_500;
/// Days after which an old version goes.
const OLD_VERSIONS_DAYS: u32 = 180;

impl CloudSettings {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Where new keys go.
    pub(crate) fn key_place(&self) -> KeyPlace {
        match &self.keys {
            None => KeyPlace::Folder("cloud-keys".into()),
            Some(folder) if folder.as_os_str().is_empty() => KeyPlace::Screen,
            Some(folder) if folder.as_os_str() == KEYRING => KeyPlace::Keyring,
            Some(folder) => KeyPlace::Folder(folder.clone()),
        }
    }

    /// Why it cannot be.
    pub(crate) fn problem(&self) -> Option<String> {
        let told = |what: String| Some(format!("[cloud]: {what}"));
        if let Some(tiering) = &self.tiering {
            let within = |days: Option<u32>, least| days.is_none_or(|days| (least..=730).contains(&days));
            if !within(tiering.archive_days, 90) {
                return told("archive_days of `tiering` goes from 90 to 730 days, as Amazon has it".into());
            }
            if !within(tiering.deep_archive_days, 180) {
                return told("deep_archive_days of `tiering` goes from 180 to 730 days, as Amazon has it".into());
            }
            if tiering.archive_days.zip(tiering.deep_archive_days).is_some_and(|(a, deep)| a >= deep) {
                return told("archive_days of `tiering` has to be less than deep_archive_days".into());
            }
            if tiering.archive_days.or(tiering.deep_archive_days).is_none() {
                return told("`tiering` needs archive_days or deep_archive_days".into());
            }
        }
        let lock = self.lock.as_ref().map(|lock| ("days of `lock`", lock.days));
        let days = [
            ("old_versions_days", self.old_versions_days),
            ("old_versions_archive_days", self.old_versions_archive_days),
            ("abort_uploads_days", self.abort_uploads_days),
        ];
        let given = days.into_iter().filter_map(|(key, days)| Some((key, days?)));
        if let Some((key, days)) = given.chain(lock).find(|(_, days)| !(1..=DAYS_MAX).contains(days)) {
            return told(format!("{key} = {days} is no number of days from 1 to {DAYS_MAX}"));
        }
        let expire = self.old_versions_days.unwrap_or(OLD_VERSIONS_DAYS);
        if let Some(archive) = self.old_versions_archive_days.filter(|archive| *archive >= expire) {
            return told(format!(
                "old_versions_archive_days = {archive} has to be less than old_versions_days, which is {expire}"
            ));
        }
        if let Some(text) = self.retrieval.as_deref().filter(|text| limit(text).is_none()) {
            return told(format!(
                "retrieval = `{text}` is none of `free-tier`, `none`, or an amount an hour such as `10 GB`"
            ));
        }
        if let Some(both) = self.kinds().iter().find(|(kind, role)| !role && self.wants_role(*kind)) {
            return told(format!("the {} stands in `users` and in `roles`", both.0));
        }
        if let Some(nas) = self.nas.iter().flatten().find(|nas| program(nas).is_none()) {
            return told(format!(
                "the user {} of `nas` needs a `vault` for qnap-glacier, a `bucket` for hyper-backup",
                nas.name
            ));
        }
        if self.alarm.is_some() && self.emails.as_ref().is_none_or(Vec::is_empty) {
            return told("an `alarm` needs somebody in `emails`".into());
        }
        None
    }

    fn wants_role(&self, kind: IdentityKind) -> bool {
        self.roles.as_ref().is_some_and(|roles| roles.contains(&kind))
    }

    /// Who shall be there, and whether as a role. Unless told otherwise: all but the admin, as users.
    fn kinds(&self) -> Vec<(IdentityKind, bool)> {
        use IdentityKind::{Auditor, Pruner, Restorer, Writer};
        let roles = self.roles.clone().unwrap_or_default();
        let default = [Writer, Restorer, Auditor, Pruner].into_iter().filter(|kind| !roles.contains(kind)).collect();
        let users = self.users.clone().unwrap_or(default);
        users.into_iter().map(|kind| (kind, false)).chain(roles.into_iter().map(|kind| (kind, true))).collect()
    }

    /// The desired state: of this configuration, for the bucket of a store.
    pub(crate) fn desired(
        &self,
        store: Option<&StoreSettings>,
        account: AccountId,
        region: Region,
        owner_tag: &str,
    ) -> Result<Desired, NameError> {
        let mut desired = Desired::new(account, region, owner_tag);
        desired.tags = self.tags.clone().unwrap_or_default();
        desired.bucket = store.map(|store| self.bucket(store)).transpose()?;
        let emails = self.emails.clone().unwrap_or_default();
        desired.thaw_events =
            ThawEvents { queue: self.queue.clone(), topic: self.topic.clone(), emails: emails.clone() };
        let path = self.path.clone().map_or_else(|| IamPath::new("/darkslide/"), Ok)?;
        let begin = self.names.as_deref().unwrap_or("darkslide-");
        desired.boundary = match &self.boundary {
            None | Some(BoundarySetting::Made(false)) => Boundary::None,
            Some(BoundarySetting::Made(true)) => {
                Boundary::Managed { path: path.clone(), name: IamName::new(format!("{begin}boundary"))? }
            }
            Some(BoundarySetting::Arn(arn)) => Boundary::Existing { arn: arn.clone() },
        };
        if desired.bucket.is_some() || self.users.is_some() || self.roles.is_some() {
            for (kind, role) in self.kinds() {
                let name = IamName::new(format!("{begin}{kind}"))?;
                desired.identities.push(Identity { kind, name, path: path.clone(), form: self.form(kind, role) });
            }
        }
        for vault in self.vaults.iter().flatten() {
            let VaultSetting { name, keep_days, lock_days } = vault.clone();
            desired.vaults.push(VaultDesired { name, notify: self.topic.is_some(), keep_days, lock_days });
        }
        for nas in self.nas.iter().flatten() {
            if let Some(program) = program(nas) {
                desired.nas.push(NasUser { name: nas.name.clone(), path: path.clone(), program });
            }
        }
        desired.retrieval = self.retrieval.as_deref().and_then(limit);
        desired.budget = self.alarm.map(|monthly| BudgetAlarm {
            name: format!("{begin}budget"),
            monthly,
            at_percent: self.alarm_percent.unwrap_or(80),
            emails,
        });
        Ok(desired)
    }

    fn form(&self, kind: IdentityKind, role: bool) -> Form {
        if !role {
            return Form::User;
        }
        let mfa = match self.mfa.as_ref().is_some_and(|kinds| kinds.contains(&kind)) {
            true => Mfa::Required,
            false => Mfa::NotAsked,
        };
        Form::Role { trusted: self.trusted.clone().unwrap_or_default(), mfa, session_seconds: 3600 }
    }

    fn bucket(&self, store: &StoreSettings) -> Result<BucketDesired, NameError> {
        let (name, prefix) = place(store);
        let [cold_class, warm_class, _] = classes_of(store);
        let tiered = self.tiering.is_some() || [&cold_class, &warm_class].contains(&&StorageClass::IntelligentTiering);
        Ok(BucketDesired {
            name: BucketName::new(name)?,
            namespace: self.namespace.unwrap_or_default(),
            prefix: KeyPrefix::new(prefix)?,
            cold_class,
            warm_class,
            encryption: self.kms_key.clone().map_or(Encryption::S3, |key_arn| Encryption::Kms { key_arn }),
            lock: self.lock.as_ref().map(|lock| LockDesired { mode: lock.mode, days: lock.days }),
            old_versions: OldVersions {
                expire_days: self.old_versions_days.unwrap_or(OLD_VERSIONS_DAYS),
                archive_days: self.old_versions_archive_days,
            },
            abort_uploads_days: self.abort_uploads_days.unwrap_or(2),
            tiering: tiered.then(|| self.tiering.unwrap_or_default()),
            transitions: self.transitions.clone().unwrap_or_default(),
            inventory: self.inventory.clone().map(|inventory| InventoryDesired {
                bucket: inventory.bucket,
                prefix: inventory.prefix,
                frequency: inventory.frequency,
            }),
        })
    }
}

/// What the tag on all that is made says: the repository's place, which stays the same where it is founded anew.
pub(crate) fn owner_tag(store: Option<&StoreSettings>, repository: &str) -> String {
    store.map_or_else(
        || repository.to_string(),
        |store| {
            let (bucket, prefix) = place(store);
            format!("{bucket}/{prefix}")
        },
    )
}

/// Bucket and prefix of a store's address.
fn place(store: &StoreSettings) -> (String, String) {
    let address = store.url.as_deref().unwrap_or_default().trim_start_matches("s3://");
    let (bucket, prefix) = address.split_once('/').unwrap_or((address, ""));
    let prefix = prefix.trim_matches('/');
    (bucket.to_string(), if prefix.is_empty() { String::new() } else { format!("{prefix}/") })
}

fn program(nas: &NasSetting) -> Option<NasProgram> {
    Some(match nas.program {
        NasKind::QnapGlacier => NasProgram::QnapGlacier { vault: nas.vault.clone()? },
        NasKind::HyperBackup => NasProgram::HyperBackup { bucket: nas.bucket.clone()? },
    })
}

/// Reads `free-tier`, `none`, `10 GB`.
fn limit(text: &str) -> Option<RetrievalLimit> {
    match text {
        "free-tier" => Some(RetrievalLimit::FreeTier),
        "none" => Some(RetrievalLimit::Unlimited),
        amount => parse_bytes(amount.trim_end_matches("/h").trim()).map(RetrievalLimit::BytesPerHour),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> CloudSettings {
        toml::from_str(text).unwrap()
    }

    fn desired(text: &str) -> Desired {
        let store = StoreSettings::parse("s3://photos-1/repo/");
        let (account, region) = (AccountId::new("123456789012").unwrap(), Region::new("eu-central-1").unwrap());
        read(text).desired(Some(&store), account, region, "id").unwrap()
    }

    #[test]
    fn what_is_not_said_is_safe() {
        let desired = desired("");
        let bucket = desired.bucket.unwrap();
        assert_eq!((bucket.name.as_str(), bucket.prefix.as_str()), ("photos-1", "repo/"));
        assert_eq!((bucket.cold_class, bucket.tiering, bucket.lock), (StorageClass::DeepArchive, None, None));
        let names: Vec<String> = desired.identities.iter().map(|one| one.name.to_string()).collect();
        assert_eq!(names, ["darkslide-writer", "darkslide-restorer", "darkslide-auditor", "darkslide-pruner"]);
        assert!(desired.identities.iter().all(|one| one.form == Form::User));
    }

    #[test]
    fn roles_take_the_place_of_users() {
        let desired = desired("roles = [\"restorer\"]\nmfa = [\"restorer\"]\nboundary = true\nnames = \"photo-\"");
        let restorer = desired.identity(IdentityKind::Restorer).unwrap();
        assert!(matches!(restorer.form, Form::Role { mfa: Mfa::Required, .. }), "{restorer:?}");
        assert_eq!(desired.identities.len(), 4);
        assert_eq!(desired.boundary_arn().unwrap(), "arn:aws:iam::123456789012:policy/darkslide/photo-boundary");
    }

    #[test]
    fn days_are_what_amazon_takes() {
        for (text, told) in [
            ("tiering = { archive_days = 89 }", "90 to 730"),
            ("tiering = { archive_days = 731 }", "90 to 730"),
            ("tiering = { deep_archive_days = 179 }", "180 to 730"),
            ("tiering = { archive_days = 200, deep_archive_days = 180 }", "less than"),
            ("tiering = {}", "needs"),
            ("old_versions_days = 0", "old_versions_days"),
            ("old_versions_archive_days = 180", "less than old_versions_days"),
            ("lock = { mode = \"governance\", days = 0 }", "lock"),
            ("retrieval = \"much\"", "free-tier"),
            ("users = [\"writer\"]\nroles = [\"writer\"]", "writer"),
            ("nas = [{ name = \"qnap\", for = \"qnap-glacier\" }]", "vault"),
            ("alarm = \"5.00\"", "emails"),
        ] {
            let problem = read(text).problem().unwrap_or_else(|| panic!("{text} is taken"));
            assert!(problem.contains(told), "{text}: {problem}");
        }
        for good in [
            "",
            "tiering = { archive_days = 90, deep_archive_days = 180 }",
            "tiering = { deep_archive_days = 730 }",
            "retrieval = \"10 GB\"",
        ] {
            assert_eq!(read(good).problem(), None, "{good}");
        }
        assert_eq!(desired("retrieval = \"10 GB\"").retrieval, Some(RetrievalLimit::BytesPerHour(10_000_000_000)));
        assert!(toml::from_str::<CloudSettings>("tiring = {}").is_err());
    }
}
