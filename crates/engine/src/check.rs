//! `audit` and `scrub`.

use darkslide_audit::{AuditContext, Report, Sample, ScrubContext, Severity, audit, scrub};
use darkslide_format::identity::IdentityFile;
use darkslide_restore::{ChunkReader, Pages};
use darkslide_words::Rng;

use crate::observe::CheckObserver;
use crate::secrets::{self, WriterFile};
use crate::{Engine, EngineError, index_sync};

/// How a check is run.
#[derive(Debug, Clone, Copy)]
pub struct CheckOptions {
    /// Which objects a scrub reads.
    pub sample: Sample,
}

impl Engine {
    /// Audits every store that can be reached.
    pub fn audit(&self, identity: Option<&IdentityFile>, observer: &dyn CheckObserver) -> Result<Report, EngineError> {
        let repo = self.repository()?;
        let catalog = darkslide_catalog::Catalog::open(&self.catalog_path())?;
        let opened = identity.map(|i| repo.opened(i)).transpose()?;
        let index = match &opened {
            Some((_, keys)) => keys.index.clone(),
            None => match WriterFile::load(&secrets::path(&self.settings.state_dir())) {
                Ok(file) => file.secrets.index,
                Err(_) => return Err(EngineError::NeedIdentity { what: "an audit on a machine that is no writer" }),
            },
        };
        index_sync::segments(&catalog, repo.store(), &repo.trust, &index)?;
        let mut all = Report::default();
        for store in &repo.reached.stores {
            let mut reader = match &opened {
                Some((keys, _)) => {
                    let catalog = darkslide_catalog::Catalog::open(&self.catalog_path())?;
                    Some(ChunkReader::new(catalog, vec![store.clone()], keys.clone())?)
                }
                None => None,
            };
            // An empty cache: the audit is to see the store's pages, not ours.
            let (_folder, nothing) = empty_catalog(&self.settings.state_dir())?;
            let mut pages = reader.as_mut().map(|reader| Pages::new(&nothing, reader));
            let context = AuditContext {
                store: &**store,
                catalog: &self.catalog_path(),
                trust: &repo.trust,
                index: &index,
                identities: opened.as_ref().map(|(keys, _)| &keys.identities),
                observer,
            };
            merge(&mut all, audit(&context, pages.as_mut())?, &store.label(), repo.reached.stores.len());
        }
        for (name, reason) in &repo.reached.missing {
            all.add(Severity::Warning, None, format!("the store {name} was not audited: {reason}"));
        }
        Ok(all)
    }

    /// Scrubs every store that can be reached.
    pub fn scrub(
        &self,
        options: CheckOptions,
        identity: Option<&IdentityFile>,
        rng: &mut dyn Rng,
        observer: &dyn CheckObserver,
    ) -> Result<Report, EngineError> {
        let repo = self.repository()?;
        let opened = identity.map(|i| repo.opened(i)).transpose()?;
        let mut all = Report::default();
        for store in &repo.reached.stores {
            let context = ScrubContext {
                store: &**store,
                catalog: &self.catalog_path(),
                trust: &repo.trust,
                keys: opened.as_ref().map(|(keys, _)| (&keys.identities, &keys.id_key)),
                observer,
                sample: options.sample,
            };
            merge(&mut all, scrub(&context, rng)?, &store.label(), repo.reached.stores.len());
        }
        for (name, reason) in &repo.reached.missing {
            all.add(Severity::Warning, None, format!("the store {name} was not scrubbed: {reason}"));
        }
        Ok(all)
    }
}

fn merge(all: &mut Report, one: Report, store: &str, stores: usize) {
    all.objects += one.objects;
    all.bytes += one.bytes;
    all.snapshots += one.snapshots;
    all.chunks += one.chunks;
    all.denied += one.denied;
    for (class, (objects, bytes)) in one.cold {
        let sum = all.cold.entry(class).or_default();
        sum.0 += objects;
        sum.1 += bytes;
    }
    all.findings.extend(one.findings.into_iter().map(|mut finding| {
        if stores > 1 {
            finding.what = format!("[{store}] {}", finding.what);
        }
        finding
    }));
}

/// A catalog without pages, in a folder that goes away.
fn empty_catalog(state: &std::path::Path) -> Result<(Scratch, darkslide_catalog::Catalog), EngineError> {
    let path = state.join(format!("audit-{}.sqlite", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let catalog = darkslide_catalog::Catalog::create(&path)?;
    Ok((Scratch(path), catalog))
}

struct Scratch(std::path::PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        for suffix in ["", "-wal", "-shm"] {
            let mut path = self.0.clone().into_os_string();
            path.push(suffix);
            let _ = std::fs::remove_file(path);
        }
    }
}
