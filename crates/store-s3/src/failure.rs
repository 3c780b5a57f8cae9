//! What a failed call tells: whether to repeat it, and what to say to the user.
//!
//! The server's answers are read here once, from the status, the error code, the
//! headers and the XML; everything else asks this.

use std::error::Error;
use std::io;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use darkslide_store::StoreError;
use darkslide_words::ObjectName;

/// How far a call came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The server answered, and refused.
    Refused,
    /// No answer: the connection was never made, broke, or was too slow.
    NoAnswer,
    /// The server's certificate is not trusted.
    Untrusted,
    /// There was nothing to sign with.
    NoCredentials,
    /// The request could not be made, or the answer not be understood.
    Unreadable,
}

/// One failed call.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    /// HTTP status.
    pub(crate) status: u16,
    /// S3's error code; empty if none came.
    pub(crate) code: String,
    /// The server's or the system's words.
    pub(crate) message: String,
    /// The region that the server names as the right one.
    pub(crate) region: Option<String>,
    /// The storage class that the error names.
    pub(crate) class: Option<String>,
    /// The object's size, where a range did not fit.
    pub(crate) size: Option<u64>,
    /// Our clock and the server's, where they differ too much.
    pub(crate) clocks: Option<(String, String)>,
}

/// A failed call.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    pub(crate) facts: Box<Facts>,
}

/// Codes that mean "not now".
const LATER: [&str; 15] = [
    "SlowDown",
    "SlowDownRead",
    "SlowDownWrite",
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottled",
    "RequestThrottledException",
    "RequestLimitExceeded",
    "TooManyRequests",
    "TooManyRequestsException",
    "BandwidthLimitExceeded",
    "LimitExceededException",
    "PriorRequestNotComplete",
    "Busy",
];

/// Codes that are worth another attempt whatever their status.
const AGAIN: [&str; 7] = [
    "RequestTimeout",
    "RequestTimeoutException",
    "InternalError",
    "InternalFailure",
    "ServiceUnavailable",
    "OperationAborted",
    "ConditionalRequestConflict",
];

/// Codes for bytes that arrived different from what their checksum says.
const DAMAGED: [&str; 4] =
    ["BadDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch", "ChecksumMismatch"];

impl Failure {
    /// A call that the store itself gave up.
    pub(crate) fn no_answer(message: impl Into<String>) -> Self {
        Self { kind: Kind::NoAnswer, facts: Box::new(Facts { message: message.into(), ..Facts::default() }) }
    }

    /// An answer that makes no sense.
    pub(crate) fn unreadable(message: impl Into<String>) -> Self {
        Self { kind: Kind::Unreadable, facts: Box::new(Facts { message: message.into(), ..Facts::default() }) }
    }

    pub(crate) fn status(&self) -> u16 {
        self.facts.status
    }

    pub(crate) fn is(&self, code: &str) -> bool {
        self.facts.code == code
    }

    /// True if the server asks for fewer requests.
    pub(crate) fn is_throttling(&self) -> bool {
        self.kind == Kind::Refused && (self.status() == 429 || LATER.contains(&self.facts.code.as_str()))
    }

    /// True if the same call may go well in a moment.
    pub(crate) fn is_worth_repeating(&self) -> bool {
        match self.kind {
            Kind::NoAnswer => true,
            Kind::Refused if self.is("GlacierExpeditedRetrievalNotAvailable") => false,
            Kind::Refused => {
                let server = (500..600).contains(&self.status()) && !matches!(self.status(), 501 | 505 | 507);
                server || self.is_throttling() || AGAIN.contains(&self.facts.code.as_str())
            }
            Kind::Untrusted | Kind::NoCredentials | Kind::Unreadable => false,
        }
    }

    /// True if the object is not there.
    pub(crate) fn is_missing(&self) -> bool {
        self.is("NoSuchKey") || self.is("NoSuchVersion") || self.is("NotFound") || self.is_bare(404)
    }

    /// True if the name exists already.
    pub(crate) fn is_taken(&self) -> bool {
        self.is("PreconditionFailed") || self.is_bare(412)
    }

    /// True if the server does not know the operation.
    pub(crate) fn is_not_offered(&self) -> bool {
        self.status() == 501 || self.is("NotImplemented") || self.is("MethodNotAllowed") || self.is_bare(405)
    }

    /// True if these credentials may not do it.
    pub(crate) fn is_denied(&self) -> bool {
        matches!(self.facts.code.as_str(), "AccessDenied" | "AccessDeniedException" | "AllAccessDisabled")
            || self.is_bare(403)
    }

    /// True if the range lies beyond the end.
    pub(crate) fn is_beyond_the_end(&self) -> bool {
        self.is("InvalidRange") || self.is_bare(416)
    }

    /// True if the bytes that arrived are not those that were sent.
    pub(crate) fn is_damaged(&self) -> bool {
        let wrong_header = self.is("InvalidRequest") && self.facts.message.contains("x-amz-checksum");
        DAMAGED.contains(&self.facts.code.as_str()) || wrong_header
    }

