//! How a plan reads: a diff, thing by thing.

use std::fmt::{self, Write as _};

use serde_json::Value;

use crate::cloud::{Aspect, Thing};
use crate::plan::{Act, Plan, Step};

/// Longer values are shown line by line.
const INLINE_MAX: usize = 60;

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

/// Lines with `+` and `-`: what goes, what comes; common lines at both ends are left out.
fn difference(before: Option<&Value>, after: Option<&Value>) -> Vec<String> {
    let lines = |value: Option<&Value>| -> Vec<String> {
        let text = value.filter(|value| !value.is_null()).and_then(|value| serde_json::to_string_pretty(value).ok());
        text.map(|text| text.lines().map(str::to_string).collect()).unwrap_or_default()
    };
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
