//! The IAM actions that an operation of S3 needs, each with its resource.
//!
//! Their names follow AWS's service authorization reference for S3; several differ from the
//! names of the operations.

use http::HeaderMap;

use crate::operation::Named;
use crate::s3::convert::url_decoded;

/// Actions whose names are not `s3:` and the operation's, and which have the bucket as resource.
const RENAMED: &[(&str, &str)] = &[
    ("HeadBucket", "ListBucket"),
    ("ListObjects", "ListBucket"),
    ("ListObjectsV2", "ListBucket"),
    ("ListObjectVersions", "ListBucketVersions"),
    ("ListMultipartUploads", "ListBucketMultipartUploads"),
    ("GetBucketLifecycleConfiguration", "GetLifecycleConfiguration"),
    ("PutBucketLifecycleConfiguration", "PutLifecycleConfiguration"),
    ("DeleteBucketLifecycle", "PutLifecycleConfiguration"),
    ("GetBucketEncryption", "GetEncryptionConfiguration"),
    ("PutBucketEncryption", "PutEncryptionConfiguration"),
    ("DeleteBucketEncryption", "PutEncryptionConfiguration"),
    ("GetPublicAccessBlock", "GetBucketPublicAccessBlock"),
    ("PutPublicAccessBlock", "PutBucketPublicAccessBlock"),
    ("DeletePublicAccessBlock", "PutBucketPublicAccessBlock"),
    ("DeleteBucketOwnershipControls", "PutBucketOwnershipControls"),
    ("DeleteBucketTagging", "PutBucketTagging"),
    ("GetBucketNotificationConfiguration", "GetBucketNotification"),
    ("PutBucketNotificationConfiguration", "PutBucketNotification"),
    ("GetBucketIntelligentTieringConfiguration", "GetIntelligentTieringConfiguration"),
    ("PutBucketIntelligentTieringConfiguration", "PutIntelligentTieringConfiguration"),
    ("DeleteBucketIntelligentTieringConfiguration", "PutIntelligentTieringConfiguration"),
    ("ListBucketIntelligentTieringConfigurations", "GetIntelligentTieringConfiguration"),
    ("GetBucketInventoryConfiguration", "GetInventoryConfiguration"),
    ("PutBucketInventoryConfiguration", "PutInventoryConfiguration"),
    ("DeleteBucketInventoryConfiguration", "PutInventoryConfiguration"),
    ("ListBucketInventoryConfigurations", "GetInventoryConfiguration"),
    ("GetObjectLockConfiguration", "GetBucketObjectLockConfiguration"),
    ("PutObjectLockConfiguration", "PutBucketObjectLockConfiguration"),
];

/// Actions and resources of an operation; all have to be allowed.
pub(super) fn of(operation: &str, named: &Named, headers: &HeaderMap) -> Vec<(String, String)> {
    let bucket = format!("arn:aws:s3:::{}", named.bucket);
    let object = format!("{bucket}/{}", named.key);
    let versioned = named.value("versionId").is_some();
    let or_version = |action: &str| if versioned { format!("s3:{action}Version") } else { format!("s3:{action}") };
    let on_object = |action: String| vec![(action, object.clone())];
    match operation {
        "ListBuckets" => vec![("s3:ListAllMyBuckets".into(), "arn:aws:s3:::*".into())],
        // Checked key by key, when the body is read.
        "DeleteObjects" => Vec::new(),
        "GetObject" | "HeadObject" => on_object(or_version("GetObject")),
        "GetObjectAttributes" => {
            let second = if versioned { "s3:GetObjectVersionAttributes" } else { "s3:GetObjectAttributes" };
            vec![(or_version("GetObject"), object.clone()), (second.into(), object)]
        }
        "PutObject"
        | "CreateMultipartUpload"
        | "UploadPart"
        | "CompleteMultipartUpload"
        | "CopyObject"
        | "UploadPartCopy" => writes(&object, headers),
        "DeleteObject" => on_object(or_version("DeleteObject")),
        "ListParts" => on_object("s3:ListMultipartUploadParts".into()),
        "GetObjectTagging" | "PutObjectTagging" | "DeleteObjectTagging" => {
            let (verb, _) = operation.split_at(operation.find("Object").unwrap_or(0));
            on_object(if versioned { format!("s3:{verb}ObjectVersionTagging") } else { format!("s3:{operation}") })
        }
        "AbortMultipartUpload"
        | "RestoreObject"
        | "GetObjectRetention"
        | "PutObjectRetention"
        | "GetObjectLegalHold"
        | "PutObjectLegalHold" => on_object(format!("s3:{operation}")),
        "CreateBucket" => {
            let mut actions = vec![("s3:CreateBucket".to_string(), bucket.clone())];
            if headers
                .get("x-amz-bucket-object-lock-enabled")
                .is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"true"))
            {
                actions.push(("s3:PutBucketObjectLockConfiguration".into(), bucket.clone()));
                actions.push(("s3:PutBucketVersioning".into(), bucket));
            }
            actions
        }
        _ => {
            let renamed = RENAMED.iter().find(|(from, _)| *from == operation);
            vec![(format!("s3:{}", renamed.map_or(operation, |(_, to)| to)), bucket)]
        }
    }
}

