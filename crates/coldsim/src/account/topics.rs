//! Topics, as SNS has them, and who listens to them.
//!
//! **Invariant:** a message reaches a queue only if the queue's policy lets the topic send. What
//! goes out of the account (mail, HTTP) waits for a confirmation that nobody gives here.

use std::collections::BTreeMap;

use darkslide_words::Time;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::query::tags_json;
use super::{Fault, Params, Reply, Tags};
use crate::iam::PolicyDocument;
use crate::state::{ACCOUNT, State};

/// Attributes of a topic that can be set.
const SETTABLE: [&str; 4] = ["DisplayName", "Policy", "KmsMasterKeyId", "DeliveryPolicy"];
/// Ways out.
const PROTOCOLS: [&str; 6] = ["sqs", "email", "email-json", "http", "https", "lambda"];
/// Bytes of a message.
const MESSAGE_BYTES_MAX: usize = 256 * 1024;

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Topic {
    pub name: String,
    pub created: Time,
    pub attributes: BTreeMap<String, String>,
    pub tags: Tags,
}

/// Who listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Subscription {
    pub topic: String,
    pub protocol: String,
    pub endpoint: String,
    pub confirmed: bool,
    pub raw: bool,
}

/// Answers a call of SNS.
pub(super) fn call(state: &mut State, action: &str, params: &Params) -> Reply {
    match action {
        "CreateTopic" => create(state, params),
        "DeleteTopic" => {
            let arn = params.need("TopicArn")?;
            state.account.topics.remove(name_of(arn));
            state.account.subscriptions.retain(|_, subscription| subscription.topic != arn);
            Ok(json!({}))
        }
        "ListTopics" => {
            let topics = state.account.topics.keys();
            Ok(json!({ "Topics": topics.map(|name| json!({ "TopicArn": state.topic_arn(name) })).collect::<Vec<_>>() }))
        }
        "GetTopicAttributes" => attributes(state, params.need("TopicArn")?),
        "SetTopicAttributes" => {
            let (name, value) = (params.need("AttributeName")?, params.get("AttributeValue").unwrap_or_default());
            check(name, value)?;
            topic_mut(state, params)?.attributes.insert(name.to_string(), value.to_string());
            Ok(json!({}))
        }
        "Subscribe" => subscribe(state, params),
        "Unsubscribe" => {
            state.account.subscriptions.remove(params.need("SubscriptionArn")?);
            Ok(json!({}))
        }
        "ListSubscriptions" => Ok(subscriptions(state, None)),
        "ListSubscriptionsByTopic" => {
            let arn = params.need("TopicArn")?;
            state.topic(arn).ok_or_else(no_topic)?;
            Ok(subscriptions(state, Some(arn)))
        }
        "GetSubscriptionAttributes" => subscription_attributes(state, params.need("SubscriptionArn")?),
        "SetSubscriptionAttributes" => set_subscription(state, params),
        "Publish" => publish(state, params),
        "TagResource" | "UntagResource" | "ListTagsForResource" => tags(state, action, params),
        _ => Err(Fault::unknown(action)),
    }
}

fn name_of(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or_default()
}

fn no_topic() -> Fault {
    Fault::new(404, "NotFound", "Topic does not exist")
}

fn invalid(message: impl Into<String>) -> Fault {
    Fault::new(400, "InvalidParameter", message)
}

impl State {
    pub fn topic_arn(&self, name: &str) -> String {
        format!("arn:aws:sns:{}:{ACCOUNT}:{name}", self.region)
    }

    pub fn topic(&self, arn: &str) -> Option<&Topic> {
        let name = name_of(arn);
        self.account.topics.get(name).filter(|_| self.topic_arn(name) == arn)
    }
}

fn topic_mut<'a>(state: &'a mut State, params: &Params) -> Result<&'a mut Topic, Fault> {
    let arn = params.need("TopicArn")?;
    state.topic(arn).ok_or_else(no_topic)?;
    state.account.topics.get_mut(name_of(arn)).ok_or_else(no_topic)
}

