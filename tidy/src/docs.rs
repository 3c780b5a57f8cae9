//! Documents that are held to what they say: promises name tests, frozen repositories are
//! opened by one, ADRs weigh doing nothing, the map knows every crate.
//!
//! A document that does not exist yet is an offence too.

use std::collections::BTreeSet;

use crate::source::{Source, is_ident, named_after};
use crate::{House, Offence, TextFile};

/// The longest map that people still read.
pub const MAP_LINES_MAX: usize = 400;

const SEMANTICS: &str = "docs/semantics.md";
const MAP: &str = "ARCHITECTURE.md";
const ADRS: &str = "docs/adr/";
const FROZEN: &str = "testdata/frozen/";
const TEMPLATE: &str = "changelog/TEMPLATE.md";
const UNRELEASED: &str = "changelog/unreleased/";
const KINDS: &[&str] = &["Enhancement", "Change", "Bugfix", "Security"];

/// Part of a document: its first line with the number from 1, and all its lines.
struct Section<'a> {
    line: usize,
    title: &'a str,
    lines: Vec<&'a str>,
}

/// Rule: every numbered promise names a test that exists.
pub fn promises(house: &House) -> Vec<Offence> {
    let Some(file) = house.file(SEMANTICS) else {
        return missing(SEMANTICS, "write the numbered promises, each with its test");
    };
    let offences = unkept_promises(&file.text, &test_names(house));
    let locate = |(line, reason): (usize, String)| Offence::new(SEMANTICS, line, reason);
    offences.into_iter().map(locate).collect()
}

/// Rule: every frozen repository is named in a test.
pub fn frozen(house: &House) -> Vec<Offence> {
    let names = house.paths.iter().filter_map(|path| {
        let inside = path.strip_prefix(FROZEN)?;
        Some(inside.split_once('/')?.0)
    });
    let names: BTreeSet<&str> = names.collect();
    if names.is_empty() {
        return missing(FROZEN, "freeze a repository of each format version there");
    }
    // The samples in tidy's own tests name no real repository.
    let sources = house.sources().into_iter();
    let others = sources.filter(|source| !source.path.starts_with("tidy/"));
    let mut tests: Vec<String> = others.map(|source| test_text(&source)).collect();
    tests.extend(python_tools(house).map(|file| file.text.clone()));
    let named = |name: &str| tests.iter().any(|text| contains_name(text, name));
    let unnamed = names.into_iter().filter(|name| !named(name));
    unnamed
        .map(|name| {
            Offence::new(
                &format!("{FROZEN}{name}"),
                1,
                "no test names it; add it to the test that opens frozen repositories",
            )
        })
        .collect()
}

/// Rule: every ADR has a number, a status, a decision, and has weighed doing nothing.
pub fn adrs(house: &House) -> Vec<Offence> {
    let files: Vec<&TextFile> = house.below(ADRS).collect();
    if files.is_empty() {
        return missing(ADRS, "record the decisions that were hard to take");
    }
    let mut numbers = BTreeSet::new();
    let mut offences = Vec::new();
    for file in files {
        let mut offend = |reason: String| offences.push(Offence::new(&file.path, 1, reason));
        match adr_number(&file.path[ADRS.len()..]) {
            None => offend("not named `NNNN-title.md` (lower case, digits, hyphens); rename it".into()),
            Some(number) if !numbers.insert(number) => offend(format!("a second ADR {number}; take the next number")),
            Some(_) => {}
        }
        for fault in adr_faults(&file.text) {
            offend(fault);
        }
    }
    offences
}

/// Rule: every unreleased change has a kind and the headings of the template.
pub fn changelog(house: &House) -> Vec<Offence> {
    let Some(template) = house.file(TEMPLATE) else {
        return missing(TEMPLATE, "write the form of a changelog file");
    };
    let mut offences = Vec::new();
    let entries = house.below(UNRELEASED).filter(|file| file.path.ends_with(".md"));
    for file in entries.chain([template]) {
        for fault in entry_faults(&file.text, &template.text) {
            offences.push(Offence::new(&file.path, 1, fault));
        }
    }
    offences
}

/// Rule: the map is short, has a section for every crate, and each states an invariant.
pub fn map(house: &House) -> Vec<Offence> {
    let Some(file) = house.file(MAP) else {
        return missing(MAP, "draw the map: a section for every crate, each with its invariant");
    };
    let faults = map_faults(&file.text, &house.crate_names());
    let locate = |(line, reason): (usize, String)| Offence::new(MAP, line, reason);
    faults.into_iter().map(locate).collect()
}

fn missing(path: &str, remedy: &str) -> Vec<Offence> {
    vec![Offence::new(path, 1, format!("does not exist yet; {remedy}"))]
}

/// Sections that begin where `starts`, and end at the next section or heading.
fn sections(text: &str, starts: impl Fn(&str) -> bool) -> Vec<Section<'_>> {
    let mut found: Vec<Section<'_>> = Vec::new();
    let mut open = false;
    for (line, title) in (1..).zip(text.lines()) {
        if starts(title) {
            open = true;
            found.push(Section { line, title, lines: Vec::new() });
        } else if title.starts_with('#') {
            open = false;
        }
        if let Some(section) = found.last_mut().filter(|_| open) {
            section.lines.push(title);
        }
    }
    found
}

