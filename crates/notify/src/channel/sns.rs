//! Amazon SNS: one message to a topic, which hands it on to whoever subscribed.

use std::error::Error as _;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_sns::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_sns::operation::publish::PublishError;
use aws_sdk_sns::types::MessageAttributeValue;
use aws_smithy_types::retry::RetryConfig;

use crate::channel::Letter;
use crate::failure::Failure;
use crate::secret::Blanks;

/// What SNS takes as a subject.
const SUBJECT_MAX: usize = 100;
/// What SNS takes as a message is 256 KiB, attributes included.
const BYTES_MAX: usize = 200_000;

/// A topic. Its credentials are AWS's own: a profile, or the environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sns {
    /// ARN of the topic.
    pub topic: String,
    /// Region; that of the ARN where none is named.
    pub region: Option<String>,
    /// Profile of the shared AWS files; else the environment's credentials.
    pub profile: Option<String>,
    /// Server other than Amazon's.
    pub endpoint: Option<String>,
}

impl Sns {
    /// The region of the topic.
    pub fn region(&self) -> Option<&str> {
        let of_arn = || self.topic.split(':').nth(3).filter(|region| !region.is_empty());
        self.region.as_deref().or_else(of_arn)
    }

    pub(crate) async fn send(&self, letter: &Letter<'_>, _: &mut Blanks) -> Result<(), Failure> {
        let message = letter.message;
        let text = |value: &str| {
            let built = MessageAttributeValue::builder().data_type("String").string_value(value).build();
            built.map_err(|e| Failure::lasting(e.to_string()))
        };
        let mut publish = self.client().await?.publish();
        publish = publish
            .topic_arn(&self.topic)
            .subject(subject(&message.title))
            .message(crate::cut(&letter.body(), BYTES_MAX))
            .message_attributes("kind", text(message.kind.word())?)
            .message_attributes("severity", text(message.severity.word())?);
        if let Some(job) = message.job.as_deref().filter(|job| !job.is_empty()) {
            publish = publish.message_attributes("job", text(job)?);
        }
        publish.send().await.map(drop).map_err(|error| failure(&error))
    }

    async fn client(&self) -> Result<aws_sdk_sns::Client, Failure> {
        let region = self.region().ok_or_else(|| Failure::lasting("its topic names no region: set `region`"))?;
        let region = Region::new(region.to_string());
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).region(region.clone());
        if let Some(name) = &self.profile {
            let around = ProviderConfig::without_region().with_region(Some(region));
            let provider = ProfileFileCredentialsProvider::builder().configure(&around).profile_name(name).build();
            loader = loader.profile_name(name).credentials_provider(provider);
        }
        let sdk = loader.load().await;
        let mut config = aws_sdk_sns::config::Builder::from(&sdk).retry_config(RetryConfig::disabled());
        if let Some(endpoint) = &self.endpoint {
            config = config.endpoint_url(endpoint);
        }
        Ok(aws_sdk_sns::Client::from_conf(config.build()))
    }
}

/// The title as SNS takes it: ASCII, in one line.
fn subject(title: &str) -> String {
    let plain = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    let subject: String = title.chars().map(plain).take(SUBJECT_MAX).collect();
    match subject.trim() {
        "" => "Darkslide".into(),
        subject => subject.into(),
    }
}

fn failure(error: &SdkError<PublishError>) -> Failure {
    let said = || {
        let text = error.message().unwrap_or("no more is known");
        crate::tidy(text, 300)
    };
    match (error, error.code()) {
        (SdkError::ServiceError(answer), code) => {
            let code = code.unwrap_or("an error without a code");
            let status = answer.raw().status().as_u16();
            let busy = status >= 500 || status == 429 || code.contains("Throttl");
            let why = format!("SNS answered {code}: {}", said());
            match busy {
                true => Failure::passing(why),
                false => Failure::lasting(format!("{why}. The credential needs sns:Publish on the topic")),
            }
        }
        (SdkError::ConstructionFailure(_), _) => Failure::lasting(format!("no request to SNS: {}", deepest(error))),
        (SdkError::TimeoutError(_), _) => Failure::passing("SNS did not answer in time"),
        (SdkError::DispatchFailure(cause), _) if !cause.is_io() && !cause.is_timeout() => Failure::lasting(format!(
            "no credentials for SNS ({}): set `profile`, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            deepest(error)
        )),
        _ => Failure::passing(format!("SNS cannot be reached: {}", deepest(error))),
    }
}

fn deepest(error: &SdkError<PublishError>) -> String {
    let mut inner = error.source();
    while let Some(next) = inner.and_then(|cause| cause.source()) {
        inner = Some(next);
    }
    crate::tidy(&inner.map_or_else(|| error.to_string(), |cause| cause.to_string()), 300)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_what_sns_takes() {
        assert_eq!(subject("Größe\nok"), "Gr??e?ok");
        assert_eq!(subject(" \n"), "?");
        assert_eq!(subject(""), "Darkslide");
        assert_eq!(subject(&"x".repeat(300)).len(), 100);
    }

    #[test]
    fn the_region_stands_in_the_arn() {
        let mut sns = Sns {
            topic: "arn:aws:sns:eu-central-1:123456789012:photos".into(),
            region: None,
            profile: None,
            endpoint: None,
        };
        assert_eq!(sns.region(), Some("eu-central-1"));
        sns.region = Some("us-east-1".into());
        assert_eq!(sns.region(), Some("us-east-1"));
        let odd = Sns { topic: "photos".into(), region: None, ..sns };
        assert_eq!(odd.region(), None);
    }
}
