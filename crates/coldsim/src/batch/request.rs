//! What a job is to do: `CreateJobRequest`, read and checked.

use darkslide_words::Tier;
use serde::{Deserialize, Serialize};

use super::answer::Refusal;
use super::manifest::percent_decode;
use super::xml::Element;

/// A job as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Spec {
    pub(super) operation: Operation,
    pub(super) manifest: Manifest,
    /// `None` if no report is wanted.
    pub(super) report: Option<Report>,
    pub(super) priority: u32,
    pub(super) role: String,
    pub(super) description: Option<String>,
    pub(super) confirmation_required: bool,
}

/// What is done with each object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Operation {
    Restore { days: Option<u32>, tier: Tier },
    Checksum { algorithm: String },
}

/// Where the list of objects is, and its columns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) fields: Vec<Field>,
    pub(super) arn: String,
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) version: Option<String>,
    /// Without quotes.
    pub(super) etag: String,
}

/// A column of the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Field {
    Bucket,
    Key,
    VersionId,
    Ignore,
}

/// Where the report goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Report {
    pub(super) bucket: String,
    pub(super) prefix: Option<String>,
    pub(super) failed_only: bool,
}

impl Field {
    pub(super) const ALL: [(Self, &'static str); 4] =
        [(Self::Bucket, "Bucket"), (Self::Key, "Key"), (Self::VersionId, "VersionId"), (Self::Ignore, "Ignore")];

    pub(super) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(field, _)| *field == self).map_or("Ignore", |(_, name)| name)
    }
}

/// Algorithms of `S3ComputeObjectChecksum`.
const ALGORITHMS: [&str; 10] =
    ["CRC32", "CRC32C", "CRC64NVME", "MD5", "SHA1", "SHA256", "SHA512", "XXHASH128", "XXHASH3", "XXHASH64"];
const PRIORITY_MAX: u32 = 2_147_483_647;

/// The `ClientRequestToken` and the job of a request.
pub(super) fn parse(body: &[u8], account: &str) -> Result<(String, Spec), Refusal> {
    let root = Element::parse(body).map_err(Refusal::malformed)?;
    if root.name != "CreateJobRequest" {
        return Err(Refusal::malformed(format!("CreateJobRequest is wanted, not {}", root.name)));
    }
    let token = wanted(&root, "ClientRequestToken")?;
    if token.len() > 64 {
        return Err(Refusal::bad("ClientRequestToken has at most 64 characters"));
    }
    if root.child("ManifestGenerator").is_some() {
        return Err(Refusal::not_implemented("ManifestGenerator is not simulated; write a manifest"));
    }
    let priority = wanted(&root, "Priority")?;
    let priority = priority.parse().ok().filter(|p| *p <= PRIORITY_MAX);
    let priority = priority.ok_or_else(|| Refusal::bad("Priority is a whole number from 0"))?;
    let role = wanted(&root, "RoleArn")?;
    let role_of_account = role.split(':').nth(4) == Some(account) && role.contains(":role/");
    if !role.starts_with("arn:aws") || !role_of_account {
        return Err(Refusal::bad(format!("RoleArn `{role}` is no role of the account {account}")));
    }
    let description = root.text_of("Description").map(str::to_string);
    if description.as_ref().is_some_and(|text| text.chars().count() > 256) {
        return Err(Refusal::bad("Description has at most 256 characters"));
    }
    let spec = Spec {
        operation: operation(child(&root, "Operation")?)?,
        manifest: manifest(child(&root, "Manifest")?)?,
        report: report(child(&root, "Report")?)?,
        priority,
        role: role.to_string(),
        description,
        confirmation_required: root.text_of("ConfirmationRequired") == Some("true"),
    };
    Ok((token.to_string(), spec))
}

fn child<'e>(parent: &'e Element, name: &str) -> Result<&'e Element, Refusal> {
    parent.child(name).ok_or_else(|| Refusal::bad(format!("{name} is missing in {}", parent.name)))
}

fn wanted<'e>(parent: &'e Element, name: &str) -> Result<&'e str, Refusal> {
    parent.text_of(name).ok_or_else(|| Refusal::bad(format!("{name} is missing in {}", parent.name)))
}

