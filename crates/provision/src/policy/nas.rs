//! The least that programs on a NAS need.

use serde_json::{Value, json};

use super::of;
use crate::desired::{Desired, NasProgram};

/// What QNAP's app asks of all vaults: the two actions that have no resource.
pub(crate) const QNAP_EVERYWHERE: [&str; 2] = ["glacier:GetDataRetrievalPolicy", "glacier:ListVaults"];

/// What it asks of its own vault.
pub(crate) const QNAP_VAULT: [&str; 20] = [
    "glacier:AbortMultipartUpload",
    "glacier:AddTagsToVault",
    "glacier:CompleteMultipartUpload",
    "glacier:CreateVault",
    "glacier:DeleteArchive",
    "glacier:DescribeJob",
    "glacier:DescribeVault",
    "glacier:GetJobOutput",
    "glacier:GetVaultAccessPolicy",
    "glacier:GetVaultLock",
    "glacier:GetVaultNotifications",
    "glacier:InitiateJob",
    "glacier:InitiateMultipartUpload",
    "glacier:ListJobs",
    "glacier:ListMultipartUploads",
    "glacier:ListParts",
    "glacier:ListTagsForVault",
    "glacier:RemoveTagsFromVault",
    "glacier:UploadArchive",
    "glacier:UploadMultipartPart",
];

/// The document of a NAS program's user.
pub fn nas(desired: &Desired, program: &NasProgram) -> Value {
    match program {
        NasProgram::QnapGlacier { vault } => of(vec![
            json!({
                "Sid": "DarkslideQnapEverywhere", "Effect": "Allow", "Action": QNAP_EVERYWHERE, "Resource": "*",
            }),
            json!({
                "Sid": "DarkslideQnapVault", "Effect": "Allow", "Action": QNAP_VAULT,
                "Resource": desired.vault_arn(vault),
            }),
        ]),
        NasProgram::HyperBackup { bucket } => {
            let arn = format!("arn:{}:s3:::{bucket}", desired.partition());
            of(vec![
                json!({
                    "Sid": "DarkslideHyperBackupBuckets", "Effect": "Allow", "Action": "s3:ListAllMyBuckets",
                    "Resource": "*",
                }),
                json!({
                    "Sid": "DarkslideHyperBackupBucket", "Effect": "Allow", "Resource": arn,
                    "Action": ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"],
                }),
                json!({
                    "Sid": "DarkslideHyperBackupObjects", "Effect": "Allow", "Resource": format!("{arn}/*"),
                    "Action": [
                        "s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:ListMultipartUploadParts",
                        "s3:PutObject",
                    ],
                }),
            ])
        }
    }
}