    /// True for a status without a code: HEAD answers have no body.
    fn is_bare(&self, status: u16) -> bool {
        self.kind == Kind::Refused && self.status() == status && self.facts.code.is_empty()
    }

    fn said(&self) -> String {
        let Facts { status, code, message, .. } = &*self.facts;
        match (self.kind, code.as_str(), message.as_str()) {
            (Kind::Refused, "", "") => format!("HTTP status {status}"),
            (Kind::Refused, "", message) => format!("HTTP status {status}: {message}"),
            (Kind::Refused, code, "") => code.to_string(),
            (Kind::Refused, code, message) => format!("{code}: {message}"),
            (_, _, message) => message.to_string(),
        }
    }

    /// As an error of the store `label`, which was doing `what`.
    pub(crate) fn error(&self, label: &str, what: &str, name: Option<&ObjectName>) -> StoreError {
        let store = label.to_string();
        if let Some((why, advice)) = self.setup() {
            return StoreError::Setup { store, why, advice };
        }
        let source = io::Error::other(self.said());
        let thing = || name.map_or_else(|| label.to_string(), ObjectName::to_string);
        match self.kind {
            Kind::NoAnswer => StoreError::Unreachable { store, source },
            _ if self.is_denied() => StoreError::Denied { store, name: thing(), source },
            _ if self.is_throttling() || self.is("ServiceUnavailable") || self.is_bare(503) => {
                StoreError::Busy { store, what: what.into() }
            }
            _ => match name.cloned() {
                Some(name) if self.is_missing() => StoreError::Missing { name },
                Some(name) if self.is_damaged() => StoreError::Corrupted { store, name },
                Some(name) if self.is_full() => StoreError::Full { store, name },
                _ => StoreError::Io { store, what: what.into(), source },
            },
        }
    }

    fn is_full(&self) -> bool {
        self.status() == 507 || matches!(self.facts.code.as_str(), "QuotaExceeded" | "XMinioStorageFull")
    }

    /// What is wrong with the way to the store and what to do, if it is that.
    fn setup(&self) -> Option<(String, String)> {
        let said = self.said();
        match self.kind {
            Kind::NoCredentials => {
                return Some((
                    format!("has nobody to speak for: no AWS credentials were found ({said})"),
                    "looked in the profile of the store if it names one, otherwise in AWS_ACCESS_KEY_ID and \
                 AWS_SECRET_ACCESS_KEY, the shared credentials and config files, web identity, container and \
                 instance roles; give it one of these"
                        .into(),
                ));
            }
            Kind::Untrusted => {
                return Some((
                    format!("shows a certificate that this machine does not trust ({said})"),
                    "check the endpoint's name and this machine's clock, or install the server's certificate authority"
                        .into(),
                ));
            }
            Kind::NoAnswer | Kind::Unreadable => return None,
            Kind::Refused => {}
        }
        self.wrong_region().or_else(|| self.wrong_credentials()).or_else(|| self.wrong_request())
    }

    fn wrong_region(&self) -> Option<(String, String)> {
        let moved = matches!(
            self.facts.code.as_str(),
            "PermanentRedirect"
                | "TemporaryRedirect"
                | "AuthorizationHeaderMalformed"
                | "IllegalLocationConstraintException"
        );
        let named = self.facts.region.as_deref();
        let bare = matches!(self.status(), 301 | 307) || (self.is_bare(400) && named.is_some());
        if !moved && !bare {
            return None;
        }
        Some(match named {
            Some(region) => (
                format!("lies in the region {region}, not in the one that is set"),
                format!("set `region = \"{region}\"` for this store"),
            ),
            None => (
                format!("lies in another region than the one that is set ({})", self.said()),
                "set the bucket's own region; the S3 console shows it beside the bucket's name".into(),
            ),
        })
    }

    fn wrong_credentials(&self) -> Option<(String, String)> {
        let (why, advice) = match self.facts.code.as_str() {
            "RequestTimeTooSkewed" | "RequestExpired" | "RequestInTheFuture" => {
                let clocks = match &self.facts.clocks {
                    Some((ours, theirs)) => format!("this machine says {ours}, the server {theirs}"),
                    None => self.said(),
                };
                (
                    format!("refuses the request because the clocks differ too much: {clocks}"),
                    "set this machine's clock, best through NTP",
                )
            }
            "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" => (
                "says that the credentials have expired".into(),
                "sign in again (for instance `aws sso login`) or renew the session token",
            ),
            "InvalidAccessKeyId" | "InvalidClientTokenId" | "UnrecognizedClientException" => (
                "does not know the access key".into(),
                "check that the key exists, is active, and belongs to this account and server",
            ),
            "InvalidToken" | "InvalidSecurity" => (
                "does not accept the session token".into(),
                "remove AWS_SESSION_TOKEN if the key is a permanent one, or renew both together",
            ),
            "SignatureDoesNotMatch" | "InvalidSignatureException" | "IncompleteSignature" => (
                "says that the request is signed wrongly".into(),
                "check the secret access key, then the clock; proxies that rewrite requests do this, too",
            ),
            "NotSignedUp" | "AccountProblem" | "OptInRequired" | "InvalidPayer" => (
                format!("cannot be used with this account ({})", self.said()),
                "look at the account's state in the AWS console",
            ),
            _ => return None,
        };
        Some((why, advice.into()))
    }

