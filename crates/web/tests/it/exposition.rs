//! A strict reader of Prometheus' text format, written from its description: for tests.

use std::collections::{BTreeMap, BTreeSet};

/// A sample's labels, sorted.
pub type Labels = BTreeMap<String, String>;

/// Families by name, each with its samples.
#[derive(Debug, Default)]
pub struct Exposition(pub BTreeMap<String, Vec<(Labels, f64)>>);

impl Exposition {
    /// Reads it, or panics where it is not as the format wants it.
    #[track_caller]
    pub fn read(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line ends, too");
        let mut all = Self::default();
        let (mut helped, mut open) = (BTreeSet::new(), None::<String>);
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect("a help has a text");
                assert!(helped.insert(name.to_string()), "{name} is explained twice");
                assert!(!help.is_empty() && is_name(name), "{line}");
                open = Some(name.to_string());
                all.0.insert(name.to_string(), Vec::new());
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a type has a name");
                assert_eq!(open.as_deref(), Some(name), "a type follows its help");
                assert_eq!(kind, "gauge");
                assert!(all.0[name].is_empty(), "a type stands before its samples");
            } else {
                let (name, labels, value) = sample(line);
                assert_eq!(open, Some(name.clone()), "samples of a family stand together: {line}");
                let samples = all.0.get_mut(&name).unwrap();
                assert!(samples.iter().all(|(known, _)| *known != labels), "twice: {line}");
                samples.push((labels, value));
            }
        }
        all
    }

    /// The value of the one sample whose labels hold all of these.
    #[track_caller]
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.find(name, labels).unwrap_or_else(|| panic!("no single {name} {labels:?} in {:#?}", self.0.get(name)))
    }

    /// The same, if there is one.
    pub fn find(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let fits = |known: &Labels| labels.iter().all(|(k, v)| known.get(*k).map(String::as_str) == Some(v));
        let mut fitting = self.0.get(name)?.iter().filter(|(known, _)| fits(known));
        match (fitting.next(), fitting.next()) {
            (Some((_, value)), None) => Some(*value),
            _ => None,
        }
    }
}

fn is_name(name: &str) -> bool {
    let head = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(head) && name.chars().all(|c| head(c) || c.is_ascii_digit())
}

fn sample(line: &str) -> (String, Labels, f64) {
    let end = line.find(['{', ' ']).expect("a sample has a value");
    let (name, mut rest) = line.split_at(end);
    assert!(is_name(name), "{line}");
    let mut labels = Labels::new();
    if let Some(inner) = rest.strip_prefix('{') {
        let mut left = inner;
        loop {
            let (label, after) = left.split_once("=\"").expect("a label has a value in quotes");
            assert!(is_name(label), "{line}");
            let (value, after) = quoted(after);
            assert!(labels.insert(label.to_string(), value).is_none(), "a label twice: {line}");
            match after.strip_prefix(',') {
                Some(more) => left = more,
                None => {
                    rest = after.strip_prefix('}').expect("labels end with a brace");
                    break;
                }
            }
        }
    }
    let value = rest.strip_prefix(' ').expect("a blank before the value");
    (name.to_string(), labels, value.parse().unwrap_or_else(|_| panic!("no number: {line}")))
}

/// A label's value, and what comes after its quote.
fn quoted(text: &str) -> (String, &str) {
    let (mut value, mut chars) = (String::new(), text.char_indices());
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            '\\' => match chars.next().map(|(_, c)| c) {
                Some('n') => value.push('\n'),
                Some(c @ ('\\' | '"')) => value.push(c),
                other => panic!("no such escape: {other:?}"),
            },
            c => value.push(c),
        }
    }
    panic!("a quote is open: {text}");
}
