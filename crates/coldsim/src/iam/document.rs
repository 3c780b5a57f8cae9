//! Reading a policy document, and whom and what its statements cover.
//!
//! **Invariant:** an element, a value or an operator that is not known is
//! refused, never passed over: a typing error must not weaken a policy.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::condition::Condition;
use super::json::Strict;
use super::pattern::{Case, Pattern, Variables};
use super::{Effect, Named, PolicyError, PrincipalOf, Scope};

/// A list of patterns, meant or excepted.
#[derive(Debug, Clone)]
struct Listed<T> {
    items: Vec<T>,
    /// True for `NotAction`, `NotResource` and `NotPrincipal`.
    except: bool,
}

/// One statement.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    pub(super) effect: Effect,
    pub(super) principals: Option<Principals>,
    actions: Listed<Pattern>,
    resources: Listed<Pattern>,
    conditions: Vec<Condition>,
}

/// Whom a statement is about.
#[derive(Debug, Clone)]
pub(super) struct Principals(Listed<Principal>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Principal {
    Anyone,
    /// Twelve digits.
    Account(String),
    /// An ARN of a user or role.
    Arn(String),
    /// `s3.amazonaws.com`.
    Service(String),
    /// A federated or a canonical user: none that signs requests here.
    Foreign,
}

impl Statement {
    /// True if action, resource and conditions apply.
    pub(super) fn covers(&self, scope: &Scope<'_>) -> bool {
        let request = scope.request;
        let action = self.actions.items.iter().any(|p| p.matches(request.action, Case::Same, scope));
        let resource = self.resources.items.iter().any(|p| p.matches_arn(request.resource, scope));
        action != self.actions.except
            && resource != self.resources.except
            && self.conditions.iter().all(|condition| condition.holds(scope))
    }

    /// The condition keys it looks at.
    pub(super) fn condition_keys(&self) -> impl Iterator<Item = String> + '_ {
        self.conditions.iter().map(|condition| condition.key().to_string())
    }

    /// The users and roles it names.
    pub(super) fn principal_arns(&self) -> Vec<String> {
        let items = self.principals.iter().flat_map(|Principals(listed)| &listed.items);
        let arns = items.filter_map(|item| if let Principal::Arn(arn) = item { Some(arn.clone()) } else { None });
        arns.collect()
    }

    /// How closely it names who asks.
    pub(super) fn names(&self, who: &PrincipalOf<'_>) -> Named {
        let Some(Principals(listed)) = &self.principals else {
            return Named::No;
        };
        let named = |by: Named| listed.items.iter().any(|p| p.is(who, by));
        if listed.except {
            // To be excepted, a user must be listed together with the account:
            // the account is a principal of its own.
            let spared = match who {
                PrincipalOf::Anonymous => named(Named::AsAnyone),
                PrincipalOf::Service { .. } => named(Named::AsAnyone) || named(Named::ByArn),
                PrincipalOf::User { .. } => named(Named::AsAnyone) || (named(Named::ByArn) && named(Named::ByAccount)),
                PrincipalOf::Session { role, .. } => {
                    let by_role = listed.items.contains(&Principal::Arn((*role).to_string()));
                    let anyone = listed.items.contains(&Principal::Anyone);
                    anyone || (by_role && named(Named::ByArn) && named(Named::ByAccount))
                }
            };
            return if spared { Named::No } else { Named::AsAnyone };
        }
        let by = [Named::ByArn, Named::AsAnyone, Named::ByAccount];
        by.into_iter().find(|by| named(*by)).unwrap_or(Named::No)
    }
}

impl Principal {
    fn is(&self, who: &PrincipalOf<'_>, by: Named) -> bool {
        match (self, who, by) {
            (Self::Anyone, _, Named::AsAnyone) => true,
            (Self::Account(named), PrincipalOf::User { account, .. }, Named::ByAccount) => named == account,
            (Self::Account(named), PrincipalOf::Session { account, .. }, Named::ByAccount) => named == account,
            (Self::Arn(named), PrincipalOf::User { arn, .. }, Named::ByArn) => named == arn,
            (Self::Arn(named), PrincipalOf::Session { arn, .. }, Named::ByArn) => named == arn,
            // A grant to the role reaches no further than its boundary and its session's policy.
            (Self::Arn(named), PrincipalOf::Session { role, .. }, Named::AsAnyone) => named == role,
            (Self::Service(named), PrincipalOf::Service { name }, Named::ByArn) => named == name,
            _ => false,
        }
    }
}

