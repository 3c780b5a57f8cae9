//! What users and roles have in common: policies of their own, attached ones, tags, a boundary.
//!
//! **Invariant:** no holder keeps a document that cannot be evaluated, nor more than IAM lets it.

use serde_json::{Value, json};

use super::query::tags_json;
use super::{Account, Fault, Holder, Params, Reply, Tags};
use crate::iam::PolicyDocument;
use crate::s3::convert::url_encoded;

/// Managed policies that one holder may have attached.
const ATTACHED_MAX: usize = 10;
/// Tags of one holder or policy.
pub(super) const TAGS_MAX: usize = 50;
/// Characters of all a user's own policies, white space apart.
const USER_CHARS_MAX: usize = 2_048;
/// Characters of all a role's own policies, white space apart.
const ROLE_CHARS_MAX: usize = 10_240;

/// A user or a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    User,
    Role,
}

impl Kind {
    pub fn word(self) -> &'static str {
        match self {
            Self::User => "user with name",
            Self::Role => "role with name",
        }
    }

    pub fn parameter(self) -> &'static str {
        match self {
            Self::User => "UserName",
            Self::Role => "RoleName",
        }
    }

    fn chars_max(self) -> usize {
        match self {
            Self::User => USER_CHARS_MAX,
            Self::Role => ROLE_CHARS_MAX,
        }
    }
}

/// Answers a call that users and roles both have, such as `PutUserPolicy`.
pub(super) fn call(account: &mut Account, action: &str, params: &Params) -> Option<Reply> {
    let (kind, shape) = match (action.contains("User"), action.contains("Role")) {
        (true, false) => (Kind::User, action.replacen("User", "*", 1)),
        (false, true) => (Kind::Role, action.replacen("Role", "*", 1)),
        _ => return None,
    };
    Some(match shape.as_str() {
        "Put*Policy" => put_inline(account, kind, params),
        "Get*Policy" => get_inline(account, kind, params),
        "Delete*Policy" => delete_inline(account, kind, params),
        "List*Policies" => holder(account, kind, params).and_then(|holder| {
            let names = holder.inline.keys().map(|name| json!(name)).collect();
            page("PolicyNames", names, params)
        }),
        "Attach*Policy" => attach(account, kind, params),
        "Detach*Policy" => detach(account, kind, params),
        "ListAttached*Policies" => holder(account, kind, params).and_then(|holder| {
            let named = |arn: &String| json!({ "PolicyArn": arn, "PolicyName": arn.rsplit('/').next() });
            page("AttachedPolicies", holder.attached.iter().map(named).collect(), params)
        }),
        "Tag*" => params
            .tags()
            .and_then(|tags| holder_mut(account, kind, params).and_then(|holder| tag(&mut holder.tags, tags))),
        "Untag*" => holder_mut(account, kind, params).map(|holder| untag(&mut holder.tags, params)),
        "List*Tags" => holder(account, kind, params).and_then(|holder| page("Tags", tag_list(&holder.tags), params)),
        "Put*PermissionsBoundary" => put_boundary(account, kind, params),
        "Delete*PermissionsBoundary" => holder_mut(account, kind, params).map(|holder| {
            holder.boundary = None;
            json!({})
        }),
        _ => return None,
    })
}

pub(super) fn tag_list(tags: &Tags) -> Vec<Value> {
    tags_json(tags).as_array().cloned().unwrap_or_default()
}

pub(super) fn tag(tags: &mut Tags, new: Tags) -> Reply {
    let mut all = tags.clone();
    all.extend(new);
    if all.len() > TAGS_MAX {
        return Err(Fault::limit(format!("The number of tags has reached the maximum limit of {TAGS_MAX}.")));
    }
    *tags = all;
    Ok(json!({}))
}

pub(super) fn untag(tags: &mut Tags, params: &Params) -> Value {
    for key in params.list("TagKeys") {
        tags.remove(&key);
    }
    json!({})
}

/// The user or role that the call names.
pub(super) fn holder<'a>(account: &'a Account, kind: Kind, params: &Params) -> Result<&'a Holder, Fault> {
    let name = params.need(kind.parameter())?;
    let found = match kind {
        Kind::User => account.users.get(name),
        Kind::Role => account.roles.get(name).map(|role| &role.holder),
    };
    found.ok_or_else(|| Fault::no_such(kind.word(), name))
}

pub(super) fn holder_mut<'a>(account: &'a mut Account, kind: Kind, params: &Params) -> Result<&'a mut Holder, Fault> {
    let name = params.need(kind.parameter())?;
    let found = match kind {
        Kind::User => account.users.get_mut(name),
        Kind::Role => account.roles.get_mut(name).map(|role| &mut role.holder),
    };
    found.ok_or_else(|| Fault::no_such(kind.word(), name))
}

/// A list of a call's answer, from its marker on.
pub(super) fn page(name: &str, items: Vec<Value>, params: &Params) -> Reply {
    let most = params.number("MaxItems")?.unwrap_or(100).clamp(1, 1_000) as usize;
    let from = params.number("Marker")?.unwrap_or(0) as usize;
    let left = items.len().saturating_sub(from);
    let shown: Vec<Value> = items.into_iter().skip(from).take(most).collect();
    let mut answer = json!({ name: shown, "IsTruncated": left > most });
    if left > most {
        answer["Marker"] = json!((from + most).to_string());
    }
    Ok(answer)
}

