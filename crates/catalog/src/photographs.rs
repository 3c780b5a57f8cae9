//! The photographs: one row for each, with what can be asked for, so that hundreds of thousands can
//! be sorted, filtered and counted. Derived from the library's rows (or a snapshot's tree) and from
//! what previews say; a row whose file or whose preview changed is stale until it is made anew.

mod ask;
mod map;

use darkslide_words::{Bytes, ContentHash, Name, Time};
use rusqlite::{OptionalExtension as _, Row, params};

use crate::{Catalog, CatalogError, DirId, PackId};

pub use ask::{Facet, MonthCount, PackHeat, PhotographQuery, Shown, Sort};
pub use map::{Area, MapCell};

/// The tables. A photograph with `fresh = 0` waits for what its preview says.
pub(crate) const TABLES: &str = "
CREATE TABLE preview_packs (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, size INTEGER NOT NULL, gone INTEGER NOT NULL DEFAULT 0);
CREATE TABLE previews (
  hash BLOB PRIMARY KEY, pack INTEGER NOT NULL, thumbnail INTEGER NOT NULL, facts BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX previews_by_pack ON previews (pack);
CREATE TABLE previews_due (
  job TEXT NOT NULL, path BLOB NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (job, path)) WITHOUT ROWID;
CREATE TABLE photographs (
  id INTEGER PRIMARY KEY, job TEXT NOT NULL, dir INTEGER, folder BLOB NOT NULL, name BLOB NOT NULL, beside BLOB NOT NULL,
  hash BLOB NOT NULL, sidecar BLOB, size INTEGER NOT NULL, mtime INTEGER NOT NULL, taken INTEGER NOT NULL,
  zone INTEGER, dated TEXT NOT NULL, kind TEXT NOT NULL, type TEXT NOT NULL, camera TEXT, lens TEXT, rating INTEGER,
  latitude INTEGER, longitude INTEGER, width INTEGER, height INTEGER, preview INTEGER, rated_by INTEGER,
  fresh INTEGER NOT NULL DEFAULT 0,
  UNIQUE (job, folder, name));
CREATE INDEX photographs_taken ON photographs (taken, id);
CREATE INDEX photographs_camera ON photographs (camera, taken, id);
CREATE INDEX photographs_lens ON photographs (lens, taken, id);
CREATE INDEX photographs_type ON photographs (type, taken, id);
CREATE INDEX photographs_rating ON photographs (rating, taken, id) WHERE rating IS NOT NULL;
CREATE INDEX photographs_folder ON photographs (folder, taken, id);
CREATE INDEX photographs_hash ON photographs (hash);
CREATE INDEX photographs_sidecar ON photographs (sidecar) WHERE sidecar IS NOT NULL;
CREATE INDEX photographs_preview ON photographs (job, preview);
CREATE INDEX photographs_rated_by ON photographs (job, rated_by) WHERE rated_by IS NOT NULL;
CREATE INDEX photographs_dir ON photographs (dir) WHERE dir IS NOT NULL;
CREATE INDEX photographs_stale ON photographs (id) WHERE fresh = 0;
CREATE TABLE photograph_packs (
  photograph INTEGER NOT NULL, pack INTEGER NOT NULL, PRIMARY KEY (photograph, pack)) WITHOUT ROWID;
CREATE INDEX photograph_packs_by_pack ON photograph_packs (pack, photograph);
CREATE TRIGGER photographs_gone AFTER DELETE ON photographs BEGIN
  DELETE FROM photograph_packs WHERE photograph = old.id;
END;
CREATE TABLE stale_files (dir INTEGER NOT NULL, name BLOB NOT NULL, PRIMARY KEY (dir, name)) WITHOUT ROWID;
CREATE TRIGGER files_new AFTER INSERT ON files BEGIN
  INSERT OR IGNORE INTO stale_files (dir, name) VALUES (new.dir, new.name);
END;
CREATE TRIGGER files_gone AFTER DELETE ON files BEGIN
  INSERT OR IGNORE INTO stale_files (dir, name) VALUES (old.dir, old.name);
END;
INSERT INTO stale_files (dir, name) SELECT dir, name FROM files;
ALTER TABLE jobs ADD COLUMN previews TEXT;
";

/// What version 7 has besides: `stale_files` gets a name by whoever puts files, with an empty name for all of
/// a folder's, and by a trigger where a file goes.
pub(crate) const STALE: &str = "
DROP TRIGGER files_new;
";

/// A photograph's row number. It may become another's when the photograph is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct PhotographId(pub i64);

/// A photograph: the original of its group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhotographRow {
    /// Row number; ignored when it is put.
    pub id: PhotographId,
    /// The job whose library holds it.
    pub job: String,
    /// Folder in the library.
    pub folder: Name,
    /// Name in the folder.
    pub name: Name,
    /// Names of the files that travel with it.
    pub beside: Vec<Name>,
    /// Its content.
    pub hash: ContentHash,
    /// Content of the sidecar whose rating counts.
    pub sidecar: Option<ContentHash>,
    /// Bytes.
    pub size: Bytes,
    /// Last change of the file.
    pub mtime: Time,
    /// What it shows.
    pub shown: Shown,
}

