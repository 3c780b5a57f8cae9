//! `catalogs`: other programs' catalogs in the library, how they are, and what they miss.

use std::path::{Path, PathBuf};

use darkslide_catalog::Catalog;
use darkslide_disk::{Disk as _, Kind, RealDisk, path_of};
use darkslide_snapshot::{ForeignKind, examine, foreign_kind};
use darkslide_words::{Bytes, Count, Name, Time};
use serde::Serialize;

use crate::ingesting::LibraryMemory;
use crate::{Engine, EngineError};

/// Folders within folders.
const DEPTH_MAX: usize = 64;
/// Missing photographs that are named.
const NAMED_MAX: usize = 20;

/// A catalog of another program.
#[derive(Debug, Clone, Serialize)]
pub struct CatalogInfo {
    /// Its place in the library.
    pub path: Name,
    /// Whose it is.
    pub kind: ForeignKind,
    /// Bytes.
    pub size: Bytes,
    /// Its last change.
    pub changed: Time,
    /// A program has it open.
    pub open: bool,
    /// What SQLite's check says; why it could not be looked into, else. Nothing for a zip.
    pub check: Option<String>,
    /// Photographs that it refers to.
    pub photographs: Option<Count>,
    /// How many of them are not where it says, nor in the library.
    pub missing: Option<Count>,
    /// Some of those.
    pub missing_paths: Vec<String>,
    /// True if the last backup holds it as it is.
    pub backed_up: bool,
    /// When that backup was.
    pub last_backup: Option<Time>,
}

impl CatalogInfo {
    /// True if it is sound.
    pub fn is_sound(&self) -> bool {
        self.check.as_deref().is_none_or(|check| check == "ok")
    }
}

impl Engine {
    /// The catalogs in all libraries.
    pub fn catalogs(&self) -> Result<Vec<CatalogInfo>, EngineError> {
        let catalog = Catalog::open(&self.catalog_path())?;
        let status = self.status_uncounted()?;
        let memory = LibraryMemory::new(&catalog);
        let mut out = Vec::new();
        for job in &self.settings.backups {
            let root = self.settings.resolve(&job.library);
            let last = status.jobs.iter().find(|s| s.name == job.name).and_then(|s| s.last.as_ref()).map(|l| l.0);
            let mut found = Vec::new();
            find(&root, &Name::default(), 0, &mut found);
            for (path, kind) in found {
                let stored = memory.file(&job.name, &path)?;
                out.extend(self.catalog_info(&root, path, kind, stored.map(|row| row.stat), last));
            }
        }
        Ok(out)
    }

    fn catalog_info(
        &self,
        root: &Path,
        path: Name,
        kind: ForeignKind,
        stored: Option<darkslide_catalog::Stat>,
        last_backup: Option<Time>,
    ) -> Option<CatalogInfo> {
        let absolute = path_of(root, &path);
        let stat = RealDisk.stat(&absolute).ok()?;
        let same = stored.filter(|row| row.size == stat.size && row.mtime == stat.mtime);
        let mut info = CatalogInfo {
            path,
            kind,
            size: Bytes(stat.size),
            changed: stat.mtime,
            open: false,
            check: None,
            photographs: None,
            missing: None,
            missing_paths: Vec::new(),
            backed_up: same.is_some(),
            last_backup,
        };
        if kind == ForeignKind::LightroomBackup {
            return Some(info);
        }
        let work = self.settings.state_dir().join("work");
        let _ = std::fs::create_dir_all(&work);
        match examine(&absolute, kind, &work.join("catalog-to-examine")) {
            Ok(found) => {
                info.open = found.open;
                info.check = Some(found.check);
                if let Some(photographs) = found.photographs {
                    info.photographs = Some(Count(photographs.len() as u64));
                    let is_missing = |(folder, name): &&(String, String)| !is_there(root, folder, name);
                    let missing: Vec<_> = photographs.iter().filter(is_missing).collect();
                    info.missing = Some(Count(missing.len() as u64));
                    let shown = missing.iter().take(NAMED_MAX).map(|(folder, name)| format!("{folder}{name}"));
                    info.missing_paths = shown.collect();
                }
            }
            Err(error) => info.check = Some(error.to_string()),
        }
        Some(info)
    }
}

/// Where the catalog says, or, where that is another machine's path, under the library: by the
/// longest end of the path that fits.
fn is_there(root: &Path, folder: &str, name: &str) -> bool {
    let path = format!("{}{name}", folder.replace('\\', "/"));
    if Path::new(&path).is_absolute() && Path::new(&path).exists() {
        return true;
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | "." | "..")).collect();
    (0..parts.len()).any(|from| root.join(parts[from..].iter().collect::<PathBuf>()).exists())
}

fn find(root: &Path, folder: &Name, depth: usize, out: &mut Vec<(Name, ForeignKind)>) {
    for (name, stat) in RealDisk.list(&path_of(root, folder)).unwrap_or_default() {
        let path = folder.join(&name);
        let previews = name.as_bytes().ends_with(b".lrdata");
        match stat.map(|stat| stat.kind) {
            Ok(Kind::Folder) if depth < DEPTH_MAX && !previews => find(root, &path, depth + 1, out),
            Ok(Kind::File) => out.extend(foreign_kind(&path).map(|kind| (path, kind))),
            _ => {}
        }
    }
}