/// A name as IAM takes it.
pub(super) fn name(params: &Params, parameter: &str, chars_max: usize) -> Result<String, Fault> {
    let name = params.need(parameter)?;
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c));
    if !plain || name.len() > chars_max {
        let rule = format!("must be 1 to {chars_max} letters, digits or any of +=,.@_-");
        return Err(Fault::invalid(format!("The specified value for {parameter} is invalid. It {rule}")));
    }
    Ok(name.to_string())
}

/// The path of what is made; `/` if the call has none.
pub(super) fn path(params: &Params) -> Result<String, Fault> {
    let path = params.get("Path").unwrap_or("/");
    let good = path.starts_with('/') && path.ends_with('/') && path.len() <= 512 && path.is_ascii();
    if !good || path.contains("//") {
        return Err(Fault::invalid("The specified value for path is invalid. It must begin and end with / "));
    }
    Ok(path.to_string())
}

/// Characters that count against a quota.
pub(super) fn counted(document: &str) -> usize {
    document.chars().filter(|c| !c.is_whitespace()).count()
}

/// The policy document of a call, checked as one of an identity.
pub(super) fn document(params: &Params) -> Result<String, Fault> {
    let text = params.need("PolicyDocument")?;
    PolicyDocument::parse_identity(text).map_err(|error| Fault::malformed(&error))?;
    Ok(text.to_string())
}

fn put_inline(account: &mut Account, kind: Kind, params: &Params) -> Reply {
    let (policy, text) = (name(params, "PolicyName", 128)?, document(params)?);
    let holder = holder_mut(account, kind, params)?;
    let others = holder.inline.iter().filter(|(name, _)| **name != policy);
    let chars: usize = others.map(|(_, text)| counted(text)).sum::<usize>() + counted(&text);
    if chars > kind.chars_max() {
        let most = kind.chars_max();
        let what = if kind == Kind::User { "user" } else { "role" };
        return Err(Fault::limit(format!("Maximum policy size of {most} bytes exceeded for {what} {}", holder.name)));
    }
    holder.inline.insert(policy, text);
    Ok(json!({}))
}

fn get_inline(account: &Account, kind: Kind, params: &Params) -> Reply {
    let policy = params.need("PolicyName")?;
    let holder = holder(account, kind, params)?;
    let text = holder.inline.get(policy).ok_or_else(|| Fault::no_such("policy with name", policy))?;
    Ok(json!({
        kind.parameter(): holder.name,
        "PolicyName": policy,
        "PolicyDocument": url_encoded(text).replace('/', "%2F"),
    }))
}

fn delete_inline(account: &mut Account, kind: Kind, params: &Params) -> Reply {
    let policy = params.need("PolicyName")?;
    let holder = holder_mut(account, kind, params)?;
    holder.inline.remove(policy).map(|_| json!({})).ok_or_else(|| Fault::no_such("policy with name", policy))
}

fn managed(account: &Account, arn: &str) -> Result<String, Fault> {
    let there = account.document(arn).is_some();
    let gone = || Fault::new(404, "NoSuchEntity", format!("Policy {arn} does not exist or is not attachable."));
    there.then(|| arn.to_string()).ok_or_else(gone)
}

fn attach(account: &mut Account, kind: Kind, params: &Params) -> Reply {
    holder(account, kind, params)?;
    let arn = managed(account, params.need("PolicyArn")?)?;
    let holder = holder_mut(account, kind, params)?;
    if holder.attached.len() >= ATTACHED_MAX && !holder.attached.contains(&arn) {
        return Err(Fault::limit(format!("Cannot exceed quota for PoliciesPerHolder: {ATTACHED_MAX}")));
    }
    holder.attached.insert(arn);
    Ok(json!({}))
}

fn detach(account: &mut Account, kind: Kind, params: &Params) -> Reply {
    let arn = params.need("PolicyArn")?;
    let holder = holder_mut(account, kind, params)?;
    let gone = || Fault::new(404, "NoSuchEntity", format!("Policy {arn} was not found."));
    holder.attached.remove(arn).then(|| json!({})).ok_or_else(gone)
}

fn put_boundary(account: &mut Account, kind: Kind, params: &Params) -> Reply {
    holder(account, kind, params)?;
    let arn = managed(account, params.need("PermissionsBoundary")?)?;
    holder_mut(account, kind, params)?.boundary = Some(arn);
    Ok(json!({}))
}

/// The boundary that a call to make a holder names.
pub(super) fn boundary(account: &Account, params: &Params) -> Result<Option<String>, Fault> {
    params.get("PermissionsBoundary").map(|arn| managed(account, arn)).transpose()
}

/// A new holder, as the call describes it.
pub(super) fn new(
    account: &Account,
    params: &Params,
    (kind, id): (Kind, String),
    now: darkslide_words::Time,
) -> Result<Holder, Fault> {
    let mut tags = Tags::new();
    tag(&mut tags, params.tags()?)?;
    Ok(Holder {
        path: path(params)?,
        name: name(params, kind.parameter(), 64)?,
        id,
        created: now,
        tags,
        inline: std::collections::BTreeMap::new(),
        attached: std::collections::BTreeSet::new(),
        boundary: boundary(account, params)?,
    })
}

/// The boundary as calls give it back.
pub(super) fn boundary_json(holder: &Holder) -> Value {
    holder.boundary.as_ref().map_or(
        Value::Null,
        |arn| json!({ "PermissionsBoundaryType": "PermissionsBoundaryPolicy", "PermissionsBoundaryArn": arn }),
    )
}
