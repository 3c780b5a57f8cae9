//! Codes of second factors, and what the query protocol is made of.

use serde_json::json;

use super::query::{Params, answer_xml};
use super::sessions::{code_at, is_code_of};
use darkslide_words::Time;

#[test]
fn codes_are_those_of_rfc_6238() {
    let seed = b"12345678901234567890";
    // The RFC shows eight digits; six are their end.
    for (seconds, code) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")] {
        assert_eq!(code_at(seed, seconds / 30), code, "{seconds}");
    }
    let now = Time::from_parts(1_111_111_109, 0);
    assert!(is_code_of(seed, "081804", now));
    assert!(!is_code_of(seed, "287082", now));
}

#[test]
fn parameters_are_taken_apart() {
    let body = b"Action=X&Tags.member.2.Key=b&Tags.member.2.Value=2&Tags.member.1.Key=a&Tags.member.1.Value=1%202\
        &ActionNames.member.10=s3%3APutObject&ActionNames.member.9=s3%3AGetObject\
        &ContextEntries.member.1.ContextKeyName=k&ContextEntries.member.1.ContextKeyValues.member.1=v\
        &Attributes.entry.1.key=Policy&Attributes.entry.1.value=%7B%7D";
    let params = Params::parse(body);
    assert_eq!(params.get("Action"), Some("X"));
    let tags = params.tags().unwrap();
    assert_eq!(tags.into_iter().collect::<Vec<_>>(), [("a".into(), "1 2".into()), ("b".into(), "2".into())]);
    assert_eq!(params.list("ActionNames"), ["s3:GetObject", "s3:PutObject"]);
    let entries = params.records("ContextEntries");
    assert_eq!((entries.len(), entries[0].list("ContextKeyValues")), (1, vec!["v".to_string()]));
    assert_eq!(params.entries("Attributes").get("Policy").map(String::as_str), Some("{}"));
    assert!(params.need("Nothing").is_err() && params.number("Action").is_err());
}

#[test]
fn tags_are_refused_twice_and_with_aws_names() {
    let tags = |text: &str| Params::parse(text.as_bytes()).tags();
    assert!(tags("Tags.member.1.Key=a&Tags.member.2.Key=A").is_err());
    assert!(tags("Tags.member.1.Key=aws:x").is_err());
}

#[test]
fn answers_are_xml() {
    let value = json!({ "A": "<&>", "Gone": null, "L": [{ "B": 1 }, "x"], "M": { "$map": { "k": "v" } } });
    let text = answer_xml("urn:x", "Do", &value, "7");
    let inside = "<A>&lt;&amp;&gt;</A><L><member><B>1</B></member><member>x</member></L>\
        <M><entry><key>k</key><value>v</value></entry></M>";
    assert_eq!(
        text,
        format!(
            "<DoResponse xmlns=\"urn:x\"><DoResult>{inside}</DoResult><ResponseMetadata><RequestId>7</RequestId>\
             </ResponseMetadata></DoResponse>"
        )
    );
}
