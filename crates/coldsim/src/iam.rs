//! Policies: documents in JSON, and what they decide, as IAM evaluates them
//! within one account.
//!
//! **Invariant:** pure; an explicit deny in any document wins over everything,
//! and what no document allows is denied. The rules are those of "Policy
//! evaluation logic" and "IAM JSON policy elements" in the IAM User Guide.

mod condition;
mod document;
mod json;
mod pattern;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;

use document::Statement;

/// A policy document, parsed and checked.
#[derive(Debug, Clone)]
pub struct PolicyDocument {
    statements: Vec<Statement>,
}

/// Why a document is refused. IAM calls it `MalformedPolicyDocument`, S3
/// `MalformedPolicy`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PolicyError(pub String);

impl PolicyDocument {
    /// Parses a document of either kind: with principals or without.
    pub fn parse(json: &str) -> Result<Self, PolicyError> {
        Ok(Self { statements: document::parse(json)? })
    }

    /// Parses a policy of a user, or a permissions boundary: no statement may
    /// name a principal.
    pub fn parse_identity(json: &str) -> Result<Self, PolicyError> {
        let policy = Self::parse(json)?;
        match policy.statements.iter().position(|s| s.principals.is_some()) {
            Some(at) => {
                Err(PolicyError(format!("statement {}: a policy of a user must not specify a principal", at + 1)))
            }
            None => Ok(policy),
        }
    }

    /// Parses a policy of a resource, such as a bucket: each statement must
    /// name a principal.
    pub fn parse_resource(json: &str) -> Result<Self, PolicyError> {
        let policy = Self::parse(json)?;
        match policy.statements.iter().position(|s| s.principals.is_none()) {
            Some(at) => Err(PolicyError(format!("statement {}: Missing required field Principal", at + 1))),
            None => Ok(policy),
        }
    }

    /// Both documents as one: it denies and allows what either does.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.statements.extend(other.statements);
        self
    }

    /// True if a statement here leads to that decision.
    pub fn decides(&self, decision: Decision, request: &Request<'_>) -> bool {
        let scope = Scope { request };
        match decision {
            Decision::Allow => self.has(Effect::Allow, &scope),
            Decision::ExplicitDeny => self.has(Effect::Deny, &scope),
            Decision::ImplicitDeny => false,
        }
    }

    /// The condition keys that its statements look at, in lower case.
    pub fn condition_keys(&self) -> Vec<String> {
        self.statements.iter().flat_map(Statement::condition_keys).collect()
    }

    /// ARNs of users and roles that its statements name.
    pub fn principal_arns(&self) -> Vec<String> {
        self.statements.iter().flat_map(Statement::principal_arns).collect()
    }

    /// True if a statement of that effect applies, whoever asks.
    fn has(&self, effect: Effect, scope: &Scope<'_>) -> bool {
        self.statements.iter().any(|s| s.effect == effect && s.covers(scope))
    }

    /// The closest that statements of that effect come to naming who asks.
    fn names(&self, effect: Effect, scope: &Scope<'_>) -> Named {
        let of_effect = self.statements.iter().filter(|s| s.effect == effect && s.covers(scope));
        of_effect.map(|s| s.names(&scope.request.principal)).max().unwrap_or(Named::No)
    }
}

/// What a statement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Allow,
    Deny,
}

/// How closely a statement names who asks, loosest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Named {
    No,
    /// By the account, which delegates to the policies of its users.
    ByAccount,
    /// By `*`.
    AsAnyone,
    /// By the user's own ARN.
    ByArn,
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub enum PrincipalOf<'a> {
    /// Nobody: the request is not signed.
    Anonymous,
    /// A user of the account.
    User {
        /// Twelve digits.
        account: &'a str,
        /// `arn:aws:iam::ACCOUNT:user/PATH/NAME`.
        arn: &'a str,
    },
    /// A role of the account that somebody has taken on.
    Session {
        /// Twelve digits.
        account: &'a str,
        /// `arn:aws:sts::ACCOUNT:assumed-role/NAME/SESSION`.
        arn: &'a str,
        /// `arn:aws:iam::ACCOUNT:role/PATH/NAME`.
        role: &'a str,
    },
    /// A service of AWS that acts for the account.
    Service {
        /// `s3.amazonaws.com`.
        name: &'a str,
    },
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// `s3:PutObject`.
    pub action: &'a str,
    /// ARN of the bucket or object.
    pub resource: &'a str,
    /// Who asks.
    pub principal: PrincipalOf<'a>,
    /// Condition keys in lower case, each with its values; a key that the
    /// request does not carry is absent. `aws:username`, `aws:principalarn`,
    /// `aws:principalaccount` and `aws:principaltype` follow from the
    /// principal and need not be here.
    pub context: &'a BTreeMap<String, Vec<String>>,
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Allowed.
    Allow,
    /// A statement denies it.
    ExplicitDeny,
    /// No statement allows it, or the boundary does not reach so far.
    ImplicitDeny,
}

