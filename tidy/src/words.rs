//! Words that do not belong: calls that fit only one place, shortcuts, names that say
//! nothing, and traces of one machine in the project's prose.

use crate::source::{Source, is_ident, is_test_path, named_after};
use crate::{Offence, TextFile};

/// Whether a ban holds in test code.
#[derive(Debug, PartialEq, Eq)]
enum Tests {
    Bound,
    Free,
}

/// Something not to be written in Rust code, comments and literals apart.
struct Ban {
    words: &'static [&'static str],
    /// Where it may be written: a path's beginning, or its end if this starts with `/`.
    allowed: &'static [&'static str],
    tests: Tests,
    remedy: &'static str,
}

/// Calls that may stay if the comment `INVARIANT`, on their line or directly above, says
/// why they cannot fail.
const INVARIANT_EXCUSES: &[&str] = &[".unwrap()", ".expect("];
const INVARIANT: &str = "// invariant:";

const BANS: &[Ban] = &[
    Ban {
        words: &["SystemTime::now"],
        allowed: &["crates/words/src/time.rs", "bench/", "fuzz/"],
        tests: Tests::Bound,
        remedy: "take a Clock as an argument; the system clock lives in crates/words/src/time.rs",
    },
    Ban {
        words: &["Instant::now"],
        allowed: &["crates/words/src/time.rs", "crates/cli/", "bench/", "fuzz/"],
        tests: Tests::Bound,
        remedy: "take a Clock as an argument, or measure in the cli",
    },
    Ban {
        words: INVARIANT_EXCUSES,
        allowed: &["bench/", "fuzz/"],
        tests: Tests::Free,
        remedy: "return an error, or say in `// invariant: …` on this line or directly above why it cannot fail",
    },
    Ban {
        words: &["println!", "print!", "eprintln!", "eprint!"],
        allowed: &["crates/cli/", "bench/", "fuzz/", "/build.rs"],
        tests: Tests::Free,
        remedy: "return the facts or send an event; only the cli prints",
    },
    Ban {
        words: &["dbg!", "todo!", "unimplemented!", "#[ignore"],
        allowed: &[],
        tests: Tests::Bound,
        remedy: "finish it, or leave it out",
    },
    Ban {
        words: &["unsafe"],
        // The exception table: a file here needs an ADR.
        allowed: &[],
        tests: Tests::Bound,
        remedy: "find a safe crate for it, or list the file in tidy/src/words.rs with an ADR",
    },
    Ban {
        words: &["anyhow"],
        allowed: &["crates/cli/", "bench/", "fuzz/"],
        tests: Tests::Free,
        remedy: "use the crate's own error enum, its variants named for what happened to the user's data",
    },
    Ban {
        words: &["use crate::*", "use super::*"],
        allowed: &["fuzz/"],
        tests: Tests::Free,
        remedy: "name what you use: a glob hides the arrows between modules",
    },
];

/// Module names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["utils", "util", "helpers", "common", "manager", "misc"];

/// Traces of the machine and the tools that the project was written with.
/// Spelled in two halves, so that this file may name them.
const TRACES: &[&str] =
    &[concat!("/wo", "rk/"), concat!("clau", "de"), concat!("anthro", "pic"), concat!("shared/", "samples")];

/// Rule: no banned words in code.
pub fn banned_words(source: &Source) -> Vec<Offence> {
    let mut offences = Vec::new();
    for ban in BANS.iter().filter(|ban| !ban.allows(&source.path)) {
        for (line, code) in source.numbered() {
            let free = ban.tests == Tests::Free && source.is_test[line - 1];
            let found = ban.words.iter().find(|word| contains_word(code, word));
            let Some(word) = found.filter(|_| !free) else {
                continue;
            };
            if INVARIANT_EXCUSES.contains(word) && has_invariant(source, line - 1) {
                continue;
            }
            let reason = format!("`{word}` has no place here; {}", ban.remedy);
            offences.push(Offence::new(&source.path, line, reason));
        }
    }
    offences
}

/// Rule: modules are nouns of the glossary.
pub fn module_names(source: &Source) -> Vec<Offence> {
    let found = source.numbered().filter_map(|(line, code)| {
        let (name, _) = named_after(code, "mod")?;
        let reason = format!("a module `{name}` says nothing; name it for what is inside");
        let empty = EMPTY_NAMES.contains(&name);
        empty.then(|| Offence::new(&source.path, line, reason))
    });
    found.collect()
}

/// Rule: the project's text does not mention the machine it was written on. Test code is free.
pub fn traces(file: &TextFile) -> Vec<Offence> {
    let is_rust = file.path.ends_with(".rs");
    let source = is_rust.then(|| Source::new(&file.path, &file.text));
    let mut offences = Vec::new();
    for (at, line) in file.text.lines().enumerate() {
        let in_tests = match &source {
            Some(source) => source.is_test[at],
            None => is_test_path(&file.path),
        };
        let lower = line.to_lowercase();
        let found = TRACES.iter().find(|trace| contains_trace(&lower, trace));
        if let Some(trace) = found.filter(|_| !in_tests) {
            let reason = format!(
                "mentions `{trace}`; say it without the machine or tool at hand (tests read a path from an environment variable)"
            );
            offences.push(Offence::new(&file.path, at + 1, reason));
        }
    }
    offences
}

