//! What policies would decide: `SimulatePrincipalPolicy` and `SimulateCustomPolicy`.
//!
//! **Invariant:** decided by the same evaluation that requests go through; nothing is changed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::holders::page;
use super::{Call, Fault, Holder, Params, Reply};
use crate::access::Conditions;
use crate::iam::{Caps, Decision, PolicyDocument, PrincipalOf, Request, evaluate_capped};
use crate::state::{ACCOUNT, State};

/// What is asked, once for all actions.
struct Question {
    /// Policies with the names that a match is reported by.
    policies: Vec<(String, &'static str, PolicyDocument)>,
    boundary: Option<PolicyDocument>,
    resource: Option<PolicyDocument>,
    context: Conditions,
    arn: Option<String>,
}

/// Answers a call to simulate; none if it is about something else.
pub(super) fn call(state: &mut State, action: &str, params: &Params, _call: &Call<'_>) -> Option<Reply> {
    match action {
        "SimulatePrincipalPolicy" => Some(of_principal(state, params)),
        "SimulateCustomPolicy" => Some(question(Vec::new(), params, None, None).and_then(|q| answer(&q, params))),
        "GetContextKeysForCustomPolicy" => Some(question(Vec::new(), params, None, None).map(|q| keys(&q))),
        "GetContextKeysForPrincipalPolicy" => Some(principal_question(state, params).map(|q| keys(&q))),
        _ => None,
    }
}

fn keys(question: &Question) -> Value {
    let keys: BTreeSet<String> = question.policies.iter().flat_map(|(_, _, p)| p.condition_keys()).collect();
    json!({ "ContextKeyNames": keys })
}

fn of_principal(state: &State, params: &Params) -> Reply {
    answer(&principal_question(state, params)?, params)
}

fn holder_of<'a>(state: &'a State, arn: &str) -> Option<&'a Holder> {
    let account = &state.account;
    let user = account.users.values().find(|user| user.user_arn() == arn);
    user.or_else(|| account.roles.values().map(|role| &role.holder).find(|holder| holder.role_arn() == arn))
}

fn principal_question(state: &State, params: &Params) -> Result<Question, Fault> {
    let arn = params.need("PolicySourceArn")?;
    let holder = holder_of(state, arn).ok_or_else(|| Fault::no_such("entity", arn))?;
    let parse = |text: &str| PolicyDocument::parse(text).map_err(|error| Fault::malformed(&error));
    let mut policies = Vec::new();
    for (name, text) in &holder.inline {
        policies.push((name.clone(), "IAM Policy", parse(text)?));
    }
    for arn in &holder.attached {
        let text = state.account.document(arn).unwrap_or_default();
        policies.push((arn.rsplit('/').next().unwrap_or_default().to_string(), "IAM Policy", parse(text)?));
    }
    let boundary = state.account.boundary(holder).map(|text| parse(&text)).transpose()?;
    question(policies, params, boundary, Some(arn))
}