fn check(name: &str, value: &str) -> Result<(), Fault> {
    if !SETTABLE.contains(&name) {
        return Err(invalid(format!("Invalid parameter: AttributeName {name}")));
    }
    if name == "Policy" {
        PolicyDocument::parse_resource(value).map_err(|error| invalid(format!("Invalid parameter: Policy {error}")))?;
    }
    Ok(())
}

/// The policy of a topic that was given none: the account that owns it may do all.
fn default_policy(arn: &str) -> String {
    let actions = [
        "SNS:GetTopicAttributes",
        "SNS:SetTopicAttributes",
        "SNS:AddPermission",
        "SNS:RemovePermission",
        "SNS:DeleteTopic",
        "SNS:Subscribe",
        "SNS:ListSubscriptionsByTopic",
        "SNS:Publish",
    ];
    json!({
        "Version": "2008-10-17",
        "Id": "__default_policy_ID",
        "Statement": [{
            "Sid": "__default_statement_ID",
            "Effect": "Allow",
            "Principal": { "AWS": "*" },
            "Action": actions,
            "Resource": arn,
            "Condition": { "StringEquals": { "AWS:SourceOwner": ACCOUNT } },
        }],
    })
    .to_string()
}

fn create(state: &mut State, params: &Params) -> Reply {
    let name = params.need("Name")?;
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
    if !plain || name.len() > 256 {
        return Err(invalid("Invalid parameter: Topic Name"));
    }
    let (wanted, tags, arn) = (params.entries("Attributes"), params.tags()?, state.topic_arn(name));
    wanted.iter().try_for_each(|(name, value)| check(name, value))?;
    if let Some(there) = state.account.topics.get(name) {
        let differs = wanted.iter().any(|(name, value)| there.attributes.get(name) != Some(value));
        if differs || (!tags.is_empty() && tags != there.tags) {
            return Err(invalid(
                "Invalid parameter: Attributes Reason: Topic already exists with different attributes",
            ));
        }
        return Ok(json!({ "TopicArn": arn }));
    }
    let mut attributes = BTreeMap::from([("Policy".to_string(), default_policy(&arn))]);
    attributes.extend(wanted);
    let topic = Topic { name: name.to_string(), created: state.now, attributes, tags };
    state.account.topics.insert(name.to_string(), topic);
    Ok(json!({ "TopicArn": arn }))
}

fn attributes(state: &State, arn: &str) -> Reply {
    let topic = state.topic(arn).ok_or_else(no_topic)?;
    let confirmed = |wanted: bool| {
        let all = state.account.subscriptions.values();
        all.filter(|s| s.topic == arn && s.confirmed == wanted).count().to_string()
    };
    let mut map: Map<String, Value> = topic.attributes.iter().map(|(k, v)| (k.clone(), json!(v))).collect();
    map.entry("DisplayName").or_insert(json!(""));
    map.insert("TopicArn".into(), json!(arn));
    map.insert("Owner".into(), json!(ACCOUNT));
    map.insert("SubscriptionsConfirmed".into(), json!(confirmed(true)));
    map.insert("SubscriptionsPending".into(), json!(confirmed(false)));
    map.insert("SubscriptionsDeleted".into(), json!("0"));
    Ok(json!({ "Attributes": { "$map": map } }))
}

