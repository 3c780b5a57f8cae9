//! Users, roles, policies and keys of IAM.

use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum, PolicyEvaluationDecisionType, StatusType, Tag};
use darkslide_words::Time;
use secrecy::SecretString;
use serde_json::{Map, Value, json};

use super::{AwsCloud, absent, days, document, foreign, gone, pairs, text, unfit};
use crate::cloud::{Aspect, CloudError, Decision, Item, KeyId, KeyInfo, KeyState, LastUse, NewKey, Question};
use crate::desired::{IamName, IamPath};
use crate::wanted::INLINE;

const NOT_THERE: &[&str] = &["NoSuchEntity", "NoSuchEntityException"];
/// AWS's word for a key that was never used.
const NEVER: &str = "N/A";

impl AwsCloud {
    fn tags(call: &'static str, tags: &Value) -> Result<Vec<Tag>, CloudError> {
        let one = |(key, value)| Tag::builder().key(key).value(value).build().map_err(|bad| unfit(call, &"a tag", bad));
        pairs(tags).into_iter().map(one).collect()
    }

    fn policy_arn(&self, path: &IamPath, name: &IamName) -> Result<String, CloudError> {
        Ok(format!("arn:{}:iam::{}:policy{path}{name}", self.partition(), self.own_account()?))
    }

    pub(super) fn read_user(&self, item: &Item, name: &IamName) -> Result<Option<Value>, CloudError> {
        let user = || absent(self.ask("GetUser", item, self.iam.get_user().user_name(name.as_str()).send()), NOT_THERE);
        match item.aspect {
            Aspect::Itself => Ok(user()?.and_then(|answer| answer.user.map(|user| json!({"path": user.path})))),
            Aspect::Boundary => {
                let boundary = user()?.and_then(|answer| answer.user?.permissions_boundary?.permissions_boundary_arn);
                Ok(boundary.map(Value::String))
            }
            Aspect::Tags => {
                let asked = self.ask("ListUserTags", item, self.iam.list_user_tags().user_name(name.as_str()).send());
                Ok(absent(asked, NOT_THERE)?.map(|answer| tagged(answer.tags())))
            }
            Aspect::Policy => {
                let asked = self.iam.get_user_policy().user_name(name.as_str()).policy_name(INLINE).send();
                Ok(absent(self.ask("GetUserPolicy", item, asked), NOT_THERE)?
                    .map(|answer| unquoted(answer.policy_document())))
            }
            _ => Err(foreign("Read", item)),
        }
    }

    pub(super) fn write_user(&self, item: &Item, name: &IamName, state: &Value) -> Result<(), CloudError> {
        let name = name.as_str();
        match item.aspect {
            Aspect::Itself => {
                let tags = Self::tags("CreateUser", &state["tags"])?;
                let made = self.iam.create_user().user_name(name).path(text(state, "path")).set_tags(Some(tags));
                let made = made.set_permissions_boundary(state["boundary"].as_str().map(str::to_string));
                self.ask("CreateUser", item, made.send()).map(|_| ())
            }
            Aspect::Boundary => {
                let set = self.iam.put_user_permissions_boundary().user_name(name);
                let set = set.permissions_boundary(state.as_str().unwrap_or_default());
                self.ask("PutUserPermissionsBoundary", item, set.send()).map(|_| ())
            }
            Aspect::Tags => {
                let tags = Self::tags("TagUser", state)?;
                self.ask("TagUser", item, self.iam.tag_user().user_name(name).set_tags(Some(tags)).send()).map(|_| ())
            }
            Aspect::Policy => {
                let put =
                    self.iam.put_user_policy().user_name(name).policy_name(INLINE).policy_document(state.to_string());
                self.ask("PutUserPolicy", item, put.send()).map(|_| ())
            }
            _ => Err(foreign("Write", item)),
        }
    }