/// A folder with files that changed since its photographs were made into rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaleFolder {
    /// Its row.
    pub dir: DirId,
    /// Job and path; nothing where the folder is gone.
    pub at: Option<(String, Name)>,
}

/// What is stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stale {
    /// Something.
    Yes,
    /// Nothing.
    No,
}

pub(crate) const COLUMNS: &str = "id, job, folder, name, beside, hash, sidecar, size, mtime, taken, zone, dated, kind,
    type, camera, lens, rating, latitude, longitude, width, height";

fn hash(bytes: &[u8]) -> Result<ContentHash, CatalogError> {
    ContentHash::from_slice(bytes).ok_or(CatalogError::BrokenRow { what: "a content hash" })
}

/// Names of one folder, none of which holds a `/`.
fn names(bytes: &[u8]) -> Vec<Name> {
    bytes.split(|b| *b == b'/').filter(|part| !part.is_empty()).map(Name::new).collect()
}

pub(crate) fn photograph(row: &Row<'_>) -> Result<PhotographRow, CatalogError> {
    let blob = |n: usize| row.get::<_, Vec<u8>>(n);
    Ok(PhotographRow {
        id: PhotographId(row.get(0)?),
        job: row.get(1)?,
        folder: Name::new(blob(2)?),
        name: Name::new(blob(3)?),
        beside: names(&blob(4)?),
        hash: hash(&blob(5)?)?,
        sidecar: row.get::<_, Option<Vec<u8>>>(6)?.map(|bytes| hash(&bytes)).transpose()?,
        size: Bytes(row.get::<_, i64>(7)? as u64),
        mtime: Time(row.get(8)?),
        shown: Shown {
            taken: row.get(9)?,
            zone: row.get(10)?,
            dated: row.get(11)?,
            kind: row.get(12)?,
            extension: row.get(13)?,
            camera: row.get(14)?,
            lens: row.get(15)?,
            rating: row.get(16)?,
            place: row.get::<_, Option<i64>>(17)?.zip(row.get::<_, Option<i64>>(18)?),
            pixels: row.get::<_, Option<u32>>(19)?.zip(row.get::<_, Option<u32>>(20)?),
        },
    })
}

/// Makes what is shown of a photograph: of its row, what the preview of its content says, and what that of its
/// sidecar says.
pub type ShowPhotograph<'a> = dyn Fn(&PhotographRow, Option<&[u8]>, Option<&[u8]>) -> Shown + 'a;

impl Catalog {
    /// Whether files or previews changed since the photographs' rows were made.
    pub fn photographs_stale(&self) -> Result<Stale, CatalogError> {
        let found: bool = self.conn.query_row(
            "SELECT EXISTS (SELECT 1 FROM stale_files) OR EXISTS (SELECT 1 FROM photographs WHERE fresh = 0)",
            [],
            |row| row.get(0),
        )?;
        Ok(if found { Stale::Yes } else { Stale::No })
    }

    /// Folders with files that changed, at most so many.
    pub fn stale_folders(&self, most: usize) -> Result<Vec<StaleFolder>, CatalogError> {
        let mut query = self.conn.prepare_cached("SELECT DISTINCT dir FROM stale_files ORDER BY dir LIMIT ?1")?;
        let dirs = query.query_map([most as i64], |row| row.get::<_, i64>(0))?;
        let dirs: Vec<i64> = dirs.collect::<Result<_, _>>()?;
        dirs.into_iter().map(|dir| Ok(StaleFolder { dir: DirId(dir), at: self.path_of(DirId(dir))? })).collect()
    }

