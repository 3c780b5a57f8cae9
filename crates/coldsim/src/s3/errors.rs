//! Errors that carry more than code and message, and notes from operations to the server.
//!
//! `s3s` writes neither other elements into an error nor another status into an answer, so both
//! travel in headers that the server takes off again.

use darkslide_words::StorageClass;
use http::{HeaderMap, HeaderValue};
use s3s::{S3Error, S3ErrorCode, s3_error};

use crate::state::model::Version;

/// More XML for the error's body.
pub(crate) const NOTE_ERROR: &str = "x-coldsim-note-error";
/// The status that the answer is to have.
pub(crate) const NOTE_STATUS: &str = "x-coldsim-note-status";
/// The storage class that the request and the bytes of its answer count for.
pub(crate) const NOTE_CLASS: &str = "x-coldsim-note-class";

/// 403 with the class and the access tier of the object.
pub(crate) fn invalid_object_state(version: &Version) -> S3Error {
    let mut error = s3_error!(InvalidObjectState, "The operation is not valid for the object's storage class");
    let mut more = format!("<StorageClass>{}</StorageClass>", version.class);
    if let Some(status) = version.archive_status() {
        more.push_str(&format!("<AccessTier>{status}</AccessTier>"));
    }
    error.set_headers(noted(NOTE_ERROR, &more));
    error
}

/// A delete marker in the way: 404 or 405 that says so.
pub(crate) fn for_marker(mut error: S3Error, version: &Version) -> S3Error {
    let mut headers = noted("x-amz-delete-marker", "true");
    if let Ok(id) = HeaderValue::from_str(&version.id) {
        headers.insert("x-amz-version-id", id);
    }
    error.set_headers(headers);
    error
}

fn noted(name: &'static str, value: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    // The error's own headers replace all others.
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
    headers
}

/// The note that an answer counts for a class.
pub(crate) fn class_note(headers: &mut HeaderMap, class: &StorageClass) {
    if let Ok(value) = HeaderValue::from_str(class.as_str()) {
        headers.insert(NOTE_CLASS, value);
    }
}

/// An error that `s3s` has no name for.
pub(crate) fn custom(status: http::StatusCode, code: &'static str, message: impl Into<String>) -> S3Error {
    let mut error = S3Error::with_message(S3ErrorCode::Custom(code.into()), message.into());
    error.set_status_code(status);
    error
}

/// Code and message of S3 for what the simulator's own files refuse.
pub(crate) fn storage_failed(error: std::io::Error) -> S3Error {
    s3_error!(error, InternalError, "the simulator cannot read or write its files")
}
