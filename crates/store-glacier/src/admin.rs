//! The calls that are about the vault itself: what it is, who is told, who may, and for how long.

use std::collections::BTreeMap;

use aws_sdk_glacier::types::{
    DataRetrievalPolicy, DataRetrievalRule, DescribeVaultOutput, VaultAccessPolicy, VaultLockPolicy,
    VaultNotificationConfig,
};
use darkslide_store::vault::{Notifications, RetrievalPolicy, VaultInfo, VaultLock};
use darkslide_words::{Bytes, Count, Span};

use crate::amazon::{Amazon, lacking, of_vault, time};
use crate::failure::Failure;
use crate::link::Repeat;
use crate::service::{Body, JobAsk, JobFacts, Message, OpenUpload, Output, Part, Service, Uploaded};

type Answer<T> = Result<T, Failure>;

/// Vaults in one answer.
const PAGE: i32 = 10;

fn info(vault: DescribeVaultOutput) -> VaultInfo {
    VaultInfo {
        name: vault.vault_name.unwrap_or_default(),
        arn: vault.vault_arn.unwrap_or_default(),
        created: time(vault.creation_date.as_deref()),
        inventoried: time(vault.last_inventory_date.as_deref()),
        archives: Count(vault.number_of_archives.max(0) as u64),
        bytes: Bytes(vault.size_in_bytes.max(0) as u64),
    }
}

/// What is not set is no failure.
fn if_set<T>(answer: Answer<T>) -> Answer<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(failure) if failure.is_missing() && !failure.is_vault_missing() => Ok(None),
        Err(failure) => Err(failure),
    }
}

impl Amazon {
    /// A call without a transfer; repeated where that can do no harm.
    fn ask<T, F, Fut>(&self, once: F) -> Answer<T>
    where
        T: Send,
        F: Fn() -> Fut + Sync,
        Fut: std::future::Future<Output = Answer<T>> + Send,
    {
        self.link.call(Repeat::Passing, 0, once)
    }

    fn list_vaults(&self) -> Answer<Vec<VaultInfo>> {
        let (mut vaults, mut marker) = (Vec::new(), None);
        loop {
            let page = self.ask(|| async {
                let list = self.link.glacier.list_vaults().account_id(&self.account).limit(PAGE);
                Ok(list.set_marker(marker.clone()).send().await?)
            })?;
            vaults.extend(page.vault_list.unwrap_or_default().into_iter().map(info));
            marker = page.marker;
            if marker.is_none() {
                return Ok(vaults);
            }
        }
    }
}

impl Service for Amazon {
    fn messages(&self, queue: &str) -> Answer<Vec<Message>> {
        self.receive(queue)
    }
    fn forget_messages(&self, queue: &str, handles: &[String]) -> Answer<()> {
        self.forget(queue, handles)
    }
    fn upload(&self, description: &str, body: &Body) -> Answer<Uploaded> {
        self.send_archive(description, body)
    }
    fn begin_upload(&self, description: &str, part: u64) -> Answer<String> {
        self.begin_parts(description, part)
    }
    fn put_part(&self, upload: &str, from: u64, body: &Body) -> Answer<Option<String>> {
        self.send_part(upload, from, body)
    }
    fn complete_upload(&self, upload: &str, size: u64, tree: &str) -> Answer<Uploaded> {
        self.complete(upload, size, tree)
    }
    fn abort_upload(&self, upload: &str) -> Answer<()> {
        self.abort(upload)
    }
    fn parts(&self, upload: &str) -> Answer<Vec<Part>> {
        self.list_parts(upload)
    }
    fn uploads(&self) -> Answer<Vec<OpenUpload>> {
        self.list_uploads()
    }
    fn delete(&self, archive: &str) -> Answer<()> {
        self.delete_archive(archive)
    }
    fn begin_job(&self, ask: &JobAsk) -> Answer<String> {
        self.ask_job(ask)
    }
    fn jobs(&self) -> Answer<Vec<JobFacts>> {
        self.list_jobs()
    }
    fn job(&self, id: &str) -> Answer<JobFacts> {
        self.describe_job(id)
    }
    fn output(&self, job: &str, part: Option<Span>) -> Answer<Output> {
        self.read_output(job, part)
    }

    fn describe(&self) -> Answer<VaultInfo> {
        let found = self.ask(|| async { Ok(of_vault!(self, describe_vault).send().await?) })?;
        Ok(info(
            DescribeVaultOutput::builder()
                .set_vault_name(found.vault_name)
                .set_vault_arn(found.vault_arn)
                .set_creation_date(found.creation_date)
                .set_last_inventory_date(found.last_inventory_date)
                .number_of_archives(found.number_of_archives)
                .size_in_bytes(found.size_in_bytes)
                .build(),
        ))
    }

    fn create(&self) -> Answer<()> {
        self.ask(|| async { Ok(of_vault!(self, create_vault).send().await.map(drop)?) })
    }

    fn vaults(&self) -> Answer<Vec<VaultInfo>> {
        self.list_vaults()
    }

    fn notifications(&self) -> Answer<Option<Notifications>> {
        let found = if_set(self.ask(|| async { Ok(of_vault!(self, get_vault_notifications).send().await?) }))?;
        let config = found.and_then(|found| found.vault_notification_config);
        Ok(config.and_then(|c| Some(Notifications { topic: c.sns_topic?, events: c.events.unwrap_or_default() })))
    }

