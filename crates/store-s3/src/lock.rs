//! Object Lock: what a bucket and an object promise, and making it longer.
//!
//! Extending is the work of an identity of its own, never the writer's.

use aws_sdk_s3::types::{ObjectLockRetention, ObjectLockRetentionMode};
use aws_smithy_types::DateTime;
use darkslide_store::StoreError;
use darkslide_words::{ObjectName, Time};

use crate::S3Store;
use crate::failure::{Failure, Kind};
use crate::link::ANSWER;
use crate::list::time;

/// How strong a lock is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LockMode {
    /// A privileged identity may lift it.
    Governance,
    /// Nobody may lift or shorten it, not even the account's owner.
    Compliance,
}

impl LockMode {
    fn from_wire(mode: &ObjectLockRetentionMode) -> Option<Self> {
        match mode.as_str() {
            "GOVERNANCE" => Some(Self::Governance),
            "COMPLIANCE" => Some(Self::Compliance),
            _ => None,
        }
    }

    fn to_wire(self) -> ObjectLockRetentionMode {
        match self {
            Self::Governance => ObjectLockRetentionMode::Governance,
            Self::Compliance => ObjectLockRetentionMode::Compliance,
        }
    }
}

/// The lock on the newest version of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lock {
    /// How strong.
    pub mode: LockMode,
    /// It cannot be deleted before.
    pub until: Time,
}

/// How long new objects of a bucket are locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DefaultRetention {
    /// How strong.
    pub mode: LockMode,
    /// For how many days; a year in the bucket's own words is 365.
    pub days: u32,
}

/// Whether a bucket keeps what is replaced or deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versioning {
    /// It never did.
    Off,
    /// It does.
    On,
    /// It did; versions from then are still there.
    Suspended,
}

/// Something that these credentials may or may not be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact<T> {
    /// So it is.
    Known(T),
    /// The credentials may not ask.
    NotAllowed,
    /// The server has no such thing.
    NotOffered,
}

impl<T> Fact<T> {
    /// The fact, if it is known.
    pub fn known(self) -> Option<T> {
        match self {
            Self::Known(fact) => Some(fact),
            _ => None,
        }
    }

    /// What a call says; failures other than "may not" and "cannot" stay failures.
    fn from_call(call: Result<T, Failure>) -> Result<Self, Failure> {
        match call {
            Ok(fact) => Ok(Self::Known(fact)),
            Err(failure) if failure.is_denied() => Ok(Self::NotAllowed),
            // Servers that do not know a question answer another one.
            Err(failure) if failure.is_not_offered() || failure.kind == Kind::Unreadable => Ok(Self::NotOffered),
            Err(failure) => Err(failure),
        }
    }
}

/// What a bucket is set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BucketFacts {
    /// Versioning.
    pub versioning: Fact<Versioning>,
    /// The lock on new objects, if Object Lock is on and a default is set.
    pub retention: Fact<Option<DefaultRetention>>,
    /// Whether Object Lock is on at all.
    pub lock: Fact<bool>,
}

impl S3Store {
    /// Versioning and Object Lock of the bucket, as far as it may be asked.
    pub fn bucket_facts(&self) -> Result<BucketFacts, StoreError> {
        let failed = |f: Failure| self.error(&f, "asking for the bucket's settings", None);
        let versioning = Fact::from_call(self.link.block(self.versioning())).map_err(failed)?;
        let (lock, retention) = self.lock_facts()?;
        Ok(BucketFacts { versioning, retention, lock })
    }

    /// Object Lock of the bucket alone, and the lock on new objects.
    pub(crate) fn lock_facts(&self) -> Result<(Fact<bool>, Fact<Option<DefaultRetention>>), StoreError> {
        let asked = Fact::from_call(self.link.block(self.lock_configuration()));
        Ok(match asked.map_err(|f| self.error(&f, "asking for the bucket's settings", None))? {
            Fact::Known(on) => (Fact::Known(on.is_some()), Fact::Known(on.flatten())),
            Fact::NotAllowed => (Fact::NotAllowed, Fact::NotAllowed),
            Fact::NotOffered => (Fact::NotOffered, Fact::NotOffered),
        })
    }

    /// The lock on an object; nothing if it has none.
    pub fn lock_state(&self, name: &ObjectName) -> Result<Option<Lock>, StoreError> {
        let key = self.key(name);
        let asked = self.link.attempts(ANSWER, || async {
            Ok(self.s3.get_object_retention().bucket(&self.settings.bucket).key(&key).send().await?)
        });
        match self.link.block(asked) {
            Ok(answer) => Ok(answer.retention().and_then(lock)),
            Err(failure) if no_lock(&failure) => Ok(None),
            Err(failure) => Err(self.error(&failure, "asking for the lock of", Some(name))),
        }
    }