    pub(super) fn delete_user(&self, item: &Item, name: &IamName) -> Result<(), CloudError> {
        match item.aspect {
            Aspect::Policy => {
                let deleted = self.iam.delete_user_policy().user_name(name.as_str()).policy_name(INLINE).send();
                gone(self.ask("DeleteUserPolicy", item, deleted), NOT_THERE)
            }
            _ => gone(self.ask("DeleteUser", item, self.iam.delete_user().user_name(name.as_str()).send()), NOT_THERE),
        }
    }

    pub(super) fn read_role(&self, item: &Item, name: &IamName) -> Result<Option<Value>, CloudError> {
        let role = || absent(self.ask("GetRole", item, self.iam.get_role().role_name(name.as_str()).send()), NOT_THERE);
        match item.aspect {
            Aspect::Itself => Ok(role()?.and_then(|answer| answer.role.map(|role| json!({"path": role.path})))),
            Aspect::Boundary => {
                let boundary = role()?.and_then(|answer| answer.role?.permissions_boundary?.permissions_boundary_arn);
                Ok(boundary.map(Value::String))
            }
            Aspect::Trust => {
                let trust = role()?.and_then(|answer| answer.role?.assume_role_policy_document);
                Ok(trust.map(|quoted| unquoted(&quoted)))
            }
            Aspect::Tags => {
                let asked = self.ask("ListRoleTags", item, self.iam.list_role_tags().role_name(name.as_str()).send());
                Ok(absent(asked, NOT_THERE)?.map(|answer| tagged(answer.tags())))
            }
            Aspect::Policy => {
                let asked = self.iam.get_role_policy().role_name(name.as_str()).policy_name(INLINE).send();
                Ok(absent(self.ask("GetRolePolicy", item, asked), NOT_THERE)?
                    .map(|answer| unquoted(answer.policy_document())))
            }
            _ => Err(foreign("Read", item)),
        }
    }

    pub(super) fn write_role(&self, item: &Item, name: &IamName, state: &Value) -> Result<(), CloudError> {
        let name = name.as_str();
        match item.aspect {
            Aspect::Itself => {
                let tags = Self::tags("CreateRole", &state["tags"])?;
                let made = self.iam.create_role().role_name(name).path(text(state, "path")).set_tags(Some(tags));
                let made = made.assume_role_policy_document(state["trust"].to_string());
                let made = made.set_max_session_duration(days(&state["session_seconds"]));
                let made = made.set_permissions_boundary(state["boundary"].as_str().map(str::to_string));
                self.ask("CreateRole", item, made.send()).map(|_| ())
            }
            Aspect::Boundary => {
                let set = self.iam.put_role_permissions_boundary().role_name(name);
                let set = set.permissions_boundary(state.as_str().unwrap_or_default());
                self.ask("PutRolePermissionsBoundary", item, set.send()).map(|_| ())
            }
            Aspect::Trust => {
                let set = self.iam.update_assume_role_policy().role_name(name).policy_document(state.to_string());
                self.ask("UpdateAssumeRolePolicy", item, set.send()).map(|_| ())
            }
            Aspect::Tags => {
                let tags = Self::tags("TagRole", state)?;
                self.ask("TagRole", item, self.iam.tag_role().role_name(name).set_tags(Some(tags)).send()).map(|_| ())
            }
            Aspect::Policy => {
                let put =
                    self.iam.put_role_policy().role_name(name).policy_name(INLINE).policy_document(state.to_string());
                self.ask("PutRolePolicy", item, put.send()).map(|_| ())
            }
            _ => Err(foreign("Write", item)),
        }
    }

    pub(super) fn delete_role(&self, item: &Item, name: &IamName) -> Result<(), CloudError> {
        match item.aspect {
            Aspect::Policy => {
                let deleted = self.iam.delete_role_policy().role_name(name.as_str()).policy_name(INLINE).send();
                gone(self.ask("DeleteRolePolicy", item, deleted), NOT_THERE)
            }
            _ => gone(self.ask("DeleteRole", item, self.iam.delete_role().role_name(name.as_str()).send()), NOT_THERE),
        }
    }

