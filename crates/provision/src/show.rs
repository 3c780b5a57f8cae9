//! How a plan reads: a diff, thing by thing.

use std::fmt::{self, Write as _};

use serde_json::Value;

use crate::cloud::{Aspect, Thing};
use crate::plan::{Act, Plan, Step};

/// Longer values are shown line by line.
const INLINE_MAX: usize = 60;
/// What several values begin with is told once from so many characters on.
const SHARED_MIN: usize = 8;

pub(crate) fn plan(plan: &Plan, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "Account {}, region {}", plan.account, plan.region)?;
    let mut thing: Option<&Thing> = None;
    let mut unchanged = 0;
    for step in &plan.steps {
        if step.act == Act::Leave && step.item.aspect != Aspect::Itself {
            unchanged += 1;
            continue;
        }
        if thing != Some(&step.item.thing) {
            let own = plan.steps.iter().find(|own| own.item.thing == step.item.thing).unwrap_or(step);
            let changes = plan.steps.iter().any(|other| other.item.thing == own.item.thing && other.act != Act::Leave);
            head(own, changes, f)?;
            thing = Some(&step.item.thing);
        }
        if step.item.aspect != Aspect::Itself {
            setting(step, f)?;
        }
    }
    tail(plan, unchanged, f)
}

fn head(step: &Step, changes: bool, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let sign = match (step.act, step.item.aspect == Aspect::Itself, changes) {
        (Act::Leave, _, false) => '=',
        (Act::Leave, _, true) | (_, false, _) => '~',
        (act, true, _) => sign(act),
    };
    match step.item.aspect {
        Aspect::Itself => writeln!(f, "{sign} {}  ({})", step.item.thing, step.why),
        _ => writeln!(f, "{sign} {}", step.item.thing),
    }
}

fn sign(act: Act) -> char {
    match act {
        Act::Create => '+',
        Act::Change => '~',
        Act::Leave => '=',
        Act::Delete => '-',
    }
}

fn setting(step: &Step, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut text = String::new();
    match (&step.before, &step.after) {
        (None, Some(after)) if short(after) => write!(text, ": {}", word(after))?,
        (Some(before), Some(after)) if short(before) && short(after) => {
            write!(text, ": {} → {}", word(before), word(after))?;
        }
        _ => {}
    }
    writeln!(f, "    {} {}{text}  ({})", sign(step.act), step.item.aspect, step.why)?;
    if text.is_empty() {
        for line in difference(step.before.as_ref(), step.after.as_ref()) {
            writeln!(f, "        {line}")?;
        }
    }
    Ok(())
}

fn short(value: &Value) -> bool {
    value.to_string().len() <= INLINE_MAX
}

/// A value as people write it.
fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(fields) => {
            let one = |(key, value): (&String, &Value)| format!("{key} {}", word(value));
            fields.iter().filter(|(_, value)| !value.is_null()).map(one).collect::<Vec<_>>().join(", ")
        }
        Value::Array(list) => list.iter().map(word).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// A policy statement by statement, anything else as JSON.
fn lines(value: Option<&Value>) -> Vec<String> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Vec::new() };
    if let Some(statements) = value["Statement"].as_array() {
        return statements.iter().map(statement).collect();
    }
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.lines().map(str::to_string).collect()
}

/// One statement of a policy as a sentence.
fn statement(value: &Value) -> String {
    let mut text = value["Effect"].as_str().unwrap_or("?").to_ascii_lowercase();
    for (field, before) in [
        ("Principal", "to "),
        ("NotPrincipal", "to all but "),
        ("Action", ""),
        ("NotAction", "everything but "),
        ("Resource", "on "),
        ("NotResource", "on everything but "),
    ] {
        if !value[field].is_null() {
            // Writing to a string does not fail.
            let _ = write!(text, " {before}{}", listed(&value[field]));
        }
    }
    let conditions = value["Condition"].as_object().into_iter().flatten().flat_map(|(operator, keys)| {
        let keys = keys.as_object().into_iter().flatten();
        keys.map(move |(key, value)| format!("{key} {operator} {}", listed(value)))
    });
    let conditions: Vec<String> = conditions.collect();
    if !conditions.is_empty() {
        let _ = write!(text, ", where {}", conditions.join(" and "));
    }
    text
}