    fn set_notifications(&self, notifications: Option<&Notifications>) -> Answer<()> {
        let Some(wanted) = notifications else {
            return self.ask(|| async { Ok(of_vault!(self, delete_vault_notifications).send().await.map(drop)?) });
        };
        let config =
            VaultNotificationConfig::builder().sns_topic(&wanted.topic).set_events(Some(wanted.events.clone()));
        let config = config.build();
        self.ask(|| async {
            let set = of_vault!(self, set_vault_notifications).vault_notification_config(config.clone());
            Ok(set.send().await.map(drop)?)
        })
    }

    fn access_policy(&self) -> Answer<Option<String>> {
        let found = if_set(self.ask(|| async { Ok(of_vault!(self, get_vault_access_policy).send().await?) }))?;
        Ok(found.and_then(|found| found.policy?.policy))
    }

    fn set_access_policy(&self, policy: Option<&str>) -> Answer<()> {
        let Some(text) = policy else {
            return self.ask(|| async { Ok(of_vault!(self, delete_vault_access_policy).send().await.map(drop)?) });
        };
        let policy = VaultAccessPolicy::builder().policy(text).build();
        self.ask(|| async {
            Ok(of_vault!(self, set_vault_access_policy).policy(policy.clone()).send().await.map(drop)?)
        })
    }

    fn tags(&self) -> Answer<BTreeMap<String, String>> {
        let found = self.ask(|| async { Ok(of_vault!(self, list_tags_for_vault).send().await?) })?;
        Ok(found.tags.unwrap_or_default().into_iter().collect())
    }

    fn add_tags(&self, tags: &BTreeMap<String, String>) -> Answer<()> {
        let tags: std::collections::HashMap<String, String> = tags.clone().into_iter().collect();
        self.ask(|| async {
            Ok(of_vault!(self, add_tags_to_vault).set_tags(Some(tags.clone())).send().await.map(drop)?)
        })
    }

    fn remove_tags(&self, keys: &[String]) -> Answer<()> {
        let keys = keys.to_vec();
        self.ask(|| async {
            Ok(of_vault!(self, remove_tags_from_vault).set_tag_keys(Some(keys.clone())).send().await.map(drop)?)
        })
    }

    fn lock(&self) -> Answer<Option<VaultLock>> {
        let found = if_set(self.ask(|| async { Ok(of_vault!(self, get_vault_lock).send().await?) }))?;
        Ok(found.and_then(|lock| {
            Some(VaultLock {
                policy: lock.policy.unwrap_or_default(),
                state: lock.state?,
                expires: time(lock.expiration_date.as_deref()),
                created: time(lock.creation_date.as_deref()),
            })
        }))
    }

    /// Repeated only where it is certain that nothing was done: what was begun has an id that only its
    /// answer tells.
    fn initiate_lock(&self, policy: &str) -> Answer<String> {
        let policy = VaultLockPolicy::builder().policy(policy).build();
        let begun = self.link.call(Repeat::Harmless, 0, || async {
            Ok(of_vault!(self, initiate_vault_lock).policy(policy.clone()).send().await?)
        })?;
        begun.lock_id.ok_or_else(|| lacking("lock"))
    }

    fn complete_lock(&self, id: &str) -> Answer<()> {
        self.ask(|| async { Ok(of_vault!(self, complete_vault_lock).lock_id(id).send().await.map(drop)?) })
    }

    fn abort_lock(&self) -> Answer<()> {
        self.ask(|| async { Ok(of_vault!(self, abort_vault_lock).send().await.map(drop)?) })
    }

    fn retrieval_policy(&self) -> Answer<RetrievalPolicy> {
        let found = self.ask(|| async {
            Ok(self.link.glacier.get_data_retrieval_policy().account_id(&self.account).send().await?)
        })?;
        let rule = found.policy.and_then(|policy| policy.rules?.into_iter().next());
        Ok(match rule.as_ref().and_then(|rule| rule.strategy.as_deref()) {
            Some("FreeTier") => RetrievalPolicy::FreeTier,
            Some("BytesPerHour") => {
                let bytes = rule.and_then(|rule| rule.bytes_per_hour).unwrap_or(0).max(0) as u64;
                RetrievalPolicy::BytesPerHour { bytes: Bytes(bytes) }
            }
            _ => RetrievalPolicy::None,
        })
    }

    fn set_retrieval_policy(&self, policy: RetrievalPolicy) -> Answer<()> {
        let rule = match policy {
            RetrievalPolicy::None => DataRetrievalRule::builder().strategy("None"),
            RetrievalPolicy::FreeTier => DataRetrievalRule::builder().strategy("FreeTier"),
            RetrievalPolicy::BytesPerHour { bytes } => {
                DataRetrievalRule::builder().strategy("BytesPerHour").bytes_per_hour(bytes.0 as i64)
            }
        };
        let policy = DataRetrievalPolicy::builder().rules(rule.build()).build();
        self.ask(|| async {
            let set = self.link.glacier.set_data_retrieval_policy().account_id(&self.account);
            Ok(set.policy(policy.clone()).send().await.map(drop)?)
        })
    }
}
