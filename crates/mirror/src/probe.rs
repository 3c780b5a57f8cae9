//! What the mirror's file system can keep: found out with two tiny files.

use std::io;
use std::path::Path;
use std::time::Duration;

use darkslide_disk::{Disk, Facts};
use darkslide_words::Time;
use serde::Serialize;

/// What a file system keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Abilities {
    /// Times closer than this are the same: FAT has two seconds, others one, most none.
    pub coarse: Duration,
    /// One file under several names.
    pub hard_links: bool,
    /// Symbolic links.
    pub symlinks: bool,
    /// Permission bits.
    pub modes: bool,
    /// Tells `A` from `a`.
    pub cases: bool,
}

impl Abilities {
    /// True if two times are the same there.
    pub fn same_time(&self, a: Time, b: Time) -> bool {
        a.until(b).max(b.until(a)) <= self.coarse
    }
}

/// An odd second and nanoseconds that no coarse clock keeps.
const ODD: Time = Time(1_600_000_001_123_456_789);

/// Tries it in the folder for temporary files.
pub(crate) fn probe(disk: &dyn Disk, folder: &Path) -> io::Result<Abilities> {
    let path = |name: &str| folder.join(name);
    let (probe, other) = (path(".darkslide-part-probe"), path(".darkslide-part-other"));
    let facts = Facts { mode: Some(0o640), ..Facts::dated(ODD) };
    let mut sink = disk.create(&probe)?;
    sink.write_all(b"probe")?;
    sink.finish(&facts)?;
    let stat = disk.stat(&probe)?;
    let off = stat.mtime.until(ODD).max(ODD.until(stat.mtime));
    let cases = disk.stat(&path(".DARKSLIDE-PART-PROBE")).is_err();
    let hard_links = disk.hard_link(&probe, &other).is_ok();
    if hard_links {
        disk.remove_file(&other)?;
    }
    let symlinks = disk.symlink(&"probe".into(), &other).is_ok();
    if symlinks {
        disk.remove_file(&other)?;
    }
    disk.remove_file(&probe)?;
    let coarse = match off {
        Duration::ZERO => Duration::ZERO,
        off if off < Duration::from_secs(1) => Duration::from_secs(1),
        _ => Duration::from_secs(2),
    };
    Ok(Abilities { coarse, hard_links, symlinks, modes: stat.mode == 0o640, cases })
}
