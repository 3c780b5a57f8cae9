//! Who may do what: the policy documents, each with the least that its holder needs.
//!
//! On the path: what stands here is what a stolen key is worth. **Invariant:** pure, and the same for
//! the same desired state. No document of an identity allows what the table in `docs/identities.md`
//! says it must not; tests hold both against each other. Sids of resources begin with `Darkslide`.
//!
//! What IAM cannot tell apart is said where it matters: HEAD from GET, an inventory from a retrieval,
//! a cheap tier of a thaw from a dear one.

mod admin;
mod identities;
mod nas;
mod resources;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

pub use nas::nas;
pub use resources::{boundary, bucket, keep_archives, queue, topic, trust, vault_access, vault_lock};

use crate::ProvisionError;
use crate::desired::{Boundary, Desired, Form, IdentityKind};

/// Characters of all policies that lie in a user, white space apart.
pub const USER_CHARS_MAX: usize = 2_048;
/// Characters of a managed policy, white space apart.
pub const MANAGED_CHARS_MAX: usize = 6_144;
/// Characters of all policies that lie in a role, white space apart.
pub const ROLE_CHARS_MAX: usize = 10_240;

/// What of a repository's objects lies in the cold class.
pub const COLD: [&str; 1] = ["packs/"];
/// What lies in the warm class.
pub const WARM: [&str; 1] = ["warm/"];
/// What lies in STANDARD and is the repository's own.
pub const HOT: [&str; 11] = [
    "darkslide.json",
    "config/",
    "keys/",
    "writers/",
    "trees/",
    "index/",
    "refs/",
    "snapshots/",
    "previews/",
    "RECOVER.txt",
    "recover.py",
];
/// Tombstones: written by who prunes.
pub const CONDEMNED: &str = "condemned/";
/// What a writer may read: enough to go on without a catalog, and no photograph.
pub const CONTROL: [&str; 6] = ["darkslide.json", "config/", "writers/", "index/", "refs/", "condemned/"];
/// What a prune may delete: never the repository's founding facts, its keys or its writers.
pub const PRUNED: [&str; 8] = ["packs/", "warm/", "trees/", "index/", "refs/", "snapshots/", "previews/", "condemned/"];
/// Where manifests and reports of batch jobs lie.
pub const BATCH: &str = "batch/";

/// The document of an identity.
pub fn document(identity: IdentityKind, desired: &Desired) -> Value {
    let mut document = match identity {
        IdentityKind::Writer => identities::writer(desired),
        IdentityKind::Restorer => identities::restorer(desired),
        IdentityKind::Auditor => identities::auditor(desired),
        IdentityKind::Pruner => identities::pruner(desired),
        IdentityKind::Admin => admin::admin(desired),
    };
    // Names of statements count against the limit, and nothing asks for them here.
    for statement in document["Statement"].as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        statement.remove("Sid");
    }
    document
}

/// Checks that all documents fit where they go; names that are very long can make one too large.
pub fn check(desired: &Desired) -> Result<(), ProvisionError> {
    let too_large = |what: String, chars: usize, most: usize| ProvisionError::Impossible {
        what: format!("the policy of {what} has {chars} characters, and AWS takes {most}"),
        advice: "shorten the names of bucket, prefix, path and vaults, or make it a role".into(),
    };
    if let Some(bucket) = &desired.bucket {
        let kinds = || COLD.iter().chain(&WARM).chain(&HOT).chain([&CONDEMNED, &BATCH]);
        let is_kind = |part: &&str| kinds().any(|kind| kind.trim_end_matches('/') == *part);
        if let Some(part) = bucket.prefix.as_str().split('/').find(is_kind) {
            return Err(ProvisionError::Impossible {
                what: format!(
                    "`{part}` in the prefix {} is the name of a kind of objects in a repository",
                    bucket.prefix
                ),
                advice: "policies could not tell the two apart; use another prefix".into(),
            });
        }
    }
    for identity in &desired.identities {
        let most = if identity.form == Form::User { USER_CHARS_MAX } else { ROLE_CHARS_MAX };
        let chars = counted(&document(identity.kind, desired));
        if chars > most {
            return Err(too_large(format!("the {}", identity.kind), chars, most));
        }
    }
    for nas in &desired.nas {
        let chars = counted(&self::nas(desired, &nas.program));
        if chars > USER_CHARS_MAX {
            return Err(too_large(format!("the user {}", nas.name), chars, USER_CHARS_MAX));
        }
    }
    let chars = counted(&boundary(desired));
    if matches!(desired.boundary, Boundary::Managed { .. }) && chars > MANAGED_CHARS_MAX {
        return Err(too_large("the permissions boundary".into(), chars, MANAGED_CHARS_MAX));
    }
    Ok(())
}

/// Characters that count against IAM's limits.
pub fn counted(document: &Value) -> usize {
    document.to_string().chars().filter(|c| !c.is_whitespace()).count()
}

/// A document of these statements; without any, one that allows nothing, since IAM takes no empty one.
fn of(mut statements: Vec<Value>) -> Value {
    if statements.is_empty() {
        let nothing = json!({ "Sid": "DarkslideNothing", "Effect": "Deny", "Action": "*", "Resource": "*" });
        statements.push(nothing);
    }
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// `prefix/` as a pattern of keys; a whole name as it is.
fn pattern(below: &str) -> String {
    if below.ends_with('/') { format!("{below}*") } else { below.to_string() }
}
