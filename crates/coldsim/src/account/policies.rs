//! Managed policies and their versions.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::holders::{self, counted, page};
use super::query::tags_json;
use super::users::tag_page;
use super::{Account, Call, Fault, ManagedPolicy, Params, Reply, Tags};
use crate::s3::convert::url_encoded;
use crate::state::State;

/// Characters of a managed policy, white space apart.
const CHARS_MAX: usize = 6_144;
/// Versions of one policy.
const VERSIONS_MAX: usize = 5;

/// Answers a call about managed policies; none if it is about something else.
pub(super) fn call(state: &mut State, action: &str, params: &Params, _call: &Call<'_>) -> Option<Reply> {
    let now = state.now;
    Some(match action {
        "CreatePolicy" => create(state, params),
        "GetPolicy" => policy(&state.account, params).map(|policy| json!({ "Policy": shown(&state.account, policy) })),
        "DeletePolicy" => delete(&mut state.account, params),
        "ListPolicies" => list(&state.account, params),
        "CreatePolicyVersion" => create_version(&mut state.account, params, now),
        "GetPolicyVersion" => policy(&state.account, params).and_then(|policy| {
            let number = version(params)?;
            let (text, _) = policy.versions.get(&number).ok_or_else(|| no_version(params))?;
            let mut shown = version_shown(policy, number);
            shown["Document"] = json!(url_encoded(text).replace('/', "%2F"));
            Ok(json!({ "PolicyVersion": shown }))
        }),
        "ListPolicyVersions" => policy(&state.account, params).and_then(|policy| {
            page("Versions", policy.versions.keys().rev().map(|n| version_shown(policy, *n)).collect(), params)
        }),
        "DeletePolicyVersion" => delete_version(&mut state.account, params),
        "SetDefaultPolicyVersion" => policy_mut(&mut state.account, params).and_then(|policy| {
            let number = version(params)?;
            if !policy.versions.contains_key(&number) {
                return Err(no_version(params));
            }
            (policy.default, policy.updated) = (number, now);
            Ok(json!({}))
        }),
        "TagPolicy" => params
            .tags()
            .and_then(|tags| policy_mut(&mut state.account, params).and_then(|p| holders::tag(&mut p.tags, tags))),
        "UntagPolicy" => policy_mut(&mut state.account, params).map(|p| holders::untag(&mut p.tags, params)),
        "ListPolicyTags" => policy(&state.account, params).and_then(|policy| tag_page(&policy.tags, params)),
        "ListEntitiesForPolicy" => entities(&state.account, params),
        _ => return None,
    })
}

fn gone(arn: &str) -> Fault {
    Fault::new(404, "NoSuchEntity", format!("Policy {arn} was not found."))
}

fn no_version(params: &Params) -> Fault {
    let (arn, number) = (params.get("PolicyArn").unwrap_or_default(), params.get("VersionId").unwrap_or_default());
    Fault::new(404, "NoSuchEntity", format!("Policy {arn} version {number} does not exist or is not attachable."))
}

fn policy<'a>(account: &'a Account, params: &Params) -> Result<&'a ManagedPolicy, Fault> {
    let arn = params.need("PolicyArn")?;
    account.policies.get(arn).ok_or_else(|| gone(arn))
}

fn policy_mut<'a>(account: &'a mut Account, params: &Params) -> Result<&'a mut ManagedPolicy, Fault> {
    let arn = params.need("PolicyArn")?;
    account.policies.get_mut(arn).ok_or_else(|| gone(arn))
}

/// `v3` as 3.
fn version(params: &Params) -> Result<u32, Fault> {
    let text = params.need("VersionId")?;
    let number = text.strip_prefix('v').and_then(|number| number.parse().ok());
    number.ok_or_else(|| Fault::invalid(format!("{text} is no version of a policy")))
}

fn version_shown(policy: &ManagedPolicy, number: u32) -> Value {
    json!({
        "VersionId": format!("v{number}"),
        "IsDefaultVersion": number == policy.default,
        "CreateDate": policy.versions.get(&number).map(|(_, at)| at.to_string()),
    })
}

fn holders_of(account: &Account, arn: &str) -> (Vec<String>, Vec<String>) {
    let users = account.users.values().filter(|user| user.attached.contains(arn)).map(|user| user.name.clone());
    let roles = account.roles.values().filter(|role| role.holder.attached.contains(arn));
    (users.collect(), roles.map(|role| role.holder.name.clone()).collect())
}

fn boundary_count(account: &Account, arn: &str) -> usize {
    let holders = account.users.values().chain(account.roles.values().map(|role| &role.holder));
    holders.filter(|holder| holder.boundary.as_deref() == Some(arn)).count()
}

