//! Terraform's language, laid out as `terraform fmt` lays it out.
//!
//! **Invariant:** equals signs of neighbouring lines stand below each other; a value that spans lines
//! stands apart, so that it moves no other's.

use serde_json::Value;

/// What a name is given.
#[derive(Debug, Clone)]
pub(super) enum Expr {
    /// As it stands: `true`, `7`, `var.region`.
    Raw(String),
    /// A text; what is in `${…}` is filled in by Terraform.
    Text(String),
    List(Vec<Expr>),
    Object(Vec<(String, Expr)>),
    /// `jsonencode(…)`.
    Json(Box<Expr>),
}

/// A line or a block.
#[derive(Debug, Clone)]
pub(super) enum Item {
    Set(String, Expr),
    Block(String, Vec<Item>),
}

/// A list that is no longer stands on one line.
const LINE_CHARS_MAX: usize = 80;

pub(super) fn raw(text: impl Into<String>) -> Expr {
    Expr::Raw(text.into())
}

pub(super) fn text(text: impl Into<String>) -> Expr {
    Expr::Text(text.into())
}

pub(super) fn set(name: &str, value: Expr) -> Item {
    Item::Set(name.to_string(), value)
}

pub(super) fn block(head: impl Into<String>, items: Vec<Item>) -> Item {
    Item::Block(head.into(), items)
}

/// A policy document, each text as `fill` has it.
pub(super) fn of_json(value: &Value, fill: &dyn Fn(&str) -> String) -> Expr {
    match value {
        Value::String(plain) => {
            let filled = fill(plain);
            let inside = filled.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
            match inside.filter(|inside| !inside.contains(['{', '}'])) {
                Some(expression) => Expr::Raw(expression.to_string()),
                None => Expr::Text(filled),
            }
        }
        Value::Array(items) => Expr::List(items.iter().map(|item| of_json(item, fill)).collect()),
        Value::Object(fields) => {
            // The order that readers of policies know.
            let known = ["Version", "Id", "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction"];
            let place = |name: &String| known.iter().position(|k| k == name).unwrap_or(known.len());
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_by_key(|(name, _)| place(name));
            Expr::Object(sorted.into_iter().map(|(name, value)| (name.clone(), of_json(value, fill))).collect())
        }
        other => Expr::Raw(other.to_string()),
    }
}

/// A file of these items, with empty lines between blocks.
pub(super) fn file(items: &[Item]) -> String {
    let mut out = String::new();
    body(&mut out, items, 0);
    out
}

fn indent(out: &mut String, depth: usize) {
    out.push_str(&"  ".repeat(depth));
}

/// A name of an object: quoted unless it is an identifier.
fn key(name: &str) -> String {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if plain && name.starts_with(|c: char| c.is_ascii_alphabetic()) { name.to_string() } else { quoted(name) }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

/// The value on one line, if it fits.
fn short(value: &Expr) -> Option<String> {
    match value {
        Expr::Raw(plain) => Some(plain.clone()),
        Expr::Text(plain) => Some(quoted(plain)),
        Expr::List(items) => {
            let parts = items.iter().map(|item| match item {
                Expr::Raw(_) | Expr::Text(_) => short(item),
                _ => None,
            });
            let line = format!("[{}]", parts.collect::<Option<Vec<_>>>()?.join(", "));
            (line.len() <= LINE_CHARS_MAX).then_some(line)
        }
        Expr::Object(fields) if fields.is_empty() => Some("{}".into()),
        Expr::Object(_) | Expr::Json(_) => None,
    }
}

fn long(out: &mut String, value: &Expr, depth: usize) {
    match value {
        Expr::Json(inside) => {
            out.push_str("jsonencode(");
            long(out, inside, depth);
            out.push(')');
        }
        Expr::Object(fields) => {
            out.push_str("{\n");
            let fields: Vec<(String, &Expr)> = fields.iter().map(|(name, value)| (key(name), value)).collect();
            lines(out, &fields, depth + 1);
            indent(out, depth);
            out.push('}');
        }
        Expr::List(items) => {
            out.push_str("[\n");
            for item in items {
                indent(out, depth + 1);
                match short(item) {
                    Some(line) => out.push_str(&line),
                    None => long(out, item, depth + 1),
                }
                out.push_str(",\n");
            }
            indent(out, depth);
            out.push(']');
        }
        Expr::Raw(_) | Expr::Text(_) => out.push_str(&short(value).unwrap_or_default()),
    }
}

/// Names and values, those of neighbouring single lines aligned.
fn lines(out: &mut String, fields: &[(String, &Expr)], depth: usize) {
    let mut at = 0;
    while at < fields.len() {
        let run = fields[at..].iter().take_while(|(_, value)| short(value).is_some()).count();
        let width = fields[at..at + run].iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        for (name, value) in &fields[at..at + run] {
            indent(out, depth);
            out.push_str(&format!("{name:width$} = {}\n", short(value).unwrap_or_default()));
        }
        at += run;
        if let Some((name, value)) = fields.get(at) {
            indent(out, depth);
            out.push_str(&format!("{name} = "));
            long(out, value, depth);
            out.push('\n');
            at += 1;
        }
    }
}

fn body(out: &mut String, items: &[Item], depth: usize) {
    let mut at = 0;
    while at < items.len() {
        let sets = items[at..].iter().map_while(|item| match item {
            Item::Set(name, value) => Some((name.clone(), value)),
            _ => None,
        });
        let sets: Vec<(String, &Expr)> = sets.collect();
        lines(out, &sets, depth);
        at += sets.len();
        match items.get(at) {
            Some(Item::Block(head, inside)) => {
                if at > 0 {
                    out.push('\n');
                }
                indent(out, depth);
                if inside.is_empty() {
                    out.push_str(&format!("{head} {{}}\n"));
                } else {
                    out.push_str(&format!("{head} {{\n"));
                    body(out, inside, depth + 1);
                    indent(out, depth);
                    out.push_str("}\n");
                }
                // What follows a block stands apart from it.
                if matches!(items.get(at + 1), Some(Item::Set(..))) {
                    out.push('\n');
                }
            }
            _ => break,
        }
        at += 1;
    }
}