    pub(super) fn read_policy(&self, item: &Item, path: &IamPath, name: &IamName) -> Result<Option<Value>, CloudError> {
        let arn = self.policy_arn(path, name)?;
        let asked = self.ask("GetPolicy", item, self.iam.get_policy().policy_arn(&arn).send());
        let Some(policy) = absent(asked, NOT_THERE)?.and_then(|answer| answer.policy) else { return Ok(None) };
        match item.aspect {
            Aspect::Itself => Ok(Some(json!({"path": policy.path}))),
            Aspect::Tags => Ok(Some(tagged(policy.tags()))),
            Aspect::Policy => {
                let version = policy.default_version_id().unwrap_or("v1");
                let asked = self.iam.get_policy_version().policy_arn(&arn).version_id(version).send();
                let answer = absent(self.ask("GetPolicyVersion", item, asked), NOT_THERE)?;
                Ok(answer.and_then(|answer| answer.policy_version?.document).map(|quoted| unquoted(&quoted)))
            }
            _ => Err(foreign("Read", item)),
        }
    }

    pub(super) fn write_policy(
        &self,
        item: &Item,
        path: &IamPath,
        name: &IamName,
        state: &Value,
    ) -> Result<(), CloudError> {
        let arn = self.policy_arn(path, name)?;
        match item.aspect {
            Aspect::Itself => {
                let tags = Self::tags("CreatePolicy", &state["tags"])?;
                let made = self.iam.create_policy().policy_name(name.as_str()).path(path.as_str()).set_tags(Some(tags));
                let made = made.policy_document(state["document"].to_string());
                self.ask("CreatePolicy", item, made.send()).map(|_| ())
            }
            Aspect::Tags => {
                let tags = Self::tags("TagPolicy", state)?;
                self.ask("TagPolicy", item, self.iam.tag_policy().policy_arn(&arn).set_tags(Some(tags)).send())
                    .map(|_| ())
            }
            Aspect::Policy => {
                // AWS keeps five versions; the oldest one makes room.
                let old = self.old_versions(item, &arn)?;
                if let (4.., Some(oldest)) = (old.len(), old.first()) {
                    self.delete_version(item, &arn, oldest)?;
                }
                let made = self.iam.create_policy_version().policy_arn(&arn).policy_document(state.to_string());
                self.ask("CreatePolicyVersion", item, made.set_as_default(true).send()).map(|_| ())
            }
            _ => Err(foreign("Write", item)),
        }
    }

    /// Versions that are not the default, oldest first.
    fn old_versions(&self, item: &Item, arn: &str) -> Result<Vec<String>, CloudError> {
        let asked = self.ask("ListPolicyVersions", item, self.iam.list_policy_versions().policy_arn(arn).send());
        let answer = absent(asked, NOT_THERE)?;
        let versions = answer.as_ref().map(|answer| answer.versions()).unwrap_or_default();
        let mut old: Vec<String> = versions
            .iter()
            .filter(|version| !version.is_default_version())
            .filter_map(|version| version.version_id().map(str::to_string))
            .collect();
        old.sort_by_key(|version| version.trim_start_matches('v').parse::<u32>().unwrap_or(0));
        Ok(old)
    }

    fn delete_version(&self, item: &Item, arn: &str, version: &str) -> Result<(), CloudError> {
        let deleted = self.iam.delete_policy_version().policy_arn(arn).version_id(version).send();
        gone(self.ask("DeletePolicyVersion", item, deleted), NOT_THERE)
    }

    pub(super) fn delete_policy(&self, path: &IamPath, name: &IamName) -> Result<(), CloudError> {
        let item = Item::new(crate::cloud::Thing::Policy(path.clone(), name.clone()), Aspect::Itself);
        let arn = self.policy_arn(path, name)?;
        for version in self.old_versions(&item, &arn)? {
            self.delete_version(&item, &arn, &version)?;
        }
        gone(self.ask("DeletePolicy", &item, self.iam.delete_policy().policy_arn(&arn).send()), NOT_THERE)
    }

