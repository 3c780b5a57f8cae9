//! The account: users, roles, policies, keys and sessions, as IAM and STS keep them, and the
//! topics and budgets beside them.
//!
//! On the way of a call: `server` verifies its signature, [`answer`] asks [`reach`] what it needs,
//! the caller's policies whether they allow it, and one of the modules below does it.
//!
//! **Invariant:** what is made here counts at once: a new key signs the very next request, a
//! policy that was taken away allows nothing more. Nothing of it depends on virtual time but the
//! dates that are shown; sessions expire in real time, as their holders count.

mod budgets;
mod holders;
mod keys;
mod policies;
mod publish;
mod query;
mod reach;
mod roles;
mod sessions;
mod simulate;
#[cfg(test)]
mod tests;
mod topics;
mod users;

use std::collections::{BTreeMap, BTreeSet};

use darkslide_words::Time;
use serde::{Deserialize, Serialize};

use crate::access::{Conditions, decide};
use crate::iam::Decision;
use crate::state::{ACCOUNT, Record, State};
pub(crate) use budgets::Budget;
use query::Fault;
use query::Params;
pub(crate) use topics::{Subscription, Topic};

/// Name and value.
pub(crate) type Tags = BTreeMap<String, String>;

/// The policy that the account's own administrator has.
pub(crate) const ALLOW_ALL: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

/// All of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Account {
    pub users: BTreeMap<String, Holder>,
    pub roles: BTreeMap<String, Role>,
    /// By ARN.
    pub policies: BTreeMap<String, ManagedPolicy>,
    /// Keys of users, by id.
    pub keys: BTreeMap<String, UserKey>,
    /// Second factors, by serial number.
    pub devices: BTreeMap<String, Device>,
    /// Sessions, by the id of their key.
    pub sessions: BTreeMap<String, Session>,
    /// By name.
    pub topics: BTreeMap<String, Topic>,
    /// By ARN.
    pub subscriptions: BTreeMap<String, Subscription>,
    /// By name.
    pub budgets: BTreeMap<String, Budget>,
}

/// Who holds policies: a user, or what a role has in common with one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Holder {
    /// Begins and ends with `/`.
    pub path: String,
    pub name: String,
    pub id: String,
    pub created: Time,
    pub tags: Tags,
    /// Policies of its own, by name.
    pub inline: BTreeMap<String, String>,
    /// ARNs of managed policies.
    pub attached: BTreeSet<String>,
    /// ARN of the policy that caps it.
    pub boundary: Option<String>,
}

/// A role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Role {
    pub holder: Holder,
    /// Who may take it on.
    pub trust: String,
    pub description: Option<String>,
    pub session_seconds_max: u64,
    pub used: Option<Time>,
}

/// A managed policy, with its versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ManagedPolicy {
    pub path: String,
    pub name: String,
    pub id: String,
    pub created: Time,
    pub updated: Time,
    pub description: Option<String>,
    pub tags: Tags,
    /// Documents with their dates, by number.
    pub versions: BTreeMap<u32, (String, Time)>,
    pub default: u32,
    /// The next version's number; numbers are never given twice.
    pub next: u32,
}

/// A key of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UserKey {
    pub user: String,
    pub secret: String,
    pub active: bool,
    pub created: Time,
    /// When, by which service's name, in which region.
    pub used: Option<(Time, String, String)>,
}

/// A virtual second factor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Device {
    pub seed: Vec<u8>,
    /// Whose it is, once it is enabled.
    pub user: Option<String>,
}

/// Temporary credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    pub secret: String,
    pub token: String,
    /// In real time.
    pub expires: Time,
    pub of: SessionOf,
    /// Intersects with what the role or user may do.
    pub policy: Option<String>,
    /// True if a second factor was shown.
    pub mfa: bool,
}

/// Whose session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SessionOf {
    User(String),
    Role { role: String, name: String },
}

/// Who signed a request, with all that decides what they may do.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub key: String,
    pub secret: String,
    pub token: Option<String>,
    /// In real time.
    pub expires: Option<Time>,
    /// Name of the user; none for a role.
    pub user: Option<String>,
    pub arn: String,
    /// ARN of the role of a session.
    pub role: Option<String>,
    pub user_id: String,
    pub tags: Tags,
    pub policies: Vec<String>,
    pub boundary: Option<String>,
    pub session_policy: Option<String>,
    /// None for long-term keys, which carry no such fact.
    pub mfa: Option<bool>,
}

impl Holder {
    pub fn user_arn(&self) -> String {
        format!("arn:aws:iam::{ACCOUNT}:user{}{}", self.path, self.name)
    }

