//! `snapshots`, `ls`, `find`, `diff`.

use std::path::PathBuf;

use anyhow::Result;
use darkslide_engine::words::{Bytes, Name};
use darkslide_engine::{Change, EntryKind, Line, Recursive};
use serde_json::{Value, json};

use crate::args::{Browse, Diff, Find, Ls};
use crate::output::{self, Exit};
use crate::{keyfile, wiring};

use super::work::name;

/// The engine; with an identity it reads as whoever may.
fn browser(config: Option<PathBuf>, identity: bool) -> Result<darkslide_engine::Engine> {
    Ok(if identity { wiring::reader(config)? } else { wiring::engine(config)? })
}

/// The part of a snapshot's name that people need.
fn handle(object: &str) -> String {
    let bare = object.strip_prefix("snapshots/").unwrap_or(object);
    bare.split_once('-').map_or_else(|| bare.to_string(), |(_, id)| id.chars().take(8).collect())
}

/// Another machine's text, without anything that could play with a terminal.
fn plain(text: &str) -> String {
    Name::from(text).to_string()
}

/// Lists snapshots.
pub fn snapshots(config: Option<PathBuf>, args: &Browse) -> Result<Exit> {
    let identity = keyfile::given(&args.identity)?;
    let all = browser(config, identity.is_some())?.snapshots(identity.as_ref())?;
    if !args.json.json && !all.is_empty() {
        output::line(format_args!(
            "{:<8}  {:<19}  {:<12}  {:<10}  {:>9}  {:>8}  new/changed/removed",
            "id", "time", "machine", "job", "files", "bytes"
        ));
    }
    for info in &all {
        let id = handle(info.name.as_str());
        match (&info.snapshot, args.json.json) {
            (snapshot, true) => output::value(&json!({
                "name": info.name,
                "id": id,
                "time": info.time.to_string(),
                "host": snapshot.as_ref().map(|s| &s.host),
                "job": snapshot.as_ref().map(|s| &s.job),
                "complete": snapshot.as_ref().map(|s| s.complete),
                "counts": snapshot.as_ref().map(|s| &s.counts),
                "writer": info.writer.as_ref().map(|(w, _)| w),
                "standing": info.writer.as_ref().map(|(_, s)| format!("{s:?}").to_lowercase()),
            })),
            (Some(s), false) => {
                let c = &s.counts;
                let mark = if s.complete { "" } else { "  (checkpoint)" };
                let standing = match &info.writer {
                    Some((_, darkslide_engine::Standing::Trusted)) | None => "",
                    Some(_) => "  (writer not trusted)",
                };
                output::line(format_args!(
                    "{id:<8}  {}  {:<12}  {:<10}  {:>9}  {:>8}  {}/{}/{}{mark}{standing}",
                    info.time.local(),
                    plain(&s.host),
                    plain(&s.job),
                    c.files,
                    c.bytes,
                    c.new_files,
                    c.changed_files,
                    c.removed_files
                ));
            }
            (None, false) => output::line(format_args!(
                "{id:<8}  {}  made by another machine; --identity shows more",
                info.time.local()
            )),
        }
    }
    Ok(Exit::Ok)
}

fn line_json(line: &Line) -> Value {
    json!({
        "path": line.path,
        "kind": line.kind,
        "size": line.size,
        "mtime": line.mtime.to_string(),
        "hash": line.hash,
        "target": line.target,
    })
}

fn line_text(line: &Line) -> String {
    let size = match line.kind {
        EntryKind::File => line.size.to_string(),
        EntryKind::Dir => "folder".into(),
        EntryKind::Symlink => "link".into(),
    };
    let tail = match (&line.target, line.kind) {
        (Some(target), _) => format!(" → {target}"),
        (None, EntryKind::Dir) => "/".into(),
        _ => String::new(),
    };
    format!("{size:>8}  {}  {}{tail}", line.mtime.local(), line.path)
}

/// Lists a folder.
pub fn ls(config: Option<PathBuf>, args: &Ls) -> Result<Exit> {
    let identity = keyfile::given(&args.browse.identity)?;
    let path = args.path.as_deref().map_or_else(Name::default, name);
    let recursive = if args.recursive { Recursive::Yes } else { Recursive::No };
    let as_json = args.browse.json.json;
    let (mut files, mut bytes) = (0u64, Bytes(0));
    browser(config, identity.is_some())?.ls(&args.snapshot, &path, recursive, identity.as_ref(), &mut |line| {
        files += u64::from(line.kind == EntryKind::File);
        bytes += line.size;
        match as_json {
            true => output::value(&line_json(&line)),
            false => output::line(line_text(&line)),
        }
    })?;
    if !as_json {
        eprintln!("{files} files, {bytes}");
    }
    Ok(Exit::Ok)
}

/// Finds files.
pub fn find(config: Option<PathBuf>, args: &Find) -> Result<Exit> {
    let identity = keyfile::given(&args.browse.identity)?;
    let as_json = args.browse.json.json;
    let mut count = 0u64;
    browser(config, identity.is_some())?.find(&args.pattern, identity.as_ref(), &mut |found| {
        count += 1;
        if as_json {
            let mut value = line_json(&found.line);
            value["snapshot"] = json!(found.snapshot);
            value["snapshot_time"] = json!(found.time.to_string());
            output::value(&value);
        } else {
            let id = handle(found.snapshot.as_str());
            output::line(format_args!("{}  in {id} of {}", line_text(&found.line), found.time.local()));
        }
    })?;
    if !as_json {
        eprintln!("{count} found");
    }
    Ok(Exit::Ok)
}

/// Compares two snapshots.
pub fn diff(config: Option<PathBuf>, args: &Diff) -> Result<Exit> {
    let identity = keyfile::given(&args.browse.identity)?;
    let as_json = args.browse.json.json;
    let mut counts = [0u64; 4];
    browser(config, identity.is_some())?.diff(&args.old, &args.new, identity.as_ref(), &mut |difference| {
        let (at, sign, word) = match difference.change {
            Change::Added => (0, '+', "added"),
            Change::Removed => (1, '-', "removed"),
            Change::Modified => (2, 'M', "modified"),
            Change::Metadata => (3, 'm', "metadata"),
        };
        counts[at] += 1;
        if as_json {
            let mut value = line_json(&difference.line);
            value["change"] = json!(word);
            output::value(&value);
        } else {
            output::line(format_args!("{sign} {}", line_text(&difference.line)));
        }
    })?;
    if !as_json {
        let [added, removed, modified, metadata] = counts;
        eprintln!("{added} added, {removed} removed, {modified} modified, {metadata} with other metadata only");
    }
    Ok(Exit::Ok)
}
