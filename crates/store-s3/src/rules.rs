//! What a bucket is set to, as far as a repository in it is concerned: versioning, locks, lifecycle
//! rules, public access.

use aws_sdk_s3::types::{ExpirationStatus, LifecycleRule, LifecycleRuleFilter};
use darkslide_store::StoreError;
use darkslide_store::rules::{Rule, Standing};

use crate::failure::Failure;
use crate::link::ANSWER;
use crate::lock::{DefaultRetention, LockMode};
use crate::{Fact, S3Store, Versioning};

/// What is read on each run, and must not be moved to an archive class.
const HOT: [&str; 8] = ["config/", "index/", "keys/", "previews/", "refs/", "snapshots/", "trees/", "writers/"];

impl S3Store {
    /// The rules of the bucket, one by one.
    pub(crate) fn all_rules(&self) -> Result<Vec<Rule>, StoreError> {
        let facts = self.bucket_facts()?;
        let mut out = vec![versioning(facts.versioning)];
        out.extend(lock(facts.lock, facts.retention));
        out.extend(self.lifecycle()?);
        out.push(self.public()?);
        Ok(out)
    }

    fn lifecycle(&self) -> Result<Vec<Rule>, StoreError> {
        let asked = self.link.attempts(ANSWER, || async {
            Ok(self.s3.get_bucket_lifecycle_configuration().bucket(&self.settings.bucket).send().await?)
        });
        let rules = match self.link.block(asked) {
            Ok(answer) => answer.rules.unwrap_or_default(),
            Err(failure) if failure.is("NoSuchLifecycleConfiguration") => Vec::new(),
            Err(failure) => return Ok(vec![self.untold("lifecycle", failure)?]),
        };
        let prefix = self.settings.prefix.clone();
        let found: Vec<Rule> = rules.iter().filter_map(|rule| judged(rule, &prefix)).collect();
        Ok(match found.is_empty() {
            true => vec![Rule::told("lifecycle", Standing::Good, "no rule deletes or moves what lies here")],
            false => found,
        })
    }

    fn public(&self) -> Result<Rule, StoreError> {
        let bucket = &self.settings.bucket;
        let status =
            self.link
                .block(self.link.attempts(ANSWER, || async {
                    Ok(self.s3.get_bucket_policy_status().bucket(bucket).send().await?)
                }));
        let open = match status {
            Ok(answer) => answer.policy_status().and_then(|status| status.is_public()).unwrap_or(false),
            Err(failure) if failure.is("NoSuchBucketPolicy") => false,
            Err(failure) => return self.untold("public access", failure),
        };
        if open {
            return Ok(Rule::told("public access", Standing::Bad, "the bucket's policy lets everybody in").advice(
                "block all public access in the bucket's permissions; photographs are sealed, names of objects are not",
            ));
        }
        let block = self.link.block(
            self.link.attempts(ANSWER, || async { Ok(self.s3.get_public_access_block().bucket(bucket).send().await?) }),
        );
        let whole = match block {
            Ok(answer) => answer.public_access_block_configuration().is_some_and(|block| {
                [
                    block.block_public_acls(),
                    block.ignore_public_acls(),
                    block.block_public_policy(),
                    block.restrict_public_buckets(),
                ]
                .iter()
                .all(|switch| *switch == Some(true))
            }),
            Err(failure) if failure.is("NoSuchPublicAccessBlockConfiguration") => false,
            Err(failure) => return self.untold("public access", failure),
        };
        Ok(match whole {
            true => Rule::told("public access", Standing::Good, "blocked altogether"),
            false => Rule::told("public access", Standing::Weak, "not public, but not blocked for ever either")
                .advice("switch all four settings of Block Public Access on"),
        })
    }

    /// What may not be asked, or is not known there, is told as such; other failures stay failures.
    fn untold(&self, what: &'static str, failure: Failure) -> Result<Rule, StoreError> {
        if failure.is_denied() {
            return Ok(Rule::told(what, Standing::Unknown, "these credentials may not ask for it"));
        }
        if failure.is_not_offered() {
            return Ok(Rule::told(what, Standing::Unknown, "the server has no such thing"));
        }
        Err(self.error(&failure, "asking for the bucket's settings", None))
    }
}

fn versioning(fact: Fact<Versioning>) -> Rule {
    let what = "versioning";
    match fact {
        Fact::Known(Versioning::On) => Rule::told(what, Standing::Good, "on: what is deleted can be brought back"),
        Fact::Known(Versioning::Off | Versioning::Suspended) => {
            Rule::told(what, Standing::Weak, "off: whoever may delete, deletes for good")
                .advice("switch versioning on, with a rule that expires noncurrent versions after some months")
        }
        Fact::NotAllowed => Rule::told(what, Standing::Unknown, "these credentials may not ask for it"),
        Fact::NotOffered => Rule::told(what, Standing::Unknown, "the server has no such thing"),
    }
}