fn subscribe(state: &mut State, params: &Params) -> Reply {
    let (arn, protocol) = (params.need("TopicArn")?.to_string(), params.need("Protocol")?.to_string());
    let endpoint = params.need("Endpoint")?.to_string();
    state.topic(&arn).ok_or_else(no_topic)?;
    if !PROTOCOLS.contains(&protocol.as_str()) {
        return Err(invalid("Invalid parameter: Does not support this protocol string"));
    }
    if protocol == "sqs" && !endpoint.starts_with("arn:aws:sqs:") {
        return Err(invalid("Invalid parameter: SQS endpoint ARN"));
    }
    let raw = params.entries("Attributes").get("RawMessageDelivery").is_some_and(|value| value == "true");
    let same = |s: &Subscription| s.topic == arn && s.protocol == protocol && s.endpoint == endpoint;
    let there = state.account.subscriptions.iter().find(|(_, s)| same(s)).map(|(id, s)| (id.clone(), s.confirmed));
    let (id, confirmed) = match there {
        Some(there) => there,
        None => {
            let hex = state.fresh_id();
            let id = format!("{arn}:{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..32]);
            let confirmed = matches!(protocol.as_str(), "sqs" | "lambda");
            let subscription = Subscription { topic: arn, protocol, endpoint, confirmed, raw };
            state.account.subscriptions.insert(id.clone(), subscription);
            (id, confirmed)
        }
    };
    let shown = confirmed || params.is_true("ReturnSubscriptionArn");
    Ok(json!({ "SubscriptionArn": if shown { id } else { "pending confirmation".to_string() } }))
}

fn subscriptions(state: &State, topic: Option<&str>) -> Value {
    let all = state.account.subscriptions.iter().filter(|(_, s)| topic.is_none_or(|arn| s.topic == arn));
    let shown = all.map(|(id, s)| {
        json!({
            "SubscriptionArn": if s.confirmed { id.as_str() } else { "PendingConfirmation" },
            "Owner": ACCOUNT,
            "Protocol": s.protocol,
            "Endpoint": s.endpoint,
            "TopicArn": s.topic,
        })
    });
    json!({ "Subscriptions": shown.collect::<Vec<_>>() })
}

fn no_subscription() -> Fault {
    Fault::new(404, "NotFound", "Subscription does not exist")
}

fn subscription_attributes(state: &State, arn: &str) -> Reply {
    let subscription = state.account.subscriptions.get(arn).ok_or_else(no_subscription)?;
    Ok(json!({ "Attributes": { "$map": {
        "SubscriptionArn": arn,
        "TopicArn": subscription.topic,
        "Protocol": subscription.protocol,
        "Endpoint": subscription.endpoint,
        "Owner": ACCOUNT,
        "PendingConfirmation": (!subscription.confirmed).to_string(),
        "RawMessageDelivery": subscription.raw.to_string(),
    } } }))
}

fn set_subscription(state: &mut State, params: &Params) -> Reply {
    let found = state.account.subscriptions.get_mut(params.need("SubscriptionArn")?).ok_or_else(no_subscription)?;
    if params.need("AttributeName")? != "RawMessageDelivery" {
        return Err(invalid("Invalid parameter: AttributeName"));
    }
    found.raw = params.get("AttributeValue") == Some("true");
    Ok(json!({}))
}

fn publish(state: &mut State, params: &Params) -> Reply {
    let (arn, message) = (params.need("TopicArn")?.to_string(), params.need("Message")?.to_string());
    state.topic(&arn).ok_or_else(no_topic)?;
    if message.len() > MESSAGE_BYTES_MAX {
        return Err(invalid("Invalid parameter: Message too long"));
    }
    let id = state.publish(&arn, params.get("Subject"), &message);
    Ok(json!({ "MessageId": id }))
}

fn tags(state: &mut State, action: &str, params: &Params) -> Reply {
    let arn = params.need("ResourceArn")?;
    let gone = || Fault::new(404, "ResourceNotFound", "Resource does not exist");
    state.topic(arn).ok_or_else(gone)?;
    let topic = state.account.topics.get_mut(name_of(arn)).ok_or_else(gone)?;
    match action {
        "TagResource" => topic.tags.extend(params.tags()?),
        "UntagResource" => topic.tags.retain(|key, _| !params.list("TagKeys").contains(key)),
        _ => return Ok(json!({ "Tags": tags_json(&topic.tags) })),
    }
    Ok(json!({}))
}
