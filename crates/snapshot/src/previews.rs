//! Previews beside a backup, or ahead of one: what photographs tell of themselves and their thumbnails, made by
//! workers while the walk goes on, and put into packs of their own.
//!
//! **Invariant:** nothing here keeps a photograph from being stored. What is made is a help: it is due,
//! in a durable row, before the file's row is written, and what a run leaves due the next one makes. A pack
//! of previews has its durable row before it is put, like every pack.

mod ahead;
mod maker;
mod press;

use std::collections::BTreeSet;

use darkslide_catalog::{Catalog, Checked, Pending, PreviewPack, PreviewRecord};
use darkslide_format::canon;
use darkslide_format::names::Kind;
use darkslide_format::previews::PreviewRow;
use darkslide_store::Store;
use darkslide_words::{Bytes, ContentHash, Count, Name, ObjectName};
use serde::{Deserialize, Serialize};

use crate::SnapshotError;

pub use ahead::{Ahead, Arrival, ahead};
pub use maker::{InProcess, Made, Maker, Source, is_original, is_rating, wants};
pub(crate) use press::{Press, Pressing, Wanted, channel};

/// What became of the previews of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Previewed {
    /// Files that previews were made of, sidecars among them.
    pub made: Count,
    /// Those of them with a thumbnail.
    pub pictured: Count,
    /// Those of which something was wrong with the preview: path and reason, the first of them.
    pub problems: Vec<(Name, String)>,
    /// How many of those there were.
    pub troubled: Count,
    /// Sealed bytes.
    pub stored: Bytes,
}

/// Whoever keeps thumbnails on this machine.
pub trait Keeper: Send + Sync {
    /// A thumbnail was made of this content.
    fn keep(&self, content: &ContentHash, jpeg: &[u8]);
}

/// Makes previews, and keeps thumbnails.
#[derive(Clone)]
pub struct Previewing<'a> {
    /// Makes them; called from several threads at once.
    pub maker: &'a dyn Maker,
    /// How many at once.
    pub workers: usize,
    /// Keeps thumbnails here.
    pub keeper: Option<&'a dyn Keeper>,
}

/// The durable row of a pack of previews: what there is to record once it is there.
#[derive(Serialize, Deserialize)]
struct Row {
    rows: Vec<PreviewRow>,
    size: Bytes,
}

impl Row {
    fn records(&self) -> Result<Vec<PreviewRecord>, SnapshotError> {
        records(&self.rows)
    }
}

/// What the catalog keeps of the rows of a pack of previews.
pub fn records(rows: &[PreviewRow]) -> Result<Vec<PreviewRecord>, SnapshotError> {
    let record = |row: &PreviewRow| {
        let facts = canon::to_bytes(&row.facts)?;
        Ok(PreviewRecord { hash: row.hash, thumbnail: row.thumbnail.map(|place| place.len), facts })
    };
    rows.iter().map(record).collect()
}

/// Records a pack of previews whose durable row is left from a run that was cut off.
pub(crate) fn adopt(catalog: &Catalog, put: &Pending) -> Result<(), SnapshotError> {
    let row: Row = canon::from_bytes("a durable row", &put.payload)?;
    record(catalog, &put.name, &row)
}

fn record(catalog: &Catalog, name: &ObjectName, row: &Row) -> Result<(), SnapshotError> {
    let records = row.records()?;
    catalog.transaction(|| {
        catalog.add_preview_pack(&PreviewPack { name: name.clone(), size: row.size }, &records)?;
        Ok(catalog.drop_pending(name)?)
    })
}

/// Goes by what a store lists: what was lost may be made again.
pub fn reconcile(catalog: &Catalog, store: &dyn Store) -> Result<u64, SnapshotError> {
    let mut there = BTreeSet::new();
    store.list(Kind::Previews.prefix(), &mut |listed| {
        there.insert(listed.name);
        Ok(())
    })?;
    // Listed still, but its bytes are not its own any more.
    for row in catalog.damaged_in(&store.label())?.iter().filter(|row| row.outcome == Checked::Damaged) {
        there.remove(&row.name);
    }
    Ok(catalog.reconcile_preview_packs(&there)?)
}
