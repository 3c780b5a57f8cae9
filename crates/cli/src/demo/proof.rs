//! Proof: fingerprints of trees, and recovery with stock tools.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use crate::output;

/// What is compared of one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    kind: char,
    mode: u32,
    mtime: (i64, i64),
    content: Vec<u8>,
}

/// A tree: relative path → facts.
pub type Fingerprint = BTreeMap<PathBuf, Facts>;

/// Reads a whole tree. The hash is not one that Darkslide uses.
pub fn fingerprint(root: &Path) -> Result<Fingerprint> {
    let mut all = Fingerprint::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            let meta = fs::symlink_metadata(&path)?;
            let (kind, content) = match meta.file_type() {
                t if t.is_dir() => {
                    open.push(path.clone());
                    ('d', Vec::new())
                }
                t if t.is_symlink() => ('l', fs::read_link(&path)?.into_os_string().into_encoded_bytes()),
                _ => ('f', Sha256::digest(fs::read(&path)?).to_vec()),
            };
            let facts = Facts { kind, mode: meta.mode(), mtime: (meta.mtime(), meta.mtime_nsec()), content };
            all.insert(path.strip_prefix(root)?.to_path_buf(), facts);
        }
    }
    Ok(all)
}

/// Files of one tree whose content is nowhere in the other, whatever they are called there; and how
/// many there are in all.
pub fn lacking(tree: &Fingerprint, other: &Fingerprint) -> (Vec<PathBuf>, usize) {
    let there: std::collections::BTreeSet<&[u8]> = other.values().map(|facts| &facts.content[..]).collect();
    let files: Vec<_> = tree.iter().filter(|(_, facts)| facts.kind == 'f').collect();
    let lacking = files.iter().filter(|(_, facts)| !there.contains(&facts.content[..]));
    (lacking.map(|(path, _)| (*path).clone()).collect(), files.len())
}

/// What a backup leaves out on purpose.
fn is_excluded(path: &Path) -> bool {
    path.components().any(|c| {
        let name = c.as_os_str().to_string_lossy();
        name.ends_with(" Previews.lrdata") || name == ".DS_Store"
    })
}

/// How two trees differ, apart from what a backup leaves out.
pub fn differences(before: &Fingerprint, after: &Fingerprint) -> Vec<String> {
    let mut out = Vec::new();
    for (path, facts) in before.iter().filter(|(path, _)| !is_excluded(path)) {
        match after.get(path) {
            None => out.push(format!("{} is missing", path.display())),
            Some(other) if other != facts => out.push(format!("{} differs", path.display())),
            Some(_) => {}
        }
    }
    out.extend(after.keys().filter(|p| !before.contains_key(*p)).map(|p| format!("{} is new", p.display())));
    out
}

/// How the recovery with stock tools went.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Stock {
    /// Done and compared.
    Proved,
    /// `age`, `zstd` or `tar` are not there.
    NotInstalled,
}

fn installed(tool: &str) -> bool {
    Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
}

/// `age -d | zstd -d | tar x` over every pack; then what came out is held against
/// the library.
pub fn with_stock_tools(store: &Path, identity: &Path, to: &Path, before: &Fingerprint) -> Result<Stock> {
    if let Some(tool) = ["age", "zstd", "tar"].into_iter().find(|t| !installed(t)) {
        output::line(format_args!("   `{tool}` is not installed here, so this is not shown."));
        return Ok(Stock::NotInstalled);
    }
    fs::create_dir_all(to)?;
    let packs = packs(store)?;
    for pack in &packs {
        extract(pack, identity, to)?;
    }
    let after = fingerprint(to)?;
    let originals = |f: &Facts| f.kind == 'f';
    let wanted: Vec<_> = before.iter().filter(|(path, f)| originals(f) && !is_excluded(path)).collect();
    let same = wanted.iter().filter(|(path, f)| after.get(*path).is_some_and(|a| a.content == f.content)).count();
    output::line(format_args!("   for each of {} packs:  age -d -i KEY PACK | zstd -d | tar x", packs.len()));
    output::line(format_args!(
        "   {same} of {} files came out under their own names, identical; the other {} were stored in part",
        wanted.len(),
        wanted.len() - same
    ));
    output::line("   before (renamed, copied or edited): recover.py, in every repository, joins them.");
    let script = to.with_file_name("joined");
    let status = Command::new("python3")
        .arg(store.join("recover.py"))
        .args(["--identity".as_ref(), identity.as_os_str(), store.as_os_str()])
        .args(["packs".as_ref(), script.as_os_str()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match status {
        Ok(status) if status.success() => {
            let joined = fingerprint(&script)?;
            let lost =
                wanted.iter().filter(|(path, f)| joined.get(*path).is_none_or(|a| a.content != f.content)).count();
            if lost > 0 {
                bail!("{lost} files did not come back from the packs alone");
            }
            output::line(format_args!("   recover.py: all {} files, identical, from the packs alone", wanted.len()));
        }
        Ok(_) => bail!("recover.py failed"),
        Err(_) => output::line("   (python3 is not installed, so that is not shown)"),
    }
    Ok(Stock::Proved)
}

fn packs(store: &Path) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for kind in ["packs", "warm"] {
        let Ok(folders) = fs::read_dir(store.join(kind)) else { continue };
        for folder in folders {
            for pack in fs::read_dir(folder?.path())? {
                all.push(pack?.path());
            }
        }
    }
    // Older ones first, so that `--keep-newer-files` has the last word.
    all.sort();
    Ok(all)
}

fn extract(pack: &Path, identity: &Path, to: &Path) -> Result<()> {
    let mut age = Command::new("age").arg("-d").arg("-i").arg(identity).arg(pack).stdout(Stdio::piped()).spawn()?;
    let sealed = age.stdout.take().context("age's output")?;
    let mut zstd = Command::new("zstd").args(["-d", "-q", "-c"]).stdin(sealed).stdout(Stdio::piped()).spawn()?;
    let stream = zstd.stdout.take().context("zstd's output")?;
    let mut tar = Command::new("tar");
    let tar = tar.args(["x", "--keep-newer-files", "-C"]).arg(to).stdin(stream).stderr(Stdio::null()).status()?;
    // tar tells by its exit code that it kept a newer file; that is no error here.
    let _ = tar;
    match age.wait()?.success() && zstd.wait()?.success() {
        true => Ok(()),
        false => bail!("stock tools could not open {}", pack.display()),
    }
}