fn wrong<T>(reason: impl Into<String>) -> Result<T, PolicyError> {
    Err(PolicyError(reason.into()))
}

/// The statements of a document.
pub(super) fn parse(json: &str) -> Result<Vec<Statement>, PolicyError> {
    let Strict(document) =
        serde_json::from_str(json).map_err(|error| PolicyError(format!("This policy is not valid JSON: {error}")))?;
    let Value::Object(document) = document else {
        return wrong("a policy is a JSON object");
    };
    known(&document, &["Version", "Id", "Statement"], "policy")?;
    let variables = match document.get("Version") {
        None => Variables::Literal,
        Some(Value::String(version)) if version == "2008-10-17" => Variables::Literal,
        Some(Value::String(version)) if version == "2012-10-17" => Variables::Expanded,
        Some(other) => return wrong(format!("the version must be \"2012-10-17\" or \"2008-10-17\", not {other}")),
    };
    if document.get("Id").is_some_and(|id| !id.is_string()) {
        return wrong("Id must be a string");
    }
    let statements = match document.get("Statement") {
        Some(Value::Array(statements)) if !statements.is_empty() => statements.iter().collect(),
        Some(statement @ Value::Object(_)) => vec![statement],
        _ => return wrong("the policy must contain at least one statement"),
    };
    let mut sids = BTreeSet::new();
    let mut parsed = Vec::new();
    for (at, value) in statements.into_iter().enumerate() {
        let place = |error: PolicyError| PolicyError(format!("statement {}: {}", at + 1, error.0));
        let Value::Object(fields) = value else {
            return Err(place(PolicyError("a statement is a JSON object".into())));
        };
        parsed.push(statement(fields, variables, &mut sids).map_err(place)?);
    }
    Ok(parsed)
}

fn known(fields: &Map<String, Value>, names: &[&str], what: &str) -> Result<(), PolicyError> {
    match fields.keys().find(|key| !names.contains(&key.as_str())) {
        Some(key) => wrong(format!("Unknown field {key} in the {what}")),
        None => Ok(()),
    }
}

const ELEMENTS: [&str; 9] =
    ["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"];

fn statement(
    fields: &Map<String, Value>,
    variables: Variables,
    sids: &mut BTreeSet<String>,
) -> Result<Statement, PolicyError> {
    known(fields, &ELEMENTS, "statement")?;
    match fields.get("Sid") {
        None => {}
        Some(Value::String(sid)) if sid.is_empty() || sids.insert(sid.clone()) => {}
        Some(Value::String(sid)) => return wrong(format!("Sid `{sid}` stands twice; Sids must be unique in a policy")),
        Some(_) => return wrong("Sid must be a string"),
    }
    let effect = match fields.get("Effect") {
        Some(Value::String(effect)) if effect == "Allow" => Effect::Allow,
        Some(Value::String(effect)) if effect == "Deny" => Effect::Deny,
        Some(other) => return wrong(format!("Effect must be \"Allow\" or \"Deny\", not {other}")),
        None => return wrong("Missing required field Effect"),
    };
    let Some(actions) = either(fields, "Action", "NotAction")? else {
        return wrong("Missing required field Action");
    };
    let Some(resources) = either(fields, "Resource", "NotResource")? else {
        return wrong("Missing required field Resource");
    };
    Ok(Statement {
        effect,
        principals: principals(fields)?,
        actions: patterns(actions, action)?,
        resources: patterns(resources, |text| resource(text, variables))?,
        conditions: conditions(fields.get("Condition"), variables)?,
    })
}

/// The value of the one or of the other element, and whether it is the other.
fn either<'v>(
    fields: &'v Map<String, Value>,
    name: &str,
    except: &str,
) -> Result<Option<(&'v Value, bool)>, PolicyError> {
    match (fields.get(name), fields.get(except)) {
        (Some(_), Some(_)) => wrong(format!("{name} and {except} exclude each other")),
        (Some(value), None) => Ok(Some((value, false))),
        (None, Some(value)) => Ok(Some((value, true))),
        (None, None) => Ok(None),
    }
}

fn patterns<T>(
    (value, except): (&Value, bool),
    read: impl Fn(&str) -> Result<T, PolicyError>,
) -> Result<Listed<T>, PolicyError> {
    let items = strings(value)?.into_iter().map(read).collect::<Result<Vec<T>, _>>()?;
    Ok(Listed { items, except })
}

