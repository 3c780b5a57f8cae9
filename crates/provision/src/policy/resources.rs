//! Policies of buckets, queues, topics, vaults and roles; and what caps all identities.

use serde_json::{Value, json};

use super::{BATCH, COLD, CONDEMNED, HOT, WARM, of, pattern};
use crate::desired::{Desired, Mfa, VaultDesired};

/// The bucket's policy: no request without TLS, none without a current TLS; nothing of the repository is
/// replaced, whoever asks.
pub fn bucket(desired: &Desired) -> Option<Value> {
    let bucket = desired.bucket.as_ref()?;
    let arn = desired.bucket_arn(bucket);
    let everywhere = json!([arn, format!("{arn}/*")]);
    let below = COLD.iter().chain(&WARM).chain(&HOT).chain([&CONDEMNED]);
    let objects: Vec<String> = below.map(|below| desired.object_arn(bucket, &pattern(below))).collect();
    Some(of(vec![
        json!({
            "Sid": "DarkslideTlsOnly", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": everywhere,
            "Condition": { "Bool": { "aws:SecureTransport": "false" } },
        }),
        json!({
            "Sid": "DarkslideTlsVersion", "Effect": "Deny", "Principal": "*", "Action": "s3:*",
            "Resource": everywhere, "Condition": { "NumericLessThan": { "s3:TlsVersion": "1.2" } },
        }),
        // The steps of an upload in parts carry no `If-None-Match`; its completion does.
        json!({
            "Sid": "DarkslideCreateOnly", "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject",
            "Resource": objects,
            "Condition": {
                "Null": { "s3:if-none-match": "true" },
                "Bool": { "s3:ObjectCreationOperation": "true" },
            },
        }),
    ]))
}

/// The queue's policy: S3 may send the bucket's events, of this account.
pub fn queue(desired: &Desired) -> Option<Value> {
    let (bucket, queue) = (desired.bucket.as_ref()?, desired.thaw_events.queue.as_ref()?);
    let arn = desired.queue_arn(queue);
    Some(of(vec![
        json!({
            "Sid": "DarkslideThawEvents", "Effect": "Allow", "Principal": { "Service": "s3.amazonaws.com" },
            "Action": "sqs:SendMessage", "Resource": arn,
            "Condition": {
                "ArnLike": { "aws:SourceArn": desired.bucket_arn(bucket) },
                "StringEquals": { "aws:SourceAccount": desired.account },
            },
        }),
        tls("DarkslideTlsOnly", "sqs:*", &arn),
    ]))
}

fn tls(sid: &str, action: &str, resource: &str) -> Value {
    json!({
        "Sid": sid, "Effect": "Deny", "Principal": "*", "Action": action, "Resource": resource,
        "Condition": { "Bool": { "aws:SecureTransport": "false" } },
    })
}

/// The topic's policy: S3 may publish the bucket's events, Glacier the vaults', of this account.
pub fn topic(desired: &Desired) -> Option<Value> {
    let arn = desired.topic_arn(desired.thaw_events.topic.as_ref()?);
    let mut statements = Vec::new();
    if let Some(bucket) = &desired.bucket {
        statements.push(json!({
            "Sid": "DarkslideThawEvents", "Effect": "Allow", "Principal": { "Service": "s3.amazonaws.com" },
            "Action": "sns:Publish", "Resource": arn,
            "Condition": {
                "ArnLike": { "aws:SourceArn": desired.bucket_arn(bucket) },
                "StringEquals": { "aws:SourceAccount": desired.account },
            },
        }));
    }
    let vaults: Vec<String> =
        desired.vaults.iter().filter(|vault| vault.notify).map(|vault| desired.vault_arn(&vault.name)).collect();
    if !vaults.is_empty() {
        // Glacier publishes as who set the notification up: the account, whose own right this keeps.
        statements.push(json!({
            "Sid": "DarkslideVaultEvents", "Effect": "Allow", "Principal": { "Service": "glacier.amazonaws.com" },
            "Action": "sns:Publish", "Resource": arn,
            "Condition": {
                "ArnLike": { "aws:SourceArn": vaults },
                "StringEquals": { "aws:SourceAccount": desired.account },
            },
        }));
        let root = format!("arn:{}:iam::{}:root", desired.partition(), desired.account);
        statements.push(json!({
            "Sid": "DarkslideAccount", "Effect": "Allow", "Principal": { "AWS": root },
            "Action": "sns:Publish", "Resource": arn,
        }));
    }
    statements.push(tls("DarkslideTlsOnly", "sns:Publish", &arn));
    Some(of(statements))
}

