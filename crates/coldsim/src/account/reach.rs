//! What a call needs: the actions, the resource of each, and the condition keys that policies can
//! look at.
//!
//! Resources and keys are those of AWS's service authorization reference for IAM, STS, SNS and
//! Budgets, as far as these calls go.

use super::holders::Kind;
use super::{Caller, Holder, Params, Service, Tags};
use crate::access::Conditions;
use crate::state::{ACCOUNT, State};

/// What a call needs.
pub(super) struct Reach {
    /// Actions with their resources; all have to be allowed.
    pub needs: Vec<(String, String)>,
    pub context: Conditions,
    /// The policy of the resource, if it has one.
    pub policy: Option<String>,
}

/// What an action of a service needs.
pub(super) fn of(state: &State, service: Service, action: &str, params: &Params, caller: &Caller) -> Reach {
    let mut context = Conditions::new();
    let (action, resource, policy) = match service {
        Service::Iam => (action.to_string(), iam(state, action, params, caller, &mut context), None),
        Service::Sts => (action.to_string(), params.get("RoleArn").unwrap_or("*").to_string(), None),
        Service::Sns => {
            let arn = topic_arn(state, action, params);
            let policy = state.topic(&arn).and_then(|topic| topic.attributes.get("Policy").cloned());
            (action.to_string(), arn, policy)
        }
        Service::Budgets => {
            let views = action.starts_with("Describe") || action.starts_with("List");
            let name = params.get("BudgetName").unwrap_or("*");
            let action = if views { "ViewBudget" } else { "ModifyBudget" };
            (action.to_string(), format!("arn:aws:budgets::{ACCOUNT}:budget/{name}"), None)
        }
    };
    for (key, value) in params.tags().unwrap_or_default() {
        context.entry("aws:tagkeys".into()).or_default().push(key.clone());
        context.insert(format!("aws:requesttag/{}", key.to_lowercase()), vec![value]);
    }
    Reach { needs: vec![(format!("{}:{action}", service.prefix()), resource)], context, policy }
}

fn tag_context(tags: &Tags, context: &mut Conditions) {
    for (key, value) in tags {
        for name in ["aws:resourcetag", "iam:resourcetag"] {
            context.insert(format!("{name}/{}", key.to_lowercase()), vec![value.clone()]);
        }
    }
}

/// The ARN of the user or role that is there, or that is to be made.
fn holder_arn(found: Option<&Holder>, kind: Kind, params: &Params) -> String {
    let name = params.get(kind.parameter()).unwrap_or("*");
    let path = params.get("Path").unwrap_or("/");
    match (found, kind) {
        (Some(holder), Kind::User) => holder.user_arn(),
        (Some(holder), Kind::Role) => holder.role_arn(),
        (None, Kind::User) => format!("arn:aws:iam::{ACCOUNT}:user{path}{name}"),
        (None, Kind::Role) => format!("arn:aws:iam::{ACCOUNT}:role{path}{name}"),
    }
}

fn iam(state: &State, action: &str, params: &Params, caller: &Caller, context: &mut Conditions) -> String {
    if let Some(arn) = params.get("PolicyArn")
        && (action.starts_with("Attach") || action.starts_with("Detach"))
    {
        context.insert("iam:policyarn".into(), vec![arn.to_string()]);
    }
    let account = &state.account;
    let on_policy = action.contains("Policy") && !action.contains("User") && !action.contains("Role");
    if action.starts_with("Simulate") {
        return params.get("PolicySourceArn").unwrap_or("*").to_string();
    }
    if on_policy {
        let path = params.get("Path").unwrap_or("/");
        let new = || format!("arn:aws:iam::{ACCOUNT}:policy{path}{}", params.get("PolicyName").unwrap_or("*"));
        let arn = params.get("PolicyArn").map_or_else(new, str::to_string);
        tag_context(&account.policies.get(&arn).map(|policy| policy.tags.clone()).unwrap_or_default(), context);
        return if action == "ListPolicies" { "*".into() } else { arn };
    }
    if action.contains("VirtualMFADevice") {
        let name = params.get("VirtualMFADeviceName").unwrap_or("*");
        let arn = format!("arn:aws:iam::{ACCOUNT}:mfa/{name}");
        return params.get("SerialNumber").map_or(arn, str::to_string);
    }
    if matches!(action, "ListUsers" | "ListRoles") {
        return "*".into();
    }
    let kind = if action.contains("Role") && params.get("RoleName").is_some() { Kind::Role } else { Kind::User };
    let of_key = || params.get("AccessKeyId").and_then(|id| account.keys.get(id)).map(|key| key.user.as_str());
    let own = || if action == "GetAccessKeyLastUsed" { of_key() } else { caller.user.as_deref() };
    let found = match kind {
        Kind::Role => params.get("RoleName").and_then(|name| account.roles.get(name)).map(|role| &role.holder),
        Kind::User => params.get("UserName").or_else(own).and_then(|name| account.users.get(name)),
    };
    tag_context(&found.map(|holder| holder.tags.clone()).unwrap_or_default(), context);
    let boundary = params.get("PermissionsBoundary");
    if let Some(boundary) = boundary.or(found.and_then(|holder| holder.boundary.as_deref())) {
        context.insert("iam:permissionsboundary".into(), vec![boundary.to_string()]);
    }
    if kind == Kind::User && found.is_none() && params.get("UserName").is_none() {
        return caller.arn.clone();
    }
    holder_arn(found, kind, params)
}

fn topic_arn(state: &State, action: &str, params: &Params) -> String {
    // AWS knows no resource for these.
    if matches!(action, "Unsubscribe" | "GetSubscriptionAttributes" | "ListTopics" | "ListSubscriptions") {
        return "*".into();
    }
    let of_subscription = || {
        let arn = params.get("SubscriptionArn")?;
        state.account.subscriptions.get(arn).map(|subscription| subscription.topic.clone())
    };
    if let Some(arn) = params.get("TopicArn").or(params.get("ResourceArn")) {
        return arn.to_string();
    }
    match (action, params.get("Name")) {
        ("CreateTopic", Some(name)) => state.topic_arn(name),
        _ => of_subscription().unwrap_or_else(|| "*".into()),
    }
}
