//! The calls of the AWS JSON protocol 1.0, as SQS answers them.
//!
//! **Invariant:** a parameter that is not understood is refused, so that no
//! client believes in an attribute that does nothing here.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use darkslide_words::Time;
use serde_json::{Map, Value, json};

use super::{Answer, IN_FLIGHT_MAX, LIMITS, Message, PURGE_PAUSE, Queue, Queues, md5_of};

/// Where and when a call is made.
pub(super) struct Place<'a> {
    pub(super) base_url: &'a str,
    pub(super) account: &'a str,
    pub(super) now: Time,
}

/// Why a call is refused.
pub(super) struct Fault {
    /// The shape in the JSON model.
    shape: &'static str,
    /// The code of the older query protocol, by which clients tell faults apart.
    code: &'static str,
    message: String,
}

impl Fault {
    fn new(shape: &'static str, code: &'static str, message: impl Into<String>) -> Self {
        Self { shape, code, message: message.into() }
    }

    fn parameter(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterValueException", "InvalidParameterValue", message)
    }

    fn missing(name: &str) -> Self {
        let message = format!("The request must contain the parameter {name}.");
        Self::new("MissingParameterException", "MissingParameter", message)
    }

    fn no_queue() -> Self {
        let message = "The specified queue does not exist.";
        Self::new("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", message)
    }

    fn attribute(name: &str) -> Self {
        Self::new("InvalidAttributeName", "InvalidAttributeName", format!("Unknown Attribute {name}."))
    }

    fn receipt(handle: &str) -> Self {
        let message = format!("The input receipt handle \"{handle}\" is not a valid receipt handle.");
        Self::new("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", message)
    }

    /// The HTTP answer.
    pub(super) fn answer(self) -> Answer {
        let body = json!({ "__type": format!("com.amazonaws.sqs#{}", self.shape), "message": self.message });
        Answer { status: 400, body: body.to_string(), error_type: Some(format!("{};Sender", self.code)) }
    }
}

type Reply = Result<Value, Fault>;
type Fields = Map<String, Value>;

impl Queues {
    pub(super) fn call(&mut self, target: &str, body: &[u8], place: &Place<'_>) -> Reply {
        let unknown = || Fault::new("InvalidAction", "InvalidAction", format!("no such action here: {target}"));
        let action = target.strip_prefix("AmazonSQS.").ok_or_else(unknown)?;
        let body = if body.is_empty() { b"{}" } else { body };
        let Ok(Value::Object(fields)) = serde_json::from_slice(body) else {
            return Err(Fault::new("SerializationException", "SerializationException", "the body is no JSON object"));
        };
        match action {
            "CreateQueue" => self.create_queue(&fields, place),
            "GetQueueUrl" => self.queue_url(&fields, place),
            "ListQueues" => Ok(self.list_queues(&fields, place)),
            "DeleteQueue" => self.delete_queue(&fields),
            "GetQueueAttributes" => self.attributes(&fields, place),
            "SetQueueAttributes" => self.set_attributes(&fields, place),
            "TagQueue" | "UntagQueue" | "ListQueueTags" => self.tags(action, &fields),
            "PurgeQueue" => self.purge(&fields, place),
            "SendMessage" => self.send_message(&fields, place),
            "SendMessageBatch" => self.batch(&fields, place, Self::send_message),
            "ReceiveMessage" => self.receive_message(&fields, place),
            "DeleteMessage" => self.delete_message(&fields, place),
            "DeleteMessageBatch" => self.batch(&fields, place, Self::delete_message),
            "ChangeMessageVisibility" => self.change_visibility(&fields, place),
            "ChangeMessageVisibilityBatch" => self.batch(&fields, place, Self::change_visibility),
            _ => Err(unknown()),
        }
    }

