//! A pack's manifest: its chunk table and the recipes of the files that the
//! run found new.

use darkslide_words::{Bytes, ChunkId, Count, Name, ObjectId, ObjectName, RepositoryId, Temperature, Time, WriterId};
use serde::{Deserialize, Serialize};

use crate::limits::PATH_MAX;
use crate::names::{self, Kind};
use crate::tree::Entry;
use crate::{FormatError, canon};

/// Which packs a chunk belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PackKind {
    /// Originals and exports.
    Cold,
    /// Sidecars, databases, tiny files.
    Warm,
    /// Pages.
    Trees,
}

impl PackKind {
    /// A small number for the catalog.
    pub fn code(self) -> i64 {
        match self {
            Self::Cold => 0,
            Self::Warm => 1,
            Self::Trees => 2,
        }
    }

    /// The reverse.
    pub fn from_code(code: i64) -> Option<Self> {
        [Self::Cold, Self::Warm, Self::Trees].into_iter().find(|k| k.code() == code)
    }

    /// The name of such a pack.
    pub fn object(self, id: ObjectId) -> ObjectName {
        match self {
            Self::Cold => names::object(Kind::Packs, id),
            Self::Warm => names::object(Kind::Warm, id),
            Self::Trees => names::object(Kind::Trees, id),
        }
    }

    /// How often such packs are read.
    pub fn temperature(self) -> Temperature {
        match self {
            Self::Cold => Temperature::Cold,
            Self::Warm => Temperature::Warm,
            Self::Trees => Temperature::Hot,
        }
    }
}

/// Where one chunk lies in a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkRow {
    /// For a delta: the chunk it was made against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<ChunkId>,
    /// The chunk.
    pub id: ChunkId,
    /// Length of its frame.
    pub len: Bytes,
    /// Offset of its frame in the zstd stream.
    pub off: Bytes,
    /// Plain length.
    pub plain: Bytes,
}

impl ChunkRow {
    /// Refuses lengths that no writer may have written.
    pub fn check(&self) -> Result<(), FormatError> {
        FormatError::limit("a chunk", self.plain.0, crate::limits::CHUNK_MAX as u64)?;
        FormatError::limit("a frame", self.len.0, (crate::limits::CHUNK_MAX + (1 << 20)) as u64)?;
        FormatError::limit("a frame's offset", self.off.0, crate::limits::PACK_MAX)
    }
}

/// Adds a table of chunks as canonical JSON: by hand, since packs of small files have thousands of rows, each of
/// which is written into the manifest, the row of the index and the segment.
pub(crate) fn put_rows(out: &mut Vec<u8>, rows: &[ChunkRow]) {
    out.reserve(rows.len() * ROW);
    out.push(b'[');
    for (n, row) in rows.iter().enumerate() {
        out.extend_from_slice(if n == 0 { b"{" } else { b",{" });
        if let Some(base) = row.base {
            out.extend_from_slice(b"\"base\":\"");
            base.append_to(out);
            out.extend_from_slice(b"\",");
        }
        out.extend_from_slice(b"\"id\":\"");
        row.id.append_to(out);
        for (key, number) in [("len", row.len), ("off", row.off), ("plain", row.plain)] {
            out.extend_from_slice(b"\",\"");
            out.extend_from_slice(key.as_bytes());
            out.extend_from_slice(b"\":\"");
            out.extend_from_slice(itoa::Buffer::new().format(number.0).as_bytes());
        }
        out.extend_from_slice(b"\"}");
    }
    out.push(b']');
}

/// Where a base chunk lies that is not in the same pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseRow {
    /// The base.
    pub chunk: ChunkId,
    /// The object that holds it.
    pub object: ObjectName,
}

/// One file version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// The entry, with all its chunks.
    pub entry: Entry,
    /// Its path in the library.
    pub path: Name,
}

/// The manifest's payload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Bases in other packs.
    pub bases: Vec<BaseRow>,
    /// The chunk table.
    pub chunks: Vec<ChunkRow>,
    /// Required features.
    pub features: Vec<String>,
    /// Format version.
    pub format: u32,
    /// Kind of pack.
    pub kind: PackKind,
    /// File versions.
    pub recipes: Vec<Recipe>,
    /// Repository.
    pub repository: RepositoryId,
    /// Number of the pack in its run.
    pub sequence: Count,
    /// Start of the run.
    pub time: Time,
    /// Who wrote it.
    pub writer: WriterId,
}

