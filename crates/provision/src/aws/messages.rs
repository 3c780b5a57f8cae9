//! Topics of SNS and queues of SQS.

use std::collections::HashMap;

use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::{Map, Value, json};

use super::{AwsCloud, absent, document, foreign, gone, pairs, unfit};
use crate::cloud::{Aspect, CloudError, Item, Thing};
use crate::desired::QueueName;

const NO_TOPIC: &[&str] = &["NotFound", "NotFoundException", "ResourceNotFound", "ResourceNotFoundException"];
const NO_QUEUE: &[&str] = &["AWS.SimpleQueueService.NonExistentQueue", "NonExistentQueue", "QueueDoesNotExist"];
/// How long a queue keeps the news of a finished thaw: the longest that SQS offers.
const KEEP_SECONDS: &str = "1209600";

impl AwsCloud {
    pub(super) fn read_topic(&self, item: &Item, name: &QueueName) -> Result<Option<Value>, CloudError> {
        let arn = self.arn("sns", name.as_str())?;
        let asked = || {
            absent(
                self.ask("GetTopicAttributes", item, self.sns.get_topic_attributes().topic_arn(&arn).send()),
                NO_TOPIC,
            )
        };
        Ok(match &item.aspect {
            Aspect::Itself => asked()?.map(|_| json!({})),
            Aspect::Policy => {
                asked()?.and_then(|answer| answer.attributes?.remove("Policy")).map(|policy| document(&policy))
            }
            Aspect::Tags => {
                let asked =
                    self.ask("ListTagsForResource", item, self.sns.list_tags_for_resource().resource_arn(&arn).send());
                absent(asked, NO_TOPIC)?.map(|answer| {
                    let tags = answer.tags().iter().map(|tag| (tag.key().to_string(), json!(tag.value())));
                    Value::Object(tags.collect::<Map<_, _>>())
                })
            }
            Aspect::Email(address) => self.subscribed(item, &arn, address)?.then(|| json!({})),
            _ => return Err(foreign("Read", item)),
        })
    }

    fn subscribed(&self, item: &Item, arn: &str, address: &str) -> Result<bool, CloudError> {
        let mut token: Option<String> = None;
        loop {
            let asked = self.sns.list_subscriptions_by_topic().topic_arn(arn).set_next_token(token.take()).send();
            let Some(answer) = absent(self.ask("ListSubscriptionsByTopic", item, asked), NO_TOPIC)? else {
                return Ok(false);
            };
            if answer
                .subscriptions()
                .iter()
                .any(|one| one.endpoint() == Some(address) && one.protocol() == Some("email"))
            {
                return Ok(true);
            }
            match answer.next_token {
                Some(next) => token = Some(next),
                None => return Ok(false),
            }
        }
    }

    pub(super) fn write_topic(&self, item: &Item, name: &QueueName, state: &Value) -> Result<(), CloudError> {
        let arn = self.arn("sns", name.as_str())?;
        let tags = |call, tags: &Value| -> Result<Vec<aws_sdk_sns::types::Tag>, CloudError> {
            let one = |(key, value)| {
                aws_sdk_sns::types::Tag::builder().key(key).value(value).build().map_err(|bad| unfit(call, item, bad))
            };
            pairs(tags).into_iter().map(one).collect()
        };
        match &item.aspect {
            Aspect::Itself => {
                let tags = tags("CreateTopic", &state["tags"])?;
                let made = self.sns.create_topic().name(name.as_str()).set_tags(Some(tags)).send();
                self.ask("CreateTopic", item, made).map(|_| ())
            }
            Aspect::Policy => {
                let set = self.sns.set_topic_attributes().topic_arn(&arn).attribute_name("Policy");
                self.ask("SetTopicAttributes", item, set.attribute_value(state.to_string()).send()).map(|_| ())
            }
            Aspect::Tags => {
                let tags = tags("TagResource", state)?;
                let set = self.sns.tag_resource().resource_arn(&arn).set_tags(Some(tags)).send();
                self.ask("TagResource", item, set).map(|_| ())
            }
            Aspect::Email(address) => {
                let made = self.sns.subscribe().topic_arn(&arn).protocol("email").endpoint(address).send();
                self.ask("Subscribe", item, made).map(|_| ())
            }
            _ => Err(foreign("Write", item)),
        }
    }

