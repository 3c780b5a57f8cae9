//! One photograph: what it tells, where its copies are and how they are, its thumbnail.

use darkslide_catalog::{Catalog, PhotographId, PhotographRow};
use darkslide_format::identity::IdentityFile;
use darkslide_format::limits::PREVIEWS_MAX;
use darkslide_format::names;
use darkslide_format::previews::{OpenPreviews, PreviewFacts};
use darkslide_words::{ContentHash, Name};
use serde::Serialize;

use super::heat::Heat;
use super::{Photograph, PhotographState, told};
use crate::{Engine, EngineError};

/// A file of a photograph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PhotographFile {
    /// What it is to the photograph: `original`, `twin`, `sidecar`, `sound`, `companion`.
    pub role: darkslide_photo::Role,
    /// Its name.
    pub name: String,
}

/// A place where a copy is, or should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PhotographCopy {
    /// What it is called.
    pub place: String,
    /// `library`, `second`, `mirror` or `store`.
    pub kind: &'static str,
    /// True if it is outside the house.
    pub off_site: bool,
    /// How readable it is; `nowhere` where it should be and is not known to be.
    pub state: PhotographState,
    /// While warm: until when; while thawing: when it is ready, as far as is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Storage classes of its packs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
}

/// One photograph with all that is known of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PhotographDetail {
    /// As in a list.
    #[serde(flatten)]
    pub photograph: Photograph,
    /// Its files, itself first.
    pub files: Vec<PhotographFile>,
    /// What it tells of itself; nothing where it has no preview.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facts: Option<PreviewFacts>,
    /// Its copies.
    pub copies: Vec<PhotographCopy>,
    /// Packs in the stores that hold it: what a thaw asks for.
    pub packs: Vec<String>,
}

impl Engine {
    /// One photograph.
    pub fn photograph(&self, id: PhotographId) -> Result<PhotographDetail, EngineError> {
        let catalog = self.photographs_catalog()?;
        let row = catalog.photograph(id)?.ok_or(EngineError::NoPhotograph { id: id.0 })?;
        self.detail(&catalog, &row)
    }

    /// The photograph of a path in the library.
    pub fn photograph_at(&self, job: Option<&str>, path: &Name) -> Result<PhotographDetail, EngineError> {
        let catalog = self.photographs_catalog()?;
        let bytes = path.as_bytes();
        let cut = bytes.iter().rposition(|b| *b == b'/');
        let (folder, name) = cut.map_or((&b""[..], bytes), |at| (&bytes[..at], &bytes[at + 1..]));
        let jobs = match job {
            Some(job) => vec![job.to_string()],
            None => catalog.photograph_jobs()?,
        };
        for job in jobs {
            if let Some(row) = catalog.photograph_at(&job, &Name::new(folder), &Name::new(name))? {
                return self.detail(&catalog, &row);
            }
        }
        Err(EngineError::NoPath { path: path.to_string() })
    }

    fn detail(&self, catalog: &Catalog, row: &PhotographRow) -> Result<PhotographDetail, EngineError> {
        let heat = Heat::look(self, catalog, None)?;
        let packs = catalog.packs_of_photograph(row.id)?;
        let mut copies = self.copies_here(catalog, row)?;
        for place in heat.places() {
            let (state, until) = heat.of_packs(catalog, place, &packs)?;
            let mut classes = Vec::new();
            for pack in &packs {
                let class =
                    place.class_of(catalog, &catalog.pack(*pack)?.name)?.map(|class| class.as_str().to_string());
                classes.extend(class.filter(|class| !classes.contains(class)));
            }
            let (label, off_site) = (place.label.clone(), place.off_site);
            copies.push(PhotographCopy { place: label, kind: "store", off_site, state, until, classes });
        }
        let names: Vec<&Name> = std::iter::once(&row.name).chain(&row.beside).collect();
        let group = darkslide_photo::groups(names).into_iter().find(|group| group.original() == Some(&row.name));
        let files = group.map(|group| group.files).unwrap_or_default();
        let facts = catalog.preview_facts(&row.hash)?.and_then(|facts| PreviewFacts::parse(&facts).ok());
        let name = |pack: &_| Ok(catalog.pack(*pack)?.name.to_string());
        Ok(PhotographDetail {
            photograph: told(row, heat.of_photograph(catalog, row.id)?),
            files: files.into_iter().map(|(role, name)| PhotographFile { role, name: name.to_string() }).collect(),
            facts,
            copies,
            packs: packs.iter().map(name).collect::<Result<_, EngineError>>()?,
        })
    }