/// A request with what follows from it.
struct Scope<'a> {
    request: &'a Request<'a>,
}

impl Scope<'_> {
    /// The values of a condition key given in lower case; `None` if the
    /// request does not carry it.
    fn values(&self, key: &str) -> Option<Cow<'_, [String]>> {
        if let Some(values) = self.request.context.get(key) {
            return (!values.is_empty()).then_some(Cow::Borrowed(values));
        }
        let value = match (self.request.principal, key) {
            (PrincipalOf::Anonymous, "aws:principaltype") => "Anonymous",
            (PrincipalOf::Anonymous, "aws:userid") => "anonymous",
            (PrincipalOf::User { arn, .. }, "aws:username") => arn.rsplit('/').next().unwrap_or_default(),
            (PrincipalOf::User { arn, .. }, "aws:principalarn") => arn,
            (PrincipalOf::User { .. }, "aws:principaltype") => "User",
            (PrincipalOf::Session { role, .. }, "aws:principalarn") => role,
            (PrincipalOf::Session { .. }, "aws:principaltype") => "AssumedRole",
            (PrincipalOf::User { account, .. } | PrincipalOf::Session { account, .. }, "aws:principalaccount") => {
                account
            }
            _ => return None,
        };
        Some(Cow::Owned(vec![value.to_string()]))
    }

    /// The value of a policy variable; only a key with one value has one.
    fn variable(&self, key: &str) -> Option<String> {
        match self.values(key)?.as_ref() {
            [value] => Some(value.clone()),
            _ => None,
        }
    }
}

/// What caps the policies of who asks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Caps<'a> {
    /// The permissions boundary of the user or role.
    pub boundary: Option<&'a PolicyDocument>,
    /// The policy that the session was begun with.
    pub session: Option<&'a PolicyDocument>,
}

/// Decides about a request of a user, whom at most a boundary caps; see [`evaluate_capped`].
pub fn evaluate(
    identity: &[PolicyDocument],
    boundary: Option<&PolicyDocument>,
    resource: Option<&PolicyDocument>,
    request: &Request<'_>,
) -> Decision {
    evaluate_capped(identity, Caps { boundary, session: None }, resource, request)
}

/// Decides about a request within one account: `identity` are the policies of
/// the user or role, `caps` what they are cut with, `resource` the policy of
/// the bucket.
///
/// A bucket policy that names the user's own ARN grants by itself, even past
/// an implicit deny of the boundary; one that names `*` or the role grants
/// within the boundary; one that names the account grants nothing that the
/// user's own policies do not allow.
pub fn evaluate_capped(
    identity: &[PolicyDocument],
    caps: Caps<'_>,
    resource: Option<&PolicyDocument>,
    request: &Request<'_>,
) -> Decision {
    let scope = Scope { request };
    let stranger = matches!(request.principal, PrincipalOf::Anonymous | PrincipalOf::Service { .. });
    let own = if stranger { &[] } else { identity };
    let caps = if stranger { Caps::default() } else { caps };
    let mut capping = caps.boundary.into_iter().chain(caps.session);

    let denied = own.iter().chain(capping.clone()).any(|policy| policy.has(Effect::Deny, &scope))
        || resource.is_some_and(|policy| policy.names(Effect::Deny, &scope) != Named::No);
    if denied {
        return Decision::ExplicitDeny;
    }
    let granted = resource.map_or(Named::No, |policy| policy.names(Effect::Allow, &scope));
    if granted == Named::ByArn {
        return Decision::Allow;
    }
    let allowed = granted == Named::AsAnyone || own.iter().any(|policy| policy.has(Effect::Allow, &scope));
    let reached = capping.all(|policy| policy.has(Effect::Allow, &scope));
    if allowed && reached { Decision::Allow } else { Decision::ImplicitDeny }
}

/// Decides whether somebody may take on a role: unlike other policies of
/// resources, `trust` has to name who asks, or the account.
pub fn evaluate_trust(
    identity: &[PolicyDocument],
    caps: Caps<'_>,
    trust: &PolicyDocument,
    request: &Request<'_>,
) -> Decision {
    match evaluate_capped(identity, caps, Some(trust), request) {
        Decision::Allow if trust.names(Effect::Allow, &Scope { request }) == Named::No => Decision::ImplicitDeny,
        decision => decision,
    }
}
