//! Who asks, and whether policies let them: the link between `s3s` and [`crate::iam`].

mod actions;

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{Extensions, HeaderMap};
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::{S3Error, S3Result, s3_error};

use crate::account::Caller;
use crate::iam::{Caps, Decision, PolicyDocument, PolicyError, PrincipalOf, Request, evaluate_capped};
use crate::operation::{self, Named};
use crate::s3::convert::query_pairs;
use crate::sim::Sim;
use crate::state::model::AccessKey;
use crate::state::{ACCOUNT, State};

/// Condition keys and their values.
pub(crate) type Conditions = BTreeMap<String, Vec<String>>;

/// Who signed a request.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    caller: Caller,
    context: Conditions,
    bypass: bool,
}

impl AccessKey {
    pub(crate) fn arn(&self) -> String {
        format!("arn:aws:iam::{ACCOUNT}:user/{}", self.user)
    }
}

impl Caller {
    /// A session's token has to come with its key, and in time.
    pub(crate) fn check_token(&self, sent: Option<&str>, real_now: darkslide_words::Time) -> S3Result<()> {
        if self.token.as_deref() != sent {
            let message = "The provided token is malformed or otherwise invalid.";
            return Err(crate::s3::errors::custom(http::StatusCode::BAD_REQUEST, "InvalidToken", message));
        }
        if self.expires.is_some_and(|expires| expires <= real_now) {
            return Err(s3_error!(ExpiredToken, "The provided token has expired."));
        }
        Ok(())
    }
}

impl Identity {
    /// True if the request's header to bypass governance counts.
    pub fn may_bypass(extensions: &Extensions) -> bool {
        extensions.get::<Self>().is_some_and(|identity| identity.bypass)
    }

    /// Each key of a bulk delete is allowed or refused by itself.
    pub fn may_delete(
        extensions: &Extensions,
        enforce: bool,
        state: &State,
        (bucket, key, version): (&str, &str, Option<&str>),
        headers: &HeaderMap,
    ) -> S3Result<()> {
        if !enforce {
            return Ok(());
        }
        let action = if version.is_some() { "s3:DeleteObjectVersion" } else { "s3:DeleteObject" };
        let resource = format!("arn:aws:s3:::{bucket}/{key}");
        let Some(identity) = extensions.get::<Self>() else {
            let named = Named { operation: "DeleteObject", ..Named::default() };
            return authorize(state, None, bucket, action, &resource, &context_of(state, None, &named, headers));
        };
        authorize(state, Some(&identity.caller), bucket, action, &resource, &identity.context)
    }
}

/// Secrets by access key, for the check of signatures.
pub(crate) struct Keys(pub Arc<Sim>);

#[async_trait::async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        let secret = self.0.with(|state| state.caller(access_key).map(|caller| caller.secret));
        let unknown =
            || s3_error!(InvalidAccessKeyId, "The AWS Access Key Id you provided does not exist in our records.");
        Ok(SecretKey::from(secret.ok_or_else(unknown)?))
    }
}

/// The check of every operation.
pub(crate) struct Policies(pub Arc<Sim>);

#[async_trait::async_trait]
impl S3Access for Policies {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        let mut named =
            operation::name(cx.method(), cx.uri().path(), cx.uri().query().unwrap_or_default(), cx.headers());
        named.bucket = cx.s3_path().get_bucket_name().unwrap_or_default().to_string();
        named.key = cx.s3_path().get_object_key().unwrap_or_default().to_string();
        let access_key = cx.credentials().map(|c| c.access_key.clone());
        let headers = cx.headers().clone();
        let operation = cx.s3_op().name().to_string();
        let real_now = self.0.real_now();
        let identity = self.0.with(|state| {
            let caller = access_key.as_ref().and_then(|id| state.caller(id));
            if let Some(caller) = &caller {
                let header = headers.get("x-amz-security-token").and_then(|v| v.to_str().ok());
                caller.check_token(header.or(named.value("X-Amz-Security-Token")), real_now)?;
                state.used(&caller.key, "s3");
            }
            if !self.0.enforce {
                let caller = caller
                    .ok_or_else(|| s3_error!(AccessDenied, "Anonymous access is forbidden for this operation"))?;
                return Ok(Some(Identity { caller, context: Conditions::new(), bypass: true }));
            }
            check(state, caller, &operation, &named, &headers)
        })?;
        if let Some(identity) = identity {
            cx.extensions_mut().insert(identity);
        }
        Ok(())
    }
}

