//! Other programs' catalogs: Lightroom's, Capture One's, darktable's, digiKam's. What they refer
//! to, read from a consistent copy; the program itself need not be there.

use std::fs::File;
use std::path::Path;

use darkslide_words::Name;
use rusqlite::{Connection, OpenFlags};
use serde::Serialize;

use crate::database::{self, DatabaseError, State};

/// Whose catalog it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForeignKind {
    /// Lightroom Classic's `.lrcat`.
    Lightroom,
    /// One of the zipped backups that Lightroom makes.
    LightroomBackup,
    /// Capture One's catalog or session.
    CaptureOne,
    /// darktable's `library.db`.
    Darktable,
    /// digiKam's `digikam4.db`.
    Digikam,
}

impl ForeignKind {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lightroom => "Lightroom",
            Self::LightroomBackup => "Lightroom backup (zip)",
            Self::CaptureOne => "Capture One",
            Self::Darktable => "darktable",
            Self::Digikam => "digiKam",
        }
    }

    /// Asks for the path of each photograph: folder and name. Source: the programs' own tables.
    fn query(self) -> Option<&'static str> {
        Some(match self {
            Self::Lightroom => {
                "SELECT r.absolutePath || d.pathFromRoot, f.baseName || '.' || f.extension
                 FROM AgLibraryFile f JOIN AgLibraryFolder d ON d.id_local = f.folder
                 JOIN AgLibraryRootFolder r ON r.id_local = d.rootFolder"
            }
            Self::CaptureOne => {
                "SELECT coalesce(l.ZMACROOT, '') || '/' || coalesce(l.ZRELATIVEPATH, '') || '/', i.ZIMAGEFILENAME
                 FROM ZIMAGE i LEFT JOIN ZPATHLOCATION l ON l.Z_PK = i.ZIMAGELOCATION
                 WHERE i.ZIMAGEFILENAME IS NOT NULL"
            }
            Self::Darktable => "SELECT f.folder || '/', i.filename FROM images i JOIN film_rolls f ON f.id = i.film_id",
            Self::Digikam => {
                "SELECT a.relativePath || '/', i.name FROM Images i JOIN Albums a ON a.id = i.album WHERE i.status = 1"
            }
            Self::LightroomBackup => return None,
        })
    }
}

/// By a file's name; a zip counts within a folder `Backups`.
pub fn foreign_kind(path: &Name) -> Option<ForeignKind> {
    let bytes = path.as_bytes();
    match path.extension().as_deref() {
        Some("lrcat") => Some(ForeignKind::Lightroom),
        Some("cocatalogdb" | "cosessiondb") => Some(ForeignKind::CaptureOne),
        Some("zip") if bytes.split(|b| *b == b'/').any(|part| part == b"Backups") => Some(ForeignKind::LightroomBackup),
        Some("db") if path.file_name() == b"digikam4.db" => Some(ForeignKind::Digikam),
        Some("db") if path.file_name() == b"library.db" => Some(ForeignKind::Darktable),
        _ => None,
    }
}

/// What a catalog is like.
#[derive(Debug, Clone, Default)]
pub struct ForeignCatalog {
    /// What SQLite's `quick_check` says; `ok` if all is well.
    pub check: String,
    /// True if a program has it open.
    pub open: bool,
    /// Folder and name of each photograph that it refers to; nothing where its tables are others.
    pub photographs: Option<Vec<(String, String)>>,
}

/// Looks into a catalog through a consistent copy in `staging`, which is removed again.
pub fn examine(path: &Path, kind: ForeignKind, staging: &Path) -> Result<ForeignCatalog, DatabaseError> {
    let file = File::open(path)?;
    let state = database::state(path, &file);
    let copied = match state {
        State::Closed => std::fs::copy(path, staging).map(|_| ()).map_err(DatabaseError::from),
        _ => database::copy(path, state, staging).map(|_| ()),
    };
    let looked = copied.and_then(|()| look(staging, kind));
    let _ = std::fs::remove_file(staging);
    let mut found = looked?;
    found.open = state == State::Live;
    Ok(found)
}

fn look(copy: &Path, kind: ForeignKind) -> Result<ForeignCatalog, DatabaseError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(copy, flags)?;
    let check = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))
        .unwrap_or_else(|error| error.to_string());
    let photographs = kind.query().and_then(|sql| paths(&connection, sql).ok());
    Ok(ForeignCatalog { check, open: false, photographs })
}

fn paths(connection: &Connection, sql: &str) -> Result<Vec<(String, String)>, rusqlite::Error> {
    let mut query = connection.prepare(sql)?;
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}
