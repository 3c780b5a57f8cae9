//! Makes a small photo library of real files: RAWs (DNG) with previews, camera JPEGs
//! with EXIF, XMP sidecars, a print in TIFF, a catalog in SQLite, and the junk that
//! lies about in every such library.
//!
//! Everything follows from the seed: the same seed gives the same bytes and the same
//! modification times. Nothing is ever overwritten by [`make_library`].

mod catalog;
mod days_work;
mod files;
mod moment;
mod picture;
mod rng;
mod shoot;
mod sidecar;
#[cfg(test)]
mod tests;
mod tiff;

use anyhow::{Context, Result};
use moment::Moment;
use rng::{Rng, derive};
use shoot::Shot;
use std::fs::{self, File, FileTimes};
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

/// What a made library holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MadeLibrary {
    /// Photographs taken: one RAW each, whatever other files go with it.
    pub photographs: u64,
    /// Files of every kind, junk included.
    pub files: u64,
    /// Bytes in all those files.
    pub bytes: u64,
}

/// What a day's work changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DaysWork {
    /// Photographs in the new folder.
    pub new_photographs: u64,
    /// Sidecars whose rating was changed.
    pub edited_sidecars: u64,
    /// Rows of the catalog that were changed or inserted, over all its tables.
    pub catalog_rows_changed: u64,
    /// Photographs renamed (RAW and sidecar together count as one).
    pub renamed: u64,
    /// JPEGs deleted.
    pub deleted: u64,
}

/// How large things are made.
struct Scale {
    /// Sides of all pictures are divided by this.
    shrink: u32,
    catalog_rows: u32,
    /// Bytes of each file of rendered previews.
    junk: usize,
}

const FULL: Scale = Scale { shrink: 1, catalog_rows: 1600, junk: 192 * 1024 };

/// Folder of the print and the folder without files.
const EXPORT: &str = "2025/2025-02-09_studio/export";
const EMPTY: &str = "2025/2025-02-09_studio/rejects";
/// Copies of two files of the wedding lie here.
const SELECTS: &str = "2024/2024-06-01_wedding/selects";
const PREVIEWS: &str = "Catalog/Lightroom Catalog Previews.lrdata";

/// Makes the library under `root`, which is created if need be.
///
/// The same seed gives the same bytes. Fails, and overwrites nothing, if one of the
/// files is already there.
pub fn make_library(root: &Path, seed: u64) -> Result<MadeLibrary> {
    make_scaled(root, seed, &FULL)
}

/// Does a day's work on a library made by [`make_library`].
///
/// There is a new shoot (`2025/2025-03-01_birthday`), some sidecars get another
/// rating, the catalog follows, one JPEG is rated in its EXIF header in place, one
/// photograph is renamed and one JPEG deleted. Can be called again: each call is a
/// week later, and the later shoots are walks.
pub fn days_work(root: &Path, seed: u64) -> Result<DaysWork> {
    days_work::run(root, seed, &FULL)
}

