//! A world to run the binary in.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// How a repository is founded, where the test does not do so itself.
const INIT: &str = "init --library library --store repository --identity identity.txt --pack-size 16";

/// A temporary folder with a library, a repository, an identity and a configuration.
/// All commands run inside of it, so that their paths can be short.
pub struct World {
    folder: tempfile::TempDir,
}

impl World {
    /// With an empty library and nothing else.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("library")).unwrap();
        Self { folder }
    }

    /// With what `make` puts into the library, and a repository.
    pub fn founded(make: impl FnOnce(&Path)) -> Self {
        let world = Self::new();
        make(&world.library());
        world.run(INIT).exits(0);
        world
    }

    pub fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(relative)
    }

    pub fn library(&self) -> PathBuf {
        self.path("library")
    }

    pub fn store(&self) -> PathBuf {
        self.path("repository")
    }

    /// The binary with arguments that are split at spaces.
    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_darkslide"));
        command.args(line.split_whitespace());
        self.settle(&mut command);
        command
    }

    /// Any program, run in this world.
    pub fn program(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        self.settle(&mut command);
        command
    }

    fn settle(&self, command: &mut Command) {
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command.env_remove("DARKSLIDE_IDENTITY").env("DARKSLIDE_CONFIG", "darkslide.toml").env("COLUMNS", "100");
    }

    /// Runs `darkslide LINE`.
    pub fn run(&self, line: &str) -> Ran {
        self.run_with(line, [] as [&str; 0])
    }

    /// Runs `darkslide LINE MORE`; the latter may hold spaces.
    pub fn run_with<S: AsRef<OsStr>>(&self, line: &str, more: impl IntoIterator<Item = S>) -> Ran {
        let output = self.command(line).args(more).output().unwrap();
        Ran::of(format!("darkslide {line}"), &output)
    }

    /// Starts `darkslide LINE`, to be disturbed.
    pub fn spawn(&self, line: &str) -> Child {
        self.command(line).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Runs the repository's `recover.py` with this world's identity.
    pub fn recover(&self, mode: &str, out: &str) {
        needs(&["python3", "age", "zstd"]);
        let script = self.store().join("recover.py");
        let mut command = self.program("python3");
        command.arg(script).args(["--identity", "identity.txt", "repository", mode, out]);
        Ran::of(format!("recover.py {mode}"), &command.output().unwrap()).exits(0);
    }

    /// All objects below the named folders of the repository, sorted.
    pub fn objects(&self, folders: &[&str]) -> Vec<PathBuf> {
        let mut all = Vec::new();
        for folder in folders.iter().map(|f| self.store().join(f)).filter(|f| f.is_dir()) {
            all.extend(crate::trees::walk(&folder).into_iter().map(|p| folder.join(p)).filter(|p| p.is_file()));
        }
        all.sort();
        all
    }

    /// The largest pack.
    pub fn largest_pack(&self) -> PathBuf {
        self.objects(&["packs"]).into_iter().max_by_key(|p| fs::metadata(p).unwrap().len()).unwrap()
    }
}

/// What a run left.
pub struct Ran {
    what: String,
    code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn of(what: String, output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { what, code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    fn told(&self) -> String {
        format!("`{}` ended with {:?}\n--- out\n{}\n--- err\n{}", self.what, self.code, self.out, self.err)
    }

    pub fn code(&self) -> Option<i32> {
        self.code
    }

    #[track_caller]
    pub fn exits(self, wanted: i32) -> Self {
        assert_eq!(self.code, Some(wanted), "{}", self.told());
        self
    }

    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.out.contains(text) || self.err.contains(text), "no `{text}`: {}", self.told());
        self
    }

    /// Standard output as one JSON value a line.
    #[track_caller]
    pub fn json(&self) -> Vec<Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {}", self.told()));
        self.out.lines().map(parse).collect()
    }
}

/// Fails where a tool is missing.
#[track_caller]
pub fn needs(tools: &[&str]) {
    for tool in tools {
        let there = Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        assert!(there.is_ok(), "this test needs the program `{tool}`, which is not installed");
    }
}