fn shown(account: &Account, policy: &ManagedPolicy) -> Value {
    let arn = policy.arn();
    let (users, roles) = holders_of(account, &arn);
    json!({
        "PolicyName": policy.name,
        "PolicyId": policy.id,
        "Arn": arn,
        "Path": policy.path,
        "DefaultVersionId": format!("v{}", policy.default),
        "AttachmentCount": users.len() + roles.len(),
        "PermissionsBoundaryUsageCount": boundary_count(account, &arn),
        "IsAttachable": true,
        "Description": policy.description,
        "CreateDate": policy.created.to_string(),
        "UpdateDate": policy.updated.to_string(),
        "Tags": tags_json(&policy.tags),
    })
}

/// The document of a call, within the quota.
fn document(params: &Params) -> Result<String, Fault> {
    let text = holders::document(params)?;
    if counted(&text) > CHARS_MAX {
        return Err(Fault::limit(format!("Cannot exceed quota for PolicySize: {CHARS_MAX}")));
    }
    Ok(text)
}

fn create(state: &mut State, params: &Params) -> Reply {
    let text = document(params)?;
    let mut tags = Tags::new();
    holders::tag(&mut tags, params.tags()?)?;
    let policy = ManagedPolicy {
        path: holders::path(params)?,
        name: holders::name(params, "PolicyName", 128)?,
        id: format!("ANPA{}", state.fresh_id()[..17].to_uppercase()),
        created: state.now,
        updated: state.now,
        description: params.get("Description").map(str::to_string),
        tags,
        versions: BTreeMap::from([(1, (text, state.now))]),
        default: 1,
        next: 2,
    };
    if state.account.policies.values().any(|other| other.name == policy.name) {
        return Err(Fault::exists("A policy called", &policy.name));
    }
    let answer = json!({ "Policy": shown(&state.account, &policy) });
    state.account.policies.insert(policy.arn(), policy);
    Ok(answer)
}

fn delete(account: &mut Account, params: &Params) -> Reply {
    let found = policy(account, params)?;
    let arn = found.arn();
    let (users, roles) = holders_of(account, &arn);
    if !users.is_empty() || !roles.is_empty() || boundary_count(account, &arn) > 0 {
        return Err(Fault::conflict("Cannot delete a policy attached to entities."));
    }
    if found.versions.len() > 1 {
        return Err(Fault::conflict(
            "This policy has more than one version. Before you delete a policy, you must \
             delete the policy's versions. The default version is deleted with the policy.",
        ));
    }
    account.policies.remove(&arn);
    Ok(json!({}))
}

fn list(account: &Account, params: &Params) -> Reply {
    let prefix = params.get("PathPrefix").unwrap_or("/");
    let attached_only = params.is_true("OnlyAttached");
    let own = account.policies.values().filter(|policy| policy.path.starts_with(prefix));
    let all = own.map(|policy| shown(account, policy));
    let wanted = all.filter(|policy| !attached_only || policy["AttachmentCount"] != 0);
    let wanted = if params.get("Scope") == Some("AWS") { Vec::new() } else { wanted.collect() };
    page("Policies", wanted, params)
}

fn create_version(account: &mut Account, params: &Params, now: darkslide_words::Time) -> Reply {
    let text = document(params)?;
    let policy = policy_mut(account, params)?;
    if policy.versions.len() >= VERSIONS_MAX {
        return Err(Fault::limit(format!(
            "A managed policy can have up to {VERSIONS_MAX} versions. Before you create a new version, you must \
             delete an existing version."
        )));
    }
    let number = policy.next;
    policy.next += 1;
    policy.versions.insert(number, (text, now));
    if params.is_true("SetAsDefault") {
        policy.default = number;
    }
    policy.updated = now;
    Ok(json!({ "PolicyVersion": version_shown(policy, number) }))
}

fn delete_version(account: &mut Account, params: &Params) -> Reply {
    let policy = policy_mut(account, params)?;
    let number = version(params)?;
    if number == policy.default {
        return Err(Fault::conflict("Cannot delete the default version of a policy."));
    }
    policy.versions.remove(&number).map(|_| json!({})).ok_or_else(|| no_version(params))
}

fn entities(account: &Account, params: &Params) -> Reply {
    let arn = policy(account, params)?.arn();
    let (users, roles) = holders_of(account, &arn);
    let users: Vec<Value> = users.iter().map(|name| json!({ "UserName": name })).collect();
    let roles: Vec<Value> = roles.iter().map(|name| json!({ "RoleName": name })).collect();
    Ok(json!({ "PolicyUsers": users, "PolicyRoles": roles, "PolicyGroups": [], "IsTruncated": false }))
}