/// One value, or several; what many begin with stands once.
fn listed(value: &Value) -> String {
    let all: Vec<&str> = value.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let [first, rest @ ..] = &all[..] else { return word(value) };
    let same = |other: &&str| first.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    let common = rest.iter().map(same).min().unwrap_or(0);
    let end = first.as_bytes()[..common].iter().rposition(|byte| b"/:".contains(byte)).map_or(0, |at| at + 1);
    match (rest.is_empty(), first.get(..end).filter(|begin| begin.len() >= SHARED_MIN)) {
        (false, Some(begin)) => {
            let ends: Vec<&str> = all.iter().map(|one| one.get(end..).unwrap_or(one)).collect();
            format!("{begin}{{{}}}", ends.join(", "))
        }
        _ => all.join(", "),
    }
}

/// Lines with `+` and `-`: what goes, what comes; common lines at both ends are left out.
fn difference(before: Option<&Value>, after: Option<&Value>) -> Vec<String> {
    let (old, new) = (lines(before), lines(after));
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let tail = old[head..].iter().rev().zip(new[head..].iter().rev()).take_while(|(a, b)| a == b).count();
    let gone = old[head..old.len() - tail].iter().map(|line| format!("- {line}"));
    gone.chain(new[head..new.len() - tail].iter().map(|line| format!("+ {line}"))).collect()
}

fn tail(plan: &Plan, unchanged: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let counts = plan.counts();
    let of = |act| counts.get(&act).copied().unwrap_or(0);
    writeln!(
        f,
        "{} to create, {} to change, {} to delete, {} as they shall be{}",
        of(Act::Create),
        of(Act::Change),
        of(Act::Delete),
        of(Act::Leave),
        if unchanged > 0 { " (settings that stay are not shown)" } else { "" }
    )?;
    if !plan.remains.is_empty() {
        writeln!(f, "Remains:")?;
        plan.remains.iter().try_for_each(|what| writeln!(f, "  {what}"))?;
    }
    if !plan.by_hand.is_empty() {
        writeln!(f, "By hand, since it can never be undone:")?;
        plan.by_hand.iter().try_for_each(|what| writeln!(f, "  {what}"))?;
    }
    if !plan.monthly.lines.is_empty() || !plan.monthly.notes.is_empty() {
        writeln!(f, "Each month:")?;
        write!(f, "{}", plan.monthly)?;
    }
    if !plan.blocked.is_empty() {
        writeln!(f, "In the way:")?;
        plan.blocked.iter().try_for_each(|what| writeln!(f, "! {what}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn policies_read_as_sentences() {
        let policy = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::b/packs/*",
             "Condition": {"StringEquals": {"s3:x-amz-storage-class": "DEEP_ARCHIVE"}, "Null": {"s3:if-none-match": "false"}}},
            {"Effect": "Deny", "NotAction": ["s3:GetObject", "s3:ListBucket"], "Resource": "*"},
            {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": ["arn:aws:s3:::b/packs/*", "arn:aws:s3:::b/warm/*"]},
        ]});
        assert_eq!(
            lines(Some(&policy)),
            [
                "allow s3:PutObject on arn:aws:s3:::b/packs/*, where s3:if-none-match Null false and \
                 s3:x-amz-storage-class StringEquals DEEP_ARCHIVE",
                "deny everything but s3:GetObject, s3:ListBucket on *",
                "deny to * s3:* on arn:aws:s3:::b/{packs/*, warm/*}",
            ]
        );
        let mut wider = policy.clone();
        wider["Statement"][1]["NotAction"] = json!(["s3:GetObject"]);
        assert_eq!(
            difference(Some(&policy), Some(&wider)),
            ["- deny everything but s3:GetObject, s3:ListBucket on *", "+ deny everything but s3:GetObject on *"]
        );
    }
}
