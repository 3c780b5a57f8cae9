//! Queue, topic, vaults, budget: what tells of something, and vaults, which tell too.

use super::super::hcl::{Expr, Item, block, raw, set, text};
use super::{document, label, vault_name};
use crate::desired::{Desired, VaultDesired};
use crate::policy;

/// All of it.
pub(super) fn items(desired: &Desired) -> Vec<Item> {
    let mut all = Vec::new();
    let events = &desired.thaw_events;
    if let Some(queue) = &events.queue {
        let items = vec![
            set("name", text(queue.as_str())),
            set("message_retention_seconds", raw("1209600")),
            set("sqs_managed_sse_enabled", raw("true")),
        ];
        all.push(block("resource \"aws_sqs_queue\" \"thaws\"", items));
    }
    if let Some(policy) = policy::queue(desired) {
        let items = vec![set("queue_url", raw("aws_sqs_queue.thaws.id")), set("policy", document(&policy, desired))];
        all.push(block("resource \"aws_sqs_queue_policy\" \"thaws\"", items));
    }
    if let Some(topic) = &events.topic {
        all.push(block("resource \"aws_sns_topic\" \"thaws\"", vec![set("name", text(topic.as_str()))]));
    }
    if let Some(policy) = policy::topic(desired) {
        let items = vec![set("arn", raw("aws_sns_topic.thaws.arn")), set("policy", document(&policy, desired))];
        all.push(block("resource \"aws_sns_topic_policy\" \"thaws\"", items));
        for (number, email) in events.emails.iter().enumerate() {
            let items = vec![
                set("topic_arn", raw("aws_sns_topic.thaws.arn")),
                set("protocol", text("email")),
                set("endpoint", text(email.as_str())),
            ];
            all.push(block(format!("resource \"aws_sns_topic_subscription\" \"email_{}\"", number + 1), items));
        }
    }
    all.extend(notification(desired));
    for vault in &desired.vaults {
        all.extend(vault_items(desired, vault));
    }
    all.extend(budget(desired));
    all
}

fn notification(desired: &Desired) -> Option<Item> {
    let prefix = desired.bucket.as_ref()?.prefix.as_str();
    let of_prefix = || (!prefix.is_empty()).then(|| set("filter_prefix", text(prefix)));
    let events = Expr::List(vec![text("s3:ObjectRestore:*")]);
    let (mut items, mut after) = (vec![set("bucket", raw("aws_s3_bucket.repository.id"))], Vec::new());
    if desired.thaw_events.queue.is_some() {
        let mut inside = vec![
            set("id", text("darkslide-thaws")),
            set("queue_arn", raw("aws_sqs_queue.thaws.arn")),
            set("events", events.clone()),
        ];
        inside.extend(of_prefix());
        items.push(block("queue", inside));
        after.push(raw("aws_sqs_queue_policy.thaws"));
    } else if desired.thaw_events.topic.is_some() {
        let mut inside = vec![
            set("id", text("darkslide-thaws")),
            set("topic_arn", raw("aws_sns_topic.thaws.arn")),
            set("events", events),
        ];
        inside.extend(of_prefix());
        items.push(block("topic", inside));
        after.push(raw("aws_sns_topic_policy.thaws"));
    } else {
        return None;
    }
    items.push(set("depends_on", Expr::List(after)));
    Some(block("resource \"aws_s3_bucket_notification\" \"repository\"", items))
}

fn vault_items(desired: &Desired, vault: &VaultDesired) -> Vec<Item> {
    let label = label(vault.name.as_str());
    let mut items = vec![set("name", vault_name(desired, vault.name.as_str()))];
    if let Some(access) = policy::vault_access(desired, vault) {
        items.push(set("access_policy", document(&access, desired)));
    }
    if vault.notify && desired.thaw_events.topic.is_some() {
        let told = ["ArchiveRetrievalCompleted", "InventoryRetrievalCompleted"].map(text);
        let inside = vec![set("sns_topic", raw("aws_sns_topic.thaws.arn")), set("events", Expr::List(told.to_vec()))];
        items.push(block("notification", inside));
    }
    items.push(block("lifecycle", vec![set("prevent_destroy", raw("true"))]));
    let mut all = vec![block(format!("resource \"aws_glacier_vault\" \"{label}\""), items)];
    if let Some(lock) = policy::vault_lock(desired, vault) {
        let items = vec![
            set("complete_lock", raw("false")),
            set("vault_name", raw(format!("aws_glacier_vault.{label}.name"))),
            set("policy", document(&lock, desired)),
        ];
        all.push(block(format!("resource \"aws_glacier_vault_lock\" \"{label}\""), items));
    }
    all
}

fn budget(desired: &Desired) -> Option<Item> {
    let budget = desired.budget.as_ref()?;
    let addresses = Expr::List(budget.emails.iter().map(|email| text(email.as_str())).collect());
    let told = vec![
        set("comparison_operator", text("GREATER_THAN")),
        set("threshold", raw(budget.at_percent.to_string())),
        set("threshold_type", text("PERCENTAGE")),
        set("notification_type", text("ACTUAL")),
        set("subscriber_email_addresses", addresses),
    ];
    let items = vec![
        set("name", text(budget.name.as_str())),
        set("budget_type", text("COST")),
        set("limit_amount", text(super::super::dollars(budget.monthly))),
        set("limit_unit", text("USD")),
        set("time_unit", text("MONTHLY")),
        block("notification", told),
    ];
    Some(block("resource \"aws_budgets_budget\" \"alarm\"", items))
}