fn question(
    mut policies: Vec<(String, &'static str, PolicyDocument)>,
    params: &Params,
    own_boundary: Option<PolicyDocument>,
    source: Option<&str>,
) -> Result<Question, Fault> {
    let identity = |text: &String| PolicyDocument::parse_identity(text).map_err(|error| Fault::malformed(&error));
    for (number, text) in params.list("PolicyInputList").iter().enumerate() {
        policies.push((format!("PolicyInputList.{}", number + 1), "IAM Policy", identity(text)?));
    }
    let given = params.list("PermissionsBoundaryPolicyInputList");
    let boundary = given.first().map(identity).transpose()?.or(own_boundary);
    let resource = params.get("ResourcePolicy").map(PolicyDocument::parse_resource).transpose();
    let mut context = Conditions::new();
    for entry in params.records("ContextEntries") {
        let values: Vec<String> = entry.list("ContextKeyValues");
        context.insert(entry.need("ContextKeyName")?.to_lowercase(), values);
    }
    let caller = params.get("CallerArn").or(source).map(str::to_string);
    let resource = resource.map_err(|error| Fault::malformed(&error))?;
    Ok(Question { policies, boundary, resource, context, arn: caller })
}

impl Question {
    fn principal(&self) -> PrincipalOf<'_> {
        match self.arn.as_deref() {
            Some(arn) if arn.contains(":role/") => PrincipalOf::Session { account: ACCOUNT, arn, role: arn },
            Some(arn) => PrincipalOf::User { account: ACCOUNT, arn },
            None => PrincipalOf::User { account: ACCOUNT, arn: "arn:aws:iam::123456789012:user/simulated" },
        }
    }

    fn decide(&self, action: &str, resource: &str) -> (Decision, Vec<Value>, bool) {
        let request = Request { action, resource, principal: self.principal(), context: &self.context };
        let documents: Vec<PolicyDocument> = self.policies.iter().map(|(_, _, policy)| policy.clone()).collect();
        let caps = Caps { boundary: self.boundary.as_ref(), session: None };
        let decision = evaluate_capped(&documents, caps, self.resource.as_ref(), &request);
        let matched = self.policies.iter().filter(|(_, _, policy)| policy.decides(decision, &request));
        let matched = matched.map(|(name, kind, _)| json!({ "SourcePolicyId": name, "SourcePolicyType": kind }));
        let reached = self.boundary.as_ref().is_none_or(|boundary| boundary.decides(Decision::Allow, &request));
        (decision, matched.collect(), reached)
    }

    /// Keys that policies ask for and that nobody gave.
    fn missing(&self) -> Vec<String> {
        let asked = self.policies.iter().flat_map(|(_, _, policy)| policy.condition_keys());
        let asked = asked.chain(self.boundary.iter().flat_map(PolicyDocument::condition_keys));
        let known = |key: &String| self.context.contains_key(key) || key.starts_with("aws:principal");
        asked.filter(|key| !known(key) && key != "aws:username").collect::<BTreeSet<_>>().into_iter().collect()
    }
}

fn word(decision: Decision) -> &'static str {
    match decision {
        Decision::Allow => "allowed",
        Decision::ExplicitDeny => "explicitDeny",
        Decision::ImplicitDeny => "implicitDeny",
    }
}

fn answer(question: &Question, params: &Params) -> Reply {
    let actions = params.list("ActionNames");
    if actions.is_empty() {
        return Err(Fault::invalid("ActionNames must have at least one action"));
    }
    if let Some(bad) = actions.iter().find(|action| !action.contains(':') || action.contains('*')) {
        return Err(Fault::new(400, "InvalidInput", format!("Invalid Entity Action: {bad}")));
    }
    let mut resources = params.list("ResourceArns");
    if resources.is_empty() {
        resources.push("*".to_string());
    }
    let missing = question.missing();
    let mut results = Vec::new();
    for action in &actions {
        let decided: BTreeMap<&String, _> = resources.iter().map(|r| (r, question.decide(action, r))).collect();
        let detail = |reached: bool| match question.boundary {
            Some(_) => json!({ "AllowedByPermissionsBoundary": reached }),
            None => Value::Null,
        };
        for resource in &resources {
            let (decision, matched, reached) = &decided[resource];
            results.push(json!({
                "EvalActionName": action,
                "EvalResourceName": resource,
                "EvalDecision": word(*decision),
                "MatchedStatements": matched,
                "MissingContextValues": missing,
                "PermissionsBoundaryDecisionDetail": detail(*reached),
                "ResourceSpecificResults": [{
                    "EvalResourceName": resource,
                    "EvalResourceDecision": word(*decision),
                    "MatchedStatements": matched,
                    "MissingContextValues": missing,
                    "PermissionsBoundaryDecisionDetail": detail(*reached),
                }],
            }));
        }
    }
    page("EvaluationResults", results, params)
}
