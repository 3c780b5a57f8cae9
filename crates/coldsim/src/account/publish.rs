//! Messages on their way: from a bucket to a topic or queue, from a topic to its queues.
//!
//! **Invariant:** nothing arrives that the policy of the place it goes to does not allow.

use serde_json::json;

use crate::access::Conditions;
use crate::iam::{Decision, PolicyDocument, PrincipalOf, Request, evaluate};
use crate::state::{ACCOUNT, Record, State};

/// A message between services.
pub(crate) struct Sender<'a> {
    /// `s3.amazonaws.com`.
    pub service: &'a str,
    /// ARN of the bucket or topic it comes from.
    pub source: &'a str,
}

/// True if the policy of a topic or queue lets a service send.
pub(crate) fn lets_send(policy: Option<&str>, action: &str, resource: &str, sender: &Sender<'_>) -> bool {
    let Some(Ok(policy)) = policy.map(PolicyDocument::parse_resource) else { return false };
    let context: Conditions = [
        ("aws:sourcearn", sender.source),
        ("aws:sourceaccount", ACCOUNT),
        ("aws:securetransport", "true"),
        ("aws:principalisawsservice", "true"),
        ("aws:principalservicename", sender.service),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_string(), vec![value.to_string()]))
    .collect();
    let principal = PrincipalOf::Service { name: sender.service };
    let request = Request { action, resource, principal, context: &context };
    evaluate(&[], None, Some(&policy), &request) == Decision::Allow
}

impl State {
    /// True if a queue or topic would take messages of a bucket.
    pub(crate) fn takes_events(&self, destination: &str, bucket: &str) -> bool {
        let source = format!("arn:aws:s3:::{bucket}");
        let sender = Sender { service: "s3.amazonaws.com", source: &source };
        match self.topic(destination) {
            Some(topic) => {
                let policy = topic.attributes.get("Policy").map(String::as_str);
                lets_send(policy, "SNS:Publish", destination, &sender)
            }
            None => lets_send(self.queues.policy(destination), "SQS:SendMessage", destination, &sender),
        }
    }

    /// Sends a message to all queues that listen to a topic; its id.
    pub(crate) fn publish(&mut self, topic: &str, subject: Option<&str>, message: &str) -> String {
        let hex = self.fresh_id();
        let id = format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..32]);
        let listeners = self.account.subscriptions.iter();
        let queues: Vec<(String, String, bool)> = listeners
            .filter(|(_, s)| s.topic == topic && s.protocol == "sqs" && s.confirmed)
            .map(|(arn, s)| (arn.clone(), s.endpoint.clone(), s.raw))
            .collect();
        for (subscription, queue, raw) in queues {
            let sender = Sender { service: "sns.amazonaws.com", source: topic };
            if !lets_send(self.queues.policy(&queue), "SQS:SendMessage", &queue, &sender) {
                continue;
            }
            let mut envelope = json!({
                "Type": "Notification",
                "MessageId": id,
                "TopicArn": topic,
                "Message": message,
                "Timestamp": self.now.to_string(),
                "UnsubscribeURL": format!("https://sns.invalid/?Action=Unsubscribe&SubscriptionArn={subscription}"),
            });
            if let Some(subject) = subject {
                envelope["Subject"] = json!(subject);
            }
            let body = if raw { message.to_string() } else { envelope.to_string() };
            self.queues.send(&queue, body, self.now);
        }
        self.dirty.insert(Record::Rest);
        id
    }
}
