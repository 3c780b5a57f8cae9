//! Rows that wait for their packs, and what is written on the way: segments and
//! checkpoints.

use darkslide_catalog::{Catalog, DirId, FileRow, PackSet};
use darkslide_format::IdKey;
use darkslide_words::ChunkId;

use super::Visitor;
use crate::SnapshotError;
use crate::finish::{Finish, empty_page, segment_due};
use crate::packer::{PackRef, Packer, Put, known};

/// Rows that are written in one transaction.
const READY_MAX: usize = 1000;
/// Rows that were made since the last look at what is stored by now.
pub(super) const FILED_MAX: usize = 64;

/// A file row that waits for its packs.
pub(super) struct Waiting {
    pub dir: DirId,
    pub row: FileRow,
    pub refs: Vec<PackRef>,
}

/// A finished folder that waits for its pages.
pub(super) struct WaitingDir {
    pub dir: DirId,
    pub entry: Vec<u8>,
    pub page: ChunkId,
    /// Packs of its pages; nothing where those in the row still hold.
    pub refs: Option<Vec<PackRef>>,
}

/// Stores a page where it is new, and remembers it; its id.
pub(super) fn store_page(
    packer: &mut Packer<'_>,
    catalog: &Catalog,
    key: &IdKey,
    refs: &mut Vec<PackRef>,
    page: &[u8],
) -> Result<ChunkId, SnapshotError> {
    let id = key.chunk_id(page);
    let frame = darkslide_format::frame::pack_json(page)?;
    let put = packer.page(id, page.len(), &frame)?;
    // A known page may be missing from the cache of a rebuilt catalog.
    if matches!(put, Put::New(_)) || catalog.page(id)?.is_none() {
        catalog.put_page(id, &frame)?;
    }
    refs.extend(put.refs());
    Ok(id)
}

impl Visitor<'_> {
    pub(super) fn wait(&mut self, waiting: Waiting) {
        let unsettled = waiting.refs.iter().find_map(|r| match r {
            PackRef::Flying(seq) if !self.rows.contains_key(seq) => Some(*seq),
            _ => None,
        });
        match unsettled {
            Some(seq) => self.waiting.entry(seq).or_default().push(waiting),
            None => {
                let packs = known(&waiting.refs, &self.rows);
                self.ready.push((waiting.dir, FileRow { packs, ..waiting.row }));
            }
        }
    }

    /// Records the rows whose packs are all stored, in one transaction.
    pub(super) fn flush_ready(&mut self) -> Result<(), SnapshotError> {
        self.filed = 0;
        for (seq, row, index) in self.packer.take_stored()? {
            self.rows.insert(seq, row);
            self.unindexed.push(index);
            for waiting in self.waiting.remove(&seq).unwrap_or_default() {
                self.wait(waiting);
            }
        }
        if self.ready.len() >= READY_MAX {
            self.write_ready()?;
        }
        let Some(finish) = self.finish else {
            return Ok(());
        };
        let now = self.context.clock.elapsed();
        if now.saturating_sub(self.last_checkpoint) >= self.context.plan.checkpoint_every {
            self.last_checkpoint = now;
            self.finish = None;
            let done = self.checkpoint(finish);
            self.finish = Some(finish);
            done?;
        } else if segment_due(&self.unindexed) {
            finish.segment(&mut self.unindexed)?;
        }
        Ok(())
    }

    /// Stores what is open and keeps it from being pruned while the run goes on.
    fn checkpoint(&mut self, finish: &Finish<'_>) -> Result<(), SnapshotError> {
        let (packer, catalog, key) = (&mut self.packer, self.catalog, self.key);
        let mut refs = Vec::new();
        let page = empty_page(key, &mut |page| store_page(packer, catalog, key, &mut refs, &page))?;
        self.settle()?;
        let mut packs = self.catalog.job(&self.context.plan.job)?.packs;
        packs.extend(&known(&refs, &self.rows));
        packs.extend(&self.rows.values().copied().collect());
        let packs = packs.iter().filter(|p| !self.context.unreliable.contains(*p)).collect();
        finish.segment(&mut self.unindexed)?;
        finish.checkpoint(page, self.tally.counts, packs)
    }

    fn write_ready(&mut self) -> Result<(), SnapshotError> {
        let ready = std::mem::take(&mut self.ready);
        self.catalog.transaction(|| Ok(self.catalog.put_files(&ready)?))
    }

    /// Stores all packs and records all rows.
    pub fn settle(&mut self) -> Result<(), SnapshotError> {
        self.packer.finish()?;
        self.flush_ready()?;
        self.write_ready()
    }

    /// Packs with recipes of folders whose pages did not change.
    pub fn loose_recipes(&self) -> PackSet {
        known(&self.loose_recipes, &self.rows)
    }

    /// Records the finished folders: their pages show their rows.
    pub fn settle_dirs(&mut self) -> Result<(), SnapshotError> {
        let dirs = std::mem::take(&mut self.dirs);
        self.catalog.transaction(|| {
            dirs.iter().try_for_each(|d| {
                let packs = d.refs.as_ref().map(|refs| known(refs, &self.rows));
                Ok::<_, SnapshotError>(self.catalog.finish_dir(d.dir, &d.entry, d.page, packs.as_ref())?)
            })
        })?;
        Ok(())
    }
}