/// One file to be made.
enum Piece<'a> {
    Raw(&'a Shot),
    Jpeg(&'a Shot),
    Sidecar(&'a Shot, Moment),
    Print(&'a Shot, Moment),
    Catalog(&'a [Shot], Moment),
    Junk(String, Vec<u8>, Moment),
}

impl<'a> Piece<'a> {
    /// The files of one photograph; the sidecar was written when it was `edited`.
    fn of(shot: &'a Shot, edited: Moment) -> Vec<Self> {
        let mut pieces = vec![Self::Raw(shot), Self::Sidecar(shot, edited)];
        if shot.twin {
            pieces.push(Self::Jpeg(shot));
        }
        pieces
    }

    /// Makes the file and returns its length.
    fn make(&self, root: &Path, seed: u64, scale: &Scale) -> Result<u64> {
        let new = |path: &str, bytes: &[u8], when: Moment| create(&root.join(path), bytes, when);
        match self {
            Self::Raw(shot) => new(&shot.path("DNG"), &files::dng(shot, scale.shrink)?, shot.taken),
            Self::Jpeg(shot) => new(&shot.path("JPG"), &files::jpeg(shot, scale.shrink)?, shot.taken),
            Self::Sidecar(shot, edited) => {
                let mut rng = Rng::new(derive(shot.seed, "sidecar", 0));
                let file = format!("{}.DNG", shot.name);
                let text = sidecar::xmp(&mut rng, &catalog::facts(shot, &file, *edited));
                new(&shot.path("xmp"), text.as_bytes(), *edited)
            }
            Self::Print(shot, when) => {
                let path = format!("{EXPORT}/print_01.tif");
                new(&path, &files::print(shot, scale.shrink), *when)
            }
            Self::Catalog(shots, when) => {
                let path = root.join(catalog::PATH);
                create(&path, &[], *when)?;
                catalog::make(&path, seed, shots, scale.catalog_rows)?;
                stamp(&path, *when)?;
                Ok(fs::metadata(&path)?.len())
            }
            Self::Junk(path, bytes, when) => new(path, bytes, *when),
        }
    }
}

/// [`make_library`] at any size.
fn make_scaled(root: &Path, seed: u64, scale: &Scale) -> Result<MadeLibrary> {
    let shoots = shoot::shoots();
    let evening = shoots[2].evening();
    let shots: Vec<Shot> = shoots.iter().flat_map(|shoot| shoot.shots(seed)).collect();
    let mut pieces = vec![Piece::Catalog(&shots, evening)];
    if let Some(best) = shots.last() {
        pieces.push(Piece::Print(best, evening));
    }
    for shoot in &shoots {
        let of_shoot = shots.iter().filter(|shot| shot.folder == shoot.folder);
        pieces.extend(of_shoot.flat_map(|shot| Piece::of(shot, shoot.evening())));
    }
    pieces.extend(junk(seed, scale, evening));
    let mut made = make_pieces(root, seed, scale, pieces)?;
    fs::create_dir_all(root.join(EMPTY))?;
    for ending in ["DNG", "JPG"] {
        let Some(shot) = shots.first() else { break };
        let from = root.join(shot.path(ending));
        let bytes = fs::read(&from).with_context(|| format!("reading {}", from.display()))?;
        let copy = root.join(SELECTS).join(format!("{}.{ending}", shot.name));
        made.bytes += create(&copy, &bytes, shot.taken)?;
        made.files += 1;
    }
    made.photographs = shots.len() as u64;
    Ok(made)
}

/// What nobody wants in an archive: a Finder file and rendered previews.
fn junk(seed: u64, scale: &Scale, when: Moment) -> Vec<Piece<'static>> {
    let mut rng = Rng::new(derive(seed, "junk", 0));
    let mut finder = b"\0\0\0\x01Bud1\0\0\x10\0\0\0\x08\0\0\0\x10\0".to_vec();
    finder.resize(6148, 0);
    let mut pieces = vec![Piece::Junk("2024/.DS_Store".into(), finder, when)];
    for _ in 0..2 {
        let id = rng.uuid();
        let path = format!("{PREVIEWS}/{}/{}/{id}.lrprev", &id[..1], &id[..4]);
        let mut bytes = b"AgHg\0\x20\0\0".to_vec();
        bytes.extend(rng.bytes(scale.junk));
        pieces.push(Piece::Junk(path, bytes, when));
    }
    pieces
}

/// Makes files on all cores.
fn make_pieces(root: &Path, seed: u64, scale: &Scale, pieces: Vec<Piece<'_>>) -> Result<MadeLibrary> {
    let workers = std::thread::available_parallelism().map_or(2, |n| n.get().min(8));
    let queue = Mutex::new(pieces.into_iter());
    let next = || queue.lock().ok().and_then(|mut queue| queue.next());
    let work = || -> Result<MadeLibrary> {
        let mut made = MadeLibrary::default();
        while let Some(piece) = next() {
            made.bytes += piece.make(root, seed, scale)?;
            made.files += 1;
        }
        Ok(made)
    };
    std::thread::scope(|scope| {
        let hands: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let mut made = MadeLibrary::default();
        for hand in hands {
            let part = hand.join().map_err(|_| anyhow::anyhow!("making a file panicked"))??;
            made.files += part.files;
            made.bytes += part.bytes;
        }
        Ok(made)
    })
}

/// Writes a new file, and its folder; returns its length.
fn create(path: &Path, bytes: &[u8], when: Moment) -> Result<u64> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    }
    let write = || -> std::io::Result<()> {
        let mut file = File::create_new(path)?;
        file.write_all(bytes)?;
        file.set_times(FileTimes::new().set_modified(when.system()))
    };
    write().with_context(|| format!("writing {}", path.display()))?;
    Ok(bytes.len() as u64)
}

/// Sets the modification time of a file.
fn stamp(path: &Path, when: Moment) -> Result<()> {
    let times = FileTimes::new().set_modified(when.system());
    File::options()
        .write(true)
        .open(path)
        .and_then(|file| file.set_times(times))
        .with_context(|| format!("setting the time of {}", path.display()))
}
