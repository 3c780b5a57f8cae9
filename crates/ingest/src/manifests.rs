//! The manifests of one ingest: one for each folder of a shoot, in each target.

use std::collections::BTreeMap;
use std::path::PathBuf;

use darkslide_disk::path_of;
use darkslide_words::{Name, Time};

use crate::copier::{Outcome, There};
use crate::execute::{Failure, Ingest};
use crate::mhl::{Generation, Hashed, Sum};
use crate::plan::Item;

/// Collects what was copied.
pub(crate) struct Manifests<'m> {
    work: &'m Ingest<'m>,
    now: Time,
    /// By target and folder.
    files: BTreeMap<(usize, Name), Vec<Hashed>>,
}

impl<'m> Manifests<'m> {
    pub(crate) fn new(work: &'m Ingest<'m>, now: Time) -> Self {
        Self { work, now, files: BTreeMap::new() }
    }

    pub(crate) fn take(&mut self, item: &Item, outcome: &Outcome) {
        let Some(xxh) = outcome.xxh else { return };
        for (n, there) in outcome.there.iter().enumerate() {
            let There::Copied(name) = there else { continue };
            let folder = item.shoot(name);
            let below = name.as_bytes().get(folder.as_bytes().len()..).unwrap_or_default();
            let path = Name::new(below.strip_prefix(b"/").unwrap_or(below));
            let hashed = Hashed { path, size: item.stat.size, mtime: item.stat.mtime, sum: Sum::Xxh128(xxh) };
            self.files.entry((n, folder)).or_default().push(hashed);
        }
    }

    /// Writes them all; where one cannot be written, the photographs are there all the same.
    pub(crate) fn write(self, failures: &mut Vec<Failure>) -> Vec<PathBuf> {
        let mut out = Vec::new();
        for ((n, folder), files) in self.files {
            let place = &self.work.targets[n];
            let generation = Generation {
                root: path_of(&place.root, &folder),
                at: self.now,
                host: self.work.host.clone(),
                tool: self.work.tool.clone(),
                files,
            };
            match generation.write(self.work.disk) {
                Ok(path) => out.push(path),
                Err(error) => {
                    let reason = format!("{}: its manifest could not be written: {error}", place.label);
                    self.work.observer.problem(&folder, &reason);
                    failures.push(Failure { path: folder, reason });
                }
            }
        }
        out
    }
}
