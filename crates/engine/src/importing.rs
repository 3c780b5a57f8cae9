//! Files that another program put into a vault, got back under their names: asked for once each,
//! fetched when they are ready, checked by their tree hash, and never put over anything.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use darkslide_store::vault::{Archive, ForeignFile, Job, JobState, Standing};
use darkslide_words::{Bytes, Count, Money, Name, Tier, Time};

use crate::{EngineError, OpenVault, Payer, StoreSettings};

/// What is got back, and how.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// The files.
    pub files: Vec<ForeignFile>,
    /// Where to.
    pub to: PathBuf,
    /// How fast.
    pub tier: Tier,
    /// Never to be exceeded.
    pub max_cost: Option<Money>,
}

/// How far it is.
#[derive(Debug, Clone, Default)]
pub struct Imported {
    /// Files that were written now.
    pub written: Count,
    /// Their bytes.
    pub bytes: Bytes,
    /// Files that were there already, with their length.
    pub there: Count,
    /// Files that are still asked for.
    pub waiting: Count,
    /// Files that could not be written, and why.
    pub failed: Vec<(Name, String)>,
    /// Files whose archives nobody agreed to pay for.
    pub declined: Count,
}

impl Payer<'_> {
    /// Takes one step: asks for what was not asked for yet, if `confirm` agrees to its price, and writes
    /// what is ready. The same again goes on.
    pub fn import(
        self,
        vault: &OpenVault,
        settings: &StoreSettings,
        options: &ImportOptions,
        confirm: &mut dyn FnMut(Count, Bytes, Money) -> bool,
    ) -> Result<Imported, EngineError> {
        let jobs = vault.get().jobs()?;
        let mut done = Imported::default();
        let (mut ready, mut missing): (Vec<(&ForeignFile, PathBuf, &Job)>, BTreeSet<&str>) = Default::default();
        let mut wanted = Vec::new();
        for file in &options.files {
            let path = match place(&options.to, &file.path) {
                Ok(path) => path,
                Err(why) => {
                    done.failed.push((file.path.clone(), why));
                    continue;
                }
            };
            match fs::symlink_metadata(&path) {
                Ok(meta) if meta.len() == file.size.0 => done.there += Count(1),
                Ok(_) => done.failed.push((file.path.clone(), "another file lies there; it was not touched".into())),
                Err(_) => match best(&jobs, &file.archive, file.size) {
                    Some(job) if job.state == JobState::Ready => ready.push((file, path, job)),
                    Some(_) => done.waiting += Count(1),
                    None => {
                        missing.insert(&file.archive);
                        wanted.push(file);
                    }
                },
            }
        }
        let archives: Vec<Archive> = vault
            .archives()?
            .into_iter()
            .filter(|a| a.standing == Standing::Foreign && missing.contains(&*a.id))
            .collect();
        if !archives.is_empty() {
            let total = self.quote(settings, &archives, options.tier)?.total();
            let bytes = archives.iter().map(|a| a.size).sum();
            if confirm(Count(archives.len() as u64), bytes, total) {
                self.retrieve(vault, &archives, options.tier, total, options.max_cost)?;
                done.waiting += Count(wanted.len() as u64);
            } else {
                done.declined = Count(wanted.len() as u64);
            }
        }
        for (file, path, job) in ready {
            match bring(vault, job, &path, file.modified) {
                Ok(bytes) => {
                    done.written += Count(1);
                    done.bytes += bytes;
                }
                Err(why) => done.failed.push((file.path.clone(), why)),
            }
        }
        Ok(done)
    }
}

/// The job that brings a whole archive soonest.
fn best<'j>(jobs: &'j [Job], archive: &str, size: Bytes) -> Option<&'j Job> {
    let all = |job: &&Job| job.span.is_none_or(|span| span.len() == size.0);
    let whole = |job: &&Job| job.archive.as_deref() == Some(archive) && all(job);
    let mut of_archive: Vec<&Job> = jobs.iter().filter(whole).filter(|job| job.state != JobState::Failed).collect();
    of_archive.sort_by_key(|job| (job.state != JobState::Ready, job.created));
    of_archive.into_iter().next()
}

/// Where a file goes: below the target, whatever its name says.
fn place(to: &Path, name: &Name) -> Result<PathBuf, String> {
    use std::os::unix::ffi::OsStrExt as _;
    let mut path = to.to_path_buf();
    for part in name.as_bytes().split(|b| *b == b'/').filter(|part| !part.is_empty() && *part != b".") {
        if !Name::new(part).is_component() {
            return Err("its name leads out of the folder; it was left".into());
        }
        path.push(std::ffi::OsStr::from_bytes(part));
    }
    if path == to { Err("it has no name".into()) } else { Ok(path) }
}

/// Under a name of its own first, and under its own when it is whole.
fn bring(vault: &OpenVault, job: &Job, path: &Path, modified: Option<Time>) -> Result<Bytes, String> {
    let say = |e: io::Error| e.to_string();
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(say)?;
    }
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".darkslide-import");
    let part = path.with_file_name(name);
    let mut file = File::create(&part).map_err(say)?;
    let fetched = vault.get().fetch(&job.id, &mut file).map_err(|e| e.to_string());
    let whole = fetched.and_then(|(bytes, _)| {
        if let Some(at) = modified {
            let since = std::time::Duration::from_secs(at.seconds().max(0) as u64);
            file.set_modified(std::time::UNIX_EPOCH + since).map_err(say)?;
        }
        file.sync_all().map_err(say)?;
        // Unlike a rename, a link replaces nothing.
        match fs::hard_link(&part, path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                Err("another file lies there; it was not touched".into())
            }
            Err(_) if !path.exists() => fs::rename(&part, path).map_err(say).map(|()| bytes),
            linked => linked.map_err(say).map(|()| bytes),
        }
    });
    let _ = fs::remove_file(&part);
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_the_folder() {
        let to = Path::new("/out");
        assert_eq!(place(to, &Name::from("/photo//a/./b.jpg")), Ok(PathBuf::from("/out/photo/a/b.jpg")));
        for bad in ["../x", "a/../../x", "..", "", "/", "a/\0"] {
            assert!(place(to, &Name::from(bad)).is_err(), "{bad}");
        }
    }
}