/// `**S12** …` or `### S12 …` begins a promise.
fn is_promise(line: &str) -> bool {
    let number = line.strip_prefix("**S").or_else(|| line.strip_prefix("### S"));
    number.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// Promises without a test, and tests after `Tests:` that do not exist.
fn unkept_promises(text: &str, tests: &BTreeSet<String>) -> Vec<(usize, String)> {
    let promises = sections(text, is_promise);
    if promises.is_empty() {
        return vec![(1, "no promise; begin each with `**S1**` or `### S1`".into())];
    }
    let mut offences = Vec::new();
    for promise in promises {
        let body = promise.lines.join("\n");
        let spans = code_spans(&body);
        if !spans.iter().any(|span| tests.contains(last_segment(span))) {
            let reason = "names no test that exists; end it with Tests: `crate::path::test_name`";
            offences.push((promise.line, reason.to_owned()));
        }
        let list = ["Tests:", "Test:"].iter().find_map(|label| body.split_once(label));
        for span in list.map_or(Vec::new(), |(_, list)| code_spans(list)) {
            if !tests.contains(last_segment(span)) {
                offences.push((promise.line, format!("there is no test `{span}`; correct the name or write it")));
            }
        }
    }
    offences
}

/// What stands between backticks.
fn code_spans(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

fn last_segment(path: &str) -> &str {
    path.rsplit("::").next().unwrap_or(path).trim_end_matches("()")
}

/// Functions in test code and contract suites, and those of the Python tools.
fn test_names(house: &House) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for source in house.sources() {
        let contract = source.path.contains("contract");
        for (line, code) in source.numbered() {
            let found = named_after(code, "fn").filter(|_| contract || source.is_test[line - 1]);
            names.extend(found.map(|(name, _)| name.to_owned()));
        }
    }
    for line in python_tools(house).flat_map(|file| file.text.lines()) {
        let name = line.trim_start().strip_prefix("def test_");
        let name = name.and_then(|rest| rest.split(|c| !is_ident(c)).next());
        names.extend(name.map(|rest| format!("test_{rest}")));
    }
    names
}

fn python_tools(house: &House) -> impl Iterator<Item = &TextFile> {
    house.below("tools/").filter(|file| file.path.ends_with(".py"))
}

/// The lines of test code, literals included.
fn test_text(source: &Source) -> String {
    let lines = source.lines.iter().zip(&source.is_test);
    let tests: Vec<&str> = lines.filter(|(_, test)| **test).map(|(line, _)| line.as_str()).collect();
    tests.join("\n")
}

/// `name` as a whole: `v1` is not in `v1-plain`.
fn contains_name(text: &str, name: &str) -> bool {
    let in_name = |c: char| is_ident(c) || c == '-';
    let mut found = text.match_indices(name);
    found.any(|(at, _)| !text[..at].ends_with(in_name) && !text[at + name.len()..].starts_with(in_name))
}

/// The number of `NNNN-title.md`.
fn adr_number(name: &str) -> Option<&str> {
    let (number, title) = name.strip_suffix(".md")?.split_once('-')?;
    let digits = number.len() == 4 && number.chars().all(|c| c.is_ascii_digit());
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (digits && !title.is_empty() && title.chars().all(is_plain)).then_some(number)
}

fn adr_faults(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for heading in ["## Status", "## Decision", "## Alternatives"] {
        if !text.lines().any(|line| line.trim_end() == heading) {
            faults.push(format!("no heading `{heading}`; add it"));
        }
    }
    let (_, alternatives) = text.split_once("\n## Alternatives").unwrap_or_default();
    let alternatives = alternatives.split("\n## ").next().unwrap_or_default();
    if !alternatives.contains("Do nothing") {
        faults.push("does not weigh `Do nothing` under `## Alternatives`; say what it would cost".into());
    }
    faults
}

fn entry_faults(text: &str, template: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let first = text.lines().next().unwrap_or_default();
    let kind = first.strip_prefix("# ").and_then(|rest| rest.split_once(": "));
    if !kind.is_some_and(|(kind, title)| KINDS.contains(&kind) && !title.trim().is_empty()) {
        faults.push(format!("the first line is not `# <{}>: <what changed>`; correct it", KINDS.join("|")));
    }
    let is_heading = |line: &str| line.starts_with("## ");
    let wanted = sections(template, is_heading).into_iter().map(|section| section.title);
    let wanted: Vec<&str> = wanted.collect();
    let parts = sections(text, is_heading);
    if !parts.iter().map(|part| part.title).eq(wanted.iter().copied()) {
        faults.push(format!("the headings are not {wanted:?}; follow {TEMPLATE}"));
    }
    for part in parts {
        if part.lines[1..].iter().all(|line| line.trim().is_empty()) {
            faults.push(format!("nothing under `{}`; write it", part.title));
        }
    }
    faults
}

fn map_faults(text: &str, crates: &[&str]) -> Vec<(usize, String)> {
    let mut faults = Vec::new();
    let count = text.lines().count();
    if count > MAP_LINES_MAX {
        faults.push((count, format!("{count} lines, at most {MAP_LINES_MAX}; keep what is stable")));
    }
    for name in crates {
        let names_it = |span: &&str| span.trim_start_matches("crates/") == *name;
        let of_crate = |line: &str| line.starts_with('#') && code_spans(line).iter().any(names_it);
        let found = sections(text, of_crate);
        if found.is_empty() {
            faults.push((1, format!("no section for the crate; add a heading with `{name}` in backticks")));
        }
        let has_invariant = |part: &Section<'_>| part.lines.iter().any(|line| line.starts_with("**Invariant**"));
        for part in found.iter().filter(|part| !has_invariant(part)) {
            faults.push((part.line, format!("`{name}` has no line that begins with `**Invariant**`; state its wall")));
        }
    }
    faults
}

#[cfg(test)]
mod tests;
