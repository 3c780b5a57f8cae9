//! Vaults of Amazon Glacier: settings and tags. Their locks are made by hand, never by a plan.

use aws_sdk_glacier::types::{DataRetrievalPolicy, DataRetrievalRule, VaultAccessPolicy, VaultNotificationConfig};
use serde_json::{Map, Value, json};

use super::{AwsCloud, absent, document, foreign, gone, pairs, text};
use crate::cloud::{Aspect, CloudError, Contents, Item};
use crate::desired::VaultName;

// The last one is what moto says.
const NOT_THERE: &[&str] = &["ResourceNotFoundException", "ResourceNotFound", "VaultNotFound"];
/// The account of the credentials.
const OWN: &str = "-";

impl AwsCloud {
    pub(super) fn read_vault(&self, item: &Item, vault: &VaultName) -> Result<Option<Value>, CloudError> {
        let (glacier, name) = (&self.glacier, vault.as_str());
        Ok(match item.aspect {
            Aspect::Itself => {
                let asked = glacier.describe_vault().account_id(OWN).vault_name(name).send();
                absent(self.ask("DescribeVault", item, asked), NOT_THERE)?.map(|_| json!({}))
            }
            Aspect::Tags => {
                let asked = glacier.list_tags_for_vault().account_id(OWN).vault_name(name).send();
                let answer = absent(self.ask("ListTagsForVault", item, asked), NOT_THERE)?;
                answer.map(|answer| {
                    let tags = answer.tags.unwrap_or_default().into_iter().map(|(key, value)| (key, json!(value)));
                    Value::Object(tags.collect::<Map<_, _>>())
                })
            }
            Aspect::Policy => {
                let asked = glacier.get_vault_access_policy().account_id(OWN).vault_name(name).send();
                let answer = absent(self.ask("GetVaultAccessPolicy", item, asked), NOT_THERE)?;
                answer.and_then(|answer| answer.policy?.policy).map(|policy| document(&policy))
            }
            Aspect::Notifications => {
                let asked = glacier.get_vault_notifications().account_id(OWN).vault_name(name).send();
                let answer = absent(self.ask("GetVaultNotifications", item, asked), NOT_THERE)?;
                answer
                    .and_then(|answer| answer.vault_notification_config)
                    .map(|found| json!({"topic": found.sns_topic, "events": found.events.unwrap_or_default()}))
            }
            Aspect::Lock => {
                let asked = glacier.get_vault_lock().account_id(OWN).vault_name(name).send();
                let answer = absent(self.ask("GetVaultLock", item, asked), NOT_THERE)?;
                answer.and_then(|answer| {
                    let (state, lapses) = (answer.state?, answer.expiration_date);
                    Some(json!({"state": state, "lapses": lapses, "policy": document(&answer.policy?)}))
                })
            }
            _ => return Err(foreign("Read", item)),
        })
    }

    pub(super) fn write_vault(&self, item: &Item, vault: &VaultName, state: &Value) -> Result<(), CloudError> {
        let (glacier, name) = (&self.glacier, vault.as_str());
        match item.aspect {
            Aspect::Itself => self
                .ask("CreateVault", item, glacier.create_vault().account_id(OWN).vault_name(name).send())
                .map(|_| ()),
            Aspect::Tags => {
                let tags = Some(pairs(state).into_iter().collect());
                let set = glacier.add_tags_to_vault().account_id(OWN).vault_name(name).set_tags(tags).send();
                self.ask("AddTagsToVault", item, set).map(|_| ())
            }
            Aspect::Policy => {
                let policy = VaultAccessPolicy::builder().policy(state.to_string()).build();
                let set = glacier.set_vault_access_policy().account_id(OWN).vault_name(name).policy(policy).send();
                self.ask("SetVaultAccessPolicy", item, set).map(|_| ())
            }
            Aspect::Notifications => {
                let events = state["events"].as_array().into_iter().flatten().filter_map(Value::as_str);
                let to = VaultNotificationConfig::builder().sns_topic(text(state, "topic"));
                let to = to.set_events(Some(events.map(str::to_string).collect())).build();
                let set = glacier.set_vault_notifications().account_id(OWN).vault_name(name);
                self.ask("SetVaultNotifications", item, set.vault_notification_config(to).send()).map(|_| ())
            }
            _ => Err(foreign("Write", item)),
        }
    }

    pub(super) fn delete_vault(&self, item: &Item, vault: &VaultName) -> Result<(), CloudError> {
        match item.aspect {
            Aspect::Itself => {
                let deleted = self.glacier.delete_vault().account_id(OWN).vault_name(vault.as_str()).send();
                gone(self.ask("DeleteVault", item, deleted), NOT_THERE)
            }
            _ => Err(foreign("Delete", item)),
        }
    }

    /// As of the last inventory, which is up to a day old: AWS refuses to delete what was written since.
    pub(super) fn vault_contents(&self, vault: &VaultName) -> Result<Contents, CloudError> {
        let asked = self.glacier.describe_vault().account_id(OWN).vault_name(vault.as_str()).send();
        let Some(found) = absent(self.ask("DescribeVault", vault, asked), NOT_THERE)? else {
            return Ok(Contents::Nothing);
        };
        Ok(match found.number_of_archives {
            0 => Contents::Nothing,
            n => Contents::Data(format!("{n} archives of {} bytes, as of its last inventory", found.size_in_bytes)),
        })
    }

    pub(super) fn read_retrieval(&self) -> Result<Option<Value>, CloudError> {
        let asked = self.glacier.get_data_retrieval_policy().account_id(OWN).send();
        let answer = absent(self.ask("GetDataRetrievalPolicy", &"the account", asked), NOT_THERE)?;
        Ok(answer.and_then(|answer| answer.policy?.rules?.into_iter().next()).map(|rule| {
            let mut out = json!({"strategy": rule.strategy});
            if let Some(bytes) = rule.bytes_per_hour {
                out["bytes"] = json!(bytes);
            }
            out
        }))
    }

    pub(super) fn write_retrieval(&self, state: &Value) -> Result<(), CloudError> {
        let rule = DataRetrievalRule::builder().strategy(text(state, "strategy"));
        let rule = rule.set_bytes_per_hour(state["bytes"].as_i64()).build();
        let policy = DataRetrievalPolicy::builder().rules(rule).build();
        let set = self.glacier.set_data_retrieval_policy().account_id(OWN).policy(policy).send();
        self.ask("SetDataRetrievalPolicy", &"the account", set).map(|_| ())
    }
}
