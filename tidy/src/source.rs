//! Rust source as the rules see it: comments and literals blanked, test code marked,
//! functions measured; and the rules on shape (module docs, file and function length).
//!
//! A scanner, not a parser: it trusts that the code compiles and is formatted by rustfmt.

use crate::Offence;

/// The longest file, test code apart.
pub const FILE_LINES_MAX: usize = 600;
/// The longest function, from its `fn` line to its closing brace.
pub const FN_LINES_MAX: usize = 70;

/// One Rust file, line by line.
#[derive(Debug)]
pub struct Source {
    /// Path below the project root.
    pub path: String,
    /// The lines as written.
    pub lines: Vec<String>,
    /// The same lines with comments, strings and characters blanked.
    pub code: Vec<String>,
    /// Which lines are test code.
    pub is_test: Vec<bool>,
}

/// A function with a body; lines counted from 1.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name, without the path.
    pub name: String,
    /// The line of `fn`.
    pub start: usize,
    /// The line of the closing brace.
    pub end: usize,
}

impl Source {
    /// Scans `text`, the content of `path`.
    pub fn new(path: &str, text: &str) -> Self {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let code: Vec<String> = blank_literals(text).lines().map(str::to_owned).collect();
        let is_test = if is_test_path(path) { vec![true; lines.len()] } else { mark_test_modules(&code) };
        let path = path.to_owned();
        Self { path, lines, code, is_test }
    }

    /// The code lines with their numbers from 1, test code included.
    pub fn numbered(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.code.iter().map(String::as_str))
    }

    /// Every function with a body, nested ones too.
    pub fn functions(&self) -> Vec<Function> {
        let found = self.numbered().filter_map(|(start, code)| {
            let (name, column) = named_after(code, "fn")?;
            let end = 1 + closing_line(&self.code, start - 1, column)?;
            let name = name.to_owned();
            Some(Function { name, start, end })
        });
        found.collect()
    }

    /// Whether the house rules on shape apply: `crates/*/src` and `tidy/src`.
    pub fn is_house_source(&self) -> bool {
        let parts: Vec<&str> = self.path.split('/').collect();
        matches!(parts[..], ["crates", _, "src", ..] | ["tidy", "src", ..])
    }
}

/// Rule: a file opens with its module docs.
pub fn module_docs(source: &Source) -> Vec<Offence> {
    let first = source.lines.iter().position(|line| !line.trim().is_empty());
    let opening = first.map_or("", |at| source.lines[at].as_str());
    if !source.is_house_source() || opening.starts_with("//!") {
        return Vec::new();
    }
    let reason = "no module docs; open the file with `//!`: what it is, its place on the path, its invariant";
    vec![Offence::new(&source.path, first.unwrap_or(0) + 1, reason)]
}

/// Rule: no long files, no long functions, tests apart.
pub fn sizes(source: &Source) -> Vec<Offence> {
    if !source.is_house_source() {
        return Vec::new();
    }
    let mut offences = Vec::new();
    let count = source.is_test.iter().filter(|test| !**test).count();
    if count > FILE_LINES_MAX {
        let reason = format!("{count} lines without tests, at most {FILE_LINES_MAX}; split the file along its nouns");
        offences.push(Offence::new(&source.path, source.lines.len(), reason));
    }
    for Function { name, start, end } in source.functions() {
        let count = end + 1 - start;
        if count > FN_LINES_MAX && !source.is_test[start - 1] {
            let reason =
                format!("`fn {name}` has {count} lines, at most {FN_LINES_MAX}; give its steps names of their own");
            offences.push(Offence::new(&source.path, start, reason));
        }
    }
    offences
}

/// The identifier after the first whole word `keyword` in `code`, and the column where it ends.
pub fn named_after<'a>(code: &'a str, keyword: &str) -> Option<(&'a str, usize)> {
    let spaced = format!("{keyword} ");
    code.match_indices(&spaced).find_map(|(at, _)| {
        let name = &code[at + spaced.len()..];
        let length = name.find(|c| !is_ident(c)).unwrap_or(name.len());
        let whole = !code[..at].ends_with(is_ident);
        let end = at + spaced.len() + length;
        (whole && length > 0).then_some((&name[..length], end))
    })
}

