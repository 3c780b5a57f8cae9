//! How the vault is set up, for a check-up. Asking costs nothing.

use darkslide_store::StoreError;
use darkslide_store::rules::{Rule, Standing};
use darkslide_words::RetrievalPolicy;

use crate::VaultStore;
use crate::failure::Failure;

/// What the service answered, or that it may not be asked.
fn told<T>(
    what: &'static str,
    answer: Result<T, Failure>,
    rule: impl FnOnce(T) -> Rule,
    label: &str,
) -> Result<Rule, StoreError> {
    match answer {
        Ok(found) => Ok(rule(found)),
        Err(failure) if failure.is_denied() => {
            Ok(Rule::told(what, Standing::Unknown, "may not be asked for with this key"))
        }
        Err(failure) => Err(failure.error(label, &format!("asking for its {what}"), None)),
    }
}

impl VaultStore {
    /// The vault's own rules; the companion's are its own matter.
    pub fn vault_rules(&self) -> Result<Vec<Rule>, StoreError> {
        let (service, label) = (&self.service, self.label.as_str());
        let described = told(
            "vault",
            service.describe(),
            |vault| {
                let text = format!("{} archives with {}, by its last inventory", vault.archives, vault.bytes);
                Rule::told("vault", Standing::Good, text)
            },
            label,
        )?;
        let lock = told(
            "lock",
            service.lock(),
            |lock| match lock {
                Some(lock) if lock.state == "Locked" => Rule::told("lock", Standing::Good, "it is locked for ever"),
                Some(_) => Rule::told("lock", Standing::Weak, "it is begun, and lapses within a day")
                    .advice("try it, then `darkslide vault lock complete`"),
                None => Rule::told("lock", Standing::Unknown, "it has none: whoever may delete archives can")
                    .advice("`darkslide vault lock initiate` keeps them for so many days, against everybody"),
            },
            label,
        )?;
        let access = told(
            "access policy",
            service.access_policy(),
            |policy| {
                let text = if policy.is_some() { "it has one" } else { "it has none: what users may do holds" };
                Rule::told("access policy", Standing::Good, text)
            },
            label,
        )?;
        let notify = told(
            "notifications",
            service.notifications(),
            |set| match set {
                Some(set) => Rule::told("notifications", Standing::Good, format!("{} hears of jobs", set.topic)),
                None => Rule::told("notifications", Standing::Good, "nobody hears of jobs: their list is asked for"),
            },
            label,
        )?;
        let policy = told(
            "retrieval policy",
            service.retrieval_policy(),
            |policy| {
                let text = match policy {
                    RetrievalPolicy::None => "no limit".to_string(),
                    policy => format!("{policy}: thaws at the tier standard keep to it"),
                };
                Rule::told("retrieval policy", Standing::Good, text)
            },
            label,
        )?;
        let create = Rule::told(
            "create-only",
            Standing::Good,
            "a vault has no such upload: the companion's receipts say which archive counts",
        );
        Ok(vec![described, lock, access, notify, policy, create])
    }
}
