//! Roles, and who may take them on.

use serde_json::{Value, json};

use super::holders::{self, Kind, boundary_json, counted, page};
use super::query::tags_json;
use super::{Account, Call, Fault, Params, Reply, Role};
use crate::iam::PolicyDocument;
use crate::s3::convert::url_encoded;
use crate::state::State;

/// Characters of a trust policy, white space apart.
const TRUST_CHARS_MAX: usize = 2_048;

/// Answers a call about roles; none if it is about something else.
pub(super) fn call(state: &mut State, action: &str, params: &Params, _call: &Call<'_>) -> Option<Reply> {
    Some(match action {
        "CreateRole" => create(state, params),
        "GetRole" => role(&state.account, params).map(|role| json!({ "Role": shown(role) })),
        "DeleteRole" => delete(&mut state.account, params),
        "ListRoles" => {
            let prefix = params.get("PathPrefix").unwrap_or("/");
            let roles = state.account.roles.values().filter(|role| role.holder.path.starts_with(prefix));
            page("Roles", roles.map(shown).collect(), params)
        }
        "UpdateAssumeRolePolicy" => update_trust(state, params),
        "UpdateRole" => update(&mut state.account, params),
        "ListInstanceProfilesForRole" => {
            role(&state.account, params).and_then(|_| page("InstanceProfiles", Vec::new(), params))
        }
        _ => return holders::call(&mut state.account, action, params),
    })
}

fn role<'a>(account: &'a Account, params: &Params) -> Result<&'a Role, Fault> {
    let name = params.need("RoleName")?;
    account.roles.get(name).ok_or_else(|| Fault::no_such(Kind::Role.word(), name))
}

fn shown(role: &Role) -> Value {
    let holder = &role.holder;
    let mut value = json!({
        "Path": holder.path,
        "RoleName": holder.name,
        "RoleId": holder.id,
        "Arn": holder.role_arn(),
        "CreateDate": holder.created.to_string(),
        "AssumeRolePolicyDocument": url_encoded(&role.trust).replace('/', "%2F"),
        "Description": role.description,
        "MaxSessionDuration": role.session_seconds_max,
        "PermissionsBoundary": boundary_json(holder),
    });
    if !holder.tags.is_empty() {
        value["Tags"] = tags_json(&holder.tags);
    }
    if let Some(used) = role.used {
        value["RoleLastUsed"] = json!({ "LastUsedDate": used.to_string() });
    }
    value
}

/// A trust policy: with principals, and without resources, which are the role itself.
pub(super) fn trust_document(text: &str) -> Result<PolicyDocument, Fault> {
    let whole = (|| {
        let mut value: Value = serde_json::from_str(text).ok()?;
        let statements = match value.get_mut("Statement")? {
            Value::Array(list) => list.iter_mut().collect::<Vec<_>>(),
            other => vec![other],
        };
        for statement in statements {
            let fields = statement.as_object_mut()?;
            if fields.insert("Resource".to_string(), json!("*")).is_some() {
                return None;
            }
        }
        Some(value.to_string())
    })();
    let bad = || Fault::new(400, "MalformedPolicyDocument", "Has prohibited field Resource, or is no policy");
    PolicyDocument::parse_resource(&whole.ok_or_else(bad)?).map_err(|error| Fault::malformed(&error))
}

fn trust(state: &State, text: &str) -> Result<String, Fault> {
    if counted(text) > TRUST_CHARS_MAX {
        return Err(Fault::limit(format!("Cannot exceed quota for ACLSizePerRole: {TRUST_CHARS_MAX}")));
    }
    let document = trust_document(text)?;
    if let Some(unknown) = document.principal_arns().into_iter().find(|arn| !state.is_principal(arn)) {
        let message = format!("Invalid principal in policy: \"AWS\":\"{unknown}\"");
        return Err(Fault::new(400, "MalformedPolicyDocument", message));
    }
    Ok(text.to_string())
}

fn seconds(params: &Params) -> Result<Option<u64>, Fault> {
    let seconds = params.number("MaxSessionDuration")?;
    match seconds {
        Some(seconds) if !(3_600..=43_200).contains(&seconds) => {
            Err(Fault::invalid(format!("MaxSessionDuration must be 3600 to 43200, not {seconds}")))
        }
        seconds => Ok(seconds),
    }
}

fn create(state: &mut State, params: &Params) -> Reply {
    let id = format!("AROA{}", state.fresh_id()[..17].to_uppercase());
    let holder = holders::new(&state.account, params, (Kind::Role, id), state.now)?;
    if state.account.roles.keys().any(|name| name.eq_ignore_ascii_case(&holder.name)) {
        return Err(Fault::exists("Role", &holder.name));
    }
    let role = Role {
        trust: trust(state, params.need("AssumeRolePolicyDocument")?)?,
        description: params.get("Description").map(str::to_string),
        session_seconds_max: seconds(params)?.unwrap_or(3_600),
        used: None,
        holder,
    };
    let answer = json!({ "Role": shown(&role) });
    state.account.roles.insert(role.holder.name.clone(), role);
    Ok(answer)
}

fn delete(account: &mut Account, params: &Params) -> Reply {
    let holder = &role(account, params)?.holder;
    let name = holder.name.clone();
    if !holder.inline.is_empty() {
        return Err(Fault::conflict("Cannot delete entity, must delete policies first."));
    }
    if !holder.attached.is_empty() {
        return Err(Fault::conflict("Cannot delete entity, must detach all policies first."));
    }
    account.roles.remove(&name);
    Ok(json!({}))
}

fn role_mut<'a>(account: &'a mut Account, params: &Params) -> Result<&'a mut Role, Fault> {
    let name = params.need("RoleName")?;
    account.roles.get_mut(name).ok_or_else(|| Fault::no_such(Kind::Role.word(), name))
}

fn update_trust(state: &mut State, params: &Params) -> Reply {
    role(&state.account, params)?;
    let text = trust(state, params.need("PolicyDocument")?)?;
    role_mut(&mut state.account, params)?.trust = text;
    Ok(json!({}))
}

fn update(account: &mut Account, params: &Params) -> Reply {
    let seconds = seconds(params)?;
    let role = role_mut(account, params)?;
    role.session_seconds_max = seconds.unwrap_or(role.session_seconds_max);
    if let Some(text) = params.get("Description") {
        role.description = Some(text.to_string());
    }
    Ok(json!({}))
}
