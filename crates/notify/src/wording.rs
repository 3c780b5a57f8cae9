//! What happened, in the words of a photographer: what, which job, where to look, what now.
//!
//! **Invariant:** title, text and facts say jobs, counts and times, and nothing that may name a
//! photograph; that goes into the details.

use darkslide_words::{Bytes, Time};
use serde_json::{Map, Value};

use crate::message::{Kind, Message};

/// What happened, from whoever saw it.
#[derive(Debug, Clone, PartialEq)]
pub struct Happening {
    /// What kind of thing.
    pub kind: Kind,
    /// In which job.
    pub job: Option<String>,
    /// In which run of it.
    pub run: Option<i64>,
    /// When.
    pub time: Time,
    /// Whatever is known. Of it, numbers, words of [`FACTS_TOLD`] and the lengths of lists are told.
    pub facts: Map<String, Value>,
    /// Sentences that may name photographs.
    pub details: Vec<String>,
}

/// Facts that are told as they stand, since none of them can name a photograph.
const FACTS_TOLD: &[&str] = &["kind", "target", "origin", "outcome", "started", "last", "until", "usd"];
/// Facts that the sentences say already, or that tell people nothing.
const FACTS_SAID: &[&str] = &["seconds", "limit_seconds", "thaw"];
/// The longest word that is told.
const WORD_MAX: usize = 100;
/// Facts told in the text.
const LINES_MAX: usize = 12;

/// Makes the message.
pub fn compose(happening: &Happening, machine: &str) -> Message {
    let facts = told(&happening.facts);
    let job = happening.job.as_deref().unwrap_or("");
    let title = title(happening.kind, job, machine, &facts);
    let mut text = sentence(happening, machine);
    let counts = counts(&facts);
    if !counts.is_empty() {
        text.push_str("\n\n");
        text.push_str(&counts.join("\n"));
    }
    Message {
        kind: happening.kind,
        job: happening.job.clone(),
        run: happening.run,
        time: happening.time,
        machine: machine.to_string(),
        severity: happening.kind.severity(),
        title,
        text,
        facts: Value::Object(facts),
        details: happening.details.iter().flat_map(|text| text.lines()).map(|line| crate::tidy(line, 500)).collect(),
    }
}

fn title(kind: Kind, job: &str, machine: &str, facts: &Map<String, Value>) -> String {
    let work = facts.get("kind").and_then(Value::as_str);
    let what = work.map_or_else(|| job.to_string(), |work| format!("{work} of {job}"));
    let seconds = facts.get("seconds").and_then(Value::as_u64);
    let since = match seconds.map(|seconds| seconds / 86_400) {
        Some(days @ 2..) => format!("for {days} days"),
        _ => "for too long".into(),
    };
    match kind {
        Kind::Failure => format!("{what} failed on {machine}"),
        Kind::Warning => format!("{what} on {machine} is done, but needs a look"),
        Kind::Recovered => format!("{what} works again on {machine}"),
        Kind::Finished => format!("{what} went well on {machine}"),
        Kind::Stopped => format!("{what} was stopped on {machine}"),
        Kind::CutOff => format!("{what} was cut off on {machine}"),
        Kind::NoBackupFor if job.is_empty() => format!("No backup on {machine} {since}"),
        Kind::NoBackupFor => format!("No backup of {job} on {machine} {since}"),
        Kind::ThawReady => "Photographs from the cold archive are ready".to_string(),
        Kind::CardSafe => "A card is safe to format".to_string(),
        Kind::Test => format!("Darkslide on {machine} can reach you"),
    }
}

/// What it means and what to do now.
fn sentence(happening: &Happening, machine: &str) -> String {
    let job = happening.job.as_deref().unwrap_or("");
    let logs = match (job.is_empty(), happening.run) {
        (false, Some(run)) => format!("`darkslide logs {job} --run {run}` on {machine}"),
        (false, None) => format!("`darkslide logs {job}` on {machine}"),
        (true, _) => format!("`darkslide status` on {machine}"),
    };
    match happening.kind {
        Kind::Failure => format!(
            "The job could not do its work. What was safe before is still safe; what is new is not safe yet, so \
             keep your cards. {logs} says why."
        ),
        Kind::Warning => format!("The job is done, but some files could not be, or were strange. {logs} names them."),
        Kind::Recovered => "The last run went well after one that did not. Nothing is to be done.".into(),
        Kind::Finished => "Everything was done.".into(),
        Kind::Stopped => "The run was told to stop. The next one goes on from there.".into(),
        Kind::CutOff => format!(
            "The run did not come to its end: the power or the network went, or it was killed. Nothing that was safe \
             is lost, and the next run goes on from there. {logs} tells how far it got."
        ),
        Kind::NoBackupFor => format!(
            "Photographs that came since are on your own disks only. Is the machine on, is the disk or the network \
             there? {logs} shows the last runs."
        ),
        Kind::ThawReady => format!(
            "What was thawed can be read now, for some days only. Give the same `darkslide restore` command again \
             on {machine}, or see `darkslide thaw list`."
        ),
        Kind::CardSafe => "Each of its photographs has as many verified copies as you asked for.".into(),
        Kind::Test => "This is a test. When something is wrong with your photographs, a message comes this way.".into(),
    }
}

