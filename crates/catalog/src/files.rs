//! The library as the last run saw it, folder by folder in order: for whoever looks at all of it
//! without holding all of it.

use darkslide_words::Name;

use crate::{Catalog, CatalogError, DirId, FileRow, PackSet, Stat};

/// Folders upon folders, as deep as a run goes.
const DEPTH_MAX: usize = 4096;

impl Catalog {
    /// Every folder of a job, each before those below it, sorted: its path and row.
    pub fn for_each_folder<E: From<CatalogError>>(
        &self,
        job: &str,
        each: &mut dyn FnMut(&Name, DirId) -> Result<(), E>,
    ) -> Result<(), E> {
        // One list of names a level is all that is held.
        let mut open = vec![(Name::default(), self.dirs_below(job, DirId(0)).map_err(E::from)?.into_iter())];
        while let Some((above, below)) = open.last_mut() {
            let Some((name, dir)) = below.next() else {
                open.pop();
                continue;
            };
            // The root's name is empty.
            let path = if name.is_empty() { Name::default() } else { above.join(&name) };
            each(&path, dir)?;
            if open.len() < DEPTH_MAX {
                let below = self.dirs_below(job, dir).map_err(E::from)?.into_iter();
                open.push((path, below));
            }
        }
        Ok(())
    }

    /// The files of a folder, sorted by name.
    pub fn for_each_file<E: From<CatalogError>>(
        &self,
        dir: DirId,
        each: &mut dyn FnMut(FileRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let step = |e| E::from(CatalogError::Sqlite(e));
        let mut query = self
            .conn
            .prepare_cached("SELECT name, stat, packs, entry FROM files WHERE dir = ?1 ORDER BY name")
            .map_err(step)?;
        let mut rows = query.query([dir.0]).map_err(step)?;
        while let Some(row) = rows.next().map_err(step)? {
            let blob = |n: usize| row.get::<_, Vec<u8>>(n).map_err(step);
            let stat = Stat::decode(&blob(1)?).ok_or(CatalogError::BrokenRow { what: "a file's stat" })?;
            let mut packs = PackSet::default();
            packs.decode_into(&blob(2)?);
            each(FileRow { name: Name::new(blob(0)?), stat, packs, entry: blob(3)? })?;
        }
        Ok(())
    }

    /// The jobs whose libraries were seen.
    pub fn library_jobs(&self) -> Result<Vec<String>, CatalogError> {
        let mut query = self.conn.prepare_cached("SELECT DISTINCT job FROM dirs WHERE parent = 0 ORDER BY job")?;
        let rows = query.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PackId;

    #[test]
    fn folders_come_in_order_and_their_files_too() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::create(&folder.path().join("catalog.sqlite")).unwrap();
        let root = catalog.dir("photos", DirId(0), &Name::default()).unwrap().id;
        let mut at = root;
        for (n, name) in ["b", "a", "a"].iter().enumerate() {
            let dir = catalog.dir("photos", if n == 2 { at } else { root }, &Name::from(*name)).unwrap().id;
            at = if n == 0 { root } else { dir };
            for file in ["2.CR3", "1.CR3"] {
                let packs = [PackId(n as i64)].into_iter().collect();
                let row = FileRow { name: Name::from(file), stat: Stat::default(), entry: vec![n as u8], packs };
                catalog.put_files(&[(dir, row)]).unwrap();
            }
        }
        let mut seen = Vec::new();
        catalog
            .for_each_folder::<CatalogError>("photos", &mut |path, dir| {
                catalog.for_each_file::<CatalogError>(dir, &mut |row| {
                    seen.push((path.join(&row.name).to_string(), row.entry[0]));
                    Ok(())
                })
            })
            .unwrap();
        let wanted =
            [("a/1.CR3", 1), ("a/2.CR3", 1), ("a/a/1.CR3", 2), ("a/a/2.CR3", 2), ("b/1.CR3", 0), ("b/2.CR3", 0)];
        assert_eq!(seen, wanted.map(|(path, n)| (path.to_string(), n)));
        assert_eq!(catalog.library_jobs().unwrap(), ["photos"]);
    }
}