    fn wrong_request(&self) -> Option<(String, String)> {
        let (why, advice) = match self.facts.code.as_str() {
            "NoSuchBucket" => ("does not exist".into(), "check the bucket's name and region, or create it"),
            "InvalidBucketName" => ("has no valid bucket name".into(), "check the bucket's name"),
            "KMS.DisabledException" | "KMS.NotFoundException" | "KMSDisabledException" => (
                format!("encrypts with a key that cannot be used ({})", self.said()),
                "look at the bucket's default encryption and its KMS key",
            ),
            "InvalidStorageClass" => (
                format!("does not offer the storage class ({})", self.said()),
                "set `cold`, `warm` and `hot` to classes that this server offers",
            ),
            _ if self.is_damaged() || self.is_full() => return None,
            _ if self.is_not_offered() => (
                format!("does not offer what is needed ({})", self.said()),
                "run `darkslide store check` on it, and set what that says",
            ),
            // Whatever else the server calls our mistake will stay one.
            "" | "NoSuchKey" | "NoSuchVersion" | "NotFound" | "AccessDenied" | "PreconditionFailed" => return None,
            _ if self.status() == 400 && !self.is_worth_repeating() => {
                let old = self.facts.message.contains("STREAMING-") || self.is("XAmzContentSHA256Mismatch");
                let advice = match old {
                    true => "older servers refuse the newer checksums: set `checksums = \"required\"` for this store",
                    false => "run `darkslide store check` on it; older servers need `checksums = \"required\"`",
                };
                (format!("refuses the request ({})", self.said()), advice)
            }
            _ => return None,
        };
        Some((why, advice.into()))
    }
}

/// The text of the first element of that name; enough for S3's flat errors.
pub(crate) fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(text.trim()).filter(|text| !text.is_empty() && text.len() <= 200)
}

/// What stands in an answer that refuses.
pub(crate) fn read_answer(status: u16, header: &dyn Fn(&str) -> Option<String>, body: &str) -> Facts {
    let text = |name| element(body, name).map(str::to_string);
    // `bytes */1234`, or S3's own words for it.
    let beyond = header("content-range").and_then(|range| range.rsplit_once('/')?.1.parse().ok());
    let clocks = match (text("RequestTime"), text("ServerTime").or_else(|| header("date"))) {
        (Some(ours), Some(theirs)) => Some((ours, theirs)),
        _ => None,
    };
    Facts {
        status,
        code: text("Code").unwrap_or_default(),
        message: text("Message").unwrap_or_default(),
        region: header("x-amz-bucket-region").or_else(|| text("Region")),
        class: text("StorageClass"),
        size: beyond.or_else(|| text("ActualObjectSize")?.parse().ok()),
        clocks,
    }
}

/// The words of an error and of all that caused it.
fn chain(error: &(dyn Error + 'static)) -> String {
    // The SDK's own words only say which of its layers speaks.
    let mut words = Vec::new();
    let mut next = Some(error);
    while let Some(cause) = next {
        let text = cause.to_string();
        let layer =
            matches!(text.as_str(), "dispatch failure" | "service error" | "unhandled error" | "io error" | "other");
        if !layer && !words.contains(&text) {
            words.push(text);
        }
        next = cause.source();
    }
    if words.is_empty() { error.to_string() } else { words.join(": ") }
}

impl<E> From<SdkError<E, HttpResponse>> for Failure
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        if let Some(raw) = error.raw_response() {
            let header = |name: &str| raw.headers().get(name).map(str::to_string);
            let body = raw.body().bytes().map(String::from_utf8_lossy).unwrap_or_default();
            let mut facts = read_answer(raw.status().as_u16(), &header, &body);
            let refused = raw.status().is_client_error() || raw.status().is_server_error() || facts.status / 100 == 3;
            if let Some(service) = error.as_service_error() {
                let meta = service.meta();
                facts.code = meta.code().map_or(facts.code, |code| code.rsplit('#').next().unwrap_or(code).to_string());
                facts.message = meta.message().map_or(facts.message, str::to_string);
            }
            if refused {
                return Self { kind: Kind::Refused, facts: Box::new(facts) };
            }
            return Self::unreadable(chain(&error));
        }
        let message = chain(&error);
        let debug = format!("{error:?}");
        let kind = match &error {
            _ if debug.contains("CredentialsError") || debug.contains("CredentialsNotLoaded") => Kind::NoCredentials,
            _ if message.contains("certificate") => Kind::Untrusted,
            SdkError::TimeoutError(_) => Kind::NoAnswer,
            SdkError::DispatchFailure(dispatch) if !dispatch.is_user() => Kind::NoAnswer,
            SdkError::ResponseError(_) => Kind::NoAnswer,
            _ => Kind::Unreadable,
        };
        Self { kind, facts: Box::new(Facts { message, ..Facts::default() }) }
    }
}

#[cfg(test)]
#[path = "failure/tests.rs"]
mod tests;
