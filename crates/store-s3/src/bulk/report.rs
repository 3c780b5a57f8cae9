//! A job's report: an index in JSON that names CSV files, one row an object.
//!
//! Columns are found by the index's own schema, but for one thing: the schema puts
//! the error's code before the HTTP status, the rows of real reports (and of the
//! examples in the S3 user guide) have them the other way round. A row that was not asked for is
//! counted, an object without a row is [`BulkOutcome::Unreported`]: nothing is
//! taken for done that the report does not say.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use darkslide_words::ObjectName;
use serde::Deserialize;

use crate::percent::{Plus, decode};

/// What became of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BulkOutcome {
    /// Its thaw has begun.
    Done,
    /// Its CRC64NVME, computed where it lies.
    Checksum(u64),
    /// A thaw was under way already.
    InProgress,
    /// Nothing to thaw: it can be read.
    NotCold,
    /// No such object.
    Missing,
    /// It was refused.
    Failed {
        /// The error's code.
        code: String,
        /// The service's words.
        message: String,
    },
    /// The report does not name it.
    Unreported,
}

/// What a report says beside what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unasked {
    /// Rows about objects that were not in the job.
    pub rows: u64,
}

/// A file of the report.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Part {
    pub(super) bucket: String,
    pub(super) key: String,
}

/// The index of a report.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Index {
    format: String,
    results: Vec<Part>,
    report_schema: String,
}

/// One row, its fields found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Row {
    bucket: String,
    key: String,
    succeeded: bool,
    code: String,
    status: String,
    message: String,
}

impl Index {
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let index: Self = serde_json::from_str(text).map_err(|e| format!("the report's index cannot be read: {e}"))?;
        match index.format.as_str() {
            "Report_CSV_20180820" => Ok(index),
            other => Err(format!("the report has the unknown format {other:.40}")),
        }
    }

    pub(super) fn parts(&self) -> &[Part] {
        &self.results
    }

    /// The rows of one file.
    pub(super) fn rows(&self, csv: &str) -> Result<Vec<Row>, String> {
        let columns: Vec<&str> = self.report_schema.split(',').map(str::trim).collect();
        let at = |name: &str| columns.iter().position(|column| *column == name);
        let needed = |name: &str| at(name).ok_or_else(|| format!("the report has no column {name}"));
        let (bucket, key, task) = (needed("Bucket")?, needed("Key")?, needed("TaskStatus")?);
        let (code, status, message) = (at("ErrorCode"), at("HTTPStatusCode"), at("ResultMessage"));
        let mut rows = Vec::new();
        for row in fields(csv)? {
            let field = |column: Option<usize>| column.and_then(|at| row.get(at)).cloned().unwrap_or_default();
            if row.len() <= bucket.max(key).max(task) {
                return Err("the report has a row that is too short".into());
            }
            let (mut code, mut status) = (field(code), field(status));
            let is_status = |text: &str| text.len() == 3 && text.bytes().all(|b| b.is_ascii_digit());
            if is_status(&code) && !is_status(&status) {
                std::mem::swap(&mut code, &mut status);
            }
            rows.push(Row {
                bucket: field(Some(bucket)),
                key: decode(&row[key], Plus::Plus).unwrap_or_else(|| row[key].clone()),
                succeeded: row[task] == "succeeded",
                code,
                status,
                message: field(message),
            });
        }
        Ok(rows)
    }
}

/// The fields of CSV (RFC 4180): quoted ones may hold commas, lines and `""`.
pub(super) fn fields(csv: &str) -> Result<Vec<Vec<String>>, String> {
    let mut rows = Vec::new();
    let mut row: Vec<String> = Vec::new();
    let mut field = String::new();
    let mut quoted = false;
    let mut chars = csv.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' if quoted || field.is_empty() => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut field)),
            '\r' if !quoted && chars.peek() == Some(&'\n') => {}
            '\n' if !quoted => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            other => field.push(other),
        }
    }
    if quoted {
        return Err("the report breaks off inside a field".into());
    }
    if !field.is_empty() || !row.is_empty() {
        row.push(field);
        rows.push(row);
    }
    rows.retain(|row| row.iter().any(|field| !field.is_empty()));
    Ok(rows)
}

/// The objects of ours that the rows name, each once.
pub(super) fn names(bucket: &str, prefix: &str, rows: &[Row]) -> Vec<ObjectName> {
    let ours = |row: &Row| row.key.strip_prefix(prefix).filter(|_| row.bucket == bucket).map(str::to_string);
    let mut names: Vec<ObjectName> = rows.iter().filter_map(ours).filter_map(|n| ObjectName::new(n).ok()).collect();
    names.sort();
    names.dedup();
    names
}

/// Lays the rows against what was asked for.
pub(super) fn reconcile(
    bucket: &str,
    prefix: &str,
    names: &[ObjectName],
    rows: &[Row],
) -> (Vec<(ObjectName, BulkOutcome)>, Unasked) {
    let mut said: HashMap<&str, &Row> = HashMap::new();
    let mut unasked = Unasked::default();
    for row in rows {
        match row.key.strip_prefix(prefix).filter(|_| row.bucket == bucket) {
            // A task may have been tried twice: that it went well once is what counts.
            Some(name) if said.get(name).is_some_and(|earlier| earlier.succeeded) => {}
            Some(name) => {
                said.insert(name, row);
            }
            None => unasked.rows += 1,
        }
    }
    let outcomes: Vec<_> = names
        .iter()
        .map(|name| {
            let row = said.remove(name.as_str());
            (name.clone(), row.map_or(BulkOutcome::Unreported, outcome))
        })
        .collect();
    unasked.rows += said.len() as u64;
    (outcomes, unasked)
}

fn outcome(row: &Row) -> BulkOutcome {
    if row.succeeded {
        return checksum(&row.message).map_or(BulkOutcome::Done, BulkOutcome::Checksum);
    }
    let is = |code: &str| row.code.contains(code) || row.message.contains(code);
    if is("RestoreAlreadyInProgress") {
        BulkOutcome::InProgress
    } else if is("ObjectAlreadyInActiveTier") || is("InvalidObjectState") {
        BulkOutcome::NotCold
    } else if is("NoSuchKey") || row.status == "404" {
        BulkOutcome::Missing
    } else {
        let code = if row.code.is_empty() { &row.status } else { &row.code };
        BulkOutcome::Failed { code: code.clone(), message: row.message.clone() }
    }
}

/// The CRC64NVME in the message of a checksum task, which is JSON. Its keys are
/// not laid down in one place, so any that name the value as base64 or in
/// hexadecimal count; another algorithm does not.
fn checksum(message: &str) -> Option<u64> {
    let json: serde_json::Map<String, serde_json::Value> = serde_json::from_str(message).ok()?;
    let plain = |key: &str| key.replace('_', "").to_ascii_lowercase();
    let text = |wanted: &[&str]| {
        json.iter().find(|(key, _)| wanted.contains(&plain(key).as_str())).and_then(|(_, value)| value.as_str())
    };
    if text(&["checksumalgorithm"]).is_some_and(|algorithm| !algorithm.eq_ignore_ascii_case("CRC64NVME")) {
        return None;
    }
    if let Some(hex) = text(&["checksumhex"]) {
        return u64::from_str_radix(hex, 16).ok().filter(|_| hex.len() == 16);
    }
    let base64 = text(&["checksumbase64", "checksumcrc64nvme", "checksum"])?;
    Some(u64::from_be_bytes(BASE64.decode(base64).ok()?.try_into().ok()?))
}

#[cfg(test)]
#[path = "report/tests.rs"]
mod tests;