fn operation(element: &Element) -> Result<Operation, Refusal> {
    let [operation] = &element.children[..] else {
        return Err(Refusal::bad("Operation must hold exactly one operation"));
    };
    match operation.name.as_str() {
        "S3InitiateRestoreObject" => {
            let days = match operation.text_of("ExpirationInDays") {
                None => None,
                Some(text) => {
                    let days = text.parse().ok().filter(|days| *days >= 1);
                    Some(days.ok_or_else(|| Refusal::bad("ExpirationInDays must be 1 or more"))?)
                }
            };
            let tier = match wanted(operation, "GlacierJobTier")? {
                "BULK" => Tier::Bulk,
                "STANDARD" => Tier::Standard,
                "EXPEDITED" => {
                    return Err(Refusal::bad("Batch Operations cannot restore with EXPEDITED; take STANDARD or BULK"));
                }
                other => return Err(Refusal::bad(format!("GlacierJobTier `{other}` is neither STANDARD nor BULK"))),
            };
            Ok(Operation::Restore { days, tier })
        }
        "S3ComputeObjectChecksum" => {
            let algorithm = operation.text_of("ChecksumAlgorithm").unwrap_or("CRC64NVME");
            if !ALGORITHMS.contains(&algorithm) {
                return Err(Refusal::bad(format!("ChecksumAlgorithm `{algorithm}` is not known")));
            }
            match operation.text_of("ChecksumType").unwrap_or("FULL_OBJECT") {
                "FULL_OBJECT" => Ok(Operation::Checksum { algorithm: algorithm.to_string() }),
                "COMPOSITE" => Err(Refusal::not_implemented("COMPOSITE checksums are not simulated; take FULL_OBJECT")),
                other => Err(Refusal::bad(format!("ChecksumType `{other}` is not known"))),
            }
        }
        other => Err(Refusal::not_implemented(format!("the operation {other} is not simulated"))),
    }
}

fn manifest(element: &Element) -> Result<Manifest, Refusal> {
    let spec = child(element, "Spec")?;
    match wanted(spec, "Format")? {
        "S3BatchOperations_CSV_20180820" => {}
        "S3InventoryReport_CSV_20161130" => {
            return Err(Refusal::not_implemented("inventory reports as manifests are not simulated"));
        }
        other => return Err(Refusal::bad(format!("the manifest format `{other}` is not known"))),
    }
    let mut fields = Vec::new();
    for member in spec.child("Fields").map(|fields| &fields.children[..]).unwrap_or_default() {
        let known = Field::ALL.iter().find(|(_, name)| *name == member.text());
        let (field, _) = known.ok_or_else(|| Refusal::bad(format!("the field `{}` is not known", member.text())))?;
        if *field != Field::Ignore && fields.contains(field) {
            return Err(Refusal::bad(format!("the field {} stands twice", member.text())));
        }
        fields.push(*field);
    }
    if !fields.contains(&Field::Bucket) || !fields.contains(&Field::Key) {
        return Err(Refusal::bad("the fields of a CSV manifest must name Bucket and Key"));
    }
    let location = child(element, "Location")?;
    let arn = wanted(location, "ObjectArn")?;
    let (bucket, key) = arn
        .strip_prefix("arn:aws:s3:::")
        .and_then(|rest| rest.split_once('/'))
        .filter(|(bucket, key)| !bucket.is_empty() && !key.is_empty())
        .ok_or_else(|| Refusal::bad(format!("ObjectArn `{arn}` is no ARN of an object")))?;
    Ok(Manifest {
        fields,
        arn: arn.to_string(),
        bucket: bucket.to_string(),
        key: key.to_string(),
        version: location.text_of("ObjectVersionId").map(str::to_string),
        etag: wanted(location, "ETag")?.trim_matches('"').to_string(),
    })
}

fn report(element: &Element) -> Result<Option<Report>, Refusal> {
    match wanted(element, "Enabled")? {
        "true" => {}
        "false" => return Ok(None),
        other => return Err(Refusal::bad(format!("Enabled is true or false, not `{other}`"))),
    }
    let format = wanted(element, "Format")?;
    if format != "Report_CSV_20180820" {
        return Err(Refusal::bad(format!("the report format `{format}` is not known")));
    }
    let arn = wanted(element, "Bucket")?;
    let bucket = arn.strip_prefix("arn:aws:s3:::").filter(|name| !name.is_empty() && !name.contains('/'));
    let bucket = bucket.ok_or_else(|| Refusal::bad(format!("the report's Bucket `{arn}` is no ARN of a bucket")))?;
    let failed_only = match wanted(element, "ReportScope")? {
        "AllTasks" => false,
        "FailedTasksOnly" => true,
        other => return Err(Refusal::bad(format!("ReportScope `{other}` is not known"))),
    };
    let prefix = element.text_of("Prefix").map(str::to_string);
    Ok(Some(Report { bucket: bucket.to_string(), prefix, failed_only }))
}

/// The parameters of a query, decoded.
pub(super) fn query(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    let decode = |part: &str| percent_decode(part).unwrap_or_else(|| part.to_string());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(k, v)| (decode(k), decode(v))).collect()
}
