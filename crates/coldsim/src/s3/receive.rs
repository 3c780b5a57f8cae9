//! A body on its way in: written to a blob while it is hashed, then held against everything the
//! client declared of it.

use futures::StreamExt;
use http::{HeaderMap, StatusCode};
use s3s::dto::StreamingBlob;
use s3s::{S3Error, S3Result, TrailingHeaders, s3_error};

use super::errors::{custom, storage_failed};
use crate::blobs::{Blobs, Segment};
use crate::state::uploads::decode_md5;
use crate::sums::{Algorithm, Cover, Digests, Hasher, Sum};

/// The largest body of one request: 5 GiB.
const BODY_BYTES_MAX: u64 = 5 << 30;

/// A body that arrived whole.
pub(crate) struct Received {
    pub segment: Segment,
    pub digests: Digests,
    /// The checksum that the client declared.
    pub declared: Option<Sum>,
}

/// What a client may declare of a body.
struct Declared {
    algorithm: Option<Algorithm>,
    value: Option<String>,
    in_trailer: bool,
    md5: Option<[u8; 16]>,
    length: Option<u64>,
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

impl Declared {
    fn of(headers: &HeaderMap) -> S3Result<Self> {
        let md5 = match header(headers, "content-md5") {
            None => None,
            Some(text) => {
                let md5 = decode_md5(text);
                Some(md5.ok_or_else(|| s3_error!(InvalidDigest, "The Content-MD5 you specified is not valid."))?)
            }
        };
        let length = header(headers, "x-amz-decoded-content-length").or(header(headers, "content-length"));
        let length = length.and_then(|text| text.parse().ok());
        let mut found = Self { algorithm: None, value: None, in_trailer: false, md5, length };
        for name in headers.keys().filter_map(|name| name.as_str().strip_prefix("x-amz-checksum-")) {
            if matches!(name, "algorithm" | "mode" | "type") {
                continue;
            }
            let unknown = || s3_error!(NotImplemented, "the checksum x-amz-checksum-{name} is not simulated");
            let algorithm = Algorithm::from_name(name).ok_or_else(unknown)?;
            if found.algorithm.is_some() {
                return Err(s3_error!(InvalidRequest, "Expecting a single x-amz-checksum- header."));
            }
            found.algorithm = Some(algorithm);
            found.value = header(headers, &algorithm.header()).map(str::to_string);
        }
        let trailer = header(headers, "x-amz-trailer").and_then(|name| name.strip_prefix("x-amz-checksum-"));
        if let Some(algorithm) = trailer.and_then(Algorithm::from_name) {
            found.algorithm = Some(algorithm);
            found.in_trailer = true;
        }
        if found.algorithm.is_none()
            && let Some(name) = header(headers, "x-amz-sdk-checksum-algorithm")
        {
            found.algorithm = Algorithm::from_name(name);
        }
        Ok(found)
    }

    /// The declared checksum, once the trailer has come.
    fn sum(&self, trailers: Option<&TrailingHeaders>) -> S3Result<Option<(Algorithm, String)>> {
        let Some(algorithm) = self.algorithm else { return Ok(None) };
        let mut value = self.value.clone();
        if self.in_trailer {
            let name = algorithm.header();
            value = trailers.and_then(|t| t.read(|headers| header(headers, &name).map(str::to_string))).flatten();
            if value.is_none() {
                return Err(custom(
                    StatusCode::BAD_REQUEST,
                    "MalformedTrailerError",
                    format!("the trailer {name} was announced and did not come"),
                ));
            }
        }
        let Some(value) = value else { return Ok(None) };
        if !algorithm.is_wellformed(&value) {
            return Err(s3_error!(InvalidRequest, "Value for {} header is invalid.", algorithm.header()));
        }
        Ok(Some((algorithm, value)))
    }
}

/// Takes a body in; whatever is wrong with it, nothing of it stays.
pub(crate) async fn receive(
    blobs: &Blobs,
    headers: &HeaderMap,
    body: Option<StreamingBlob>,
    trailers: Option<&TrailingHeaders>,
) -> S3Result<Received> {
    let declared = Declared::of(headers)?;
    let mut hasher = Hasher::new(declared.algorithm.as_slice());
    let mut writer = blobs.create().map_err(storage_failed)?;
    let mut length = 0_u64;
    if let Some(mut body) = body {
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(cut_short)?;
            length += piece.len() as u64;
            if length > BODY_BYTES_MAX {
                return Err(s3_error!(EntityTooLarge, "Your proposed upload exceeds the maximum allowed size"));
            }
            hasher.update(&piece);
            writer.write(&piece).map_err(storage_failed)?;
        }
    }
    if declared.length.is_some_and(|expected| expected != length) {
        return Err(s3_error!(IncompleteBody, "{length} bytes came, the headers announce another number"));
    }
    let digests = hasher.finish();
    if declared.md5.is_some_and(|md5| md5 != digests.md5) {
        return Err(s3_error!(BadDigest, "The Content-MD5 you specified did not match what we received."));
    }
    let sum = declared.sum(trailers)?;
    if let Some((algorithm, value)) = &sum
        && digests.get(*algorithm) != Some(value)
    {
        let name = algorithm.name();
        return Err(s3_error!(BadDigest, "The {name} you specified did not match the calculated checksum."));
    }
    // An algorithm named without a value: S3 computes it itself.
    let declared = match (sum, declared.algorithm) {
        (Some((algorithm, value)), _) => Some((algorithm, value)),
        (None, Some(algorithm)) => digests.get(algorithm).map(|value| (algorithm, value.to_string())),
        (None, None) => None,
    };
    let declared = declared.map(|(algorithm, value)| Sum { algorithm, value, cover: Cover::FullObject });
    Ok(Received { segment: writer.finish().map_err(storage_failed)?, digests, declared })
}

impl Received {
    /// The checksum to keep: the declared one, or CRC64NVME.
    pub fn sum(&self) -> Option<Sum> {
        let algorithm = Algorithm::Crc64Nvme;
        let own = self.digests.get(algorithm);
        let own = own.map(|value| Sum { algorithm, value: value.to_string(), cover: Cover::FullObject });
        self.declared.clone().or(own)
    }
}

/// A body that broke off, or whose chunks are signed or framed wrongly.
fn cut_short(error: Box<dyn std::error::Error + Send + Sync>) -> S3Error {
    let text = error.to_string();
    if text.to_ascii_lowercase().contains("signature") {
        return s3_error!(SignatureDoesNotMatch, "a chunk or the trailer is signed wrongly: {text}");
    }
    if text.to_ascii_lowercase().contains("sha256") || text.contains("hash") {
        return custom(StatusCode::BAD_REQUEST, "XAmzContentSHA256Mismatch", text);
    }
    s3_error!(IncompleteBody, "the body ended early: {text}")
}