    pub fn role_arn(&self) -> String {
        format!("arn:aws:iam::{ACCOUNT}:role{}{}", self.path, self.name)
    }
}

impl ManagedPolicy {
    pub fn arn(&self) -> String {
        format!("arn:aws:iam::{ACCOUNT}:policy{}{}", self.path, self.name)
    }

    /// The document that counts.
    pub fn document(&self) -> &str {
        self.versions.get(&self.default).map_or("", |(text, _)| text)
    }
}

impl Account {
    /// A managed policy's document; of AWS's own there is `AdministratorAccess` alone.
    pub fn document(&self, arn: &str) -> Option<&str> {
        if arn == "arn:aws:iam::aws:policy/AdministratorAccess" {
            return Some(ALLOW_ALL);
        }
        self.policies.get(arn).map(ManagedPolicy::document)
    }

    /// All documents of a holder: its own, then those that are attached.
    pub fn documents(&self, holder: &Holder) -> Vec<String> {
        let attached = holder.attached.iter().filter_map(|arn| self.document(arn)).map(str::to_string);
        holder.inline.values().cloned().chain(attached).collect()
    }

    /// The boundary's document; one that is gone allows nothing.
    pub fn boundary(&self, holder: &Holder) -> Option<String> {
        let nothing = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#;
        holder.boundary.as_ref().map(|arn| self.document(arn).unwrap_or(nothing).to_string())
    }

    fn of_user(&self, holder: &Holder, key: &str, secret: &str) -> Caller {
        Caller {
            key: key.to_string(),
            secret: secret.to_string(),
            token: None,
            expires: None,
            user: Some(holder.name.clone()),
            arn: holder.user_arn(),
            role: None,
            user_id: holder.id.clone(),
            tags: holder.tags.clone(),
            policies: self.documents(holder),
            boundary: self.boundary(holder),
            session_policy: None,
            mfa: None,
        }
    }

    fn of_session(&self, key: &str, session: &Session) -> Option<Caller> {
        let mut caller = match &session.of {
            SessionOf::User(name) => self.of_user(self.users.get(name)?, key, &session.secret),
            SessionOf::Role { role, name } => {
                let holder = &self.roles.get(role)?.holder;
                let mut caller = self.of_user(holder, key, &session.secret);
                caller.user = None;
                caller.arn = format!("arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{name}");
                caller.role = Some(holder.role_arn());
                caller.user_id = format!("{}:{name}", holder.id);
                caller
            }
        };
        caller.token = Some(session.token.clone());
        caller.expires = Some(session.expires);
        caller.session_policy.clone_from(&session.policy);
        caller.mfa = Some(session.mfa);
        Some(caller)
    }
}

impl State {
    /// True if a policy may name the ARN: such a user or role is there.
    pub fn is_principal(&self, arn: &str) -> bool {
        let account = &self.account;
        arn.contains(":assumed-role/")
            || account.users.values().any(|user| user.user_arn() == arn)
            || account.roles.values().any(|role| role.holder.role_arn() == arn)
            || self.keys.values().any(|key| key.arn() == arn)
    }

    /// Who holds a key; nobody, if it is not there or not active.
    pub fn caller(&self, key: &str) -> Option<Caller> {
        if let Some(fixed) = self.keys.get(key) {
            let name = fixed.user.rsplit('/').next().unwrap_or_default();
            return Some(Caller {
                key: key.to_string(),
                secret: fixed.secret.clone(),
                token: None,
                expires: None,
                user: Some(name.to_string()),
                arn: fixed.arn(),
                role: None,
                user_id: format!("AIDA{}", fixed.id),
                tags: Tags::new(),
                policies: fixed.policies.clone(),
                boundary: fixed.boundary.clone(),
                session_policy: None,
                mfa: None,
            });
        }
        let account = &self.account;
        if let Some(session) = account.sessions.get(key) {
            return account.of_session(key, session);
        }
        let found = account.keys.get(key).filter(|key| key.active)?;
        let holder = account.users.get(&found.user)?;
        Some(account.of_user(holder, key, &found.secret))
    }

    /// Remembers that a key was used; written down with the next change.
    pub fn used(&mut self, key: &str, service: &str) {
        let (now, region) = (self.now, self.region.clone());
        if let Some(key) = self.account.keys.get_mut(key) {
            key.used = Some((now, service.to_string(), region));
        }
        if let Some(SessionOf::Role { role, .. }) = self.account.sessions.get(key).map(|s| &s.of)
            && let Some(role) = self.account.roles.get_mut(role)
        {
            role.used = Some(now);
        }
    }
}

/// A service with calls of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Iam,
    Sts,
    Sns,
    Budgets,
}

