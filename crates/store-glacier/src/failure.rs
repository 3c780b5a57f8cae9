//! What a failed call tells: whether to repeat it, and what to say to the user. The service's
//! answers are read here once; everything else asks this.

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
    /// The service answered, and refused.
    Refused,
    /// No answer: the connection was never made, broke, or was too slow.
    NoAnswer,
    /// There was nothing to sign with.
    NoCredentials,
    /// The request could not be made, or the answer not be understood.
    Unreadable,
}

/// A failed call.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    status: u16,
    code: String,
    message: String,
}

/// Codes that mean "not now".
const LATER: [&str; 5] =
    ["ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded", "SlowDown"];

/// Codes that are worth another attempt whatever their status.
const AGAIN: [&str; 4] =
    ["RequestTimeoutException", "ServiceUnavailableException", "InternalServerError", "InternalFailure"];

impl Failure {
    pub(crate) fn refused(status: u16, code: &str, message: &str) -> Self {
        Self { kind: Kind::Refused, status, code: code.into(), message: message.into() }
    }

    pub(crate) fn no_answer(message: impl Into<String>) -> Self {
        Self { kind: Kind::NoAnswer, status: 0, code: String::new(), message: message.into() }
    }

    pub(crate) fn unreadable(message: impl Into<String>) -> Self {
        Self { kind: Kind::Unreadable, status: 0, code: String::new(), message: message.into() }
    }

    pub(crate) fn is(&self, code: &str) -> bool {
        self.kind == Kind::Refused && self.code == code
    }

    /// Vault, archive, job or upload: what was named is not there.
    pub(crate) fn is_missing(&self) -> bool {
        self.is("ResourceNotFoundException") || (self.code.is_empty() && self.status == 404)
    }

    /// It is the vault that is not there.
    pub(crate) fn is_vault_missing(&self) -> bool {
        self.is("ResourceNotFoundException") && self.message.to_ascii_lowercase().contains("vault not found")
    }

    /// The account's data retrieval policy refuses it; that costs nothing.
    pub(crate) fn is_policy(&self) -> bool {
        self.is("PolicyEnforcedException")
    }

    /// No capacity for Expedited.
    pub(crate) fn is_no_capacity(&self) -> bool {
        self.is("InsufficientCapacityException")
    }

    pub(crate) fn is_denied(&self) -> bool {
        self.is("AccessDeniedException") || (self.code.is_empty() && self.status == 403)
    }

    pub(crate) fn is_throttling(&self) -> bool {
        self.kind == Kind::Refused && (self.status == 429 || LATER.contains(&self.code.as_str()))
    }

    /// The bytes that arrived are not those that were sent.
    pub(crate) fn is_damaged(&self) -> bool {
        let said = self.message.to_ascii_lowercase();
        let hash = said.contains("checksum") || said.contains("hash");
        self.is("InvalidParameterValueException") && hash && said.contains("match")
    }

    /// True if the service certainly did nothing, and the same call may go well in a moment.
    pub(crate) fn is_harmless(&self) -> bool {
        self.is_throttling()
    }

    /// True if the same call may go well in a moment.
    pub(crate) fn is_worth_repeating(&self) -> bool {
        match self.kind {
            Kind::NoAnswer => true,
            Kind::Refused if self.is_no_capacity() => false,
            Kind::Refused => {
                self.is_throttling()
                    || (500..600).contains(&self.status) && self.status != 501
                    || AGAIN.contains(&self.code.as_str())
            }
            Kind::NoCredentials | Kind::Unreadable => false,
        }
    }

    fn said(&self) -> String {
        match (self.kind, self.code.as_str(), self.message.as_str()) {
            (Kind::Refused, "", "") => format!("HTTP status {}", self.status),
            (Kind::Refused, code, "") => code.to_string(),
            (Kind::Refused, "", message) => message.to_string(),
            (Kind::Refused, code, message) => format!("{code}: {message}"),
            (_, _, message) => message.to_string(),
        }
    }

    /// As an error of the store `label`, which was doing `what`.
    pub(crate) fn error(&self, label: &str, what: &str, name: Option<&ObjectName>) -> StoreError {
        let store = label.to_string();
        if let Some((why, advice)) = self.setup(what) {
            return StoreError::Setup { store, why, advice };
        }
        let source = io::Error::other(self.said());
        let thing = || name.map_or_else(|| label.to_string(), ObjectName::to_string);
        match (self.kind, name) {
            (Kind::NoAnswer, _) => StoreError::Unreachable { store, source },
            _ if self.is_denied() => StoreError::Denied { store, name: thing(), source },
            _ if self.is_throttling() || self.is("ServiceUnavailableException") => {
                StoreError::Busy { store, what: what.into() }
            }
            (_, Some(name)) if self.is_missing() => StoreError::Missing { name: name.clone() },
            (_, Some(name)) if self.is_damaged() => StoreError::Corrupted { store, name: name.clone() },
            _ => StoreError::Io { store, what: what.into(), source },
        }
    }

