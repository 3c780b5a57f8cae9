//! The same desired state for those who manage it otherwise: Terraform, CloudFormation, plain policies.
//!
//! Beside the path. **Invariant:** pure; what is exported is what `plan` would make, and what a format
//! cannot say stands in [`Export::left_out`] and in the README, never nowhere. No secret is in it: keys
//! are made only where whoever applies it asks for them.

mod cloudformation;
mod hcl;
mod plain;
mod readme;
mod terraform;

use serde_json::Value;

use crate::desired::{Desired, NasProgram, NasUser};
use crate::policy;

/// A way to write it down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For Terraform and OpenTofu.
    Terraform,
    /// A template for CloudFormation.
    CloudFormation,
    /// Policy documents, and nothing else.
    Policy,
}

/// A file of an export.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ExportFile {
    /// Its name, below the folder that is exported into.
    pub name: String,
    /// What is in it.
    pub content: String,
}

/// Files, and what they leave out.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Export {
    /// In the order of their names.
    pub files: Vec<ExportFile>,
    /// What this format cannot say, each in a sentence that says what to do.
    pub left_out: Vec<String>,
}

/// Writes the desired state down.
pub fn export(desired: &Desired, format: Format) -> Export {
    let (mut files, left_out) = match format {
        Format::Terraform => terraform::files(desired),
        Format::CloudFormation => cloudformation::files(desired),
        Format::Policy => (plain::files(desired), Vec::new()),
    };
    files.push(ExportFile { name: "README.md".into(), content: readme::text(desired, format, &left_out) });
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Export { files, left_out }
}

/// The desired state with nothing in it but the user of a NAS program.
pub fn of_nas(desired: &Desired, user: NasUser) -> Desired {
    let mut alone = Desired::new(desired.account.clone(), desired.region.clone(), desired.owner_tag.clone());
    alone.tags.clone_from(&desired.tags);
    alone.nas = vec![user];
    alone
}

/// Expressions that stand for what differs from account to account.
struct Places {
    partition: &'static str,
    region: &'static str,
    account: &'static str,
    bucket: &'static str,
    vault: &'static str,
}

/// The vault whose name is a variable, if there is just one.
fn only_vault(desired: &Desired) -> Option<&str> {
    let of_nas = desired.nas.iter().filter_map(|nas| match &nas.program {
        NasProgram::QnapGlacier { vault } => Some(vault.as_str()),
        NasProgram::HyperBackup { .. } => None,
    });
    let mut all: Vec<&str> = desired.vaults.iter().map(|vault| vault.name.as_str()).chain(of_nas).collect();
    all.sort_unstable();
    all.dedup();
    if let [one] = all[..] { Some(one) } else { None }
}

/// The bucket whose name is a variable.
fn only_bucket(desired: &Desired) -> Option<&str> {
    let of_nas = desired.nas.iter().filter_map(|nas| match &nas.program {
        NasProgram::HyperBackup { bucket } => Some(bucket.as_str()),
        NasProgram::QnapGlacier { .. } => None,
    });
    let own = desired.bucket.as_ref().map(|bucket| bucket.name.as_str());
    let mut all: Vec<&str> = own.into_iter().chain(of_nas).collect();
    all.sort_unstable();
    all.dedup();
    if let [one] = all[..] { Some(one) } else { own }
}

/// A text of a policy with what differs put in as expressions.
fn substitute(text: &str, desired: &Desired, places: &Places) -> String {
    let (partition, region, account) = (desired.partition(), &desired.region, desired.account.as_str());
    if text == account {
        return places.account.to_string();
    }
    let Some(rest) = text.strip_prefix(&format!("arn:{partition}:")) else { return text.to_string() };
    let mut rest =
        rest.replacen(&format!(":{region}:{account}:"), &format!(":{}:{}:", places.region, places.account), 1);
    rest = rest.replacen(&format!("::{account}:"), &format!("::{}:", places.account), 1);
    if let Some(bucket) = only_bucket(desired)
        && let Some(after) = rest.strip_prefix(&format!("s3:::{bucket}"))
        && (after.is_empty() || after.starts_with('/'))
    {
        rest = format!("s3:::{}{after}", places.bucket);
    }
    if let Some(vault) = only_vault(desired)
        && let Some(before) = rest.strip_suffix(&format!(":vaults/{vault}"))
    {
        rest = format!("{before}:vaults/{}", places.vault);
    }
    format!("arn:{}:{rest}", places.partition)
}

/// The name of a lifecycle rule, as `cloud apply` names it.
fn transition_id(transition: &crate::desired::Transition) -> String {
    let name = transition.below.trim_end_matches('/').replace('/', "-");
    format!("darkslide-{name}-to-{}", transition.class.as_str().to_ascii_lowercase())
}

/// Dollars as AWS's templates write them.
fn dollars(money: darkslide_words::Money) -> String {
    format!("{:.2}", money.usd())
}

/// The documents that are not bound to an identity, with the names of their files.
fn resource_policies(desired: &Desired) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    let mut add = |name: &str, document: Option<Value>| all.extend(document.map(|d| (name.to_string(), d)));
    add("bucket", policy::bucket(desired));
    add("queue", policy::queue(desired));
    add("topic", policy::topic(desired));
    for vault in &desired.vaults {
        add(&format!("vault-access-{}", vault.name), policy::vault_access(desired, vault));
        add(&format!("vault-lock-{}", vault.name), policy::vault_lock(desired, vault));
    }
    if matches!(desired.boundary, crate::desired::Boundary::Managed { .. }) {
        add("boundary", Some(policy::boundary(desired)));
    }
    all
}
