//! Who may do what: the policy documents.

use serde_json::{Value, json};

use crate::desired::{Desired, IdentityKind};

/// The document of an identity.
pub fn document(identity: IdentityKind, desired: &Desired) -> Value {
    let bucket = desired.bucket.as_ref().map(|bucket| desired.bucket_arn(bucket)).unwrap_or_else(|| "*".into());
    json!({"Version": "2012-10-17", "Statement": [{
        "Sid": format!("Darkslide{identity}"), "Effect": "Allow", "Action": "s3:ListBucket", "Resource": bucket,
    }]})
}

/// The bucket's policy: no request without TLS. Sids begin with `Darkslide`.
pub fn bucket(desired: &Desired) -> Option<Value> {
    let arn = desired.bucket_arn(desired.bucket.as_ref()?);
    Some(json!({"Version": "2012-10-17", "Statement": [{
        "Sid": "DarkslideTlsOnly", "Effect": "Deny", "Principal": "*", "Action": "s3:*",
        "Resource": [arn, format!("{arn}/*")], "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }]}))
}

/// The queue's policy: S3 may send the bucket's events.
pub fn queue(desired: &Desired) -> Option<Value> {
    let (bucket, queue) = (desired.bucket.as_ref()?, desired.thaw_events.queue.as_ref()?);
    Some(json!({"Version": "2012-10-17", "Statement": [{
        "Sid": "DarkslideThawEvents", "Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "sqs:SendMessage", "Resource": desired.queue_arn(queue),
        "Condition": {"ArnLike": {"aws:SourceArn": desired.bucket_arn(bucket)},
            "StringEquals": {"aws:SourceAccount": desired.account}},
    }]}))
}

/// The topic's policy: S3 may publish the bucket's events, Glacier the vaults'.
pub fn topic(desired: &Desired) -> Option<Value> {
    let topic = desired.thaw_events.topic.as_ref()?;
    Some(json!({"Version": "2012-10-17", "Statement": [{
        "Sid": "DarkslideThawEvents", "Effect": "Allow",
        "Principal": {"Service": ["s3.amazonaws.com", "glacier.amazonaws.com"]},
        "Action": "SNS:Publish", "Resource": desired.topic_arn(topic),
        "Condition": {"StringEquals": {"aws:SourceAccount": desired.account}},
    }]}))
}

/// The permissions boundary of all identities here.
pub fn boundary(desired: &Desired) -> Value {
    document(IdentityKind::Admin, desired)
}

/// Who may take on a role.
pub fn trust(desired: &Desired, trusted: &[String]) -> Value {
    let root = vec![format!("arn:{}:iam::{}:root", desired.partition(), desired.account)];
    let who = if trusted.is_empty() { &root[..] } else { trusted };
    json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": who},
    }]})
}