    /// What is wrong with the way to the vault and what to do, if it is that.
    fn setup(&self, what: &str) -> Option<(String, String)> {
        let said = self.said();
        if self.kind == Kind::NoCredentials {
            let why = format!("has nobody to speak for: no AWS credentials were found ({said})");
            let advice = "name a `profile` for this store, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
            return Some((why, advice.into()));
        }
        if self.kind != Kind::Refused {
            return None;
        }
        let (why, advice) = match self.code.as_str() {
            "NoLongerSupportedException" => (
                "cannot be used with this account: AWS takes no new customers for Glacier vaults since 2025-12-15, and \
                 answers those who keep nothing in one that the service is no longer supported"
                    .to_string(),
                "use a bucket, where the same kind of storage costs the same or less: a [[store]] with \
                 `url = \"s3://BUCKET/PREFIX\"` and `class = \"DEEP_ARCHIVE\"` (or \"GLACIER\", which thaws like a vault). \
                 If there is a vault, check `region` and whose credentials these are",
            ),
            "PolicyEnforcedException" => (
                format!("may not give more at the moment: the account's data retrieval policy holds {what} back ({said})"),
                "nothing was paid for the refusal. `darkslide vault retrieval-policy` shows the policy; it is for the tier \
                 standard only, so bulk and expedited work, or wait an hour",
            ),
            "LimitExceededException" => (
                format!("reached a limit of the service while {what} ({said})"),
                "the message says which: vaults an account may have, tags of a vault (10), size of a policy (20 KB)",
            ),
            "ResourceNotFoundException" if self.is_vault_missing() => (
                "does not exist in this region".into(),
                "check the vault's name and `region`; `darkslide vault list` shows those that exist",
            ),
            "ExpiredTokenException" | "ExpiredToken" => (
                "says that the credentials have expired".into(),
                "sign in again (for instance `aws sso login`) or renew the session token",
            ),
            "UnrecognizedClientException" | "InvalidClientTokenId" | "MissingAuthenticationTokenException" => {
                ("does not know the access key".into(), "check that the key exists, is active, and belongs to this account")
            }
            "InvalidSignatureException" | "SignatureDoesNotMatch" | "IncompleteSignatureException" => (
                format!("says that the request is signed wrongly ({said})"),
                "check the secret access key, the region, then this machine's clock",
            ),
            "RequestExpired" | "RequestTimeTooSkewed" => {
                (format!("refuses the request because the clocks differ ({said})"), "set this machine's clock, best through NTP")
            }
            _ => return None,
        };
        Some((why, advice.into()))
    }
}

/// The words of an error and of all that caused it.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut words = Vec::new();
    let mut next = Some(error);
    while let Some(cause) = next {
        let text = cause.to_string();
        // The SDK's own words only say which of its layers speaks.
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
            let status = raw.status().as_u16();
            if !(raw.status().is_client_error() || raw.status().is_server_error()) {
                return Self::unreadable(chain(&error));
            }
            let meta = error.as_service_error().map(ProvideErrorMetadata::meta);
            let code = meta.and_then(|m| m.code()).unwrap_or_default();
            let message = meta.and_then(|m| m.message()).unwrap_or_default();
            return Self::refused(status, code.rsplit('#').next().unwrap_or(code), message);
        }
        let message = chain(&error);
        let debug = format!("{error:?}");
        let kind = match &error {
            _ if debug.contains("CredentialsError") || debug.contains("CredentialsNotLoaded") => Kind::NoCredentials,
            SdkError::TimeoutError(_) | SdkError::ResponseError(_) => Kind::NoAnswer,
            SdkError::DispatchFailure(dispatch) if !dispatch.is_user() => Kind::NoAnswer,
            _ => Kind::Unreadable,
        };
        Self { kind, status: 0, code: String::new(), message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: &str, message: &str) -> StoreError {
        let name = ObjectName::new("packs/a").unwrap();
        Failure::refused(400, code, message).error("glacier://photos", "uploading packs/a", Some(&name))
    }

    #[test]
    fn a_closed_service_is_answered_with_what_to_use_instead() {
        let text = error("NoLongerSupportedException", "This API is no longer supported").to_string();
        for part in ["no new customers", "s3://BUCKET/PREFIX", "DEEP_ARCHIVE", "glacier://photos"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn every_documented_refusal_says_what_it_is() {
        let setup = |code: &str, said: &str| matches!(error(code, said), StoreError::Setup { .. });
        assert!(setup("PolicyEnforcedException", "x") && setup("LimitExceededException", "x"));
        assert!(
            setup("ResourceNotFoundException", "Vault not found for ARN: arn:x") && setup("ExpiredTokenException", "")
        );
        assert!(setup("UnrecognizedClientException", "") && setup("InvalidSignatureException", ""));
        assert!(matches!(
            error("ResourceNotFoundException", "The archive ID was not found"),
            StoreError::Missing { .. }
        ));
        assert!(matches!(error("AccessDeniedException", "no"), StoreError::Denied { .. }));
        assert!(matches!(error("ThrottlingException", "slow"), StoreError::Busy { .. }));
        assert!(matches!(error("ServiceUnavailableException", ""), StoreError::Busy { .. }));
        assert!(matches!(error("MissingParameterValueException", "x"), StoreError::Io { .. }));
        assert!(matches!(error("InvalidParameterValueException", "x"), StoreError::Io { .. }));
        let damaged = error("InvalidParameterValueException", "Checksum mismatch: expected a but got b");
        assert!(matches!(damaged, StoreError::Corrupted { .. }), "{damaged}");
    }

    #[test]
    fn what_passes_is_repeated_and_what_stays_is_not() {
        let again = |code: &str| Failure::refused(400, code, "").is_worth_repeating();
        assert!(
            again("ThrottlingException") && again("RequestTimeoutException") && again("ServiceUnavailableException")
        );
        for stays in ["PolicyEnforcedException", "InsufficientCapacityException", "NoLongerSupportedException", ""] {
            assert!(!again(stays), "{stays}");
        }
        assert!(Failure::no_answer("cut").is_worth_repeating() && !Failure::no_answer("cut").is_harmless());
        assert!(Failure::refused(500, "", "").is_worth_repeating() && !Failure::refused(500, "", "").is_harmless());
    }
}