impl Service {
    /// By the name in a signature's scope.
    pub fn of_scope(scope: &str) -> Option<Self> {
        Some(match scope {
            "iam" => Self::Iam,
            "sts" => Self::Sts,
            "sns" => Self::Sns,
            "budgets" => Self::Budgets,
            _ => return None,
        })
    }

    /// The name before an action's colon.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Iam => "iam",
            Self::Sts => "sts",
            Self::Sns => "sns",
            Self::Budgets => "budgets",
        }
    }

    fn namespace(self) -> &'static str {
        match self {
            Self::Iam => "https://iam.amazonaws.com/doc/2010-05-08/",
            Self::Sts => "https://sts.amazonaws.com/doc/2011-06-15/",
            Self::Sns | Self::Budgets => "http://sns.amazonaws.com/doc/2010-03-31/",
        }
    }
}

/// What a call comes with.
pub(crate) struct Call<'a> {
    pub caller: &'a Caller,
    /// Condition keys of the request.
    pub context: &'a Conditions,
    pub enforce: bool,
    /// Real time, for sessions and second factors.
    pub real_now: Time,
}

type Reply = Result<serde_json::Value, Fault>;

/// The action that a call of the query protocol names.
pub(crate) fn action_of(body: &[u8]) -> String {
    Params::parse(body).get("Action").unwrap_or_default().to_string()
}

/// An error that has nothing to do with what was asked.
pub(crate) fn fault_xml(service: Service, status: u16, code: &str, message: &str) -> String {
    let fault = Fault { status, code: code.to_string().into(), message: message.to_string() };
    fault.xml(service.namespace(), "coldsim")
}

/// Answers a call of the query protocol: a status, and XML.
pub(crate) fn answer(state: &mut State, service: Service, body: &[u8], call: &Call<'_>) -> (u16, String) {
    let params = Params::parse(body);
    let action = params.get("Action").unwrap_or_default().to_string();
    let reply = authorize(state, service, &action, &params, call).and_then(|()| match service {
        Service::Iam => iam(state, &action, &params, call),
        Service::Sts => sessions::call(state, &action, &params, call),
        _ => topics::call(state, &action, &params),
    });
    state.dirty.insert(Record::Rest);
    let id = state.fresh_id();
    match reply {
        Ok(value) => (200, query::answer_xml(service.namespace(), &action, &value, &id)),
        Err(fault) => (fault.status, fault.xml(service.namespace(), &id)),
    }
}

/// Answers a call of the budgets: a status, and JSON.
pub(crate) fn answer_json(state: &mut State, operation: &str, body: &[u8], call: &Call<'_>) -> (u16, String) {
    let params = Params::of("BudgetName", budgets::name_of(body));
    let reply = authorize(state, Service::Budgets, operation, &params, call)
        .and_then(|()| budgets::call(state, operation, body));
    state.dirty.insert(Record::Rest);
    match reply {
        Ok(value) => (200, value.to_string()),
        Err(fault) => (fault.status, fault.json()),
    }
}

fn iam(state: &mut State, action: &str, params: &Params, call: &Call<'_>) -> Reply {
    let parts = [users::call, roles::call, policies::call, keys::call, simulate::call];
    for part in parts {
        if let Some(reply) = part(state, action, params, call) {
            return reply;
        }
    }
    Err(Fault::unknown(action))
}

/// Whether the caller's policies allow the call.
fn authorize(state: &State, service: Service, action: &str, params: &Params, call: &Call<'_>) -> Result<(), Fault> {
    // Nobody needs a permission to ask who they are.
    if !call.enforce || action == "GetCallerIdentity" {
        return Ok(());
    }
    let reach = reach::of(state, service, action, params, call.caller);
    let mut context = call.context.clone();
    context.extend(reach.context);
    for (action, resource) in &reach.needs {
        let decision = decide(Some(call.caller), reach.policy.as_deref(), action, resource, &context)
            .map_err(|error| Fault::new(400, "MalformedPolicyDocument", error.to_string()))?;
        // A trust policy decides by itself about a role of the same account, see `sessions`.
        let by_trust = action == "sts:AssumeRole" && decision == Decision::ImplicitDeny;
        if decision != Decision::Allow && !by_trust {
            let why = match decision {
                Decision::ExplicitDeny => "with an explicit deny in an identity-based policy".to_string(),
                _ => format!("because no identity-based policy allows the {action} action"),
            };
            let arn = &call.caller.arn;
            let message = format!("User: {arn} is not authorized to perform: {action} on resource: {resource} {why}");
            let code = if service == Service::Sns { "AuthorizationError" } else { "AccessDenied" };
            let code = if service == Service::Budgets { "AccessDeniedException" } else { code };
            return Err(Fault::new(403, code, message));
        }
    }
    Ok(())
}