/// One string or a list of them, at least one.
fn strings(value: &Value) -> Result<Vec<&str>, PolicyError> {
    let one = |value: &'_ Value| value.as_str().is_some();
    match value {
        Value::String(text) => Ok(vec![text]),
        Value::Array(list) if !list.is_empty() && list.iter().all(one) => {
            Ok(list.iter().filter_map(Value::as_str).collect())
        }
        other => wrong(format!("a string or a list of strings is wanted, not {other}")),
    }
}

fn action(text: &str) -> Result<Pattern, PolicyError> {
    let (vendor, name) = text.split_once(':').unwrap_or((text, ""));
    let plain = |part: &str| part.chars().all(|c| c.is_ascii_alphanumeric() || "*?-".contains(c));
    let good = text == "*" || (plain(vendor) && !vendor.is_empty() && plain(name) && !name.is_empty());
    if !good {
        return wrong(format!("Action `{text}` must be prefaced by a vendor, such as s3:PutObject"));
    }
    Pattern::parse(text, Variables::Literal)
}

fn resource(text: &str, variables: Variables) -> Result<Pattern, PolicyError> {
    let arn = text.starts_with("arn:") && text.splitn(6, ':').count() == 6;
    let variable = variables == Variables::Expanded && text.starts_with("${");
    let good = text == "*" || arn || variable;
    if !good {
        return wrong(format!("Resource {text} must be in ARN format or \"*\""));
    }
    Pattern::parse(text, variables)
}

fn principals(fields: &Map<String, Value>) -> Result<Option<Principals>, PolicyError> {
    let Some((value, except)) = either(fields, "Principal", "NotPrincipal")? else {
        return Ok(None);
    };
    let items = match value {
        Value::String(text) if text == "*" => vec![Principal::Anyone],
        Value::Object(kinds) if !kinds.is_empty() => {
            known(kinds, &["AWS", "Service", "Federated", "CanonicalUser"], "principal")?;
            let mut items = Vec::new();
            for (kind, names) in kinds {
                for name in strings(names)? {
                    items.push(principal(kind, name)?);
                }
            }
            items
        }
        other => return wrong(format!("Invalid principal in policy: {other}")),
    };
    Ok(Some(Principals(Listed { items, except })))
}

fn principal(kind: &str, name: &str) -> Result<Principal, PolicyError> {
    let is_account = |text: &str| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    if kind == "Service" {
        let good = name.contains('.');
        let service = || Principal::Service(name.to_string());
        return if good { Ok(service()) } else { wrong(format!("Invalid principal in policy: {name}")) };
    }
    if kind != "AWS" {
        return Ok(Principal::Foreign);
    }
    if name == "*" {
        return Ok(Principal::Anyone);
    }
    if is_account(name) {
        return Ok(Principal::Account(name.to_string()));
    }
    let parts: Vec<&str> = name.splitn(6, ':').collect();
    let ["arn", _, "iam" | "sts", "", account, rest] = parts[..] else {
        return wrong(format!("Invalid principal in policy: {name}"));
    };
    if !is_account(account) || name.contains(['*', '?']) || rest.is_empty() {
        return wrong(format!("Invalid principal in policy: {name}"));
    }
    Ok(if rest == "root" { Principal::Account(account.to_string()) } else { Principal::Arn(name.to_string()) })
}

fn conditions(value: Option<&Value>, variables: Variables) -> Result<Vec<Condition>, PolicyError> {
    let mut conditions = Vec::new();
    let operators = match value {
        None => return Ok(conditions),
        Some(Value::Object(operators)) => operators,
        Some(other) => return wrong(format!("Condition must be a JSON object, not {other}")),
    };
    for (operator, keys) in operators {
        let Value::Object(keys) = keys else {
            return wrong(format!("{operator} must hold condition keys, not {keys}"));
        };
        for (key, values) in keys {
            conditions.push(Condition::parse(operator, key, &scalars(values)?, variables)?);
        }
    }
    Ok(conditions)
}

/// Strings, numbers and truth values, all as strings.
fn scalars(value: &Value) -> Result<Vec<String>, PolicyError> {
    let one = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(truth) => Ok(truth.to_string()),
        other => wrong(format!("a condition compares with strings, not {other}")),
    };
    match value {
        Value::Array(list) => list.iter().map(one).collect(),
        value => Ok(vec![one(value)?]),
    }
}