/// The facts that may leave the house.
fn told(facts: &Map<String, Value>) -> Map<String, Value> {
    let told = facts.iter().filter_map(|(name, value)| {
        let value = match value {
            Value::Number(_) | Value::Bool(_) => value.clone(),
            Value::String(text) if is_count(text) => value.clone(),
            Value::String(text) if FACTS_TOLD.contains(&name.as_str()) => Value::from(crate::tidy(text, WORD_MAX)),
            Value::Array(items) => Value::from(items.len()),
            _ => return None,
        };
        Some((name.clone(), value))
    });
    told.collect()
}

/// Sizes and counts are decimal strings in our JSON.
fn is_count(text: &str) -> bool {
    !text.is_empty() && text.len() <= 20 && text.bytes().all(|b| b.is_ascii_digit())
}

/// The numbers among the facts, a line each.
fn counts(facts: &Map<String, Value>) -> Vec<String> {
    let said = |name: &str| FACTS_SAID.contains(&name);
    let lines = facts.iter().filter(|(name, _)| !said(name)).filter_map(|(name, value)| {
        let number = value.as_u64().or_else(|| value.as_str().filter(|text| is_count(text))?.parse().ok());
        let number = number.filter(|number| *number > 0)?;
        let words = name.replace('_', " ");
        Some(match name.contains("bytes") {
            true => format!("{words}: {}", Bytes(number)),
            false => format!("{words}: {number}"),
        })
    });
    lines.take(LINES_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Details;
    use serde_json::json;

    fn happening(kind: Kind) -> Happening {
        let facts = json!({
            "files": 120, "bytes": "5000000000", "failed": [{"path": "IMG_0666.CR3"}], "zero": 0,
            "summary": "IMG_0666.CR3 could not be read", "kind": "backup", "nested": {"path": "IMG_0666.CR3"},
            "folder": "2024_IMG_0666",
        });
        Happening {
            kind,
            job: Some("nightly".into()),
            run: Some(12),
            time: Time::from_parts(1_790_000_000, 0),
            facts: facts.as_object().unwrap().clone(),
            details: vec!["IMG_0666.CR3: permission denied\u{1b}[31m\nand another".into()],
        }
    }

    #[test]
    fn no_name_of_a_photograph_leaves_unless_asked_for() {
        for kind in Kind::ALL {
            let message = compose(&happening(kind), "nas");
            let out = format!("{} {}", message.to_json(Details::Withheld), message.body(Details::Withheld));
            assert!(!out.contains("IMG_0666"), "{out}");
            let asked = message.to_json(Details::Shown).to_string();
            assert!(asked.contains("IMG_0666.CR3: permission denied [31m"), "{asked}");
            assert_eq!(message.details.len(), 2);
        }
    }

    #[test]
    fn a_message_says_what_and_what_now() {
        let message = compose(&happening(Kind::Failure), "nas");
        assert_eq!(message.title, "backup of nightly failed on nas");
        assert!(message.text.contains("darkslide logs nightly --run 12"), "{}", message.text);
        assert!(message.text.contains("bytes: 5.0 GB") && message.text.contains("failed: 1"), "{}", message.text);
        assert!(!message.text.contains("zero"));
        assert_eq!(message.facts["failed"], 1);
        assert_eq!(message.facts["kind"], "backup");
        let mut none = happening(Kind::NoBackupFor);
        none.job = None;
        none.facts.insert("seconds".into(), (9 * 86_400 + 5).into());
        assert_eq!(compose(&none, "nas").title, "No backup on nas for 9 days");
    }

    #[test]
    fn long_lists_end_somewhere() {
        let mut many = happening(Kind::Warning);
        many.details = (0..1000).map(|n| format!("file {n}")).collect();
        let message = compose(&many, "nas");
        let body = message.body(Details::Shown);
        assert!(body.ends_with("file 49\nand 950 more"), "{body}");
    }
}
