//! Sessions, as STS gives them out: who calls, roles taken on, second factors.
//!
//! **Invariant:** a role is taken on only if its trust policy names the caller, or the caller's
//! account and the caller's own policies allow it. A session may never do more than its role, its
//! boundary and its own policy all allow.

use std::time::Duration;

use s3s::crypto::{Checksum as _, Sha1};
use serde_json::{Value, json};

use darkslide_words::Time;

use super::holders;
use super::roles::trust_document;
use super::{Call, Fault, Params, Reply, Role, Session, SessionOf};
use crate::access::{Conditions, documents, principal};
use crate::iam::{Caps, Decision, PolicyDocument, Request, evaluate_trust};
use crate::state::{ACCOUNT, State};

/// Characters of a session's policy.
const POLICY_CHARS_MAX: usize = 2_048;
/// A code counts for so many seconds.
const CODE_SECONDS: i64 = 30;
/// So many codes before and after the present one are taken.
const CODES_AROUND: i64 = 2;

/// Answers a call of STS.
pub(super) fn call(state: &mut State, action: &str, params: &Params, call: &Call<'_>) -> Reply {
    match action {
        "GetCallerIdentity" => {
            let caller = call.caller;
            Ok(json!({ "UserId": caller.user_id, "Account": ACCOUNT, "Arn": caller.arn }))
        }
        "AssumeRole" => assume(state, params, call),
        "GetSessionToken" => session_token(state, params, call),
        _ => Err(Fault::unknown(action)),
    }
}

fn seconds(params: &Params, first: u64, most: u64) -> Result<u64, Fault> {
    let seconds = params.number("DurationSeconds")?.unwrap_or(first.min(most));
    if seconds < 900 || seconds > most {
        let message = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.";
        return Err(Fault::invalid(message));
    }
    Ok(seconds)
}

/// True if the caller's own second factor gave this code just now; an error if it did not.
fn factor(state: &State, params: &Params, call: &Call<'_>) -> Result<bool, Fault> {
    let Some(serial) = params.get("SerialNumber") else { return Ok(call.caller.mfa == Some(true)) };
    let code = params.get("TokenCode").unwrap_or_default();
    let device = state.account.devices.get(serial).filter(|device| device.user == call.caller.user);
    let good = device.is_some_and(|device| is_code_of(&device.seed, code, call.real_now));
    let message = "MultiFactorAuthentication failed with invalid MFA one time pass code.";
    good.then_some(true).ok_or_else(|| Fault::new(403, "AccessDenied", message))
}

fn credentials(state: &mut State, session: impl FnOnce(String, String) -> Session) -> Value {
    let id = format!("ASIA{}", state.fresh_id()[..16].to_uppercase());
    let secret = format!("{}{}", state.fresh_id(), &state.fresh_id()[..8]);
    let token = format!("{}{}", state.fresh_id(), state.fresh_id());
    let session = session(secret, token);
    let shown = json!({
        "AccessKeyId": id,
        "SecretAccessKey": session.secret,
        "SessionToken": session.token,
        "Expiration": session.expires.to_string(),
    });
    state.account.sessions.insert(id, session);
    shown
}

fn refused(call: &Call<'_>, arn: &str) -> Fault {
    let who = &call.caller.arn;
    Fault::new(
        403,
        "AccessDenied",
        format!("User: {who} is not authorized to perform: sts:AssumeRole on resource: {arn}"),
    )
}

fn session_policy(params: &Params) -> Result<Option<String>, Fault> {
    let Some(text) = params.get("Policy") else { return Ok(None) };
    if text.chars().count() > POLICY_CHARS_MAX {
        return Err(Fault::invalid(format!("Policy must have at most {POLICY_CHARS_MAX} characters")));
    }
    PolicyDocument::parse_identity(text).map_err(|error| Fault::malformed(&error))?;
    Ok(Some(text.to_string()))
}

