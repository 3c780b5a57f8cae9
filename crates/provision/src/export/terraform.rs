//! Terraform: providers, variables, resources, outputs, each in a file of its own.
//!
//! **Invariant:** secrets are outputs that are marked as such, and only where keys are asked for.

mod access;
mod bucket;
mod events;

use serde_json::Value;

use super::hcl::{self, Expr, Item, block, raw, set, text};
use super::{ExportFile, Places, only_bucket, only_vault, substitute};
use crate::desired::{Desired, RetrievalLimit};

const PLACES: Places = Places {
    partition: "${data.aws_partition.current.partition}",
    region: "${var.region}",
    account: "${data.aws_caller_identity.current.account_id}",
    bucket: "${var.bucket_name}",
    vault: "${var.vault_name}",
};

/// A document as `jsonencode(…)`.
fn document(value: &Value, desired: &Desired) -> Expr {
    Expr::Json(Box::new(hcl::of_json(value, &|plain| substitute(plain, desired, &PLACES))))
}

/// A name as a label: letters, digits and `_`.
fn label(name: &str) -> String {
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    if plain.starts_with(|c: char| c.is_ascii_digit()) { format!("_{plain}") } else { plain }
}

/// The name of the bucket or vault: a variable, or as it is.
fn bucket_name() -> Expr {
    raw("var.bucket_name")
}

fn vault_name(desired: &Desired, vault: &str) -> Expr {
    if only_vault(desired) == Some(vault) { raw("var.vault_name") } else { text(vault) }
}

/// The files, and what they leave out.
pub(super) fn files(desired: &Desired) -> (Vec<ExportFile>, Vec<String>) {
    let mut main = vec![block("data \"aws_caller_identity\" \"current\"", Vec::new())];
    main.push(block("data \"aws_partition\" \"current\"", Vec::new()));
    main.extend(bucket::items(desired));
    main.extend(events::items(desired));
    main.extend(access::items(desired));
    let file = |name: &str, items: &[Item]| ExportFile { name: name.into(), content: hcl::file(items) };
    let files = vec![
        file("versions.tf", &versions(desired)),
        file("variables.tf", &variables(desired)),
        file("main.tf", &main),
        file("outputs.tf", &outputs(desired)),
        file("settings/example.tfvars", &example(desired)),
    ];
    (files, left_out(desired))
}

fn left_out(desired: &Desired) -> Vec<String> {
    let mut left = Vec::new();
    if matches!(
        desired.retrieval,
        Some(RetrievalLimit::BytesPerHour(_) | RetrievalLimit::FreeTier | RetrievalLimit::Unlimited)
    ) {
        left.push(
            "The limit on retrievals from vaults: the provider has no resource for it. Set it with `darkslide cloud \
             apply`, or with `aws glacier set-data-retrieval-policy`."
                .into(),
        );
    }
    if desired.vaults.iter().any(|vault| vault.lock_days.is_some()) {
        left.push(
            "Completing a vault's lock: it is only begun here (`complete_lock = false`), since it can never be undone. \
             Complete it with `darkslide vault lock`, or set it to true within 24 hours."
                .into(),
        );
    }
    if desired.bucket.as_ref().is_some_and(|b| b.namespace == crate::desired::Namespace::AccountRegional) {
        left.push(
            "The bucket's account-regional namespace: make the bucket with `darkslide cloud apply` and import it with \
             `terraform import aws_s3_bucket.repository NAME`."
                .into(),
        );
    }
    left
}

fn versions(desired: &Desired) -> Vec<Item> {
    let aws =
        Expr::Object(vec![("source".into(), text("hashicorp/aws")), ("version".into(), text(">= 5.70.0, < 7.0.0"))]);
    let tags = desired.all_tags().into_iter().map(|(name, value)| (name, text(value))).collect();
    vec![
        block(
            "terraform",
            vec![set("required_version", text(">= 1.5.0")), block("required_providers", vec![set("aws", aws)])],
        ),
        block(
            "provider \"aws\"",
            vec![
                set("region", raw("var.region")),
                set("profile", raw("var.profile")),
                block("default_tags", vec![set("tags", Expr::Object(tags))]),
            ],
        ),
    ]
}

fn variable(name: &str, description: &str, kind: &str, default: Expr) -> Item {
    let items = vec![set("description", text(description)), set("type", raw(kind)), set("default", default)];
    block(format!("variable \"{name}\""), items)
}

fn variables(desired: &Desired) -> Vec<Item> {
    let mut all = vec![
        variable("region", "Where bucket, vaults, queue and topic lie.", "string", text(desired.region.as_str())),
        variable("profile", "Profile of the AWS configuration; null takes the environment's.", "string", raw("null")),
    ];
    if let Some(bucket) = only_bucket(desired) {
        all.push(variable("bucket_name", "Name of the bucket.", "string", text(bucket)));
    }
    if let Some(vault) = only_vault(desired) {
        all.push(variable("vault_name", "Name of the vault.", "string", text(vault)));
    }
    for holder in access::holders(desired) {
        all.push(variable(&holder.variable, &holder.description, "string", text(holder.name)));
    }
    if access::holders(desired).iter().any(|holder| holder.is_user) {
        let why = "Make an access key for each user. Its secret then lies in the state: keep that encrypted.";
        all.push(variable("create_access_keys", why, "bool", raw("false")));
    }
    all
}

fn example(desired: &Desired) -> Vec<Item> {
    let mut all = vec![set("region", text(desired.region.as_str())), set("profile", text("default"))];
    all.extend(only_bucket(desired).map(|bucket| set("bucket_name", text(bucket))));
    all.extend(only_vault(desired).map(|vault| set("vault_name", text(vault))));
    all.extend(access::holders(desired).into_iter().map(|holder| set(&holder.variable, text(holder.name))));
    all
}

fn outputs(desired: &Desired) -> Vec<Item> {
    let output = |name: &str, description: &str, value: Expr| {
        block(format!("output \"{name}\""), vec![set("description", text(description)), set("value", value)])
    };
    let mut all = Vec::new();
    if desired.bucket.is_some() {
        all.push(output("bucket_arn", "ARN of the bucket.", raw("aws_s3_bucket.repository.arn")));
    }
    if desired.thaw_events.queue.is_some() {
        all.push(output("queue_url", "URL of the queue of finished thaws.", raw("aws_sqs_queue.thaws.url")));
    }
    for vault in &desired.vaults {
        let label = label(vault.name.as_str());
        let value = raw(format!("aws_glacier_vault.{label}.arn"));
        all.push(output(&format!("vault_{label}_arn"), "ARN of the vault.", value));
    }
    for holder in access::holders(desired) {
        all.extend(access::outputs(&holder));
    }
    all
}
