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
        let PrincipalOf::User { account, arn } = self.request.principal else {
            let value = match key {
                "aws:principaltype" => "Anonymous",
                "aws:userid" => "anonymous",
                _ => return None,
            };
            return Some(Cow::Owned(vec![value.to_string()]));
        };
        let value = match key {
            "aws:username" => arn.rsplit('/').next().unwrap_or_default(),
            "aws:principalarn" => arn,
            "aws:principalaccount" => account,
            "aws:principaltype" => "User",
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

/// Decides about a request within one account: `identity` are the policies of
/// the user, `boundary` the user's permissions boundary, `resource` the policy
/// of the bucket.
///
/// A bucket policy that names the user's own ARN grants by itself, even past
/// an implicit deny of the boundary; one that names `*` grants within the
/// boundary; one that names the account grants nothing that the user's own
/// policies do not allow.
pub fn evaluate(
    identity: &[PolicyDocument],
    boundary: Option<&PolicyDocument>,
    resource: Option<&PolicyDocument>,
    request: &Request<'_>,
) -> Decision {
    let scope = Scope { request };
    let anonymous = matches!(request.principal, PrincipalOf::Anonymous);
    let own = if anonymous { &[] } else { identity };
    let boundary = if anonymous { None } else { boundary };

    let denied = own.iter().chain(boundary).any(|policy| policy.has(Effect::Deny, &scope))
        || resource.is_some_and(|policy| policy.names(Effect::Deny, &scope) != Named::No);
    if denied {
        return Decision::ExplicitDeny;
    }
    let granted = resource.map_or(Named::No, |policy| policy.names(Effect::Allow, &scope));
    if granted == Named::ByArn {
        return Decision::Allow;
    }
    let allowed = granted == Named::AsAnyone || own.iter().any(|policy| policy.has(Effect::Allow, &scope));
    let reached = boundary.is_none_or(|policy| policy.has(Effect::Allow, &scope));
    if allowed && reached { Decision::Allow } else { Decision::ImplicitDeny }
}
