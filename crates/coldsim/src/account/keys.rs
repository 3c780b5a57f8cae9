//! Access keys of users: two at most, each with the secret shown once.

use serde_json::{Value, json};

use super::holders::{Kind, page};
use super::{Call, Fault, Params, Reply, UserKey};
use crate::state::State;

/// Keys that one user may have.
const KEYS_MAX: usize = 2;

/// Answers a call about access keys; none if it is about something else.
pub(super) fn call(state: &mut State, action: &str, params: &Params, call: &Call<'_>) -> Option<Reply> {
    Some(match action {
        "CreateAccessKey" => user(state, params, call).and_then(|user| create(state, user)),
        "ListAccessKeys" => user(state, params, call).and_then(|user| list(state, &user, params)),
        "UpdateAccessKey" => update(state, params, call),
        "DeleteAccessKey" => own(state, params, call).map(|id| {
            state.account.keys.remove(&id);
            json!({})
        }),
        "GetAccessKeyLastUsed" => last_used(state, params),
        _ => return None,
    })
}

/// The user that a call names, or who calls.
fn user(state: &State, params: &Params, call: &Call<'_>) -> Result<String, Fault> {
    let name = params.get("UserName").or(call.caller.user.as_deref());
    let name = name.ok_or_else(|| Fault::invalid("Must specify userName when calling with non-User credentials"))?;
    let there = state.account.users.contains_key(name);
    there.then(|| name.to_string()).ok_or_else(|| Fault::no_such(Kind::User.word(), name))
}

/// The id of a key that belongs to that user.
fn own(state: &State, params: &Params, call: &Call<'_>) -> Result<String, Fault> {
    let (user, id) = (user(state, params, call)?, params.need("AccessKeyId")?);
    let there = state.account.keys.get(id).is_some_and(|key| key.user == user);
    there.then(|| id.to_string()).ok_or_else(|| Fault::no_such("Access Key with id", id))
}

fn create(state: &mut State, user: String) -> Reply {
    if state.account.keys.values().filter(|key| key.user == user).count() >= KEYS_MAX {
        return Err(Fault::limit(format!("Cannot exceed quota for AccessKeysPerUser: {KEYS_MAX}")));
    }
    let id = format!("AKIA{}", state.fresh_id()[..16].to_uppercase());
    let secret = format!("{}{}", state.fresh_id(), &state.fresh_id()[..8]);
    let key = UserKey { user, secret, active: true, created: state.now, used: None };
    let mut shown = shown(&id, &key);
    shown["SecretAccessKey"] = json!(key.secret);
    state.account.keys.insert(id, key);
    Ok(json!({ "AccessKey": shown }))
}

fn shown(id: &str, key: &UserKey) -> Value {
    json!({
        "UserName": key.user,
        "AccessKeyId": id,
        "Status": if key.active { "Active" } else { "Inactive" },
        "CreateDate": key.created.to_string(),
    })
}

fn list(state: &State, user: &str, params: &Params) -> Reply {
    let own = state.account.keys.iter().filter(|(_, key)| key.user == user);
    page("AccessKeyMetadata", own.map(|(id, key)| shown(id, key)).collect(), params)
}

fn update(state: &mut State, params: &Params, call: &Call<'_>) -> Reply {
    let id = own(state, params, call)?;
    let active = match params.need("Status")? {
        "Active" => true,
        "Inactive" => false,
        other => return Err(Fault::invalid(format!("Status must be Active or Inactive, not {other}"))),
    };
    if let Some(key) = state.account.keys.get_mut(&id) {
        key.active = active;
    }
    Ok(json!({}))
}

fn last_used(state: &State, params: &Params) -> Reply {
    let id = params.need("AccessKeyId")?;
    let key = state.account.keys.get(id).ok_or_else(|| Fault::no_such("Access Key with id", id))?;
    let used = match &key.used {
        None => json!({ "ServiceName": "N/A", "Region": "N/A" }),
        Some((at, service, region)) => {
            json!({ "LastUsedDate": at.to_string(), "ServiceName": service, "Region": region })
        }
    };
    Ok(json!({ "UserName": key.user, "AccessKeyLastUsed": used }))
}