/// Whether `c` can be part of an identifier.
pub fn is_ident(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whole files of tests: `tests.rs`, or anything in a folder `tests`.
pub fn is_test_path(path: &str) -> bool {
    let mut parts = path.split('/');
    parts.any(|part| part == "tests" || part == "tests.rs")
}

/// Marks each `#[cfg(test)] mod …` from the attribute to the end of the module.
fn mark_test_modules(code: &[String]) -> Vec<bool> {
    let mut marks = vec![false; code.len()];
    for start in 0..code.len() {
        let line = code[start].trim_start();
        if !line.starts_with("#[cfg(test)]") && !line.starts_with("#[cfg(all(test,") {
            continue;
        }
        let is_attribute = |line: &String| line.trim_start().starts_with("#[");
        let Some(gap) = code[start..].iter().position(|line| !is_attribute(line)) else {
            continue;
        };
        let at = start + gap;
        if let Some((_, column)) = named_after(&code[at], "mod") {
            let end = closing_line(code, at, column).unwrap_or(at);
            marks[start..=end].fill(true);
        }
    }
    marks
}

/// The index of the line where the item at `line`, `column` closes its braces;
/// `None` if it ends in `;` without a body.
fn closing_line(code: &[String], line: usize, column: usize) -> Option<usize> {
    let (mut round, mut curly) = (0_i32, 0_i32);
    for (at, text) in code.iter().enumerate().skip(line) {
        let from = if at == line { column } else { 0 };
        for c in text[from..].chars() {
            match c {
                '(' | '[' => round += 1,
                ')' | ']' => round -= 1,
                '{' => curly += 1,
                '}' => curly -= 1,
                _ => {}
            }
            match (c, round, curly) {
                (';', 0, 0) => return None,
                ('}', 0, 0) => return Some(at),
                _ => {}
            }
        }
    }
    None
}

/// `text` with every comment and literal turned into spaces; lines stay lines.
fn blank_literals(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = literal_end(&chars, at);
        match end {
            Some(end) => {
                let blank = |c: &char| if *c == '\n' { '\n' } else { ' ' };
                out.extend(chars[at..end].iter().map(blank));
                at = end;
            }
            None => {
                out.push(chars[at]);
                at += 1;
            }
        }
    }
    out
}

/// Where the comment or literal that begins at `at` ends, if one begins there.
fn literal_end(chars: &[char], at: usize) -> Option<usize> {
    let end = match &chars[at..] {
        ['/', '/', ..] => chars[at..].iter().position(|c| *c == '\n').map(|n| at + n),
        ['/', '*', ..] => block_comment_end(chars, at),
        ['"', ..] => quoted_end(chars, at + 1, '"'),
        ['\'', '\\', ..] => quoted_end(chars, at + 1, '\''),
        ['\'', _, '\'', ..] => Some(at + 3),
        ['r', ..] => return raw_string_end(chars, at),
        _ => return None,
    };
    Some(end.unwrap_or(chars.len()))
}

/// Just after the closing `quote`; a backslash hides the character after it.
fn quoted_end(chars: &[char], mut at: usize, quote: char) -> Option<usize> {
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 2,
            c if c == quote => return Some(at + 1),
            _ => at += 1,
        }
    }
    None
}

