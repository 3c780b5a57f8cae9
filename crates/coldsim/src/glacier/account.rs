//! What belongs to the account in a region: the data retrieval policy, bought capacity.

use darkslide_words::Time;
use serde::Deserialize;
use serde_json::json;

use super::model::{Capacity, RetrievalPolicy};
use super::{Call, Failure, Outcome, Reply};
use crate::bill::VaultUse;
use crate::queue::instant;
use crate::state::{Charge, Record, State};

/// Units that an account may hold at once; Amazon raises it on request.
const UNITS_MAX: usize = 2;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WantedPolicy {
    policy: Option<WantedRules>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WantedRules {
    rules: Option<Vec<WantedRule>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WantedRule {
    strategy: Option<String>,
    bytes_per_hour: Option<u64>,
}

/// A month later, on the month's last day if it is shorter.
fn month_later(at: Time) -> Time {
    let instant = jiff::Timestamp::from_nanosecond(i128::from(at.0)).unwrap_or_default();
    let later = instant.to_zoned(jiff::tz::TimeZone::UTC).checked_add(jiff::Span::new().months(1));
    let nanos = later.map(|later| later.timestamp().as_nanosecond()).ok();
    nanos.and_then(|nanos| i64::try_from(nanos).ok()).map_or(Time(i64::MAX), Time)
}

impl State {
    pub(super) fn set_retrieval_policy(&mut self, call: &Call<'_>) -> Outcome<Reply> {
        let wanted: WantedPolicy = call.parse()?;
        let rules = wanted.policy.and_then(|policy| policy.rules).unwrap_or_default();
        let [rule] = &rules[..] else {
            return Err(Failure::invalid("Invalid data retrieval policy: it has one rule"));
        };
        let policy = match (rule.strategy.as_deref(), rule.bytes_per_hour) {
            (Some("None"), None) => RetrievalPolicy::None,
            (Some("FreeTier"), None) => RetrievalPolicy::FreeTier,
            (Some("BytesPerHour"), Some(most)) if most > 0 => RetrievalPolicy::BytesPerHour(most),
            (Some("None" | "FreeTier"), Some(_)) => {
                return Err(Failure::invalid(
                    "Invalid data retrieval policy: BytesPerHour goes with its strategy only",
                ));
            }
            (Some("BytesPerHour"), _) => {
                return Err(Failure::invalid("Invalid data retrieval policy: BytesPerHour must be a number above 0"));
            }
            (Some(other), _) => return Err(Failure::invalid(format!("Invalid strategy: {other}"))),
            (None, _) => return Err(Failure::missing("Strategy")),
        };
        self.glacier.account.retrieval = policy;
        self.dirty.insert(Record::Vaults);
        Ok(Reply::status(204))
    }

    pub(super) fn retrieval_policy(&self) -> Reply {
        let (strategy, most) = match self.glacier.account.retrieval {
            RetrievalPolicy::None => ("None", None),
            RetrievalPolicy::FreeTier => ("FreeTier", None),
            RetrievalPolicy::BytesPerHour(most) => ("BytesPerHour", Some(most)),
        };
        Reply::json(json!({ "Policy": { "Rules": [{ "BytesPerHour": most, "Strategy": strategy }] } }))
    }

    pub(super) fn list_capacity(&self) -> Reply {
        let running = self.glacier.account.capacity.iter().filter(|unit| self.now < unit.to);
        let units: Vec<_> = running
            .map(|unit| {
                json!({
                    "CapacityId": unit.id,
                    "StartDate": instant(unit.from),
                    "ExpirationDate": instant(unit.to),
                })
            })
            .collect();
        Reply::json(json!({ "ProvisionedCapacityList": units }))
    }

    pub(super) fn purchase_capacity(&mut self) -> Outcome<Reply> {
        let now = self.now;
        self.glacier.account.capacity.retain(|unit| now < unit.to);
        if self.glacier.account.capacity.len() >= UNITS_MAX {
            return Err(Failure::limit("the account holds all the provisioned capacity units that it may"));
        }
        let id = self.fresh_short_id();
        self.glacier.account.capacity.push(Capacity { id: id.clone(), from: now, to: month_later(now) });
        self.charge(Charge::Vault(VaultUse::Capacity, 1));
        self.dirty.insert(Record::Vaults);
        Ok(Reply::status(201).with("x-amz-capacity-id", id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_ends_with_a_shorter_month() {
        let at = |text: &str| Time(text.parse::<jiff::Timestamp>().unwrap().as_nanosecond() as i64);
        assert_eq!(month_later(at("2026-08-31T10:00:00Z")), at("2026-09-30T10:00:00Z"));
        assert_eq!(month_later(at("2026-01-31T10:00:00Z")), at("2026-02-28T10:00:00Z"));
        assert_eq!(month_later(at("2026-03-05T10:00:00Z")), at("2026-04-05T10:00:00Z"));
    }
}