    /// Copies in the library, in second targets and in mirrors.
    fn copies_here(&self, catalog: &Catalog, row: &PhotographRow) -> Result<Vec<PhotographCopy>, EngineError> {
        let settings = &self.settings;
        let path = row.folder.join(&row.name);
        let copy = |place: String, kind, off_site, there: bool| PhotographCopy {
            place,
            kind,
            off_site,
            state: if there { PhotographState::Readable } else { PhotographState::Nowhere },
            until: None,
            classes: Vec::new(),
        };
        let mut out = Vec::new();
        let Some(backup) = settings.backups.iter().find(|backup| backup.name == row.job) else { return Ok(out) };
        let library = settings.resolve(&backup.library);
        let os: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(path.as_bytes());
        let there = std::fs::symlink_metadata(library.join(os)).is_ok_and(|meta| meta.len() == row.size.0);
        out.push(copy(library.display().to_string(), "library", false, there));
        for second in &settings.ingest.second {
            let root = settings.resolve(second);
            let known = catalog.copy(&root.to_string_lossy(), &path)?.is_some_and(|copy| copy.hash == row.hash);
            if known {
                out.push(copy(root.display().to_string(), "second", false, true));
            }
        }
        for mirror in &settings.mirrors {
            let of = match &mirror.library {
                Some(library) => settings.resolve(library),
                None => library.clone(),
            };
            if of != library {
                continue;
            }
            let files = catalog.mirrored(&mirror.name, &row.folder)?.unwrap_or_default();
            let there = files.iter().any(|file| file.name == row.name && file.hash == Some(row.hash));
            out.push(copy(settings.resolve(&mirror.target).display().to_string(), "mirror", mirror.off_site, there));
        }
        Ok(out)
    }

    /// The thumbnail of a photograph by its content, as JPEG: the one that is kept here, or else, where an
    /// identity is at hand, out of a store; its neighbours are kept with it. Nothing where it has none.
    pub fn thumbnail(
        &self,
        hash: &ContentHash,
        identity: Option<&IdentityFile>,
    ) -> Result<Option<Vec<u8>>, EngineError> {
        let mut kept = self.thumbnails()?;
        if let Some(jpeg) = kept.get(hash, self.day())? {
            return Ok(Some(jpeg));
        }
        let catalog = Catalog::open(&self.catalog_path())?;
        let (Some(identity), Some(pack)) = (identity, catalog.thumbnail_pack(hash)?) else { return Ok(None) };
        let Some(id) = names::parse(&pack.name).and_then(|parsed| parsed.id) else { return Ok(None) };
        let repo = self.repository()?;
        let (opened, _) = repo.opened(identity)?;
        let mut problem = None;
        for store in repo.reached.stores.iter().filter(|_| pack.size.0 <= PREVIEWS_MAX as u64) {
            let read = store.read(&pack.name, None).and_then(|read| read.bytes(&pack.name)).map_err(EngineError::from);
            let open = |bytes: Vec<u8>| {
                OpenPreviews::open(id, &bytes, &opened.identities.all(), &repo.trust)
                    .map_err(|source| EngineError::Object { object: pack.name.clone(), source })
            };
            match read.and_then(open) {
                Ok(previews) => {
                    let rows = previews.table.previews.iter();
                    let all: Vec<_> = rows.filter_map(|row| Some((row.hash, previews.thumbnail(row)?))).collect();
                    kept.keep(&all, self.day())?;
                    return Ok(all.iter().find(|(of, _)| of == hash).map(|(_, jpeg)| jpeg.to_vec()));
                }
                Err(error) => problem = Some(error),
            }
        }
        problem.map_or(Ok(None), Err)
    }
}
