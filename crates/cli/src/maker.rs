//! Previews in a process of their own, one for each photograph, with bounds of time and memory: whatever a hostile
//! file does to it, the backup goes on.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Result;
use darkslide_engine::previews::{InProcess, Made, Maker, Source, is_rating};
use darkslide_engine::words::Name;
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::output::Exit;

/// Address space of one preview: the largest picture that is decoded takes a quarter of it.
pub const MEMORY: u64 = 2 << 30;
/// Seconds of the processor for one preview; the slowest that was measured takes two.
pub const CPU_SECONDS: u64 = 30;
/// Time on the clock: a disk may have to start.
const CLOCK: Duration = Duration::from_secs(120);
/// Bytes that one preview may answer with.
const ANSWER_MAX: u64 = 4 << 20;

/// Makes each preview in a process of its own.
pub struct Separate {
    program: std::io::Result<PathBuf>,
}

impl Separate {
    /// With this very program.
    pub fn new() -> Self {
        Self { program: std::env::current_exe() }
    }
}

impl Maker for Separate {
    fn make(&self, source: &Source<'_>) -> Made {
        // A bounded walk through some XML, no decoder: starting a process would cost a hundred times as much.
        if is_rating(source.name) {
            return InProcess.make(source);
        }
        let failed = |problem: String| Made { problem: Some(problem), ..Made::default() };
        let Ok(program) = &self.program else { return failed("this program is not to be found".into()) };
        match ask(program, source) {
            Ok(Some(made)) => made,
            Ok(None) => failed("its preview took too much time or memory".into()),
            Err(error) => failed(format!("its preview could not be made: {error}")),
        }
    }
}

/// What the other process says; nothing where it was ended.
fn ask(program: &Path, source: &Source<'_>) -> std::io::Result<Option<Made>> {
    let name: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(source.name.as_bytes());
    let mut child = Command::new(program)
        .args(["previews", "worker", "--"])
        .arg(name)
        .env_clear()
        .stdin(Stdio::from(source.file.try_clone()?))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut answer = Vec::new();
    let read = match child.stdout.take() {
        Some(out) => out.take(ANSWER_MAX).read_to_end(&mut answer),
        None => Ok(0),
    };
    if read.is_err() || answer.len() as u64 >= ANSWER_MAX {
        let _ = child.kill();
    }
    let status = child.wait()?;
    read?;
    Ok(Made::decode(&answer).filter(|_| status.success()))
}

/// The other process: bounds itself, makes one preview of standard input, and answers.
pub fn work(name: &std::ffi::OsStr, memory: u64, seconds: u64) -> Result<Exit> {
    let bound = |most| Rlimit { current: Some(most), maximum: Some(most) };
    setrlimit(Resource::As, bound(memory))?;
    setrlimit(Resource::Cpu, bound(seconds))?;
    setrlimit(Resource::Core, bound(0))?;
    // The backup itself comes first.
    let _ = rustix::process::nice(10);
    std::thread::spawn(|| {
        std::thread::sleep(CLOCK);
        std::process::exit(Exit::Failed as i32);
    });
    let name = Name::new(std::os::unix::ffi::OsStrExt::as_bytes(name));
    let file = std::fs::File::from(std::os::fd::AsFd::as_fd(&std::io::stdin()).try_clone_to_owned()?);
    let made = InProcess.make(&Source { name: &name, file: &file });
    std::io::stdout().lock().write_all(&made.encode())?;
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sidecar_is_read_without_another_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1.xmp");
        std::fs::write(&path, r#"<x:xmpmeta><rdf:Description xmp:Rating="4"/></x:xmpmeta>"#).unwrap();
        let file = std::fs::File::open(&path).unwrap();
        let maker = Separate { program: Ok("/no/such/program".into()) };
        let made = maker.make(&Source { name: &Name::from("1.xmp"), file: &file });
        assert!(made.problem.is_none() && made.facts.rating.is_some(), "{made:?}");
    }

    #[test]
    fn a_worker_that_dies_costs_its_preview_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1.jpg");
        std::fs::write(&path, b"anything").unwrap();
        let file = std::fs::File::open(&path).unwrap();
        for (program, wanted) in
            [("/bin/false", "too much"), ("/bin/true", "too much"), ("/no/such/program", "No such")]
        {
            let made =
                Separate { program: Ok(program.into()) }.make(&Source { name: &Name::from("1.jpg"), file: &file });
            assert_eq!((made.thumbnail, made.facts), Default::default());
            assert!(made.problem.is_some_and(|problem| problem.contains(wanted)), "{program}");
        }
    }
}