impl Ban {
    fn allows(&self, path: &str) -> bool {
        let mut places = self.allowed.iter();
        places.any(|place| path.starts_with(place) || (place.starts_with('/') && path.ends_with(place)))
    }
}

/// `word` as a whole: `print!` is not in `eprint!`, nor `unsafe` in `unsafe_code`.
fn contains_word(code: &str, word: &str) -> bool {
    let mut found = code.match_indices(word);
    found.any(|(at, _)| {
        let glued_before = word.starts_with(is_ident) && code[..at].ends_with(is_ident);
        let glued_after = word.ends_with(is_ident) && code[at + word.len()..].starts_with(is_ident);
        !glued_before && !glued_after
    })
}

/// A trace that begins with a letter begins a word: "philanthropic" is not one.
fn contains_trace(line: &str, trace: &str) -> bool {
    let mut found = line.match_indices(trace);
    found.any(|(at, _)| trace.starts_with('/') || !line[..at].ends_with(char::is_alphabetic))
}

/// Whether the line at index `at`, or the comment directly above it, states an invariant.
fn has_invariant(source: &Source, at: usize) -> bool {
    let above = source.lines[..at].iter().rev();
    let mut comment = above.take_while(|line| line.trim_start().starts_with("//"));
    source.lines[at].contains(INVARIANT) || comment.any(|line| line.contains(INVARIANT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn banned(path: &str, text: &str) -> Vec<usize> {
        let caught = banned_words(&Source::new(path, text));
        caught.iter().map(|offence| offence.line).collect()
    }

    const NONE: [usize; 0] = [];
    const FORMAT: &str = "crates/format/src/pack.rs";

    #[test]
    fn unwrap_is_caught_in_house_code_and_free_in_tests() {
        assert_eq!(banned(FORMAT, "fn a() {\n    b.unwrap();\n}\n"), [2]);
        assert_eq!(banned(FORMAT, "#[cfg(test)]\nmod tests {\n    fn a() { b.unwrap() }\n}\n"), NONE);
        assert_eq!(banned("crates/format/tests/it/main.rs", "fn a() { b.unwrap() }\n"), NONE);
        assert_eq!(banned(FORMAT, "b.unwrap_or(1); c.expect_err(2); // d.unwrap()\n"), NONE);
    }

    #[test]
    fn a_stated_invariant_allows_unwrap_but_not_other_words() {
        assert_eq!(banned(FORMAT, "b.unwrap(); // invariant: b was checked\n"), NONE);
        assert_eq!(banned(FORMAT, "// invariant: b was checked\n// above\nb.expect(\"b\");\n"), NONE);
        assert_eq!(banned(FORMAT, "// invariant: b was checked\n\nb.unwrap();\n"), [3]);
        assert_eq!(banned(FORMAT, "dbg!(b); // invariant: none\n"), [1]);
    }

    #[test]
    fn the_clock_lives_in_one_file() {
        let text = "let now = std::time::SystemTime::now();\n";
        assert_eq!(banned("crates/words/src/time.rs", text), NONE);
        assert_eq!(banned("crates/cli/src/main.rs", text), [1]);
        assert_eq!(banned("crates/cli/src/main.rs", "Instant::now()\n"), NONE);
        assert_eq!(banned("crates/cli/tests/it/main.rs", text), [1]);
    }

    #[test]
    fn only_the_cli_prints_and_uses_anyhow() {
        let text = "use anyhow::Result;\neprintln!();\nprint!();\n";
        assert_eq!(banned("crates/cli/src/main.rs", text), NONE);
        assert_eq!(banned("crates/engine/build.rs", "println!();\n"), NONE);
        let mut lines = banned(FORMAT, text);
        lines.sort_unstable();
        assert_eq!(lines, [1, 2, 3]);
    }

    #[test]
    fn unfinished_and_unsafe_code_is_caught_even_in_tests() {
        let text = "#[ignore = \"slow\"]\ntodo!()\nunsafe {}\n#![forbid(unsafe_code)]\n\"todo!\"\n";
        assert_eq!(banned("crates/cli/tests/it/main.rs", text), [1, 2, 3]);
    }

    #[test]
    fn globs_of_our_own_modules_are_caught_outside_tests() {
        assert_eq!(banned(FORMAT, "pub use super::*;\nuse crate::pack;\n"), [1]);
        assert_eq!(banned("crates/format/src/pack/tests.rs", "use super::*;\n"), NONE);
    }

    #[test]
    fn empty_module_names_are_caught() {
        let source = Source::new(FORMAT, "pub(crate) mod utils;\nmod commonplace;\nmod misc {}\n");
        let lines: Vec<_> = module_names(&source).iter().map(|o| o.line).collect();
        assert_eq!(lines, [1, 3]);
    }

    #[test]
    fn traces_are_caught_in_prose_and_free_in_tests() {
        let text = "/work/x\nClaude\nphilanthropic\na network/workload\n".to_owned();
        let path = "docs/guide.md".to_owned();
        let caught = traces(&TextFile { path, text: text.clone() });
        assert_eq!(caught.iter().map(|o| o.line).collect::<Vec<_>>(), [1, 2]);
        let path = "crates/cli/tests/it/main.rs".to_owned();
        assert_eq!(traces(&TextFile { path, text }), []);
    }
}