    /// The name and the queue that `QueueUrl` means.
    fn queue(&mut self, fields: &Fields) -> Result<(String, &mut Queue), Fault> {
        let url = text(fields, "QueueUrl")?;
        let name = url.rsplit('/').next().unwrap_or_default().to_string();
        let queue = self.queues.get_mut(&name).ok_or_else(Fault::no_queue)?;
        Ok((name, queue))
    }

    fn create_queue(&mut self, fields: &Fields, place: &Place<'_>) -> Reply {
        let name = text(fields, "QueueName")?;
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if name.is_empty() || name.len() > 80 || !plain {
            return Err(Fault::parameter(
                "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
            ));
        }
        let mut wanted = Queue::new(place.now);
        wanted.set(fields)?;
        if let Some(there) = self.queues.get(name) {
            // Naming the attributes it has is no conflict.
            let mut again = there.clone();
            again.set(fields)?;
            if again.settings != there.settings || again.policy != there.policy {
                let message = "A queue already exists with the same name and a different value for an attribute";
                return Err(Fault::new("QueueNameExists", "QueueAlreadyExists", message));
            }
        } else {
            wanted.tags = tags_of(fields, "tags").or_else(|| tags_of(fields, "Tags")).unwrap_or_default();
            self.queues.insert(name.to_string(), wanted);
        }
        Ok(json!({ "QueueUrl": place.url(name) }))
    }

    fn queue_url(&mut self, fields: &Fields, place: &Place<'_>) -> Reply {
        let name = text(fields, "QueueName")?;
        let there = self.queues.contains_key(name);
        if there { Ok(json!({ "QueueUrl": place.url(name) })) } else { Err(Fault::no_queue()) }
    }

    fn list_queues(&mut self, fields: &Fields, place: &Place<'_>) -> Value {
        let prefix = fields.get("QueueNamePrefix").and_then(Value::as_str).unwrap_or_default();
        let names = self.queues.keys().filter(|name| name.starts_with(prefix));
        let urls: Vec<String> = names.map(|name| place.url(name)).collect();
        if urls.is_empty() { json!({}) } else { json!({ "QueueUrls": urls }) }
    }

    fn delete_queue(&mut self, fields: &Fields) -> Reply {
        let (name, _) = self.queue(fields)?;
        self.queues.remove(&name);
        Ok(json!({}))
    }

    fn attributes(&mut self, fields: &Fields, place: &Place<'_>) -> Reply {
        let region = self.region.clone();
        let (name, queue) = self.queue(fields)?;
        queue.expire(place.now);
        let (now, all) = (place.now, &queue.messages);
        let waiting = all.iter().filter(|m| m.visible <= now).count();
        let delayed = all.iter().filter(|m| m.visible > now && m.received == 0).count();
        let mut known: Fields = Map::new();
        let mut add = |key: &str, value: String| known.insert(key.to_string(), Value::from(value));
        add("ApproximateNumberOfMessages", waiting.to_string());
        add("ApproximateNumberOfMessagesDelayed", delayed.to_string());
        add("ApproximateNumberOfMessagesNotVisible", queue.in_flight(now).to_string());
        add("CreatedTimestamp", queue.created.seconds().to_string());
        add("LastModifiedTimestamp", queue.modified.seconds().to_string());
        add("QueueArn", format!("arn:aws:sqs:{region}:{}:{name}", place.account));
        for (key, value) in &queue.settings {
            add(key, value.to_string());
        }
        add("SqsManagedSseEnabled", (!queue.plain).to_string());
        if let Some(policy) = &queue.policy {
            add("Policy", policy.clone());
        }
        let asked = names(fields, "AttributeNames")?;
        if let Some(unknown) = asked.iter().find(|n| **n != "All" && **n != "Policy" && !known.contains_key(**n)) {
            return Err(Fault::attribute(unknown));
        }
        if !asked.contains(&"All") {
            known.retain(|key, _| asked.contains(&key.as_str()));
        }
        Ok(if known.is_empty() { json!({}) } else { json!({ "Attributes": known }) })
    }