fn block_comment_end(chars: &[char], mut at: usize) -> Option<usize> {
    let mut depth = 0;
    while at < chars.len() {
        match &chars[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// `r"…"`, `r#"…"#`, also after `b` or `c`; not an identifier that ends in `r`.
fn raw_string_end(chars: &[char], at: usize) -> Option<usize> {
    let word: Vec<char> = chars[..at].iter().rev().copied().take(2).collect();
    let starts = match word[..] {
        ['b' | 'c', before] => !is_ident(before),
        [before, ..] => !is_ident(before) || (word.len() == 1 && matches!(before, 'b' | 'c')),
        [] => true,
    };
    let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
    let open = at + 1 + hashes;
    if !starts || chars.get(open) != Some(&'"') {
        return None;
    }
    let closes =
        |&end: &usize| chars[end] == '"' && chars[end + 1..].iter().take_while(|c| **c == '#').count() >= hashes;
    let close = (open + 1..chars.len()).find(closes);
    Some(close.map_or(chars.len(), |close| close + 1 + hashes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn house(text: &str) -> Source {
        Source::new("crates/words/src/sample.rs", text)
    }

    fn function_of(lines: usize) -> String {
        format!("//! Docs.\npub fn long() {{\n{}}}\n", "    step();\n".repeat(lines - 2))
    }

    #[test]
    fn a_function_of_71_lines_is_caught_and_of_70_is_not() {
        assert_eq!(sizes(&house(&function_of(70))), []);
        let caught = sizes(&house(&function_of(71)));
        assert_eq!(caught.len(), 1);
        assert_eq!(caught[0].line, 2);
        assert!(caught[0].reason.contains("`fn long` has 71 lines"));
    }

    #[test]
    fn a_long_function_in_a_test_module_is_not_caught() {
        let text = format!("#[cfg(test)]\n#[allow(x)]\nmod tests {{\n{}}}\n", function_of(90));
        assert_eq!(sizes(&house(&text)), []);
    }

    #[test]
    fn files_are_counted_without_their_test_modules() {
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "// x\n".repeat(500));
        assert_eq!(sizes(&house(&format!("{}{tests}", "// x\n".repeat(600)))), []);
        assert_eq!(sizes(&house(&format!("{tests}{}", "// x\n".repeat(601)))).len(), 1);
        let beside = Source::new("crates/words/src/size/tests.rs", &"// x\n".repeat(900));
        assert_eq!(sizes(&beside), []);
    }

    #[test]
    fn code_after_a_test_module_is_house_code_again() {
        let source = house("#[cfg(test)]\nmod tests {\n    fn a() {}\n}\nfn b() {}\n");
        assert_eq!(source.is_test, [true, true, true, true, false]);
        let source = house("#[cfg(test)]\nmod tests;\nfn b() {}\n");
        assert_eq!(source.is_test, [true, true, false]);
        let source = house("#[cfg(test)]\nuse x;\nfn b() {}\n");
        assert_eq!(source.is_test, [false, false, false]);
    }

    #[test]
    fn functions_end_at_their_own_brace() {
        let text = "trait T {\n    fn bare(\n        a: [u8; 4],\n    );\n    fn one() -> u8 { 1 }\n}\n\
                    pub const fn two<T>()\nwhere\n    T: X,\n{\n    let f: fn(u8) = \"}\";\n}\n";
        let found = house(text).functions();
        let spans: Vec<_> = found.iter().map(|f| (f.name.as_str(), f.start, f.end)).collect();
        assert_eq!(spans, [("one", 5, 5), ("two", 7, 12)]);
    }

    #[test]
    fn comments_and_literals_are_blanked() {
        let cases = [
            ("a /* b /* c */ d */ e", "a                   e"),
            ("a // b\nc", "a     \nc"),
            ("a(\"b\\\"c\") d", "a(      ) d"),
            ("a(r#\"b\"c\"#) d", "a(        ) d"),
            ("br\"a\\\" b", "b      b"),
            ("for\"x\"", "for   "),
            ("r#fn('{', '\\'', b'}')", "r#fn(   ,     , b   )"),
            ("&'a str", "&'a str"),
        ];
        for (text, blanked) in cases {
            assert_eq!(blank_literals(text), blanked, "{text}");
        }
    }

    #[test]
    fn module_docs_must_come_first() {
        assert_eq!(module_docs(&house("\n//! Docs.\nuse x;\n")), []);
        assert_eq!(module_docs(&house("\n// Not docs.\n"))[0].line, 2);
        assert_eq!(module_docs(&house("")).len(), 1);
        assert_eq!(module_docs(&Source::new("crates/words/tests/it/main.rs", "")), []);
    }
}