/// A write needs more rights for what else it sets, and those to read its source.
fn writes(object: &str, headers: &HeaderMap) -> Vec<(String, String)> {
    let mut actions = vec![("s3:PutObject".to_string(), object.to_string())];
    for (header, action) in [
        ("x-amz-tagging", "s3:PutObjectTagging"),
        ("x-amz-object-lock-mode", "s3:PutObjectRetention"),
        ("x-amz-object-lock-legal-hold", "s3:PutObjectLegalHold"),
        ("x-amz-acl", "s3:PutObjectAcl"),
    ] {
        if headers.contains_key(header) {
            actions.push((action.into(), object.to_string()));
        }
    }
    if let Some(source) = headers.get("x-amz-copy-source").and_then(|v| v.to_str().ok()) {
        let (path, version) = source.split_once("?versionId=").map_or((source, false), |(path, _)| (path, true));
        let path = url_decoded(path.trim_start_matches('/'), false);
        let action = if version { "s3:GetObjectVersion" } else { "s3:GetObject" };
        actions.push((action.into(), format!("arn:aws:s3:::{path}")));
    }
    actions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actions(operation: &str, query: &[(&str, &str)], headers: &[(&'static str, &'static str)]) -> Vec<String> {
        let query = query.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
        let named = Named { operation: "", bucket: "b".into(), key: "k".into(), query };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, http::HeaderValue::from_static(value));
        }
        of(operation, &named, &map).into_iter().map(|(action, on)| format!("{action} {on}")).collect()
    }

    #[test]
    fn head_is_get_and_versions_have_actions_of_their_own() {
        assert_eq!(actions("HeadObject", &[], &[]), ["s3:GetObject arn:aws:s3:::b/k"]);
        assert_eq!(actions("GetObject", &[("versionId", "v")], &[]), ["s3:GetObjectVersion arn:aws:s3:::b/k"]);
        assert_eq!(
            actions("DeleteObjectTagging", &[("versionId", "v")], &[]),
            ["s3:DeleteObjectVersionTagging arn:aws:s3:::b/k"]
        );
    }

    #[test]
    fn configurations_have_other_names_than_their_operations() {
        assert_eq!(actions("DeleteBucketLifecycle", &[], &[]), ["s3:PutLifecycleConfiguration arn:aws:s3:::b"]);
        assert_eq!(actions("PutBucketVersioning", &[], &[]), ["s3:PutBucketVersioning arn:aws:s3:::b"]);
    }

    #[test]
    fn a_copy_needs_the_right_to_read_its_source() {
        let found = actions("CopyObject", &[], &[("x-amz-copy-source", "/from/a%20key?versionId=7")]);
        assert_eq!(found, ["s3:PutObject arn:aws:s3:::b/k", "s3:GetObjectVersion arn:aws:s3:::from/a key"]);
        let found = actions("PutObject", &[], &[("x-amz-object-lock-mode", "COMPLIANCE")]);
        assert_eq!(found[1], "s3:PutObjectRetention arn:aws:s3:::b/k");
    }
}