/// Adds the payload of a manifest whose recipes are JSON already: a pack of small files has
/// thousands, each with an entry that was written for its folder's page.
pub(crate) fn put_payload(out: &mut Vec<u8>, manifest: &Manifest, recipes: &[u8]) -> Result<(), FormatError> {
    #[derive(Serialize)]
    struct Between<'a> {
        features: &'a [String],
        format: u32,
        kind: PackKind,
    }
    #[derive(Serialize)]
    struct After {
        repository: RepositoryId,
        sequence: Count,
        time: Time,
        writer: WriterId,
    }
    let Manifest { bases, chunks, features, format, kind, recipes: _, repository, sequence, time, writer } = manifest;
    let between = Between { features, format: *format, kind: *kind };
    let after = After { repository: *repository, sequence: *sequence, time: *time, writer: *writer };
    let (between, after) = (canon::to_bytes(&between)?, canon::to_bytes(&after)?);
    out.reserve(chunks.len() * ROW + recipes.len() + 1024);
    out.extend_from_slice(b"{\"bases\":");
    canon::append(out, bases)?;
    out.extend_from_slice(b",\"chunks\":");
    put_rows(out, chunks);
    out.push(b',');
    out.extend_from_slice(&between[1..between.len() - 1]);
    out.extend_from_slice(b",\"recipes\":[");
    out.extend_from_slice(recipes);
    out.extend_from_slice(b"],");
    out.extend_from_slice(&after[1..]);
    Ok(())
}

/// A row of the chunk table as JSON, at most, where it is no delta: room for all of them is made at once.
const ROW: usize = 144;

/// Adds a recipe to others, given its entry as JSON.
pub(crate) fn put_recipe(recipes: &mut Vec<u8>, path: &Name, entry: &[u8]) -> Result<(), FormatError> {
    if !recipes.is_empty() {
        recipes.push(b',');
    }
    recipes.extend_from_slice(b"{\"entry\":");
    recipes.extend_from_slice(entry);
    recipes.extend_from_slice(b",\"path\":");
    canon::name(recipes, path)?;
    recipes.push(b'}');
    Ok(())
}

impl Manifest {
    /// Parses and checks a payload.
    pub fn parse(payload: &[u8], repository: Option<RepositoryId>) -> Result<Self, FormatError> {
        let manifest: Self = canon::checked("manifest", payload, repository)?;
        manifest.chunks.iter().try_for_each(ChunkRow::check)?;
        for recipe in &manifest.recipes {
            FormatError::limit("a path", recipe.path.as_bytes().len() as u64, PATH_MAX as u64)?;
            recipe.entry.check()?;
            if !recipe.path.as_bytes().split(|b| *b == b'/').all(|c| Name::new(c).is_component()) {
                return Err(FormatError::malformed("a recipe", format!("`{}` is no path", recipe.path)));
            }
        }
        Ok(manifest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::EntryKind;

    fn rows() -> Vec<ChunkRow> {
        let row = |n: u64, base| ChunkRow {
            base,
            id: ChunkId::new([n as u8; 32]),
            len: Bytes(n),
            off: Bytes(u64::MAX - n),
            plain: Bytes(n * 1_000_000_007),
        };
        vec![row(0, None), row(9, Some(ChunkId::new([0xa0; 32]))), row(255, None)]
    }

    #[test]
    fn rows_by_hand_are_those_of_serde() {
        for rows in [vec![], rows(), rows()[..1].to_vec()] {
            let mut out = b"x".to_vec();
            put_rows(&mut out, &rows);
            assert_eq!(out[1..], canon::to_bytes(&rows).unwrap());
        }
    }

    #[test]
    fn recipes_that_are_json_already_make_the_same_payload() {
        let entry = |name: &str| Entry::bare(EntryKind::File, Name::from(name), 0o644);
        let mut recipes = Vec::new();
        for list in [vec![], vec!["a\"b"], vec!["x", "y\u{1}", "recipes\":[]"]] {
            recipes.clear();
            let whole: Vec<Recipe> =
                list.iter().map(|name| Recipe { entry: entry(name), path: Name::from(*name) }).collect();
            for recipe in &whole {
                put_recipe(&mut recipes, &recipe.path, &canon::to_bytes(&recipe.entry).unwrap()).unwrap();
            }
            let manifest = Manifest {
                bases: Vec::new(),
                chunks: rows(),
                features: Vec::new(),
                format: 1,
                kind: PackKind::Warm,
                recipes: whole,
                repository: RepositoryId::new([1; 16]),
                sequence: Count(3),
                time: Time(4),
                writer: WriterId::new([2; 16]),
            };
            let mut payload = Vec::new();
            put_payload(&mut payload, &manifest, &recipes).unwrap();
            assert_eq!(payload, canon::to_bytes(&manifest).unwrap());
        }
    }
}
