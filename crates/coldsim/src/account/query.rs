//! AWS's query protocol: parameters of a form, answers and errors in XML.
//!
//! **Invariant:** what is read here is only taken apart; each call says what it needs.

use std::borrow::Cow;
use std::collections::BTreeMap;

use quick_xml::escape::escape;
use serde_json::{Value, json};

use super::Tags;
use crate::s3::convert::query_pairs;

/// Why a call is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub status: u16,
    pub code: Cow<'static, str>,
    pub message: String,
}

impl Fault {
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code: code.into(), message: message.into() }
    }

    pub fn no_such(what: &str, name: &str) -> Self {
        Self::new(404, "NoSuchEntity", format!("The {what} {name} cannot be found."))
    }

    pub fn exists(what: &str, name: &str) -> Self {
        Self::new(409, "EntityAlreadyExists", format!("{what} with name {name} already exists."))
    }

    pub fn limit(message: impl Into<String>) -> Self {
        Self::new(409, "LimitExceeded", message)
    }

    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(409, "DeleteConflict", message)
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "ValidationError", message)
    }

    pub fn malformed(error: &crate::iam::PolicyError) -> Self {
        Self::new(400, "MalformedPolicyDocument", error.to_string())
    }

    pub fn unknown(action: &str) -> Self {
        Self::new(400, "InvalidAction", format!("Could not find operation {action}"))
    }

    pub fn xml(&self, namespace: &str, id: &str) -> String {
        format!(
            "<ErrorResponse xmlns=\"{namespace}\"><Error><Type>Sender</Type><Code>{}</Code><Message>{}</Message>\
             </Error><RequestId>{id}</RequestId></ErrorResponse>",
            self.code,
            escape(&self.message)
        )
    }

    pub fn json(&self) -> String {
        json!({ "__type": self.code, "message": self.message, "Message": self.message }).to_string()
    }
}

/// The parameters of a call, by their dotted names.
#[derive(Debug, Clone, Default)]
pub(crate) struct Params(BTreeMap<String, String>);

impl Params {
    pub fn parse(body: &[u8]) -> Self {
        Self(query_pairs(&String::from_utf8_lossy(body)).into_iter().collect())
    }

    /// One parameter, if it has a value.
    pub fn of(name: &str, value: Option<String>) -> Self {
        Self(value.into_iter().map(|value| (name.to_string(), value)).collect())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A parameter that has to be there.
    pub fn need(&self, name: &str) -> Result<&str, Fault> {
        let missing = || Fault::invalid(format!("The request must contain the parameter {name}."));
        self.get(name).filter(|text| !text.is_empty()).ok_or_else(missing)
    }

    /// `true` or `false`, the latter if it is not there.
    pub fn is_true(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }

    pub fn number(&self, name: &str) -> Result<Option<u64>, Fault> {
        let bad = |text: &str| Fault::invalid(format!("{name} must be a number, not {text}"));
        self.get(name).map(|text| text.parse().map_err(|_| bad(text))).transpose()
    }

    /// `NAME.member.1` and so on, in order.
    pub fn list(&self, name: &str) -> Vec<String> {
        self.records(name).iter().filter_map(|one| one.get("").map(str::to_string)).collect()
    }

    /// `NAME.member.1.FIELD` and so on, each a set of parameters of its own.
    pub fn records(&self, name: &str) -> Vec<Self> {
        self.numbered(&format!("{name}.member."))
    }

    fn numbered(&self, start: &str) -> Vec<Self> {
        let mut found: BTreeMap<u32, Self> = BTreeMap::new();
        for (key, value) in &self.0 {
            let Some(rest) = key.strip_prefix(start) else { continue };
            let (number, field) = rest.split_once('.').unwrap_or((rest, ""));
            if let Ok(number) = number.parse() {
                found.entry(number).or_default().0.insert(field.to_string(), value.clone());
            }
        }
        found.into_values().collect()
    }

    /// `NAME.entry.1.key` and `NAME.entry.1.value`.
    pub fn entries(&self, name: &str) -> BTreeMap<String, String> {
        let entries = self.numbered(&format!("{name}.entry."));
        let pair = |entry: &Self| Some((entry.get("key")?.to_string(), entry.get("value")?.to_string()));
        entries.iter().filter_map(pair).collect()
    }

    /// The tags that come with the call.
    pub fn tags(&self) -> Result<Tags, Fault> {
        let mut tags = Tags::new();
        for tag in self.records("Tags") {
            let (key, value) = (tag.need("Key")?.to_string(), tag.get("Value").unwrap_or_default().to_string());
            if key.len() > 128 || value.len() > 256 || key.starts_with("aws:") {
                return Err(Fault::new(400, "InvalidInput", format!("The tag {key} is not one.")));
            }
            if tags.insert(key.to_lowercase(), String::new()).is_some() {
                return Err(Fault::new(400, "InvalidInput", "Duplicate tag keys found."));
            }
            tags.remove(&key.to_lowercase());
            tags.insert(key, value);
        }
        Ok(tags)
    }
}

/// Tags as calls give them back.
pub(super) fn tags_json(tags: &Tags) -> Value {
    tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect()
}

/// The answer of a call: the fields of `value` in an element `ActionResult`.
pub(super) fn answer_xml(namespace: &str, action: &str, value: &Value, id: &str) -> String {
    let mut result = String::new();
    write(&mut result, value);
    format!(
        "<{action}Response xmlns=\"{namespace}\"><{action}Result>{result}</{action}Result>\
         <ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata></{action}Response>"
    )
}

/// An object's fields are elements, a list's items `member`s; what is null is left out. An object
/// with the only field `entry` holds a map.
fn write(out: &mut String, value: &Value) {
    match value {
        Value::Null => {}
        Value::Object(fields) => {
            for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
                out.push_str(&format!("<{name}>"));
                match value.get("$map").and_then(Value::as_object) {
                    Some(map) => {
                        for (key, value) in map {
                            let text = value.as_str().unwrap_or_default();
                            let (key, value) = (escape(key.as_str()), escape(text));
                            out.push_str(&format!("<entry><key>{key}</key><value>{value}</value></entry>"));
                        }
                    }
                    None => write(out, value),
                }
                out.push_str(&format!("</{name}>"));
            }
        }
        Value::Array(items) => {
            for item in items {
                out.push_str("<member>");
                write(out, item);
                out.push_str("</member>");
            }
        }
        Value::String(text) => out.push_str(&escape(text.as_str())),
        other => out.push_str(&other.to_string()),
    }
}