    pub(super) fn list_users(&self, path: &IamPath) -> Result<Vec<IamName>, CloudError> {
        let mut out = Vec::new();
        let mut marker: Option<String> = None;
        loop {
            let asked = self.iam.list_users().path_prefix(path.as_str()).set_marker(marker.take()).send();
            let answer = self.ask("ListUsers", path, asked)?;
            out.extend(answer.users().iter().filter_map(|user| IamName::new(user.user_name()).ok()));
            match answer.marker().filter(|_| answer.is_truncated()) {
                Some(next) => marker = Some(next.to_string()),
                None => return Ok(out),
            }
        }
    }

    pub(super) fn list_roles(&self, path: &IamPath) -> Result<Vec<IamName>, CloudError> {
        let mut out = Vec::new();
        let mut marker: Option<String> = None;
        loop {
            let asked = self.iam.list_roles().path_prefix(path.as_str()).set_marker(marker.take()).send();
            let answer = self.ask("ListRoles", path, asked)?;
            out.extend(answer.roles().iter().filter_map(|role| IamName::new(role.role_name()).ok()));
            match answer.marker().filter(|_| answer.is_truncated()) {
                Some(next) => marker = Some(next.to_string()),
                None => return Ok(out),
            }
        }
    }

    pub(super) fn list_keys(&self, user: &IamName) -> Result<Vec<KeyInfo>, CloudError> {
        let answer = self.ask("ListAccessKeys", user, self.iam.list_access_keys().user_name(user.as_str()).send())?;
        let keys = answer.access_key_metadata().iter().filter_map(|key| {
            let state = match key.status() {
                Some(StatusType::Active) => KeyState::Active,
                _ => KeyState::Inactive,
            };
            let created = key.create_date().map(|at| Time::from_parts(at.secs(), 0));
            Some(KeyInfo { id: KeyId(key.access_key_id()?.to_string()), state, created })
        });
        Ok(keys.collect())
    }

    pub(super) fn last_use(&self, key: &KeyId) -> Result<Option<LastUse>, CloudError> {
        let asked = self.iam.get_access_key_last_used().access_key_id(&key.0).send();
        let answer = absent(self.ask("GetAccessKeyLastUsed", key, asked), NOT_THERE)?;
        Ok(answer.and_then(|answer| answer.access_key_last_used).and_then(|last| {
            let at = Time::from_parts(last.last_used_date()?.secs(), 0);
            (last.service_name() != NEVER).then(|| LastUse { at, service: last.service_name().to_string() })
        }))
    }

    pub(super) fn new_key(&self, user: &IamName) -> Result<NewKey, CloudError> {
        let call = "CreateAccessKey";
        // Never twice: an answer that was lost would leave a key behind that nobody has.
        let once = aws_sdk_iam::config::Builder::new().retry_config(aws_smithy_types::retry::RetryConfig::disabled());
        let made = self.iam.create_access_key().user_name(user.as_str()).customize().config_override(once).send();
        let key = self.ask(call, user, made)?.access_key.ok_or_else(|| unfit(call, user, "no key in the answer"))?;
        Ok(NewKey { id: KeyId(key.access_key_id), secret: SecretString::from(key.secret_access_key) })
    }

    pub(super) fn switch_key(&self, user: &IamName, key: &KeyId, state: KeyState) -> Result<(), CloudError> {
        let status = match state {
            KeyState::Active => StatusType::Active,
            KeyState::Inactive => StatusType::Inactive,
        };
        let set = self.iam.update_access_key().user_name(user.as_str()).access_key_id(&key.0).status(status).send();
        self.ask("UpdateAccessKey", user, set).map(|_| ())
    }

    pub(super) fn remove_key(&self, user: &IamName, key: &KeyId) -> Result<(), CloudError> {
        let deleted = self.iam.delete_access_key().user_name(user.as_str()).access_key_id(&key.0).send();
        gone(self.ask("DeleteAccessKey", user, deleted), NOT_THERE)
    }

