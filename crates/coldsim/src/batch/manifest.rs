//! The list of objects a job acts on: a CSV file in a bucket, keys URL-encoded.
//!
//! **Invariant:** one bad line fails the whole job before anything is done, as
//! S3 does it.

use serde::{Deserialize, Serialize};

use super::BatchTarget;
use super::request::{Field, Manifest};

/// One object of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Task {
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) version: Option<String>,
}

/// Fetches and reads the list; an error is code and reason.
pub(super) fn read(manifest: &Manifest, target: &mut dyn BatchTarget) -> Result<Vec<Task>, (&'static str, String)> {
    let found = target.read_object(&manifest.bucket, &manifest.key, manifest.version.as_deref());
    let Some((body, etag)) = found else {
        return Err(("ManifestNotFound", format!("the manifest {} cannot be read", manifest.arn)));
    };
    if etag.trim_matches('"') != manifest.etag {
        let reason = format!("the manifest has the ETag {etag}, not {} as the job says", manifest.etag);
        return Err(("ManifestETagMismatch", reason));
    }
    let bad = |reason: String| ("InvalidManifestContent", reason);
    let text = std::str::from_utf8(&body).map_err(|_| bad("the manifest is not UTF-8".to_string()))?;
    let mut tasks = Vec::new();
    for (number, record) in records(text).into_iter().enumerate() {
        tasks.push(task(&record, &manifest.fields).map_err(|reason| bad(format!("line {}: {reason}", number + 1)))?);
    }
    if tasks.is_empty() {
        return Err(bad("the manifest lists nothing".to_string()));
    }
    Ok(tasks)
}

fn task(record: &[String], fields: &[Field]) -> Result<Task, String> {
    if record.len() != fields.len() {
        return Err(format!("{} columns, but the job names {}", record.len(), fields.len()));
    }
    let column = |wanted: Field| fields.iter().position(|field| *field == wanted).map(|at| record[at].as_str());
    let bucket = column(Field::Bucket).unwrap_or_default();
    let key = column(Field::Key).unwrap_or_default();
    if bucket.is_empty() || key.is_empty() {
        return Err("bucket or key is empty".to_string());
    }
    let key = percent_decode(key).ok_or_else(|| format!("the key `{key}` is not URL-encoded"))?;
    let version = column(Field::VersionId).filter(|version| !version.is_empty());
    Ok(Task { bucket: bucket.to_string(), key, version: version.map(str::to_string) })
}

/// Splits CSV as RFC 4180 has it: quoted fields, doubled quotes, empty lines
/// passed over.
pub(super) fn records(text: &str) -> Vec<Vec<String>> {
    let (mut records, mut record, mut field) = (Vec::new(), Vec::new(), String::new());
    let (mut quoted, mut any) = (false, false);
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' => (quoted, any) = (!quoted, true),
            ',' if !quoted => {
                record.push(std::mem::take(&mut field));
                any = true;
            }
            '\r' if !quoted && characters.peek() == Some(&'\n') => {}
            '\n' if !quoted => {
                if any || !field.is_empty() {
                    record.push(std::mem::take(&mut field));
                    records.push(std::mem::take(&mut record));
                }
                any = false;
            }
            c => field.push(c),
        }
    }
    if any || !field.is_empty() {
        record.push(field);
        records.push(record);
    }
    records
}

/// Decodes a URL-encoded text, `+` as a space; `None` if it is not one.
pub(super) fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match first {
            b'%' => {
                let [high, low, after @ ..] = rest else {
                    return None;
                };
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                bytes.push(u8::try_from(digit(high)? * 16 + digit(low)?).ok()?);
                rest = after;
            }
            b'+' => bytes.push(b' '),
            other => bytes.push(*other),
        }
    }
    String::from_utf8(bytes).ok()
}