/// Checks one operation: each of its actions, and what a missing key may reveal.
fn check(
    state: &State,
    caller: Option<Caller>,
    operation: &str,
    named: &Named,
    headers: &HeaderMap,
) -> S3Result<Option<Identity>> {
    let context = context_of(state, caller.as_ref(), named, headers);
    let who = caller.as_ref();
    for (action, resource) in actions::of(operation, named, headers) {
        let bucket = resource.trim_start_matches("arn:aws:s3:::").split('/').next().unwrap_or_default().to_string();
        let decision = on_bucket(state, who, &bucket, &action, &resource, &context)?;
        if decision == Decision::ImplicitDeny && is_own_upload(state, who, operation, named) {
            continue;
        }
        allowed(who, &action, &resource, decision)?;
    }
    let (bucket_arn, object_arn) =
        (format!("arn:aws:s3:::{}", named.bucket), format!("arn:aws:s3:::{}/{}", named.bucket, named.key));
    let reads = matches!(operation, "GetObject" | "HeadObject" | "GetObjectAttributes");
    let there = |bucket: &crate::state::model::Bucket| bucket.version(&named.key, named.value("versionId")).is_some();
    if reads && state.buckets.get(&named.bucket).is_some_and(|bucket| !there(bucket)) {
        // Without the right to list, nobody learns which keys do not exist.
        authorize(state, who, &named.bucket, "s3:ListBucket", &bucket_arn, &context)?;
    }
    let asks = headers.get("x-amz-bypass-governance-retention").is_some_and(|v| v.as_bytes() == b"true");
    let bypass = asks && {
        let action = "s3:BypassGovernanceRetention";
        authorize(state, who, &named.bucket, action, &object_arn, &context).is_ok()
    };
    Ok(caller.map(|caller| Identity { caller, context, bypass }))
}

/// True if the user began the upload whose parts are listed, or which is aborted: no policy has
/// to allow that.
fn is_own_upload(state: &State, who: Option<&Caller>, operation: &str, named: &Named) -> bool {
    let id = named.value("uploadId").filter(|_| matches!(operation, "ListParts" | "AbortMultipartUpload"));
    let upload = id.and_then(|id| state.upload(&named.bucket, &named.key, id).ok());
    upload.is_some_and(|upload| who.is_some_and(|caller| caller.arn == upload.initiator))
}

/// Evaluates the user's policies and the bucket's; an error unless they allow.
pub(crate) fn authorize(
    state: &State,
    who: Option<&Caller>,
    bucket: &str,
    action: &str,
    resource: &str,
    context: &Conditions,
) -> S3Result<()> {
    allowed(who, action, resource, on_bucket(state, who, bucket, action, resource, context)?)
}

fn allowed(who: Option<&Caller>, action: &str, resource: &str, decision: Decision) -> S3Result<()> {
    match decision {
        Decision::Allow => Ok(()),
        _ => Err(denied(who.map(|caller| caller.arn.as_str()).unwrap_or_default(), action, resource, decision)),
    }
}

/// Decides with the policy of the bucket.
fn on_bucket(
    state: &State,
    who: Option<&Caller>,
    bucket: &str,
    action: &str,
    resource: &str,
    context: &Conditions,
) -> S3Result<Decision> {
    let policy = state.buckets.get(bucket).and_then(|b| b.config.get("policy"));
    let decided = decide(who, policy.map(String::as_str), action, resource, context);
    decided.map_err(|error| s3_error!(MalformedPolicy, "{error}"))
}

