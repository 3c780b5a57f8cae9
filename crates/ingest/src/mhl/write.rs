//! Writing a generation: a manifest that is never changed again, and its line in the chain.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use darkslide_disk::{Disk, Facts, make_folders};
use darkslide_words::{Name, Time};
use quick_xml::escape::escape;

use super::read::{Chain, read_small};
use super::sums::{Sum, c4_of};
use super::{CHAIN, FOLDER, IGNORED};

/// A file and its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hashed {
    /// Path below the root.
    pub path: Name,
    /// Bytes.
    pub size: u64,
    /// Last change.
    pub mtime: Time,
    /// Its hash.
    pub sum: Sum,
}

/// What one manifest is about.
#[derive(Debug, Clone)]
pub struct Generation {
    /// The folder.
    pub root: PathBuf,
    /// When the copy began.
    pub at: Time,
    /// The machine.
    pub host: String,
    /// The program and its version.
    pub tool: (String, String),
    /// Files.
    pub files: Vec<Hashed>,
}

impl Generation {
    /// Writes the manifest and its line in the chain; where the manifest is.
    pub fn write(&self, disk: &dyn Disk) -> io::Result<PathBuf> {
        let folder = self.root.join(FOLDER);
        make_folders(disk, &folder)?;
        let mut chain = match read_small(disk, &folder.join(CHAIN)) {
            Ok(text) => Chain::parse(&text).map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Chain::default(),
            Err(error) => return Err(error),
        };
        // A manifest whose line was lost in a power cut keeps its number.
        let listed = disk.list(&folder)?;
        let used = listed.iter().filter_map(|(name, _)| number_of(name)).max().unwrap_or(0);
        let number = chain.last().max(used).checked_add(1);
        let number =
            number.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "its last number is too large"))?;
        let name = format!("{number:04}_{}_{}.mhl", self.folder_name(), stamp(self.at).replace(':', ""));
        let text = self.text();
        write_new(disk, &folder.join(&name), text.as_bytes(), self.at)?;
        chain.add(number, &name, &c4_of(text.as_bytes()));
        let new = folder.join(format!(".darkslide-part-{CHAIN}"));
        match disk.remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        write_new(disk, &new, chain.text().as_bytes(), self.at)?;
        disk.replace(&new, &folder.join(CHAIN))?;
        disk.sync_folder(&folder)?;
        Ok(folder.join(name))
    }

    fn folder_name(&self) -> String {
        let name = self.root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        // A file name has 255 bytes, and number, time and extension need some.
        name.chars().filter(|c| !c.is_control() && *c != char::REPLACEMENT_CHARACTER).take(50).collect()
    }

    fn text(&self) -> String {
        let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        let (tool, version) = &self.tool;
        let ignored: String = IGNORED.iter().map(|p| format!("      <pattern>{p}</pattern>\n")).collect();
        let _ = write!(
            out,
            "<hashlist version=\"2.0\" xmlns=\"urn:ASC:MHL:v2.0\">\n  <creatorinfo>\n    \
             <creationdate>{}</creationdate>\n    <hostname>{}</hostname>\n    \
             <tool version=\"{}\">{}</tool>\n  </creatorinfo>\n  <processinfo>\n    \
             <process>transfer</process>\n    <ignore>\n{ignored}    </ignore>\n  </processinfo>\n  <hashes>\n",
            self.at.to_rfc3339_seconds(),
            escape(&self.host),
            escape(version),
            escape(tool),
        );
        for file in &self.files {
            // XML cannot carry every name; what it cannot is left out, and found by content.
            let Some(path) = xml_text(&file.path) else { continue };
            let _ = write!(
                out,
                "    <hash>\n      <path size=\"{}\" lastmodificationdate=\"{}\">{}</path>\n      \
                 <xxh128 action=\"original\" hashdate=\"{}\">{}</xxh128>\n    </hash>\n",
                file.size,
                file.mtime.to_rfc3339_seconds(),
                escape(path),
                self.at.to_rfc3339_seconds(),
                file.sum,
            );
        }
        out.push_str("  </hashes>\n</hashlist>\n");
        out
    }
}

/// A name that XML 1.0 can carry.
fn xml_text(name: &Name) -> Option<&str> {
    let text = std::str::from_utf8(name.as_bytes()).ok()?;
    let fits = |c: char| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}');
    text.chars().all(fits).then_some(text)
}

/// `2026-10-18_164512Z`, with colons for the time.
fn stamp(at: Time) -> String {
    at.to_rfc3339_seconds().replace('T', "_")
}

fn number_of(name: &Name) -> Option<u64> {
    let text = std::str::from_utf8(name.as_bytes()).ok()?.strip_suffix(".mhl")?;
    text.split('_').next()?.parse().ok()
}

fn write_new(disk: &dyn Disk, path: &Path, bytes: &[u8], at: Time) -> io::Result<()> {
    let mut sink = disk.create(path)?;
    let written = sink.write_all(bytes).and_then(|()| sink.finish(&Facts::dated(at)));
    if let Err(error) = written.and_then(|()| disk.sync_file(path)) {
        // Half a manifest would be taken for a changed one.
        let _ = disk.remove_file(path);
        return Err(error);
    }
    Ok(())
}