    fn set_attributes(&mut self, fields: &Fields, place: &Place<'_>) -> Reply {
        let (_, queue) = self.queue(fields)?;
        if !fields.contains_key("Attributes") {
            return Err(Fault::missing("Attributes"));
        }
        queue.set(fields)?;
        queue.modified = place.now;
        Ok(json!({}))
    }

    fn tags(&mut self, action: &str, fields: &Fields) -> Reply {
        let (_, queue) = self.queue(fields)?;
        match action {
            "TagQueue" => queue.tags.extend(tags_of(fields, "Tags").ok_or_else(|| Fault::missing("Tags"))?),
            "UntagQueue" => {
                let gone = names(fields, "TagKeys")?;
                queue.tags.retain(|key, _| !gone.contains(&key.as_str()));
            }
            _ if queue.tags.is_empty() => {}
            _ => return Ok(json!({ "Tags": queue.tags })),
        }
        Ok(json!({}))
    }

    fn purge(&mut self, fields: &Fields, place: &Place<'_>) -> Reply {
        let (name, queue) = self.queue(fields)?;
        if queue.purged.is_some_and(|last| last.until(place.now) < PURGE_PAUSE) {
            let message = format!("Only one PurgeQueue operation on {name} is allowed every 60 seconds.");
            return Err(Fault::new("PurgeQueueInProgress", "AWS.SimpleQueueService.PurgeQueueInProgress", message));
        }
        queue.purged = Some(place.now);
        queue.messages.clear();
        Ok(json!({}))
    }

    fn send_message(&mut self, fields: &Fields, place: &Place<'_>) -> Reply {
        let (name, queue) = self.queue(fields)?;
        let body = text(fields, "MessageBody")?;
        let most = queue.setting("MaximumMessageSize");
        if body.is_empty() || body.len() as u64 > most {
            return Err(Fault::parameter(format!(
                "One or more parameters are invalid. Reason: Message must be 1 to {most} bytes."
            )));
        }
        for other in ["MessageAttributes", "MessageSystemAttributes", "MessageGroupId", "MessageDeduplicationId"] {
            let given = fields.get(other).is_some_and(|v| !v.is_null() && v.as_object().is_none_or(|o| !o.is_empty()));
            if given {
                let message = format!("{other} is not kept by this simulator; send the message without");
                return Err(Fault::new("UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation", message));
            }
        }
        let delay = number(fields, "DelaySeconds", 0, 900)?;
        let sum = md5_of(body);
        let id = self.put(&name, body.to_string(), delay, place.now).ok_or_else(Fault::no_queue)?;
        Ok(json!({ "MessageId": id, "MD5OfMessageBody": sum }))
    }

    fn receive_message(&mut self, fields: &Fields, place: &Place<'_>) -> Reply {
        let (name, queue) = self.queue(fields)?;
        let most = number(fields, "MaxNumberOfMessages", 1, 10)?.unwrap_or(1);
        let seconds = number(fields, "VisibilityTimeout", 0, 43_200)?;
        let seconds = seconds.unwrap_or_else(|| queue.setting("VisibilityTimeout"));
        number(fields, "WaitTimeSeconds", 0, 20)?;
        let mut asked = names(fields, "AttributeNames")?;
        asked.extend(names(fields, "MessageSystemAttributeNames")?);
        if queue.in_flight(place.now) + most as usize > IN_FLIGHT_MAX {
            let message = "Too many messages in flight; delete what was received.";
            return Err(Fault::new("OverLimit", "OverLimit", message));
        }
        let handed = queue.receive(most as usize, seconds, place.now);
        let messages: Vec<Value> = handed.iter().map(|message| message.json(&name, &asked, place)).collect();
        Ok(if messages.is_empty() { json!({}) } else { json!({ "Messages": messages }) })
    }

