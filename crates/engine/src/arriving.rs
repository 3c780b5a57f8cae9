//! Previews of what an ingest brought: made and sealed before any backup, so that a shoot can be seen, here and
//! with the identity elsewhere, while its originals wait for the night.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use darkslide_ingest::{Arrived, Ingested, Place};
use darkslide_snapshot::previews::{Ahead, Arrival, Keeper, Previewed, Previewing, ahead, is_original};
use darkslide_words::{ContentHash, Count, Name};
use serde::Serialize;

use crate::observe::IngestObserver;
use crate::secrets::{self, WriterFile};
use crate::{Engine, EngineError};

/// What an ingest did.
#[derive(Debug, Clone, Default, Serialize)]
pub struct IngestDone {
    /// What became of each card.
    pub cards: Vec<Ingested>,
    /// What became of the previews.
    pub previews: ArrivalPreviews,
}

/// What became of the previews of what arrived.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ArrivalPreviews {
    /// Files that previews were made of.
    pub made: Count,
    /// Those of them with a thumbnail.
    pub pictured: Count,
    /// Why some or all are left to the next backup.
    pub left: Option<String>,
    /// Content of the photographs that arrived, the first of them: keys of their thumbnails.
    pub first: Vec<ContentHash>,
}

/// Photographs that are named by their content.
const FIRST: usize = 60;

impl IngestDone {
    /// True if everything on each card is everywhere.
    pub fn is_whole(&self) -> bool {
        self.cards.iter().all(Ingested::is_whole)
    }

    /// Files that were copied.
    pub fn copied(&self) -> Count {
        self.cards.iter().map(|card| card.copied).sum()
    }
}

impl Engine {
    /// Makes previews of what cards brought into `library`, and seals them, where a job backs that up. Nothing
    /// that goes wrong with it is the ingest's fault: the next backup makes what is not there.
    pub(crate) fn preview_arrivals(
        &self,
        library: &Place,
        cards: &[Ingested],
        observer: &dyn IngestObserver,
    ) -> ArrivalPreviews {
        let mut out = ArrivalPreviews::default();
        let Some(within) = self.backed_up(library).filter(|_| self.settings.previews.makes()) else { return out };
        let arrivals = arrivals(library, &within, cards);
        let mut seen = BTreeSet::new();
        let originals = arrivals.iter().filter(|one| is_original(&one.path) && seen.insert(one.hash));
        out.first = originals.take(FIRST).map(|one| one.hash).collect();
        if out.first.is_empty() {
            return out;
        }
        observer.note("previews are made now, of what is copied and verified; the card is not needed for it");
        match self.press_arrivals(&arrivals, observer) {
            Ok(previewed) => {
                (out.made, out.pictured) = (previewed.made, previewed.pictured);
                previewed.problems.iter().for_each(|(path, why)| observer.note(&format!("{path}: no preview: {why}")));
                out.left = observer.cancelled().then(|| "it was stopped".to_string());
            }
            Err(error) => out.left = Some(error.to_string()),
        }
        if let Some(why) = &out.left {
            observer.note(&format!("the next backup makes the previews that are missing: {why}"));
        }
        out
    }

    /// The way from the library of a job to this place, where one backs it up.
    fn backed_up(&self, place: &Place) -> Option<Name> {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        let root = real(&place.root);
        self.settings.backups.iter().find_map(|job| {
            let below = root.strip_prefix(real(&self.settings.resolve(&job.library))).ok()?;
            Some(Name::new(below.as_os_str().as_bytes()))
        })
    }

    fn press_arrivals(&self, arrivals: &[Arrival], observer: &dyn IngestObserver) -> Result<Previewed, EngineError> {
        let writer = WriterFile::load(&secrets::path(&self.settings.state_dir()))?;
        let mut repo = self.repository()?;
        if writer.repository != repo.trust.repository() {
            return Err(EngineError::Exchanged { store: repo.store().label(), what: "repository" });
        }
        let meters = self.meter(&mut repo, None)?;
        let keeping = self.keeping();
        let previewing = Previewing {
            maker: &*self.maker,
            workers: self.settings.previews.workers(),
            keeper: keeping.as_ref().map(|keeping| keeping as &dyn Keeper),
        };
        let done = ahead(
            &Ahead {
                catalog: &self.catalog_path(),
                stores: &repo.reached.stores,
                trust: &repo.trust,
                writer: &writer.secrets,
                clock: &*self.clock,
                previewing,
                is_over: &|| observer.cancelled(),
            },
            arrivals,
        );
        self.settle(&meters, "ingest")?;
        Ok(done?)
    }
}

fn arrivals(library: &Place, within: &Name, cards: &[Ingested]) -> Vec<Arrival> {
    let all = cards.iter().flat_map(|card| &card.arrived);
    let arrival = |one: &Arrived| Arrival {
        path: if within.is_empty() { one.path.clone() } else { within.join(&one.path) },
        file: darkslide_disk::path_of(&library.root, &one.path),
        hash: one.hash,
        size: one.stat.size,
        mtime: one.stat.mtime,
    };
    all.map(arrival).collect()
}