/// All that decides what somebody may do, parsed.
pub(crate) struct Documents {
    pub identity: Vec<PolicyDocument>,
    pub boundary: Option<PolicyDocument>,
    pub session: Option<PolicyDocument>,
}

/// The policies of a caller.
pub(crate) fn documents(caller: &Caller) -> Result<Documents, PolicyError> {
    let parse = |text: &String| PolicyDocument::parse(text);
    Ok(Documents {
        identity: caller.policies.iter().map(parse).collect::<Result<_, _>>()?,
        boundary: caller.boundary.as_ref().map(parse).transpose()?,
        session: caller.session_policy.as_ref().map(parse).transpose()?,
    })
}

/// A caller as policies name them.
pub(crate) fn principal(caller: &Caller) -> PrincipalOf<'_> {
    match &caller.role {
        Some(role) => PrincipalOf::Session { account: ACCOUNT, arn: &caller.arn, role },
        None => PrincipalOf::User { account: ACCOUNT, arn: &caller.arn },
    }
}

/// Evaluates the policies of who asks, and that of the resource.
pub(crate) fn decide(
    who: Option<&Caller>,
    policy: Option<&str>,
    action: &str,
    resource: &str,
    context: &Conditions,
) -> Result<Decision, PolicyError> {
    let own = who.map(documents).transpose()?;
    let policy = policy.map(PolicyDocument::parse).transpose()?;
    let caps = own
        .as_ref()
        .map_or_else(Caps::default, |own| Caps { boundary: own.boundary.as_ref(), session: own.session.as_ref() });
    let identity = own.as_ref().map_or(&[][..], |own| &own.identity);
    let request = Request { action, resource, principal: who.map_or(PrincipalOf::Anonymous, principal), context };
    Ok(evaluate_capped(identity, caps, policy.as_ref(), &request))
}

fn denied(arn: &str, action: &str, resource: &str, decision: Decision) -> S3Error {
    let who = if arn.is_empty() { "an anonymous user" } else { arn };
    let because = match decision {
        Decision::ExplicitDeny => "with an explicit deny in a policy".to_string(),
        _ => format!("because no policy allows the {action} action"),
    };
    s3_error!(AccessDenied, "User: {who} is not authorized to perform: {action} on resource: \"{resource}\" {because}")
}

/// Headers that are condition keys of the same name, with `s3:` before it.
const HEADER_KEYS: &[&str] = &[
    "x-amz-acl",
    "x-amz-storage-class",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-copy-source",
    "x-amz-metadata-directive",
    "x-amz-website-redirect-location",
    "x-amz-object-ownership",
    "x-amz-content-sha256",
    "if-match",
    "if-none-match",
];

/// Query parameters that are condition keys.
const QUERY_KEYS: &[&str] = &["prefix", "delimiter", "max-keys", "versionid"];