    pub(super) fn delete_topic(&self, name: &QueueName) -> Result<(), CloudError> {
        let arn = self.arn("sns", name.as_str())?;
        gone(self.ask("DeleteTopic", name, self.sns.delete_topic().topic_arn(arn).send()), NO_TOPIC)
    }

    /// The queue's URL, which SQS knows.
    fn queue_url(&self, name: &QueueName) -> Result<Option<String>, CloudError> {
        let asked = self.ask("GetQueueUrl", name, self.sqs.get_queue_url().queue_name(name.as_str()).send());
        Ok(absent(asked, NO_QUEUE)?.and_then(|answer| answer.queue_url))
    }

    fn the_queue(&self, item: &Item, name: &QueueName) -> Result<String, CloudError> {
        self.queue_url(name)?.ok_or_else(|| CloudError::Refused {
            call: "GetQueueUrl",
            thing: item.to_string(),
            code: "QueueDeletedRecently".into(),
            message: "the queue is not known yet".into(),
        })
    }

    pub(super) fn read_queue(&self, item: &Item, name: &QueueName) -> Result<Option<Value>, CloudError> {
        let Some(url) = self.queue_url(name)? else { return Ok(None) };
        Ok(match item.aspect {
            Aspect::Itself => Some(json!({})),
            Aspect::Policy => {
                let asked =
                    self.sqs.get_queue_attributes().queue_url(url).attribute_names(QueueAttributeName::Policy).send();
                let answer = absent(self.ask("GetQueueAttributes", item, asked), NO_QUEUE)?;
                let policy = answer.and_then(|answer| answer.attributes?.remove(&QueueAttributeName::Policy));
                policy.filter(|policy| !policy.is_empty()).map(|policy| document(&policy))
            }
            Aspect::Tags => {
                let asked = self.ask("ListQueueTags", item, self.sqs.list_queue_tags().queue_url(url).send());
                absent(asked, NO_QUEUE)?.map(|answer| {
                    let tags = answer.tags.unwrap_or_default().into_iter().map(|(key, value)| (key, json!(value)));
                    Value::Object(tags.collect::<Map<_, _>>())
                })
            }
            _ => return Err(foreign("Read", item)),
        })
    }

    pub(super) fn write_queue(&self, item: &Item, name: &QueueName, state: &Value) -> Result<(), CloudError> {
        match item.aspect {
            Aspect::Itself => {
                let tags: HashMap<String, String> = pairs(&state["tags"]).into_iter().collect();
                let made = self.sqs.create_queue().queue_name(name.as_str()).set_tags(Some(tags));
                let made = made.attributes(QueueAttributeName::MessageRetentionPeriod, KEEP_SECONDS);
                self.ask("CreateQueue", item, made.send()).map(|_| ())
            }
            Aspect::Policy => {
                let url = self.the_queue(item, name)?;
                let set = self.sqs.set_queue_attributes().queue_url(url);
                let set = set.attributes(QueueAttributeName::Policy, state.to_string());
                self.ask("SetQueueAttributes", item, set.send()).map(|_| ())
            }
            Aspect::Tags => {
                let url = self.the_queue(item, name)?;
                let tags: HashMap<String, String> = pairs(state).into_iter().collect();
                self.ask("TagQueue", item, self.sqs.tag_queue().queue_url(url).set_tags(Some(tags)).send()).map(|_| ())
            }
            _ => Err(foreign("Write", item)),
        }
    }

    pub(super) fn delete_queue(&self, name: &QueueName) -> Result<(), CloudError> {
        let Some(url) = self.queue_url(name)? else { return Ok(()) };
        let item = Item::new(Thing::Queue(name.clone()), Aspect::Itself);
        gone(self.ask("DeleteQueue", &item, self.sqs.delete_queue().queue_url(url).send()), NO_QUEUE)
    }
}
