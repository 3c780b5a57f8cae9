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
    ".darkslide-tmp/",
    ".darkslide-trash/",
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
    never: Vec<(u64, u64)>,
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
    /// `include`, if any, says what alone is wanted; `never` are folders (a store
    /// inside the library) that no rule brings back, however they are reached.
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
        let identity = |path: &PathBuf| {
            use std::os::unix::fs::MetadataExt as _;
            std::fs::metadata(path).ok().map(|m| (m.dev(), m.ino()))
        };
        let never = never.iter().filter_map(identity).collect();
        Ok(Self { exclude: compile(&all)?, include, never, one_file_system })
    }

    /// True if this folder is to be entered.
    pub fn wants_dir(&self, path: &Name) -> bool {
        !self.exclude.matched(as_path(path), true).is_ignore()
    }

    /// True for a folder, by device and inode, that is never part of a library.
    pub fn is_never(&self, device: u64, inode: u64) -> bool {
        self.never.contains(&(device, inode))
    }

    /// True if this file or link belongs to the library.
    pub fn wants_file(&self, path: &Name) -> bool {
        let path = as_path(path);
        let excluded = self.exclude.matched(path, false).is_ignore();
        let included = self.include.as_ref().is_none_or(|i| i.matched_path_or_any_parents(path, false).is_ignore());
        included && !excluded
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
        Rules::new(&text(exclude), &text(include), Vec::new(), OneFileSystem::No).unwrap()
    }

    fn file(rules: &Rules, path: &str) -> bool {
        rules.wants_file(&Name::from(path))
    }

    #[test]
    fn defaults_spare_what_can_be_rebuilt() {
        let r = rules(&[], &[]);
        assert!(!r.wants_dir(&Name::from("Catalog/My Previews.lrdata")));
        assert!(r.wants_dir(&Name::from("Catalog/My Smart Previews.lrdata")));
        assert!(!r.wants_dir(&Name::from("2024/@eaDir")));
        assert!(!file(&r, "a/.DS_Store") && !file(&r, "a/._IMG_1.CR3") && !file(&r, "Thumbs.db"));
        assert!(!file(&r, "My.lrcat.lock") && file(&r, "My.lrcat") && file(&r, "My.lrcat-data"));
        assert!(file(&r, "a/IMG_1.CR3"));
    }

    #[test]
    fn own_rules_come_after_the_defaults() {
        let r = rules(&["!Thumbs.db", "*.mov", "/private/"], &[]);
        assert!(file(&r, "Thumbs.db") && !file(&r, "a/b.mov"));
        assert!(!r.wants_dir(&Name::from("private")));
        assert!(r.wants_dir(&Name::from("a/private")));
        let folder = tempfile::tempdir().unwrap();
        let never = vec![folder.path().to_path_buf()];
        let meta = std::fs::metadata(folder.path()).unwrap();
        use std::os::unix::fs::MetadataExt as _;
        assert!(Rules::new(&[], &[], never, OneFileSystem::No).unwrap().is_never(meta.dev(), meta.ino()));
        let only = rules(&[], &["*.CR3", "/2024/"]);
        assert!(file(&only, "x/IMG.CR3") && file(&only, "2024/a/notes.txt") && !file(&only, "x/notes.txt"));
        assert!(Rules::new(&["a/{x".into()], &[], Vec::new(), OneFileSystem::No).is_err());
    }
}