/// The condition keys of a request, in lower case.
pub(crate) fn context_of(state: &State, who: Option<&Caller>, named: &Named, headers: &HeaderMap) -> Conditions {
    let mut context = Conditions::new();
    let mut set = |name: &str, value: String| drop(context.insert(name.to_string(), vec![value]));
    let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_string);
    // Loopback stands for TLS: a bucket policy that demands it would else lock everybody out.
    set("aws:securetransport", (!headers.contains_key("x-coldsim-insecure")).to_string());
    set("s3:tlsversion", "1.3".into());
    set("aws:sourceip", "127.0.0.1".into());
    set("aws:currenttime", state.now.to_string());
    set("aws:epochtime", state.now.seconds().to_string());
    set("aws:requestedregion", state.region.clone());
    set("aws:resourceaccount", ACCOUNT.into());
    set("s3:resourceaccount", ACCOUNT.into());
    set("s3:signatureversion", "AWS4-HMAC-SHA256".into());
    let by_query = named.has("X-Amz-Signature");
    set("s3:authtype", if by_query { "REST-QUERY-STRING" } else { "REST-HEADER" }.into());
    if let Some(caller) = who {
        if let Some(user) = &caller.user {
            set("aws:username", user.clone());
        }
        set("aws:userid", caller.user_id.clone());
        set("aws:principalarn", caller.role.as_ref().unwrap_or(&caller.arn).clone());
        set("aws:principalaccount", ACCOUNT.into());
        set("aws:principaltype", if caller.role.is_some() { "AssumedRole" } else { "User" }.into());
        for (name, value) in &caller.tags {
            set(&format!("aws:principaltag/{}", name.to_ascii_lowercase()), value.clone());
        }
        // Long-term keys carry no such key; the header stands for a session with a second factor.
        let mfa = if header("x-coldsim-mfa").is_some() { Some(true) } else { caller.mfa };
        if let Some(mfa) = mfa {
            set("aws:multifactorauthpresent", mfa.to_string());
        }
    }
    for name in HEADER_KEYS {
        if let Some(value) = header(name) {
            set(&format!("s3:{name}"), value);
        }
    }
    for (name, value) in &named.query {
        let name = name.to_ascii_lowercase();
        if QUERY_KEYS.contains(&name.as_str()) {
            set(&format!("s3:{name}"), value.clone());
        }
    }
    match named.operation {
        "PutObject" | "CompleteMultipartUpload" | "CopyObject" => set("s3:objectcreationoperation", "true".into()),
        "CreateMultipartUpload" | "UploadPart" | "UploadPartCopy" => set("s3:objectcreationoperation", "false".into()),
        _ => {}
    }
    lock_keys(state, &header, &mut set);
    tag_keys(state, named, &header, &mut context);
    context
}

fn lock_keys(state: &State, header: &dyn Fn(&str) -> Option<String>, set: &mut dyn FnMut(&str, String)) {
    for name in ["mode", "legal-hold", "retain-until-date"] {
        let sent = if name == "legal-hold" {
            "x-amz-object-lock-legal-hold".into()
        } else {
            format!("x-amz-object-lock-{name}")
        };
        if let Some(value) = header(&sent) {
            set(&format!("s3:object-lock-{name}"), value);
        }
    }
    let until = header("x-amz-object-lock-retain-until-date");
    let until = until.and_then(|text| s3s::dto::Timestamp::parse(s3s::dto::TimestampFormat::DateTime, &text).ok());
    if let Some(until) = until {
        let left = crate::s3::convert::to_time(&until).0.saturating_sub(state.now.0);
        set("s3:object-lock-remaining-retention-days", (left / crate::clock::DAY_NANOS).to_string());
    }
}

fn tag_keys(state: &State, named: &Named, header: &dyn Fn(&str) -> Option<String>, context: &mut Conditions) {
    let sent = header("x-amz-tagging").map(|text| query_pairs(&text)).unwrap_or_default();
    for (name, value) in &sent {
        context.insert(format!("s3:requestobjecttag/{}", name.to_ascii_lowercase()), vec![value.clone()]);
    }
    if !sent.is_empty() {
        context.insert("s3:requestobjecttagkeys".into(), sent.into_iter().map(|(name, _)| name).collect());
    }
    let existing = state.buckets.get(&named.bucket).and_then(|b| b.version(&named.key, named.value("versionId")));
    for (name, value) in existing.iter().flat_map(|version| &version.tags) {
        context.insert(format!("s3:existingobjecttag/{}", name.to_ascii_lowercase()), vec![value.clone()]);
    }
    context.insert("aws:referer".into(), header("referer").into_iter().collect());
    context.retain(|_, values| !values.is_empty());
}
