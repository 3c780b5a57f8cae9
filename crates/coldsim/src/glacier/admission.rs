//! Who may call: the account, the policies of the user, of the vault and of its lock.

use darkslide_words::Time;

use super::{Call, Failure, Outcome};
use crate::access::{Conditions, context_of, principal};
use crate::clock::DAY_NANOS;
use crate::iam::{Caps, Decision, PolicyDocument, Request, evaluate_capped};
use crate::operation;
use crate::state::{ACCOUNT, State};

/// A user who may do everything, for a simulator that does not enforce policies.
const ALLOW_ALL: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

impl State {
    /// Lets a call in, or says why not. Without `enforce` only locks hold: nobody gets past them.
    pub fn admit(&self, call: &Call<'_>, enforce: bool) -> Outcome<()> {
        if call.named.account != "-" && call.named.account != ACCOUNT {
            return Err(Failure::denied(format!("the account {} is not the one that signed", call.named.account)));
        }
        let has_archives = self.glacier.vaults.values().any(|vault| !vault.archives.is_empty());
        if self.glacier.account.closed && !has_archives {
            let message = "This API is no longer supported for new accounts. Please use Amazon S3 Glacier storage \
                           classes instead.";
            return Err(Failure::new(400, "NoLongerSupportedException", message));
        }
        let action = format!("glacier:{}", call.operation.name());
        // What belongs to the account has no ARN that a policy could name.
        let resource = if call.named.vault.is_empty() { "*".into() } else { self.vault_arn(&call.named.vault) };
        match self.judge(call, enforce, &action, &resource)? {
            Decision::Allow => Ok(()),
            Decision::ImplicitDeny if !enforce => Ok(()),
            decision => {
                let because = match decision {
                    Decision::ExplicitDeny => "with an explicit deny".to_string(),
                    _ => format!("because no policy allows the {action} action"),
                };
                let who = &call.who.arn;
                Err(Failure::denied(format!(
                    "User: {who} is not authorized to perform: {action} on resource: {resource} {because}"
                )))
            }
        }
    }

    fn judge(&self, call: &Call<'_>, enforce: bool, action: &str, resource: &str) -> Outcome<Decision> {
        let parse = |text: &String| {
            PolicyDocument::parse(text).map_err(|error| Failure::new(500, "ServiceUnavailableException", error.0))
        };
        let vault = self.glacier.vaults.get(&call.named.vault);
        let access = vault.and_then(|vault| vault.access_policy.as_ref()).filter(|_| enforce);
        let lock = vault.and_then(|vault| vault.lock.as_ref()).map(|lock| &lock.policy);
        let policies = access.into_iter().chain(lock).map(parse).collect::<Outcome<Vec<_>>>()?;
        let of_vault = policies.into_iter().reduce(PolicyDocument::and);
        let all = [ALLOW_ALL.to_string()];
        let own = if enforce { &call.who.policies[..] } else { &all };
        let own = own.iter().map(parse).collect::<Outcome<Vec<_>>>()?;
        let boundary = call.who.boundary.as_ref().filter(|_| enforce).map(parse).transpose()?;
        let session = call.who.session_policy.as_ref().filter(|_| enforce).map(parse).transpose()?;
        let principal = principal(call.who);
        let context = self.glacier_context(call);
        let request = Request { action, resource, principal, context: &context };
        let caps = Caps { boundary: boundary.as_ref(), session: session.as_ref() };
        Ok(evaluate_capped(&own, caps, of_vault.as_ref(), &request))
    }

    /// The condition keys of a call: the common ones, tags of the vault, age of the archive.
    fn glacier_context(&self, call: &Call<'_>) -> Conditions {
        let mut context = context_of(self, Some(call.who), &operation::Named::default(), call.headers);
        context.retain(|key, _| key.starts_with("aws:"));
        let Some(vault) = self.glacier.vaults.get(&call.named.vault) else { return context };
        for (key, value) in &vault.tags {
            for prefix in ["glacier", "aws"] {
                context.insert(format!("{prefix}:resourcetag/{}", key.to_lowercase()), vec![value.clone()]);
            }
        }
        let archive = vault.archives.get(&call.named.id).map(|archive| archive.created);
        let archive = archive.or_else(|| super::jobs::archive_of(call.body).and_then(|id| created(vault, &id)));
        if let Some(created) = archive {
            let days = self.now.0.saturating_sub(created.0) / DAY_NANOS;
            context.insert("glacier:archiveageindays".into(), vec![days.to_string()]);
        }
        context
    }
}

fn created(vault: &super::model::Vault, archive: &str) -> Option<Time> {
    vault.archives.get(archive).map(|archive| archive.created)
}
