//! The verification of the account as a run, and what the last one found, which is kept.

use darkslide_catalog::Catalog;
use darkslide_provision::desired::{AccountId, Form};
use darkslide_provision::verify::Verified;
use darkslide_provision::{IdentityKind, KeyKeeper, ProvisionError, Unkept};
use darkslide_words::Time;
use serde::{Deserialize, Serialize};

use crate::runs::Account;
use crate::{Engine, EngineError, JobDone};

/// Where the catalog keeps what was found last.
const KEPT: &str = "cloud verified";
/// Stands for an account that no configuration names: nobody is asked for it.
const NO_ACCOUNT: &str = "000000000000";

/// What the last verification found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloudChecked {
    /// When.
    pub at: Time,
    /// The run that found it.
    pub run: i64,
    /// What.
    pub verified: Verified,
}

/// Somebody who shall be there, as the configuration has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CloudIdentity {
    /// What it may do.
    pub kind: IdentityKind,
    /// Its name in IAM.
    pub name: String,
    /// True for a role, false for a user with a key.
    pub is_role: bool,
    /// True where this machine holds credentials of it, and so can try.
    pub is_here: bool,
}

impl Engine {
    /// Who shall be there, as `[cloud]` says, without asking anybody; nobody where no store is a bucket.
    pub fn cloud_identities(&self) -> Result<Vec<CloudIdentity>, EngineError> {
        if self.cloud_store().is_none() {
            return Ok(Vec::new());
        }
        let account = AccountId::new(NO_ACCOUNT).map_err(ProvisionError::from)?;
        let desired = self.cloud_desired(Some(account))?;
        let here = self.identity_accesses(&desired)?;
        let one = |identity: &darkslide_provision::desired::Identity| CloudIdentity {
            kind: identity.kind,
            name: identity.name.to_string(),
            is_role: identity.form != Form::User,
            is_here: here.iter().any(|(kind, _)| *kind == identity.kind),
        };
        Ok(desired.identities.iter().map(one).collect())
    }

    /// What the last verification found; nothing if there was none.
    pub fn cloud_checked(&self) -> Result<Option<CloudChecked>, EngineError> {
        let kept = Catalog::open(&self.catalog_path())?.meta(KEPT)?;
        // What another version kept in another form is not known any more: the next run finds it again.
        Ok(kept.and_then(|json| serde_json::from_slice(&json).ok()))
    }

    /// Proves least privilege and looks for settings that have changed, as a run: a row, a log, an event;
    /// what it found is kept.
    pub fn cloud_verify_recorded(&self, keeper: &dyn KeyKeeper) -> Result<Verified, EngineError> {
        self.recorded("cloud", "cloud-verify", |run| {
            let found = self.cloud_verify(keeper)?;
            let kept = CloudChecked { at: self.clock.now(), run: run.run, verified: found.clone() };
            let json = serde_json::to_vec(&kept).unwrap_or_default();
            Catalog::open(&self.catalog_path())?.set_meta(KEPT, &json)?;
            let account = account(&found);
            Ok((found, account))
        })
    }

    /// The same as a job, with the keys where the configuration has them.
    pub fn cloud_verify_by_itself(&self) -> Result<JobDone, EngineError> {
        let keeper = self.cloud_keys().keeper().unwrap_or_else(|| Box::new(Unkept));
        let found = self.cloud_verify_recorded(&*keeper)?;
        Ok(JobDone { text: summary(&found), is_whole: found.is_good(), waits_until: None })
    }
}

fn summary(found: &Verified) -> String {
    let surprises = found.surprises().count();
    format!("{} lines, {surprises} surprises, {} settings drifted", found.rows.len(), found.drift.len())
}

fn account(found: &Verified) -> Account {
    let mut warnings: Vec<String> = found.drift.iter().map(|what| format!("not as it shall be: {what}")).collect();
    let rows = found
        .surprises()
        .map(|row| format!("the {}: {} should be {}, and is not", row.identity, row.what, row.expected));
    warnings.extend(rows);
    warnings.extend(found.left_out.iter().map(|what| format!("left out: {what}")));
    let unknown = found.unknown().map(|row| format!("not looked at: the {}, {}", row.identity, row.what));
    warnings.extend(unknown);
    let summary = summary(found);
    let failed = (!found.is_good()).then(|| summary.clone());
    Account { summary, warnings, failed, ..Account::default() }
}
