//! Which operation of S3 a request is, before `s3s` parses it: faults and the log need the name.

use http::{HeaderMap, Method};

use crate::s3::convert::{query_pairs, url_decoded};

/// A request's operation and what it names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Named {
    pub operation: &'static str,
    pub bucket: String,
    pub key: String,
    pub query: Vec<(String, String)>,
}

/// Sub-resources of a bucket: query, GET, PUT, DELETE.
const OF_BUCKET: &[(&str, &str, &str, &str)] = &[
    ("versioning", "GetBucketVersioning", "PutBucketVersioning", ""),
    ("policy", "GetBucketPolicy", "PutBucketPolicy", "DeleteBucketPolicy"),
    ("policyStatus", "GetBucketPolicyStatus", "", ""),
    ("lifecycle", "GetBucketLifecycleConfiguration", "PutBucketLifecycleConfiguration", "DeleteBucketLifecycle"),
    ("encryption", "GetBucketEncryption", "PutBucketEncryption", "DeleteBucketEncryption"),
    ("notification", "GetBucketNotificationConfiguration", "PutBucketNotificationConfiguration", ""),
    ("publicAccessBlock", "GetPublicAccessBlock", "PutPublicAccessBlock", "DeletePublicAccessBlock"),
    ("ownershipControls", "GetBucketOwnershipControls", "PutBucketOwnershipControls", "DeleteBucketOwnershipControls"),
    ("tagging", "GetBucketTagging", "PutBucketTagging", "DeleteBucketTagging"),
    ("object-lock", "GetObjectLockConfiguration", "PutObjectLockConfiguration", ""),
    (
        "intelligent-tiering",
        "GetBucketIntelligentTieringConfiguration",
        "PutBucketIntelligentTieringConfiguration",
        "DeleteBucketIntelligentTieringConfiguration",
    ),
    (
        "inventory",
        "GetBucketInventoryConfiguration",
        "PutBucketInventoryConfiguration",
        "DeleteBucketInventoryConfiguration",
    ),
    ("location", "GetBucketLocation", "", ""),
    ("uploads", "ListMultipartUploads", "", ""),
    ("versions", "ListObjectVersions", "", ""),
];

/// Sub-resources of an object: query, GET, PUT, DELETE.
const OF_OBJECT: &[(&str, &str, &str, &str)] = &[
    ("tagging", "GetObjectTagging", "PutObjectTagging", "DeleteObjectTagging"),
    ("retention", "GetObjectRetention", "PutObjectRetention", ""),
    ("legal-hold", "GetObjectLegalHold", "PutObjectLegalHold", ""),
    ("attributes", "GetObjectAttributes", "", ""),
];

/// Names the operation.
pub(crate) fn name(method: &Method, path: &str, query: &str, headers: &HeaderMap) -> Named {
    let path = path.trim_start_matches('/');
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    let mut named = Named {
        operation: "",
        bucket: url_decoded(bucket, false),
        key: url_decoded(key, false),
        query: query_pairs(query),
    };
    named.operation = if named.bucket.is_empty() {
        "ListBuckets"
    } else if named.key.is_empty() {
        of_bucket(method, &named)
    } else {
        of_object(method, &named, headers)
    };
    named
}

impl Named {
    pub fn has(&self, name: &str) -> bool {
        self.query.iter().any(|(n, _)| n == name)
    }

    pub fn value(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

fn sub_resource(
    table: &[(&str, &'static str, &'static str, &'static str)],
    method: &Method,
    named: &Named,
) -> Option<&'static str> {
    let (_, get, put, delete) = table.iter().find(|(query, ..)| named.has(query))?;
    Some(match *method {
        Method::PUT => put,
        Method::DELETE => delete,
        _ => get,
    })
}

fn of_bucket(method: &Method, named: &Named) -> &'static str {
    if *method == Method::POST && named.has("delete") {
        return "DeleteObjects";
    }
    if *method == Method::GET && !named.has("id") {
        if named.has("intelligent-tiering") {
            return "ListBucketIntelligentTieringConfigurations";
        }
        if named.has("inventory") {
            return "ListBucketInventoryConfigurations";
        }
    }
    if let Some(found) = sub_resource(OF_BUCKET, method, named) {
        return found;
    }
    match *method {
        Method::PUT => "CreateBucket",
        Method::DELETE => "DeleteBucket",
        Method::HEAD => "HeadBucket",
        Method::POST => "PostObject",
        _ if named.value("list-type") == Some("2") => "ListObjectsV2",
        _ => "ListObjects",
    }
}

fn of_object(method: &Method, named: &Named, headers: &HeaderMap) -> &'static str {
    let copies = headers.contains_key("x-amz-copy-source");
    if named.has("uploadId") {
        return match *method {
            Method::PUT if copies => "UploadPartCopy",
            Method::PUT => "UploadPart",
            Method::POST => "CompleteMultipartUpload",
            Method::DELETE => "AbortMultipartUpload",
            _ => "ListParts",
        };
    }
    if *method == Method::POST {
        return if named.has("uploads") { "CreateMultipartUpload" } else { "RestoreObject" };
    }
    if let Some(found) = sub_resource(OF_OBJECT, method, named) {
        return found;
    }
    match *method {
        Method::PUT if copies => "CopyObject",
        Method::PUT => "PutObject",
        Method::DELETE => "DeleteObject",
        Method::HEAD => "HeadObject",
        _ => "GetObject",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_the_names_of_their_operations() {
        let none = HeaderMap::new();
        let mut copying = HeaderMap::new();
        copying.insert("x-amz-copy-source", http::HeaderValue::from_static("b/k"));
        for (method, path, query, headers, wanted) in [
            ("GET", "/", "", &none, "ListBuckets"),
            ("GET", "/b", "list-type=2&prefix=x", &none, "ListObjectsV2"),
            ("GET", "/b/", "versions", &none, "ListObjectVersions"),
            ("POST", "/b", "delete", &none, "DeleteObjects"),
            ("GET", "/b", "intelligent-tiering&id=x", &none, "GetBucketIntelligentTieringConfiguration"),
            ("GET", "/b", "intelligent-tiering", &none, "ListBucketIntelligentTieringConfigurations"),
            ("PUT", "/b/k", "", &copying, "CopyObject"),
            ("PUT", "/b/k", "partNumber=1&uploadId=u", &none, "UploadPart"),
            ("POST", "/b/k", "restore", &none, "RestoreObject"),
            ("POST", "/b/k", "uploads", &none, "CreateMultipartUpload"),
            ("HEAD", "/b/k", "", &none, "HeadObject"),
            ("PUT", "/b", "lifecycle", &none, "PutBucketLifecycleConfiguration"),
        ] {
            let named = name(&method.parse().unwrap(), path, query, headers);
            assert_eq!(named.operation, wanted, "{method} {path}?{query}");
        }
        assert_eq!(name(&Method::GET, "/b/a%20b/c", "", &none).key, "a b/c");
    }
}