fn assume(state: &mut State, params: &Params, call: &Call<'_>) -> Reply {
    let arn = params.need("RoleArn")?.to_string();
    let name = holders::name(params, "RoleSessionName", 64)?;
    let role = state.account.roles.values().find(|role| role.holder.role_arn() == arn).cloned();
    let role = role.ok_or_else(|| refused(call, &arn))?;
    let mfa = factor(state, params, call)?;
    if call.enforce && !is_trusted(&role, params, call, mfa)? {
        return Err(refused(call, &arn));
    }
    // A session that takes on a role gets an hour at most.
    let most = if call.caller.token.is_some() { 3_600 } else { role.session_seconds_max };
    let seconds = seconds(params, 3_600, most)?;
    let policy = session_policy(params)?;
    let of = SessionOf::Role { role: role.holder.name.clone(), name: name.clone() };
    let expires = call.real_now.plus(Duration::from_secs(seconds));
    let shown = credentials(state, |secret, token| Session { secret, token, expires, of, policy, mfa });
    let role_name = &role.holder.name;
    Ok(json!({
        "Credentials": shown,
        "AssumedRoleUser": {
            "AssumedRoleId": format!("{}:{name}", role.holder.id),
            "Arn": format!("arn:aws:sts::{ACCOUNT}:assumed-role/{role_name}/{name}"),
        },
    }))
}

fn is_trusted(role: &Role, params: &Params, call: &Call<'_>, mfa: bool) -> Result<bool, Fault> {
    let trust = trust_document(&role.trust)?;
    let mut context: Conditions = call.context.clone();
    let mut set = |key: &str, value: &str| drop(context.insert(key.to_string(), vec![value.to_string()]));
    if mfa {
        set("aws:multifactorauthpresent", "true");
        set("aws:multifactorauthage", "0");
    }
    for (key, parameter) in [("sts:externalid", "ExternalId"), ("sts:rolesessionname", "RoleSessionName")] {
        if let Some(value) = params.get(parameter) {
            set(key, value);
        }
    }
    let own = documents(call.caller).map_err(|error| Fault::malformed(&error))?;
    let resource = role.holder.role_arn();
    let request =
        Request { action: "sts:AssumeRole", resource: &resource, principal: principal(call.caller), context: &context };
    let caps = Caps { boundary: own.boundary.as_ref(), session: own.session.as_ref() };
    Ok(evaluate_trust(&own.identity, caps, &trust, &request) == Decision::Allow)
}

fn session_token(state: &mut State, params: &Params, call: &Call<'_>) -> Reply {
    let user = call.caller.user.clone().filter(|name| state.account.users.contains_key(name));
    let user = match user {
        Some(user) if call.caller.token.is_none() => user,
        _ => return Err(Fault::new(403, "AccessDenied", "Cannot call GetSessionToken with session credentials")),
    };
    let mfa = factor(state, params, call)?;
    let seconds = seconds(params, 43_200, 129_600)?;
    let expires = call.real_now.plus(Duration::from_secs(seconds));
    let of = SessionOf::User(user);
    let shown = credentials(state, |secret, token| Session { secret, token, expires, of, policy: None, mfa });
    Ok(json!({ "Credentials": shown }))
}

/// HMAC with SHA-1, as second factors use it.
fn hmac_sha1(key: &[u8], message: &[u8]) -> [u8; 20] {
    let mut block = [0_u8; 64];
    if key.len() > 64 {
        block[..20].copy_from_slice(&Sha1::checksum(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = Sha1::checksum(&[&block.map(|b| b ^ 0x36)[..], message].concat());
    Sha1::checksum(&[&block.map(|b| b ^ 0x5c)[..], &inner[..]].concat())
}

/// The code of six digits at a step of time, after RFC 6238.
pub(super) fn code_at(seed: &[u8], step: i64) -> String {
    let sum = hmac_sha1(seed, &step.to_be_bytes());
    let at = usize::from(sum[19] & 15);
    let number = u32::from_be_bytes([sum[at], sum[at + 1], sum[at + 2], sum[at + 3]]) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

/// True if a second factor with this seed shows the code about now.
pub(super) fn is_code_of(seed: &[u8], code: &str, now: Time) -> bool {
    let step = now.seconds() / CODE_SECONDS;
    (-CODES_AROUND..=CODES_AROUND).any(|around| code_at(seed, step + around) == code)
}
