//! The house rules as tests: `cargo test -p tidy`.
//!
//! Each rule is a function from the project's files to its offences; the tests in
//! `tests/it` apply the rules to the project, the tests beside the code apply them to
//! small samples. Invariant: a rule reads, it never changes a file.

pub mod arrows;
pub mod docs;
pub mod source;
pub mod words;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use source::Source;

/// One breach of one rule: where, why, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offence {
    /// Path below the project root.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// The reason, then the remedy.
    pub reason: String,
}

impl Offence {
    /// An offence of `file` at `line`, counted from 1.
    pub fn new(file: &str, line: usize, reason: impl Into<String>) -> Self {
        let file = file.to_owned();
        let reason = reason.into();
        Self { file, line, reason }
    }
}

impl fmt::Display for Offence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.reason)
    }
}

/// Fails the calling test when there are offences, and lists all of them.
///
/// # Panics
/// On any offence: that is its purpose.
pub fn assert_clean(rule: &str, offences: &[Offence]) {
    let list: Vec<String> = offences.iter().map(Offence::to_string).collect();
    let count = list.len();
    assert!(count == 0, "{rule}: {count} to mend\n{}", list.join("\n"));
}

/// A text file of the project.
#[derive(Debug, Clone)]
pub struct TextFile {
    /// Path below the project root, with `/` between the parts.
    pub path: String,
    /// The whole file.
    pub text: String,
}

/// The project as the rules see it: every file that is tracked, or untracked and not ignored.
#[derive(Debug)]
pub struct House {
    /// Where `Cargo.toml` of the workspace lies.
    pub root: PathBuf,
    /// Every file, text or not, below the project root.
    pub paths: Vec<String>,
    /// The text files, sorted by path.
    pub files: Vec<TextFile>,
}

impl House {
    /// Reads the project that this crate belongs to.
    ///
    /// # Panics
    /// If `git` cannot list the files.
    pub fn load() -> Self {
        // Asked at run time: a shared target folder may hold a binary of another checkout.
        let here = std::env::var_os("CARGO_MANIFEST_DIR");
        let here = here.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = Path::new(&here).join("..");
        let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
        let output = Command::new("git").args(list).current_dir(&root).output();
        let stdout = match output {
            Ok(output) if output.status.success() => output.stdout,
            other => panic!("tidy needs `git ls-files` in {}: {other:?}", root.display()),
        };
        let names = String::from_utf8_lossy(&stdout);
        let names = names.split_terminator('\0').map(str::to_owned);
        let paths: Vec<String> = names.filter(|name| root.join(name).is_file()).collect();
        let text_files = paths.iter().filter_map(|path| read_text(&root, path));
        let mut files: Vec<TextFile> = text_files.collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files.dedup_by(|a, b| a.path == b.path);
        Self { root, paths, files }
    }

    /// The file at `path`, if the project has it.
    pub fn file(&self, path: &str) -> Option<&TextFile> {
        self.files.iter().find(|file| file.path == path)
    }

    /// The files below `folder`, which ends with `/`.
    pub fn below<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = &'a TextFile> {
        self.files.iter().filter(move |file| file.path.starts_with(folder))
    }

    /// Every Rust file.
    pub fn sources(&self) -> Vec<Source> {
        let rust = self.files.iter().filter(|file| file.path.ends_with(".rs"));
        rust.map(|file| Source::new(&file.path, &file.text)).collect()
    }

    /// The folder names under `crates/`.
    pub fn crate_names(&self) -> Vec<&str> {
        let manifests = self.below("crates/").filter_map(|file| {
            let inside = file.path.strip_prefix("crates/")?;
            let name = inside.strip_suffix("/Cargo.toml")?;
            (!name.contains('/')).then_some(name)
        });
        manifests.collect()
    }
}

/// `None` for what is not text.
fn read_text(root: &Path, path: &str) -> Option<TextFile> {
    let bytes = std::fs::read(root.join(path)).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let path = path.to_owned();
    (!text.contains('\0')).then_some(TextFile { path, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A house of these files, path and text.
    pub(crate) fn house_of(files: &[(&str, &str)]) -> House {
        let text_file = |(path, text): &(&str, &str)| TextFile { path: (*path).to_owned(), text: (*text).to_owned() };
        House {
            root: "/nowhere".into(),
            paths: files.iter().map(|(path, _)| (*path).to_owned()).collect(),
            files: files.iter().map(text_file).collect(),
        }
    }

    #[test]
    #[should_panic(expected = "a.rs:7: too long; split it")]
    fn offences_are_listed_with_file_and_line() {
        assert_clean("sizes", &[Offence::new("a.rs", 7, "too long; split it")]);
    }

    #[test]
    fn this_crate_is_among_the_files_of_the_house() {
        let house = House::load();
        assert!(house.file("tidy/src/lib.rs").is_some());
        assert!(house.crate_names().contains(&"words"));
    }
}