    /// Job and path of a folder of the library.
    fn path_of(&self, dir: DirId) -> Result<Option<(String, Name)>, CatalogError> {
        let mut query = self.conn.prepare_cached("SELECT job, parent, name FROM dirs WHERE id = ?1")?;
        let (mut at, mut parts, mut job) = (dir.0, Vec::new(), String::new());
        while at != 0 {
            let found = query
                .query_row([at], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, Vec<u8>>(2)?)))
                .optional()?;
            let Some((of, parent, name)) = found else { return Ok(None) };
            if !name.is_empty() {
                parts.push(name);
            }
            (at, job) = (parent, of);
        }
        parts.reverse();
        Ok(Some((job, Name::new(parts.join(&b'/')))))
    }

    /// Names of a folder's files that changed or are gone, sorted.
    pub fn stale_files(&self, dir: DirId) -> Result<Vec<Name>, CatalogError> {
        let mut stale = Vec::new();
        self.any_stale(dir, &mut |name| {
            stale.push(name.clone());
            false
        })?;
        stale.sort_unstable();
        stale.dedup();
        Ok(stale)
    }

    /// Whether `is_it` says yes of any of them, which come unsorted, and some twice.
    pub fn any_stale(&self, dir: DirId, is_it: &mut dyn FnMut(&Name) -> bool) -> Result<bool, CatalogError> {
        let (mut name, mut all) = (Name::default(), false);
        let mut any = |sql: &str, all: &mut bool| -> Result<bool, CatalogError> {
            let mut query = self.conn.prepare_cached(sql)?;
            let mut rows = query.query([dir.0])?;
            while let Some(row) = rows.next()? {
                name.assign(row.get_ref(0)?.as_bytes().map_err(|_| CatalogError::BrokenRow { what: "a name" })?);
                // An empty name says it of all.
                if name.is_empty() {
                    *all = true;
                } else if is_it(&name) {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        let found = any("SELECT name FROM stale_files WHERE dir = ?1", &mut all)?;
        Ok(found || (all && any("SELECT name FROM files WHERE dir = ?1", &mut false)?))
    }

    /// The folder's photographs are made into rows. Call it in the transaction that made them.
    pub fn folder_is_fresh(&self, folder: &StaleFolder) -> Result<(), CatalogError> {
        // A folder that is gone may have left its number to another one.
        let (job, path) = folder.at.as_ref().map_or((None, None), |(job, path)| (Some(job), Some(path.as_bytes())));
        self.conn.execute(
            "DELETE FROM photographs WHERE dir = ?1 AND (job IS NOT ?2 OR folder IS NOT ?3)",
            params![folder.dir.0, job, path],
        )?;
        self.conn.execute("DELETE FROM stale_files WHERE dir = ?1", [folder.dir.0])?;
        Ok(())
    }

    /// Names and content of a folder's photographs.
    pub fn photographs_in(&self, job: &str, folder: &Name) -> Result<Vec<(Name, PhotographRow)>, CatalogError> {
        let mut query = self.conn.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM photographs WHERE job = ?1 AND folder = ?2 ORDER BY name"
        ))?;
        let mut rows = query.query(params![job, folder.as_bytes()])?;
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            let row = photograph(row)?;
            out.push((row.name.clone(), row));
        }
        Ok(out)
    }

    /// Puts a photograph in the place of the one of its path; its row number stays. What it shows is
    /// settled by [`Catalog::refresh_photographs`].
    pub fn put_photograph(
        &self,
        dir: Option<DirId>,
        row: &PhotographRow,
        packs: &[PackId],
    ) -> Result<PhotographId, CatalogError> {
        let mut put = self.conn.prepare_cached(
            "INSERT INTO photographs (job, dir, folder, name, beside, hash, sidecar, size, mtime, taken, dated, kind, type)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
             ON CONFLICT (job, folder, name) DO UPDATE SET dir = ?2, beside = ?5, hash = ?6, sidecar = ?7, size = ?8,
               mtime = ?9, kind = ?12, type = ?13, fresh = 0
             RETURNING id",
        )?;
        let beside: Vec<&[u8]> = row.beside.iter().map(Name::as_bytes).collect();
        let id: i64 = put.query_row(
            params![
                row.job,
                dir.map(|dir| dir.0),
                row.folder.as_bytes(),
                row.name.as_bytes(),
                beside.join(&b'/'),
                row.hash.as_bytes().as_slice(),
                row.sidecar.as_ref().map(|hash| hash.as_bytes().as_slice()),
                row.size.0 as i64,
                row.mtime.0,
                row.shown.taken,
                row.shown.dated,
                row.shown.kind,
                row.shown.extension
            ],
            |row| row.get(0),
        )?;
        let mut clear = self.conn.prepare_cached("DELETE FROM photograph_packs WHERE photograph = ?1")?;
        clear.execute([id])?;
        let mut add =
            self.conn.prepare_cached("INSERT OR IGNORE INTO photograph_packs (photograph, pack) VALUES (?1, ?2)")?;
        for pack in packs {
            add.execute([id, pack.0])?;
        }
        Ok(PhotographId(id))
    }

    /// Forgets a photograph.
    pub fn drop_photograph(&self, id: PhotographId) -> Result<(), CatalogError> {
        let mut delete = self.conn.prepare_cached("DELETE FROM photographs WHERE id = ?1")?;
        delete.execute([id.0])?;
        Ok(())
    }

    /// Forgets those photographs of a job, taken from a snapshot's tree, that are in no folder of it.
    pub fn keep_folders(&self, job: &str, keep: &mut dyn FnMut(&Name) -> bool) -> Result<(), CatalogError> {
        let mut query = self.conn.prepare("SELECT DISTINCT folder FROM photographs WHERE job = ?1")?;
        let folders = query.query_map([job], |row| row.get::<_, Vec<u8>>(0).map(Name::new))?;
        let folders: Vec<Name> = folders.collect::<Result<_, _>>()?;
        let mut delete = self.conn.prepare("DELETE FROM photographs WHERE job = ?1 AND folder = ?2")?;
        for folder in folders.iter().filter(|folder| !keep(folder)) {
            delete.execute(params![job, folder.as_bytes()])?;
        }
        Ok(())
    }

    /// Settles what stale photographs show: `show` makes it of the row, of what the preview of its content
    /// says, and of what that of its sidecar says. At most so many in one transaction; how many there were.
    pub fn refresh_photographs(&self, most: usize, show: &ShowPhotograph<'_>) -> Result<usize, CatalogError> {
        let stale: Vec<PhotographRow> = {
            let mut query = self
                .conn
                .prepare_cached(&format!("SELECT {COLUMNS} FROM photographs WHERE fresh = 0 ORDER BY id LIMIT ?1"))?;
            let mut rows = query.query([most as i64])?;
            let mut out = Vec::new();
            while let Some(row) = rows.next()? {
                out.push(photograph(row)?);
            }
            out
        };
        self.transaction(|| {
            let mut update = self.conn.prepare_cached(
                "UPDATE photographs SET taken = ?2, zone = ?3, dated = ?4, kind = ?5, type = ?6, camera = ?7, lens = ?8,
                 rating = ?9, latitude = ?10, longitude = ?11, width = ?12, height = ?13, preview = ?14, rated_by = ?15,
                 fresh = 1 WHERE id = ?1",
            )?;
            for row in &stale {
                let own = self.preview_of(&row.hash)?;
                let sidecar = row.sidecar.as_ref().map(|hash| self.preview_of(hash)).transpose()?.flatten();
                let facts = |found: &Option<(i64, Vec<u8>)>| found.as_ref().map(|(_, facts)| facts.clone());
                let shown = show(row, facts(&own).as_deref(), facts(&sidecar).as_deref());
                update.execute(params![
                    row.id.0,
                    shown.taken,
                    shown.zone,
                    shown.dated,
                    shown.kind,
                    shown.extension,
                    shown.camera,
                    shown.lens,
                    shown.rating,
                    shown.place.map(|p| p.0),
                    shown.place.map(|p| p.1),
                    shown.pixels.map(|p| p.0),
                    shown.pixels.map(|p| p.1),
                    own.map(|(pack, _)| pack),
                    sidecar.map(|(pack, _)| pack)
                ])?;
            }
            Ok::<_, CatalogError>(stale.len())
        })
    }

    /// A photograph.
    pub fn photograph(&self, id: PhotographId) -> Result<Option<PhotographRow>, CatalogError> {
        let mut query = self.conn.prepare_cached(&format!("SELECT {COLUMNS} FROM photographs WHERE id = ?1"))?;
        query.query_row([id.0], |row| Ok(photograph(row))).optional()?.transpose()
    }

    /// The photograph of a path.
    pub fn photograph_at(&self, job: &str, folder: &Name, name: &Name) -> Result<Option<PhotographRow>, CatalogError> {
        let mut query = self.conn.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM photographs WHERE job = ?1 AND folder = ?2 AND name = ?3"
        ))?;
        let found = query.query_row(params![job, folder.as_bytes(), name.as_bytes()], |row| Ok(photograph(row)));
        found.optional()?.transpose()
    }

    /// The photographs of a job that a sidecar rates.
    pub fn rated_photographs(&self, job: &str) -> Result<Vec<PhotographRow>, CatalogError> {
        let mut query = self.conn.prepare(&format!(
            "SELECT {COLUMNS} FROM photographs WHERE job = ?1 AND sidecar IS NOT NULL ORDER BY id"
        ))?;
        let mut rows = query.query([job])?;
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            out.push(photograph(row)?);
        }
        Ok(out)
    }

    /// The jobs that have photographs.
    pub fn photograph_jobs(&self) -> Result<Vec<String>, CatalogError> {
        let mut query = self.conn.prepare("SELECT DISTINCT job FROM photographs ORDER BY job")?;
        let rows = query.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The packs that hold a photograph.
    pub fn packs_of_photograph(&self, id: PhotographId) -> Result<Vec<PackId>, CatalogError> {
        let mut query =
            self.conn.prepare_cached("SELECT pack FROM photograph_packs WHERE photograph = ?1 ORDER BY pack")?;
        let rows = query.query_map([id.0], |row| row.get(0).map(PackId))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests;