    fn delete_message(&mut self, fields: &Fields, _place: &Place<'_>) -> Reply {
        let (name, queue) = self.queue(fields)?;
        let (id, received) = receipt(text(fields, "ReceiptHandle")?, &name)?;
        // An older receipt, or one of a deleted message, succeeds and does nothing.
        if let Some(at) = queue.latest(&id, received) {
            queue.messages.remove(at);
        }
        Ok(json!({}))
    }

    fn change_visibility(&mut self, fields: &Fields, place: &Place<'_>) -> Reply {
        let (name, queue) = self.queue(fields)?;
        let (id, received) = receipt(text(fields, "ReceiptHandle")?, &name)?;
        let seconds = number(fields, "VisibilityTimeout", 0, 43_200)?;
        let seconds = seconds.ok_or_else(|| Fault::missing("VisibilityTimeout"))?;
        let at = queue.latest(&id, received).filter(|at| queue.messages[*at].visible > place.now);
        let Some(at) = at else {
            let message = "The message is not in flight, or was received again since.";
            return Err(Fault::new("MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight", message));
        };
        queue.messages[at].visible = place.now.plus(Duration::from_secs(seconds));
        Ok(json!({}))
    }

    /// Does one thing for each entry; what fails is told apart.
    fn batch(
        &mut self,
        fields: &Fields,
        place: &Place<'_>,
        each: fn(&mut Self, &Fields, &Place<'_>) -> Reply,
    ) -> Reply {
        self.queue(fields)?;
        let entries = fields.get("Entries").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut ids = std::collections::BTreeSet::new();
        for entry in &entries {
            let id = entry.get("Id").and_then(Value::as_str).ok_or_else(|| Fault::missing("Id"))?;
            let plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
            if id.is_empty() || id.len() > 80 || !plain {
                let code = "AWS.SimpleQueueService.InvalidBatchEntryId";
                return Err(Fault::new("InvalidBatchEntryId", code, "An Id has 1 to 80 letters, digits, - and _."));
            }
            if !ids.insert(id) {
                let code = "AWS.SimpleQueueService.BatchEntryIdsNotDistinct";
                return Err(Fault::new("BatchEntryIdsNotDistinct", code, format!("Id {id} repeated.")));
            }
        }
        if entries.is_empty() {
            let code = "AWS.SimpleQueueService.EmptyBatchRequest";
            return Err(Fault::new("EmptyBatchRequest", code, "There should be at least one entry in the request."));
        }
        if entries.len() > 10 {
            let code = "AWS.SimpleQueueService.TooManyEntriesInBatchRequest";
            return Err(Fault::new("TooManyEntriesInBatchRequest", code, "At most 10 entries in a request."));
        }
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        for entry in entries {
            let id = entry["Id"].clone();
            let Value::Object(mut entry) = entry else { continue };
            entry.insert("QueueUrl".to_string(), fields["QueueUrl"].clone());
            match each(self, &entry, place) {
                Ok(Value::Object(mut result)) => {
                    result.insert("Id".to_string(), id);
                    done.push(Value::Object(result));
                }
                Ok(_) => done.push(json!({ "Id": id })),
                Err(fault) => failed.push(json!({
                    "Id": id, "SenderFault": true, "Code": fault.code, "Message": fault.message
                })),
            }
        }
        Ok(json!({ "Successful": done, "Failed": failed }))
    }
}

impl Queue {
    /// Takes over what `Attributes` says, all of it or nothing.
    fn set(&mut self, fields: &Fields) -> Result<(), Fault> {
        let attributes = match fields.get("Attributes") {
            None | Some(Value::Null) => return Ok(()),
            Some(Value::Object(attributes)) => attributes,
            Some(_) => return Err(Fault::parameter("Attributes must be an object")),
        };
        let (mut settings, mut policy, mut plain) = (self.settings.clone(), self.policy.clone(), self.plain);
        for (name, value) in attributes {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_string);
            if name == "Policy" {
                let good = value.is_empty() || serde_json::from_str::<Fields>(&value).is_ok();
                if !good {
                    return Err(bad_value(name));
                }
                policy = Some(value).filter(|policy| !policy.is_empty());
                continue;
            }
            if name == "SqsManagedSseEnabled" {
                plain = !value.parse::<bool>().map_err(|_| bad_value(name))?;
                continue;
            }
            let Some((_, least, most, _)) = LIMITS.iter().find(|(known, ..)| known == name) else {
                return Err(Fault::attribute(name));
            };
            let number: u64 = value.parse().map_err(|_| bad_value(name))?;
            if !(*least..=*most).contains(&number) {
                return Err(bad_value(name));
            }
            settings.insert(name.clone(), number);
        }
        (self.settings, self.policy, self.plain) = (settings, policy, plain);
        Ok(())
    }
}

