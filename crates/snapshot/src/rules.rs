//! What belongs to the library: include and exclude rules in gitignore syntax.

use std::path::{Path, PathBuf};

use darkslide_words::Name;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// What a photographer does not want archived: previews that can be rebuilt,
/// what file systems and NAS boxes leave lying about, lock files.
pub const DEFAULT_EXCLUDES: &[&str] = &[
    "* Previews.lrdata/",
    "!* Smart Previews.lrdata/",
    "* Helper.lrdata/",
    "*.lrcat.lock",
    "*.lrcat-journal",
    ".DS_Store",
    "._*",
    ".Spotlight-V100/",
    ".Trashes/",
    ".fseventsd/",
    ".TemporaryItems/",
    "Thumbs.db",
    "desktop.ini",
    "$RECYCLE.BIN/",
    "System Volume Information/",
    "@eaDir/",
    "#recycle/",
    "@Recycle/",
    "@Recently-Snapshot/",
    ".@__thumb/",
    "lost+found/",
    ".Trash-*/",
    "*.tmp",
    "~$*",
    "CaptureOne/Cache/",
    "thumbnails-digikam.db",
];

/// A rule that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the rule `{rule}` is not valid: {detail}")]
pub struct RulesError {
    rule: String,
    detail: String,
}

/// Compiled rules.
#[derive(Debug, Clone)]
pub struct Rules {
    exclude: Gitignore,
    include: Option<Gitignore>,
    never: Vec<PathBuf>,
    one_file_system: OneFileSystem,
}

/// Whether mount points inside the library are entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OneFileSystem {
    /// They are.
    #[default]
    No,
    /// They are not.
    Yes,
}

fn compile(rules: &[String]) -> Result<Gitignore, RulesError> {
    let mut builder = GitignoreBuilder::new("");
    for rule in rules {
        builder.add_line(None, rule).map_err(|e| RulesError { rule: rule.clone(), detail: e.to_string() })?;
    }
    builder.build().map_err(|e| RulesError { rule: rules.join(" "), detail: e.to_string() })
}

impl Rules {
    /// `exclude` after the defaults, so that `!pattern` takes one back;
    /// `include`, if any, says what alone is wanted; `never` are absolute paths
    /// (a store inside the library) that no rule brings back.
    pub fn new(
        exclude: &[String],
        include: &[String],
        never: Vec<PathBuf>,
        one_file_system: OneFileSystem,
    ) -> Result<Self, RulesError> {
        let defaults = DEFAULT_EXCLUDES.iter().map(|rule| (*rule).to_string());
        let all: Vec<String> = defaults.chain(exclude.iter().cloned()).collect();
        let include = match include {
            [] => None,
            some => Some(compile(some)?),
        };
        Ok(Self { exclude: compile(&all)?, include, never, one_file_system })
    }

    /// True if this folder is to be entered.
    pub fn wants_dir(&self, path: &Name, absolute: &Path) -> bool {
        let path = as_path(path);
        !self.never.iter().any(|never| absolute == never) && !self.exclude.matched(path, true).is_ignore()
    }

    /// True if this file or link belongs to the library.
    pub fn wants_file(&self, path: &Name, absolute: &Path) -> bool {
        let path = as_path(path);
        let excluded = self.exclude.matched(path, false).is_ignore();
        let included = self.include.as_ref().is_none_or(|i| i.matched_path_or_any_parents(path, false).is_ignore());
        included && !excluded && !self.never.iter().any(|never| absolute == never)
    }

    /// Whether mount points are entered.
    pub fn one_file_system(&self) -> OneFileSystem {
        self.one_file_system
    }
}

fn as_path(name: &Name) -> &Path {
    use std::os::unix::ffi::OsStrExt as _;
    Path::new(std::ffi::OsStr::from_bytes(name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(exclude: &[&str], include: &[&str]) -> Rules {
        let text = |list: &[&str]| list.iter().map(|s| (*s).to_string()).collect::<Vec<_>>();
        Rules::new(&text(exclude), &text(include), vec![PathBuf::from("/lib/repo")], OneFileSystem::No).unwrap()
    }

    fn file(rules: &Rules, path: &str) -> bool {
        rules.wants_file(&Name::from(path), Path::new("/lib").join(path).as_path())
    }

    #[test]
    fn defaults_spare_what_can_be_rebuilt() {
        let r = rules(&[], &[]);
        assert!(!r.wants_dir(&Name::from("Catalog/My Previews.lrdata"), Path::new("/x")));
        assert!(r.wants_dir(&Name::from("Catalog/My Smart Previews.lrdata"), Path::new("/x")));
        assert!(!r.wants_dir(&Name::from("2024/@eaDir"), Path::new("/x")));
        assert!(!file(&r, "a/.DS_Store") && !file(&r, "a/._IMG_1.CR3") && !file(&r, "Thumbs.db"));
        assert!(!file(&r, "My.lrcat.lock") && file(&r, "My.lrcat") && file(&r, "My.lrcat-data"));
        assert!(file(&r, "a/IMG_1.CR3"));
    }

    #[test]
    fn own_rules_come_after_the_defaults() {
        let r = rules(&["!Thumbs.db", "*.mov", "/private/"], &[]);
        assert!(file(&r, "Thumbs.db") && !file(&r, "a/b.mov"));
        assert!(!r.wants_dir(&Name::from("private"), Path::new("/x")));
        assert!(r.wants_dir(&Name::from("a/private"), Path::new("/x")));
        assert!(!r.wants_dir(&Name::from("repo"), Path::new("/lib/repo")));
        let only = rules(&[], &["*.CR3", "/2024/"]);
        assert!(file(&only, "x/IMG.CR3") && file(&only, "2024/a/notes.txt") && !file(&only, "x/notes.txt"));
        assert!(Rules::new(&["a/{x".into()], &[], Vec::new(), OneFileSystem::No).is_err());
    }
}
