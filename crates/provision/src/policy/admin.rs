//! The admin: sets all of this up, and reads no photograph.

use serde_json::{Value, json};

use super::of;
use crate::desired::{Boundary, Desired};

/// What the admin sets up, as ARNs.
pub(super) struct Places {
    /// Queue and topic.
    pub events: Vec<String>,
    /// Users, roles and the boundary of the configured paths.
    pub holders: Vec<String>,
}

/// All names of a path that lies below `/`; in `/` itself, the names alone.
fn under(path: &str, name: &str) -> String {
    if path == "/" { format!("/{name}") } else { format!("{path}*") }
}

pub(super) fn places(desired: &Desired) -> Places {
    let events = desired.thaw_events.queue.iter().map(|queue| desired.queue_arn(queue));
    let events = events.chain(desired.thaw_events.topic.iter().map(|topic| desired.topic_arn(topic))).collect();
    let mut holders = Vec::new();
    let mut add = |kind: &str, path: &str, name: &str| {
        let arn = format!("arn:{}:iam::{}:{kind}{}", desired.partition(), desired.account, under(path, name));
        if !holders.contains(&arn) {
            holders.push(arn);
        }
    };
    for identity in &desired.identities {
        let kind = if matches!(identity.form, crate::desired::Form::User) { "user" } else { "role" };
        add(kind, identity.path.as_str(), identity.name.as_str());
    }
    for nas in &desired.nas {
        add("user", nas.path.as_str(), nas.name.as_str());
    }
    if let Boundary::Managed { path, name } = &desired.boundary {
        add("policy", path.as_str(), name.as_str());
    }
    Places { events, holders }
}

/// Settings of the bucket, of vaults, queue and topic; users, roles and their keys; no object, no archive.
///
/// Where there is a boundary, users and roles can be made and changed only under it. Without one, who holds this
/// can give its users any right: then it is as good as the account itself, and is kept accordingly.
pub(super) fn admin(desired: &Desired) -> Value {
    let mut statements = Vec::new();
    if let Some(bucket) = &desired.bucket {
        statements.push(json!({
            "Sid": "DarkslideBucket", "Effect": "Allow", "Resource": desired.bucket_arn(bucket),
            "Action": [
                "s3:CreateBucket", "s3:DeleteBucket", "s3:DeleteBucketPolicy", "s3:GetBucket*", "s3:Get*Configuration",
                "s3:ListBucket*", "s3:PutBucket*", "s3:Put*Configuration",
            ],
        }));
    }
    let vaults: Vec<String> = desired.vaults.iter().map(|vault| desired.vault_arn(&vault.name)).collect();
    if !vaults.is_empty() {
        statements.push(json!({
            "Sid": "DarkslideVaults", "Effect": "Allow", "Resource": vaults,
            "Action": [
                "glacier:*Vault", "glacier:*VaultNotifications", "glacier:*VaultAccessPolicy", "glacier:*VaultLock",
            ],
        }));
    }
    if desired.retrieval.is_some() {
        statements.push(json!({
            "Sid": "DarkslideRetrieval", "Effect": "Allow", "Resource": "*",
            "Action": ["glacier:GetDataRetrievalPolicy", "glacier:SetDataRetrievalPolicy"],
        }));
    }
    let places = places(desired);
    if !places.events.is_empty() {
        statements.push(json!({
            "Sid": "DarkslideEvents", "Effect": "Allow", "Resource": places.events,
            "Action": ["sns:*Topic*", "sns:Subscribe", "sns:*Tag*", "sqs:*Queue*"],
        }));
    }
    if desired.budget.is_some() {
        statements.push(json!({
            "Sid": "DarkslideBudget", "Effect": "Allow", "Action": ["budgets:ModifyBudget", "budgets:ViewBudget"],
            "Resource": "*",
        }));
    }
    statements.extend(identities(desired, &places.holders));
    of(statements)
}

fn identities(desired: &Desired, holders: &[String]) -> Vec<Value> {
    // What AWS takes on no single thing.
    let mut look = vec!["iam:ListRoles", "iam:ListUsers"];
    if desired.thaw_events.topic.is_some() {
        look.extend(["sns:GetSubscriptionAttributes", "sns:Unsubscribe"]);
    }
    let mut statements = vec![json!({ "Sid": "DarkslideLook", "Effect": "Allow", "Action": look, "Resource": "*" })];
    if holders.is_empty() {
        return statements;
    }
    let has = |kind: &str| holders.iter().any(|arn| arn.contains(&format!(":{kind}/")));
    let kinds = [("user", "User"), ("role", "Role")].into_iter().filter(|(kind, _)| has(kind));
    let kinds: Vec<&str> = kinds.map(|(_, word)| word).collect();
    let each = |patterns: &[&str]| -> Vec<String> {
        kinds.iter().flat_map(|kind| patterns.iter().map(|pattern| pattern.replace("{}", kind))).collect()
    };
    // What gives rights is bound to the boundary, where there is one.
    let mut giving = json!({
        "Sid": "DarkslideGive", "Effect": "Allow", "Action": each(&["iam:Create{}", "iam:Put{}P*"]),
        "Resource": holders,
    });
    if let Some(boundary) = desired.boundary_arn() {
        giving["Condition"] = json!({ "StringEquals": { "iam:PermissionsBoundary": boundary } });
    }
    statements.push(giving);
    let mut keeping = each(&[
        "iam:Get{}*",
        "iam:List{}P*",
        "iam:List{}T*",
        "iam:ListAttached{}*",
        "iam:Tag{}",
        "iam:Untag{}",
        "iam:Delete{}",
        "iam:Delete{}Policy",
    ]);
    keeping.push("iam:SimulatePrincipalPolicy".into());
    if has("user") {
        keeping.push("iam:*AccessKey*".into());
    }
    if has("role") {
        keeping.push("iam:UpdateAssumeRolePolicy".into());
    }
    statements.push(json!({
        "Sid": "DarkslideKeep", "Effect": "Allow", "Action": keeping, "Resource": holders,
    }));
    if let (Boundary::Managed { .. }, Some(policy)) = (&desired.boundary, desired.boundary_arn()) {
        statements.push(json!({
            "Sid": "DarkslideCap", "Effect": "Allow", "Resource": policy,
            "Action": ["iam:*Policy", "iam:*PolicyVersion*", "iam:ListPolicyTags"],
        }));
    }
    statements
}