/// What all users and roles here have at most: this bucket, these vaults, this queue, topic and budget, and for
/// the admin the users and roles of these paths. Nobody shortens a lock, and nobody lifts the cap.
pub fn boundary(desired: &Desired) -> Value {
    let mut statements = Vec::new();
    if let Some(bucket) = &desired.bucket {
        let arn = desired.bucket_arn(bucket);
        let batch = desired.object_arn(bucket, &pattern(BATCH));
        statements.push(json!({
            "Sid": "DarkslideBucket", "Effect": "Allow", "Action": "s3:*", "Resource": [arn, format!("{arn}/*"), batch],
        }));
        statements.push(json!({
            "Sid": "DarkslideJobs", "Effect": "Allow", "Resource": "*",
            "Action": ["s3:CreateJob", "s3:DescribeJob", "iam:PassRole"],
        }));
    }
    if let Some(key) = desired.kms_key() {
        let may = ["kms:GenerateDataKey", "kms:Decrypt"];
        statements.push(json!({ "Sid": "DarkslideKey", "Effect": "Allow", "Action": may, "Resource": key }));
    }
    // Programs on a NAS are capped by what they need in the first place.
    for mut own in desired.nas.iter().map(|user| super::nas(desired, &user.program)) {
        statements.extend(own["Statement"].as_array_mut().into_iter().flatten().map(|statement| {
            statement.as_object_mut().map(|fields| fields.remove("Sid"));
            statement.take()
        }));
    }
    let vaults: Vec<String> = desired.vaults.iter().map(|vault| desired.vault_arn(&vault.name)).collect();
    if !vaults.is_empty() {
        statements
            .push(json!({ "Sid": "DarkslideVaults", "Effect": "Allow", "Action": "glacier:*", "Resource": vaults }));
    }
    let places = super::admin::places(desired);
    statements.push(json!({
        "Sid": "DarkslideRest", "Effect": "Allow", "Resource": "*",
        "Action": [
            "budgets:ModifyBudget", "budgets:ViewBudget", "glacier:GetDataRetrievalPolicy",
            "glacier:SetDataRetrievalPolicy", "iam:ListRoles", "iam:ListUsers", "sns:GetSubscriptionAttributes",
            "sns:Unsubscribe",
        ],
    }));
    if !places.events.is_empty() {
        statements.push(json!({
            "Sid": "DarkslideEvents", "Effect": "Allow", "Action": ["sns:*", "sqs:*"], "Resource": places.events,
        }));
    }
    if !places.holders.is_empty() {
        statements.push(json!({
            "Sid": "DarkslideIdentities", "Effect": "Allow", "Action": "iam:*", "Resource": places.holders,
        }));
    }
    let mut never = vec!["s3:BypassGovernanceRetention", "iam:CreateLoginProfile", "iam:UpdateLoginProfile"];
    never.extend(["iam:DeleteUserPermissionsBoundary", "iam:DeleteRolePermissionsBoundary"]);
    statements.push(json!({ "Sid": "DarkslideNever", "Effect": "Deny", "Action": never, "Resource": "*" }));
    if let Some(own) = desired.boundary_arn() {
        // Else whoever is under the cap could make somebody who is not.
        statements.push(json!({
            "Sid": "DarkslideUnderTheCap", "Effect": "Deny", "Resource": "*",
            "Action": [
                "iam:AttachRolePolicy", "iam:AttachUserPolicy", "iam:CreateRole", "iam:CreateUser",
                "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy", "iam:PutUserPermissionsBoundary",
                "iam:PutUserPolicy",
            ],
            "Condition": { "StringNotEquals": { "iam:PermissionsBoundary": own } },
        }));
    }
    of(statements)
}

/// Who may take on a role.
pub fn trust(desired: &Desired, trusted: &[String], mfa: Mfa) -> Value {
    let root = [format!("arn:{}:iam::{}:root", desired.partition(), desired.account)];
    let who = if trusted.is_empty() { &root[..] } else { trusted };
    let mut statement = json!({
        "Sid": "DarkslideTakeOn", "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": { "AWS": who },
    });
    if mfa == Mfa::Required {
        statement["Condition"] = json!({ "Bool": { "aws:MultiFactorAuthPresent": "true" } });
    }
    of(vec![statement])
}

/// The access policy of a vault that keeps its archives for so many days, whoever asks.
pub fn vault_access(desired: &Desired, vault: &VaultDesired) -> Option<Value> {
    vault.keep_days.map(|days| keep_archives(&desired.vault_arn(&vault.name), days))
}

/// The lock of a vault: as its access policy, and never to be changed again.
pub fn vault_lock(desired: &Desired, vault: &VaultDesired) -> Option<Value> {
    vault.lock_days.map(|days| keep_archives(&desired.vault_arn(&vault.name), days))
}

/// Keeps the archives of a vault, by its ARN, for so many days.
pub fn keep_archives(vault: &str, days: u32) -> Value {
    of(vec![json!({
        "Sid": "DarkslideKeep", "Effect": "Deny", "Principal": "*", "Action": "glacier:DeleteArchive",
        "Resource": vault,
        "Condition": { "NumericLessThan": { "glacier:ArchiveAgeInDays": days.to_string() } },
    })])
}