    /// Questions that differ in their action alone go in one call.
    pub(super) fn simulate_all(
        &self,
        identity: &str,
        questions: &[Question],
        policy: Option<&Value>,
    ) -> Result<Vec<Decision>, CloudError> {
        let mut decided: Vec<Option<Decision>> = vec![None; questions.len()];
        for n in 0..questions.len() {
            if decided[n].is_some() {
                continue;
            }
            let like = |one: &usize| {
                let (one, first) = (&questions[*one], &questions[n]);
                one.resource == first.resource && one.context == first.context
            };
            let together: Vec<usize> = (n..questions.len()).filter(like).collect();
            let actions: Vec<String> = together.iter().map(|one| questions[*one].action.clone()).collect();
            let answers = match self.simulate_group(identity, &questions[n], &actions, policy) {
                // Actions that AWS looks at in different ways go one by one.
                Err(error) if error.code() == Some("InvalidInput") && actions.len() > 1 => {
                    let one = |action: &String| {
                        self.simulate_group(identity, &questions[n], std::slice::from_ref(action), policy)
                    };
                    let all: Result<Vec<Vec<Decision>>, CloudError> = actions.iter().map(one).collect();
                    all?.concat()
                }
                answers => answers?,
            };
            for (one, answer) in together.into_iter().zip(answers) {
                decided[one] = Some(answer);
            }
        }
        Ok(decided.into_iter().flatten().collect())
    }

    fn simulate_group(
        &self,
        identity: &str,
        question: &Question,
        actions: &[String],
        policy: Option<&Value>,
    ) -> Result<Vec<Decision>, CloudError> {
        let call = "SimulatePrincipalPolicy";
        let context = question.context.iter().map(|(key, values)| {
            ContextEntry::builder()
                .context_key_name(key)
                .set_context_key_values(Some(values.clone()))
                .context_key_type(ContextKeyTypeEnum::String)
                .build()
        });
        let asked = self
            .iam
            .simulate_principal_policy()
            .policy_source_arn(identity)
            .set_action_names(Some(actions.to_vec()))
            .resource_arns(&question.resource)
            .set_context_entries(Some(context.collect()))
            .set_resource_policy(policy.map(Value::to_string))
            .set_caller_arn(policy.map(|_| identity.to_string()));
        let answer = self.ask(call, &question.resource, asked.send())?;
        let decision = |action: &String| {
            let results = answer.evaluation_results();
            let result = results.iter().find(|result| result.eval_action_name().eq_ignore_ascii_case(action))?;
            let decision = match result.resource_specific_results().first() {
                Some(specific) => specific.eval_resource_decision(),
                None => result.eval_decision(),
            };
            Some(match decision {
                PolicyEvaluationDecisionType::Allowed => Decision::Allowed,
                _ => Decision::Denied,
            })
        };
        let found = actions.iter().map(|action| decision(action).ok_or_else(|| unfit(call, action, "no result")));
        found.collect()
    }
}

fn tagged(tags: &[Tag]) -> Value {
    Value::Object(tags.iter().map(|tag| (tag.key().to_string(), json!(tag.value()))).collect::<Map<_, _>>())
}

/// A document that IAM sends quoted as in a URL.
fn unquoted(quoted: &str) -> Value {
    if quoted.trim_start().starts_with('{') {
        return document(quoted);
    }
    let mut bytes = Vec::with_capacity(quoted.len());
    let mut rest = quoted.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = (*first == b'%').then(|| after.get(..2)).flatten();
        let byte = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match byte {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    document(&String::from_utf8_lossy(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_read_quoted_or_not() {
        let plain = r#"{"Version":"2012-10-17","Statement":[]}"#;
        let quoted = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%5D%7D";
        assert_eq!(unquoted(quoted), unquoted(plain));
        assert_eq!(unquoted("%7"), Value::String("%7".into()));
        assert_eq!(unquoted("%é"), Value::String("%é".into()));
    }
}