    /// Locks an object until then. S3 refuses to shorten a lock, or to weaken one
    /// of [`LockMode::Compliance`].
    pub fn extend_lock_to(&self, name: &ObjectName, until: Time, mode: LockMode) -> Result<(), StoreError> {
        let key = self.key(name);
        // S3 keeps seconds; rounded up, so that nothing is unlocked too early.
        let seconds = until.seconds() + i64::from(until.nanos() > 0);
        let retention =
            ObjectLockRetention::builder().mode(mode.to_wire()).retain_until_date(DateTime::from_secs(seconds)).build();
        let sent = self.link.attempts(ANSWER, || async {
            let put = self.s3.put_object_retention().bucket(&self.settings.bucket).key(&key);
            put.retention(retention.clone()).send().await?;
            Ok(())
        });
        self.link.block(sent).map_err(|f| self.error(&f, "locking", Some(name)))
    }

    async fn versioning(&self) -> Result<Versioning, Failure> {
        self.link
            .attempts(ANSWER, || async {
                let answer = self.s3.get_bucket_versioning().bucket(&self.settings.bucket).send().await?;
                Ok(match answer.status().map(|status| status.as_str()) {
                    Some("Enabled") => Versioning::On,
                    Some("Suspended") => Versioning::Suspended,
                    _ => Versioning::Off,
                })
            })
            .await
    }

    /// Nothing if Object Lock is off; inside, the default if there is one.
    async fn lock_configuration(&self) -> Result<Option<Option<DefaultRetention>>, Failure> {
        let asked = self.link.attempts(ANSWER, || async {
            Ok(self.s3.get_object_lock_configuration().bucket(&self.settings.bucket).send().await?)
        });
        let answer = match asked.await {
            Ok(answer) => answer,
            Err(failure) if no_lock(&failure) => return Ok(None),
            Err(failure) => return Err(failure),
        };
        let rule = answer.object_lock_configuration().and_then(|c| c.rule()?.default_retention().cloned());
        Ok(Some(rule.and_then(|rule| {
            let days = rule.days().or(rule.years().map(|years| years.saturating_mul(365)))?;
            Some(DefaultRetention { mode: LockMode::from_wire(rule.mode()?)?, days: u32::try_from(days).ok()? })
        })))
    }
}

fn lock(retention: &ObjectLockRetention) -> Option<Lock> {
    let mode = LockMode::from_wire(retention.mode()?)?;
    Some(Lock { mode, until: time(retention.retain_until_date()?) })
}

/// True if the answer means that there is no lock, rather than that asking failed.
fn no_lock(failure: &Failure) -> bool {
    failure.is("NoSuchObjectLockConfiguration")
        || failure.is("ObjectLockConfigurationNotFoundError")
        || (failure.is("InvalidRequest") && failure.facts.message.to_ascii_lowercase().contains("object lock"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Facts;

    fn refused(status: u16, code: &str, message: &str) -> Failure {
        let facts = Facts { status, code: code.into(), message: message.into(), ..Facts::default() };
        Failure { kind: Kind::Refused, facts: Box::new(facts) }
    }

    #[test]
    fn no_lock_is_told_from_no_answer() {
        assert!(no_lock(&refused(404, "NoSuchObjectLockConfiguration", "")));
        assert!(no_lock(&refused(400, "InvalidRequest", "Bucket is missing Object Lock Configuration")));
        assert!(no_lock(&refused(400, "InvalidRequest", "bucket object lock not configured")));
        assert!(!no_lock(&refused(400, "InvalidRequest", "something else")));
        assert!(!no_lock(&refused(403, "AccessDenied", "")));
    }

    #[test]
    fn what_may_not_be_asked_is_a_fact() {
        let from = |failure| Fact::<bool>::from_call(Err(failure));
        assert_eq!(from(refused(403, "AccessDenied", "")).unwrap(), Fact::NotAllowed);
        assert_eq!(from(refused(501, "NotImplemented", "")).unwrap(), Fact::NotOffered);
        assert_eq!(from(Failure::unreadable("a listing")).unwrap(), Fact::NotOffered);
        assert!(from(refused(404, "NoSuchBucket", "")).is_err());
        assert_eq!(Fact::Known(1).known(), Some(1));
        assert_eq!(Fact::<u8>::NotAllowed.known(), None);
    }

    #[test]
    fn retention_is_read_with_its_mode() {
        let until = DateTime::from_secs(1_800_000_000);
        let retention = |mode: &str| {
            let mode = ObjectLockRetentionMode::from(mode);
            lock(&ObjectLockRetention::builder().mode(mode).retain_until_date(until).build())
        };
        let until = Time::from_parts(1_800_000_000, 0);
        assert_eq!(retention("GOVERNANCE"), Some(Lock { mode: LockMode::Governance, until }));
        assert_eq!(retention("COMPLIANCE"), Some(Lock { mode: LockMode::Compliance, until }));
        assert_eq!(retention("NEW"), None);
        assert!(LockMode::Compliance > LockMode::Governance);
    }
}
