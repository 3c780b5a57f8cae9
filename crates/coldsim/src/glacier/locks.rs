//! The lock of a vault: a policy on trial for a day, then for ever or gone.

use std::time::Duration;

use serde_json::json;

use super::model::VaultLock;
use super::vaults::checked_policy;
use super::{Call, Failure, Outcome, Reply, VaultDue};
use crate::queue::instant;
use crate::state::{Due, State};

/// A lock has to be completed within this time.
const TRIAL: Duration = Duration::from_secs(24 * 3600);

fn locked() -> Failure {
    Failure::denied("The vault is locked: its lock policy can no longer be changed.")
}

impl State {
    pub(super) fn initiate_lock(&mut self, call: &Call<'_>) -> Outcome<Reply> {
        let name = &call.named.vault;
        if let Some(lock) = &self.vault(name)?.lock {
            let under_way = || Failure::denied("A vault lock is in progress: abort it before you initiate another.");
            return Err(if lock.expires.is_some() { under_way() } else { locked() });
        }
        let policy = checked_policy(call)?;
        let (id, created, expires) = (self.fresh_short_id(), self.now, self.now.plus(TRIAL));
        self.vault_mut(name)?.lock = Some(VaultLock { id: id.clone(), policy, created, expires: Some(expires) });
        self.plan(expires, Due::Vault(name.clone(), VaultDue::LockExpires));
        Ok(Reply::status(201).with("x-amz-lock-id", id))
    }

    pub(super) fn complete_lock(&mut self, call: &Call<'_>) -> Outcome<Reply> {
        let (name, id) = (&call.named.vault, &call.named.id);
        let none = || Failure::not_found("No vault lock is in progress for the vault.");
        let lock = self.vault(name)?.lock.as_ref().ok_or_else(none)?;
        match (lock.id == *id, lock.expires) {
            (true, None) => return Ok(Reply::status(204)),
            (false, None) => return Err(locked()),
            (false, Some(_)) => return Err(Failure::invalid(format!("Invalid lock ID: {id}"))),
            (true, Some(_)) => {}
        }
        if let Some(lock) = &mut self.vault_mut(name)?.lock {
            lock.expires = None;
        }
        Ok(Reply::status(204))
    }

    /// Nothing to abort is no error.
    pub(super) fn abort_lock(&mut self, call: &Call<'_>) -> Outcome<Reply> {
        let name = &call.named.vault;
        if self.vault(name)?.lock.as_ref().is_some_and(|lock| lock.expires.is_none()) {
            return Err(locked());
        }
        self.vault_mut(name)?.lock = None;
        Ok(Reply::status(204))
    }

    pub(super) fn vault_lock(&mut self, call: &Call<'_>) -> Outcome<Reply> {
        let none = || Failure::not_found("No vault lock policy is set for vault.");
        let lock = self.vault(&call.named.vault)?.lock.as_ref().ok_or_else(none)?;
        Ok(Reply::json(json!({
            "Policy": lock.policy,
            "State": if lock.expires.is_some() { "InProgress" } else { "Locked" },
            "ExpirationDate": lock.expires.map(instant),
            "CreationDate": instant(lock.created),
        })))
    }

    /// The day of trial is over.
    pub(super) fn lock_expires(&mut self, name: &str) {
        let now = self.now;
        let Ok(vault) = self.vault_mut(name) else { return };
        if vault.lock.as_ref().and_then(|lock| lock.expires).is_some_and(|expires| expires <= now) {
            vault.lock = None;
        }
    }
}
