//! The completion report of a job: CSV files of results, and a `manifest.json`
//! that names them.
//!
//! The schema that S3 writes into `manifest.json` has `ErrorCode` before
//! `HTTPStatusCode`; the lines that S3 writes have them the other way round, in
//! the examples of its documentation as in reports of real jobs. Both are
//! written here as S3 does it, so that a reader has to cope.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use darkslide_words::Time;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::manifest::Task;
use super::{BatchTarget, Job, ObjectChecksum};
use crate::queue::instant;

/// What became of one task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Outcome {
    /// `None` if it succeeded.
    pub(super) error: Option<String>,
    pub(super) status: u16,
    pub(super) message: String,
}

/// The result message of a computed checksum, with `=` written as S3 does.
pub(super) fn checksum_message(algorithm: &str, sum: &ObjectChecksum) -> String {
    let hex = BASE64.decode(&sum.base64).map(hex::encode_upper).unwrap_or_default();
    let base64 = sum.base64.replace('=', "\\u003d");
    format!(
        "{{\"checksum_base64\":\"{base64}\",\"etag\":\"{}\",\"checksumAlgorithm\":\"{algorithm}\",\
         \"checksumType\":\"FULL_OBJECT\",\"checksum_hex\":\"{hex}\"}}",
        sum.etag
    )
}

/// Writes the report the job asked for; false if it cannot be written.
pub(super) fn write(job: &Job, at: Time, target: &mut dyn BatchTarget) -> bool {
    let Some(report) = &job.spec.report else {
        return true;
    };
    let folder = match &report.prefix {
        Some(prefix) => format!("{prefix}/job-{}", job.id),
        None => format!("job-{}", job.id),
    };
    let mut results: Vec<Value> = Vec::new();
    for (name, failed) in [("succeeded", false), ("failed", true)] {
        if report.failed_only && !failed {
            continue;
        }
        let pairs = job.tasks.iter().zip(&job.outcomes);
        let csv: String =
            pairs.filter(|(_, o)| o.error.is_some() == failed).map(|(task, outcome)| line(task, outcome)).collect();
        if csv.is_empty() {
            continue;
        }
        let sum = hex::encode(Md5::digest(csv.as_bytes()));
        let key = format!("{folder}/results/{}.csv", hex::encode(Md5::digest(format!("{} {name}", job.id).as_bytes())));
        if !target.write_object(&report.bucket, &key, csv.into_bytes()) {
            return false;
        }
        results.push(json!({
            "TaskExecutionStatus": name, "Bucket": report.bucket, "MD5Checksum": sum, "Key": key
        }));
    }
    let manifest = json!({
        "Format": "Report_CSV_20180820",
        "ReportCreationDate": instant(at),
        "Results": results,
        "ReportSchema": "Bucket, Key, VersionId, TaskStatus, ErrorCode, HTTPStatusCode, ResultMessage",
    });
    target.write_object(&report.bucket, &format!("{folder}/manifest.json"), manifest.to_string().into_bytes())
}

fn line(task: &Task, outcome: &Outcome) -> String {
    let status = if outcome.error.is_some() { "failed" } else { "succeeded" };
    let code = outcome.status.to_string();
    let columns = [
        task.bucket.as_str(),
        &encode(&task.key),
        task.version.as_deref().unwrap_or_default(),
        status,
        &code,
        outcome.error.as_deref().unwrap_or_default(),
        &outcome.message,
    ];
    columns.map(quoted).join(",") + "\r\n"
}

pub(super) fn quoted(field: &str) -> String {
    if field.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_string()
    }
}

/// URL-encodes a key as the manifest has it.
pub(super) fn encode(key: &str) -> String {
    let mut encoded = String::new();
    for byte in key.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => encoded.push(byte as char),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