impl Message {
    fn json(&self, queue: &str, asked: &[&str], place: &Place<'_>) -> Value {
        let millis = |time: Time| (time.0 / 1_000_000).to_string();
        let known = [
            ("ApproximateReceiveCount", self.received.to_string()),
            ("ApproximateFirstReceiveTimestamp", millis(self.first_received.unwrap_or(place.now))),
            ("SenderId", place.account.to_string()),
            ("SentTimestamp", millis(self.sent)),
        ];
        let wanted = known.into_iter().filter(|(name, _)| asked.contains(&"All") || asked.contains(name));
        let attributes: Fields = wanted.map(|(name, value)| (name.to_string(), Value::from(value))).collect();
        let mut message = json!({
            "MessageId": self.id,
            "ReceiptHandle": BASE64.encode(format!("{queue} {} {}", self.id, self.received)),
            "MD5OfBody": md5_of(&self.body),
            "Body": self.body,
        });
        if !attributes.is_empty() {
            message["Attributes"] = Value::Object(attributes);
        }
        message
    }
}

impl Place<'_> {
    fn url(&self, queue: &str) -> String {
        format!("{}/{}/{queue}", self.base_url.trim_end_matches('/'), self.account)
    }
}

/// What a receipt handle of that queue stands for: a message and how often it
/// had been received.
fn receipt(handle: &str, queue: &str) -> Result<(String, u64), Fault> {
    let read = || {
        let plain = String::from_utf8(BASE64.decode(handle).ok()?).ok()?;
        let mut parts = plain.split(' ');
        let (name, id, received) = (parts.next()?, parts.next()?, parts.next()?);
        (name == queue && parts.next().is_none()).then_some((id.to_string(), received.parse().ok()?))
    };
    read().ok_or_else(|| Fault::receipt(handle))
}

fn bad_value(name: &str) -> Fault {
    Fault::new("InvalidAttributeValue", "InvalidAttributeValue", format!("Invalid value for the parameter {name}."))
}

fn text<'f>(fields: &'f Fields, name: &str) -> Result<&'f str, Fault> {
    fields.get(name).and_then(Value::as_str).ok_or_else(|| Fault::missing(name))
}

fn tags_of(fields: &Fields, name: &str) -> Option<BTreeMap<String, String>> {
    let tags = fields.get(name)?.as_object()?;
    Some(tags.iter().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_string()))).collect())
}

fn names<'f>(fields: &'f Fields, name: &str) -> Result<Vec<&'f str>, Fault> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(list)) => Ok(list.iter().filter_map(Value::as_str).collect()),
        Some(_) => Err(Fault::parameter(format!("{name} must be a list"))),
    }
}

fn number(fields: &Fields, name: &str, least: u64, most: u64) -> Result<Option<u64>, Fault> {
    let bad = || {
        Fault::parameter(format!("Value for parameter {name} is invalid. Reason: Must be between {least} and {most}."))
    };
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let number = value.as_u64().filter(|n| (least..=most).contains(n)).ok_or_else(bad)?;
            Ok(Some(number))
        }
    }
}
