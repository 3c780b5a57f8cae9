//! Vaults themselves, their tags, whom they tell, and who may use them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::model::{Notifications, Vault};
use super::{Call, Failure, Outcome, Reply};
use crate::iam::PolicyDocument;
use crate::queue::instant;
use crate::state::{ACCOUNT, Record, State};

/// Vaults of an account in a region.
const VAULTS_MAX: usize = 1_000;
/// Tags of a vault (developer guide, AddTagsToVault).
const TAGS_MAX: usize = 50;
/// Tags of one call.
const TAGS_AT_ONCE_MAX: usize = 10;
/// The longest policy, in bytes.
const POLICY_BYTES_MAX: usize = 20 * 1024;
/// Billed, and counted into a vault's size, for each archive.
const ARCHIVE_OVERHEAD: u64 = 32 * 1024;
/// What a vault can tell of.
const EVENTS: [&str; 2] = ["ArchiveRetrievalCompleted", "InventoryRetrievalCompleted"];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WantedNotifications {
    #[serde(rename = "SNSTopic")]
    topic: Option<String>,
    events: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WantedPolicy {
    policy: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WantedTags {
    tags: Option<BTreeMap<String, String>>,
    tag_keys: Option<Vec<String>>,
}

fn checked_name(name: &str) -> Outcome<()> {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    if name.is_empty() || name.len() > 255 || !plain {
        return Err(Failure::invalid(format!("Invalid vault name: {name}")));
    }
    Ok(())
}

/// The topic of a notification, if it looks like one.
pub(super) fn checked_topic(topic: &str) -> Outcome<String> {
    let parts: Vec<&str> = topic.split(':').collect();
    match parts[..] {
        ["arn", _, "sns", _, _, name] if !name.is_empty() => Ok(topic.to_string()),
        _ => Err(Failure::invalid(format!("Invalid SNS topic ARN: {topic}"))),
    }
}

/// The policy of a call that sets one, if it can be a vault's.
pub(super) fn checked_policy(call: &Call<'_>) -> Outcome<String> {
    let wanted: WantedPolicy = call.parse()?;
    let policy = wanted.policy.ok_or_else(|| Failure::missing("Policy"))?;
    if policy.len() > POLICY_BYTES_MAX {
        return Err(Failure::invalid("Invalid policy: it is longer than 20 KB"));
    }
    PolicyDocument::parse_resource(&policy).map_err(|error| Failure::invalid(format!("Invalid policy: {error}")))?;
    Ok(policy)
}

impl State {
    fn vault_json(&self, vault: &Vault) -> Value {
        let items = vault.inventory.as_ref().map_or(&[][..], |inventory| &inventory.items);
        json!({
            "CreationDate": instant(vault.created),
            "LastInventoryDate": vault.inventory.as_ref().map(|inventory| instant(inventory.taken)),
            "NumberOfArchives": items.len(),
            "SizeInBytes": items.iter().map(|item| item.size + ARCHIVE_OVERHEAD).sum::<u64>(),
            "VaultARN": self.vault_arn(&vault.name),
            "VaultName": vault.name,
        })
    }

    pub(super) fn list_vaults(&mut self, call: &Call<'_>) -> Outcome<Reply> {
        let items = self.glacier.vaults.values().map(|v| (self.vault_arn(&v.name), self.vault_json(v))).collect();
        let (here, marker) = call.page(10)?.cut(items)?;
        Ok(Reply::json(json!({ "Marker": marker, "VaultList": here })))
    }

    /// Makes a vault; one that is there already stays as it is.
    pub fn make_vault(&mut self, name: &str) -> Outcome<()> {
        checked_name(name)?;
        if !self.glacier.vaults.contains_key(name) {
            if self.glacier.vaults.len() >= VAULTS_MAX {
                return Err(Failure::limit("an account has at most 1,000 vaults in a region"));
            }
            self.glacier.vaults.insert(name.to_string(), Vault::new(name, self.now));
            self.dirty.insert(Record::Vault(name.to_string()));
        }
        Ok(())
    }

    pub(super) fn create_vault(&mut self, call: &Call<'_>) -> Outcome<Reply> {
        let name = &call.named.vault;
        self.make_vault(name)?;
        Ok(Reply::status(201).with("location", format!("/{ACCOUNT}/vaults/{name}")))
    }

    pub(super) fn describe_vault(&mut self, call: &Call<'_>) -> Outcome<Reply> {
        let vault = self.vault(&call.named.vault)?;
        Ok(Reply::json(self.vault_json(vault)))
    }

    /// A vault goes only if its last inventory was empty and nothing was written since.
    pub(super) fn delete_vault(&mut self, call: &Call<'_>) -> Outcome<Reply> {
        let name = &call.named.vault;
        let vault = self.vault(name)?;
        let listed = vault.inventory.as_ref().is_some_and(|inventory| !inventory.items.is_empty());
        if listed || vault.changed || !vault.archives.is_empty() {
            let arn = self.vault_arn(name);
            return Err(Failure::invalid(format!("Vault not empty or recently written to: {arn}")));
        }
        if let Some(vault) = self.glacier.vaults.remove(name) {
            let parts = vault.uploads.values().flat_map(|upload| upload.parts.values().map(|part| part.body));
            let outputs = vault.jobs.values().flat_map(|job| job.output.clone());
            let gone: Vec<_> = parts.chain(outputs).collect();
            self.release(&gone);
        }
        self.dirty.insert(Record::Vault(name.clone()));
        Ok(Reply::status(204))
    }

    pub(super) fn set_notifications(&mut self, call: &Call<'_>) -> Outcome<Reply> {
        let wanted: WantedNotifications = call.parse()?;
        let topic = checked_topic(&wanted.topic.ok_or_else(|| Failure::missing("SNSTopic"))?)?;
        let events = wanted.events.unwrap_or_default();
        if events.is_empty() {
            return Err(Failure::missing("Events"));
        }
        if let Some(unknown) = events.iter().find(|event| !EVENTS.contains(&event.as_str())) {
            return Err(Failure::invalid(format!("Invalid notification event: {unknown}")));
        }
        self.vault_mut(&call.named.vault)?.notifications = Some(Notifications { topic, events });
        Ok(Reply::status(204))
    }

    pub(super) fn notifications(&mut self, call: &Call<'_>) -> Outcome<Reply> {
        let found = self.vault(&call.named.vault)?.notifications.as_ref();
        let none = || Failure::not_found("No notification configuration is set for vault.");
        let found = found.ok_or_else(none)?;
        Ok(Reply::json(json!({ "SNSTopic": found.topic, "Events": found.events })))
    }

    pub(super) fn delete_notifications(&mut self, call: &Call<'_>) -> Outcome<Reply> {
        self.vault_mut(&call.named.vault)?.notifications = None;
        Ok(Reply::status(204))
    }

    pub(super) fn set_access_policy(&mut self, call: &Call<'_>) -> Outcome<Reply> {
        let policy = checked_policy(call)?;
        self.vault_mut(&call.named.vault)?.access_policy = Some(policy);
        Ok(Reply::status(204))
    }

    pub(super) fn access_policy(&mut self, call: &Call<'_>) -> Outcome<Reply> {
        let found = self.vault(&call.named.vault)?.access_policy.as_ref();
        let found = found.ok_or_else(|| Failure::not_found("No vault access policy is set for vault."))?;
        Ok(Reply::json(json!({ "Policy": found })))
    }

    pub(super) fn delete_access_policy(&mut self, call: &Call<'_>) -> Outcome<Reply> {
        self.vault_mut(&call.named.vault)?.access_policy = None;
        Ok(Reply::status(204))
    }

    pub(super) fn add_tags(&mut self, call: &Call<'_>) -> Outcome<Reply> {
        let wanted: WantedTags = call.parse()?;
        let tags = wanted.tags.filter(|tags| !tags.is_empty()).ok_or_else(|| Failure::missing("Tags"))?;
        if tags.len() > TAGS_AT_ONCE_MAX {
            return Err(Failure::invalid("Invalid tags: at most 10 at once"));
        }
        let fits = |(key, value): (&String, &String)| {
            (1..=128).contains(&key.chars().count()) && value.chars().count() <= 256 && !key.starts_with("aws:")
        };
        if !tags.iter().all(fits) {
            return Err(Failure::invalid("Invalid tags: a key has 1 to 128 characters, a value at most 256"));
        }
        let mut all = self.vault(&call.named.vault)?.tags.clone();
        all.extend(tags);
        if all.len() > TAGS_MAX {
            return Err(Failure::limit("a vault has at most 50 tags"));
        }
        self.vault_mut(&call.named.vault)?.tags = all;
        Ok(Reply::status(204))
    }

    pub(super) fn remove_tags(&mut self, call: &Call<'_>) -> Outcome<Reply> {
        let wanted: WantedTags = call.parse()?;
        let keys = wanted.tag_keys.filter(|keys| !keys.is_empty()).ok_or_else(|| Failure::missing("TagKeys"))?;
        self.vault_mut(&call.named.vault)?.tags.retain(|key, _| !keys.contains(key));
        Ok(Reply::status(204))
    }

    pub(super) fn list_tags(&mut self, call: &Call<'_>) -> Outcome<Reply> {
        let tags = &self.vault(&call.named.vault)?.tags;
        Ok(Reply::json(json!({ "Tags": tags })))
    }
}