fn lock(on: Fact<bool>, retention: Fact<Option<DefaultRetention>>) -> Option<Rule> {
    let what = "object lock";
    let Fact::Known(true) = on else { return None };
    Some(match retention.known().flatten() {
        Some(default) => {
            let mode = if default.mode == LockMode::Compliance { "compliance" } else { "governance" };
            Rule::told(what, Standing::Good, format!("{} days, {mode}", default.days))
        }
        None => Rule::told(what, Standing::Weak, "on, but new objects get no lock")
            .advice("set a default retention; `darkslide audit --extend-locks` renews it"),
    })
}

/// What a lifecycle rule does to a repository below `prefix`, if anything.
fn judged(rule: &LifecycleRule, prefix: &str) -> Option<Rule> {
    if *rule.status() != ExpirationStatus::Enabled {
        return None;
    }
    let (reach, narrowed) = reach(rule);
    let name = rule.id().unwrap_or("(no name)");
    let touches = |below: &str| {
        let whole = format!("{prefix}{below}");
        whole.starts_with(&reach) || reach.starts_with(&whole)
    };
    if !touches("") {
        return None;
    }
    let perhaps = if narrowed { ", where tag or size fit" } else { "" };
    let what = "lifecycle";
    if let Some(expiry) = rule.expiration() {
        let days = expiry.days().map(|days| format!("after {days} days"));
        let date = expiry.date().map(|date| format!("from {date} on"));
        if let Some(when) = days.or(date) {
            let text = format!("the rule `{name}` deletes what lies below `{reach}` {when}{perhaps}");
            return Some(
                Rule::told(what, Standing::Bad, text)
                    .advice("remove the rule, or keep it away from the repository's prefix; what it deletes is lost"),
            );
        }
    }
    let archives = |class: &str| ["GLACIER", "DEEP_ARCHIVE"].contains(&class);
    let cold = rule.transitions().iter().find(|t| t.storage_class().is_some_and(|class| archives(class.as_str())));
    let hot = HOT.iter().find(|hot| touches(hot));
    if let (Some(cold), Some(hot)) = (cold, hot) {
        let class = cold.storage_class().map_or("an archive class", |class| class.as_str());
        let text = format!("the rule `{name}` moves `{hot}` to {class}{perhaps}: no run could read it any more");
        return Some(
            Rule::told(what, Standing::Bad, text)
                .advice("let the rule apply to `packs/` alone, or set `class` instead"),
        );
    }
    None
}

/// The prefix that a rule applies to, and whether tags or sizes narrow it.
fn reach(rule: &LifecycleRule) -> (String, bool) {
    #[allow(deprecated, reason = "rules of that form are still in buckets")]
    let old = rule.prefix().map(str::to_string);
    let Some(filter) = rule.filter() else { return (old.unwrap_or_default(), false) };
    let LifecycleRuleFilter { prefix, tag, object_size_greater_than, object_size_less_than, and, .. } = filter;
    let sized = object_size_greater_than.is_some() || object_size_less_than.is_some();
    match and {
        Some(and) => (and.prefix().unwrap_or_default().to_string(), true),
        None => (prefix.clone().or(old).unwrap_or_default(), tag.is_some() || sized),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::types::{LifecycleExpiration, Transition, TransitionStorageClass};

    use super::*;

    fn rule(prefix: &str) -> aws_sdk_s3::types::builders::LifecycleRuleBuilder {
        LifecycleRule::builder()
            .id("tidy up")
            .status(ExpirationStatus::Enabled)
            .filter(LifecycleRuleFilter::builder().prefix(prefix).build())
    }

    #[test]
    fn rules_that_delete_or_freeze_the_repository_are_bad() {
        let expiry = LifecycleExpiration::builder().days(90).build();
        let deletes = rule("photos/").expiration(expiry.clone()).build().unwrap();
        let found = judged(&deletes, "photos/darkslide/").unwrap();
        assert!(found.standing == Standing::Bad && found.text.contains("after 90 days"), "{found:?}");
        assert!(judged(&rule("logs/").expiration(expiry).build().unwrap(), "photos/").is_none());
        let cold = Transition::builder().days(1).storage_class(TransitionStorageClass::DeepArchive).build();
        let all = rule("").transitions(cold.clone()).build().unwrap();
        assert!(judged(&all, "photos/").unwrap().text.contains("config/"));
        let packs = rule("photos/packs/").transitions(cold.clone()).build().unwrap();
        assert!(judged(&packs, "photos/").is_none(), "packs may go there");
        let off = rule("").status(ExpirationStatus::Disabled).transitions(cold).build().unwrap();
        assert!(judged(&off, "photos/").is_none());
    }
}
