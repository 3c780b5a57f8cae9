//! Asking for cold objects: each answer of the server becomes one outcome.

use aws_sdk_s3::types::{GlacierJobParameters, RestoreRequest, Tier as WireTier};
use darkslide_store::{ReadOutcome, StoreError, ThawAsk, ThawOutcome};
use darkslide_words::{ObjectName, StorageClass, Tier};

use crate::S3Store;
use crate::failure::Failure;
use crate::limit::Status;
use crate::link::ANSWER;
use crate::read::class_of;

/// What an answer to RestoreObject means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Outcome(ThawOutcome),
    /// "Not in a state to be thawed": readable, unless its class says otherwise.
    AskClass,
    Failed,
}

fn meaning(failure: &Failure, tier: Tier) -> Meaning {
    match failure.facts.code.as_str() {
        "RestoreAlreadyInProgress" => Meaning::Outcome(ThawOutcome::InProgress),
        "ObjectAlreadyInActiveTierError" => Meaning::Outcome(ThawOutcome::NotCold),
        "GlacierExpeditedRetrievalNotAvailable" => Meaning::Outcome(ThawOutcome::NoCapacity),
        "InvalidObjectState" => Meaning::AskClass,
        // An object in Deep Archive Access carries the same class as one in Archive Access, so
        // that only the server can tell which of them has no Expedited.
        "InvalidArgument" if tier == Tier::Expedited => Meaning::Outcome(ThawOutcome::TierNotOffered),
        _ if failure.is_missing() => Meaning::Outcome(ThawOutcome::Missing),
        _ => Meaning::Failed,
    }
}

impl S3Store {
    /// Repeated like other calls where the server did not answer: a thaw that had
    /// begun unnoticed is then reported as in progress, and not begun again.
    pub(crate) fn thaw_object(&self, name: &ObjectName, ask: &ThawAsk) -> Result<ThawOutcome, StoreError> {
        let key = self.key(name);
        if !self.server().thaws {
            // Nothing is cold there, and the request would only be refused.
            let there = self.read_object(name, Some(0..0))?;
            return Ok(if there == ReadOutcome::Missing { ThawOutcome::Missing } else { ThawOutcome::NotCold });
        }
        let failure = match self.link.block(self.link.attempts(ANSWER, || self.restore(&key, ask))) {
            Ok(outcome) => return Ok(outcome),
            Err(failure) => failure,
        };
        match meaning(&failure, ask.tier) {
            Meaning::Outcome(outcome) => Ok(outcome),
            Meaning::Failed => Err(self.error(&failure, "thawing", Some(name))),
            Meaning::AskClass => match self.class_now(&key, &failure) {
                Some(class) if class.is_archive() => Err(self.error(&failure, "thawing", Some(name))),
                _ => Ok(ThawOutcome::NotCold),
            },
        }
    }

    /// One RestoreObject.
    pub(crate) async fn restore(&self, key: &str, ask: &ThawAsk) -> Result<ThawOutcome, Failure> {
        let unreadable = |error: aws_smithy_types::error::operation::BuildError| Failure::unreadable(error.to_string());
        let tier = GlacierJobParameters::builder().tier(WireTier::from(ask.tier.as_str())).build();
        // The server keeps whole days; more than an i32 of them is beyond its limits anyway.
        let days = ask.days.map(|days| i32::try_from(days).unwrap_or(i32::MAX));
        let request =
            RestoreRequest::builder().set_days(days).glacier_job_parameters(tier.map_err(unreadable)?).build();
        let status = Status::default();
        let restore = self.s3.restore_object().bucket(&self.settings.bucket).key(key).restore_request(request);
        restore.customize().interceptor(status.clone()).send().await?;
        Ok(if status.get() == 200 { ThawOutcome::Extended } else { ThawOutcome::Started })
    }

    /// The class, as far as anybody says.
    fn class_now(&self, key: &str, refused: &Failure) -> Option<StorageClass> {
        match &refused.facts.class {
            Some(class) => Some(StorageClass::from_name(class)),
            None => self.link.block(self.head(key)).ok().map(|head| class_of(&head)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{Facts, Kind};

    #[test]
    fn each_answer_means_one_thing() {
        let said = |status, code: &str| {
            let facts = Facts { status, code: code.into(), ..Facts::default() };
            meaning(&Failure { kind: Kind::Refused, facts: Box::new(facts) }, Tier::Standard)
        };
        assert_eq!(said(409, "RestoreAlreadyInProgress"), Meaning::Outcome(ThawOutcome::InProgress));
        assert_eq!(said(403, "ObjectAlreadyInActiveTierError"), Meaning::Outcome(ThawOutcome::NotCold));
        assert_eq!(said(503, "GlacierExpeditedRetrievalNotAvailable"), Meaning::Outcome(ThawOutcome::NoCapacity));
        assert_eq!(said(404, "NoSuchKey"), Meaning::Outcome(ThawOutcome::Missing));
        assert_eq!(said(403, "InvalidObjectState"), Meaning::AskClass);
        for (status, code) in
            [(403, "AccessDenied"), (503, "SlowDown"), (404, "NoSuchBucket"), (400, "InvalidArgument")]
        {
            assert_eq!(said(status, code), Meaning::Failed, "{code}");
        }
    }
}
