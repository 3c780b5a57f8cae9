//! The state on disk: a journal of changed records, one JSON line each.
//!
//! **Invariant:** a line is appended after each change and holds the whole record, so a stop at
//! any point loses at most the last line; a torn last line is dropped when the journal is read.
//! Rewriting it goes to a new file that then takes its name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::PathBuf;

use darkslide_words::Time;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::batch::Jobs;
use crate::bill::Meter;
use crate::glacier::model::{Account, Archive, Inventory, Vault, VaultJob, VaultUpload};
use crate::queue::Queues;
use crate::state::events::Waiting;
use crate::state::model::{AccessKey, Bucket, Upload, Version};
use crate::state::{Record, State};

/// The journal is rewritten when it has grown to so many times its size after the last rewrite.
const GROWTH_MAX: u64 = 4;
/// A journal smaller than this is left alone.
const REWRITE_BYTES_MIN: u64 = 16 * 1024 * 1024;

/// One line.
#[derive(Serialize, Deserialize)]
struct Line {
    record: Record,
    /// `null` if it is gone.
    value: Value,
}

#[derive(Serialize, Deserialize)]
struct Clock {
    now: Time,
    counter: u64,
}

#[derive(Serialize, Deserialize)]
struct Rest {
    keys: BTreeMap<String, AccessKey>,
    #[serde(default)]
    account: crate::account::Account,
    queues: Queues,
    jobs: Jobs,
    meter: Meter,
    billed_until: Time,
    late_nanos: i64,
    waiting: Vec<Waiting>,
}

/// The journal, open for appending.
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    bytes: u64,
    bytes_rewritten: u64,
}

impl Journal {
    /// Reads the journal into `state`, rewrites it, and keeps it open. Says whether there was one.
    pub fn open(path: PathBuf, state: &mut State) -> io::Result<(Self, bool)> {
        let found = path.exists();
        if found {
            load(&path, state)?;
        }
        let (file, bytes) = rewrite(&path, state)?;
        Ok((Self { path, file, bytes, bytes_rewritten: bytes }, found))
    }

    /// Writes down what changed.
    pub fn append(&mut self, state: &State, dirty: &BTreeSet<Record>) -> io::Result<()> {
        let mut lines = Vec::new();
        for record in dirty {
            write_line(&mut lines, record, state)?;
        }
        if !dirty.contains(&Record::Clock) {
            write_line(&mut lines, &Record::Clock, state)?;
        }
        self.file.write_all(&lines)?;
        self.bytes += lines.len() as u64;
        if self.bytes > REWRITE_BYTES_MIN.max(self.bytes_rewritten * GROWTH_MAX) {
            let (file, bytes) = rewrite(&self.path, state)?;
            (self.file, self.bytes, self.bytes_rewritten) = (file, bytes, bytes);
        }
        Ok(())
    }
}

fn value_of(record: &Record, state: &State) -> serde_json::Result<Value> {
    match record {
        Record::Bucket(name) => serde_json::to_value(state.buckets.get(name)),
        Record::Object(bucket, key) => serde_json::to_value(state.buckets.get(bucket).and_then(|b| b.objects.get(key))),
        Record::Upload(bucket, id) => serde_json::to_value(state.buckets.get(bucket).and_then(|b| b.uploads.get(id))),
        Record::Vault(name) => serde_json::to_value(state.glacier.vaults.get(name)),
        Record::Archive(vault, id) => serde_json::to_value(vault_of(state, vault).and_then(|v| v.archives.get(id))),
        Record::VaultUpload(vault, id) => serde_json::to_value(vault_of(state, vault).and_then(|v| v.uploads.get(id))),
        Record::VaultJob(vault, id) => serde_json::to_value(vault_of(state, vault).and_then(|v| v.jobs.get(id))),
        Record::Inventory(vault) => serde_json::to_value(vault_of(state, vault).and_then(|v| v.inventory.as_ref())),
        Record::Vaults => serde_json::to_value(&state.glacier.account),
        Record::Clock => serde_json::to_value(Clock { now: state.now, counter: state.counter }),
        Record::Rest => serde_json::to_value(Rest {
            keys: state.keys.clone(),
            account: state.account.clone(),
            queues: state.queues.clone(),
            jobs: state.jobs.clone(),
            meter: state.meter.clone(),
            billed_until: state.billed_until,
            late_nanos: state.late_nanos,
            waiting: state.waiting.clone(),
        }),
    }
}

fn vault_of<'a>(state: &'a State, name: &str) -> Option<&'a Vault> {
    state.glacier.vaults.get(name)
}

fn write_line(out: &mut impl Write, record: &Record, state: &State) -> io::Result<()> {
    let line = Line { record: record.clone(), value: value_of(record, state)? };
    serde_json::to_writer(&mut *out, &line)?;
    out.write_all(b"\n")
}

/// All of the state as a new journal in place of the old one.
fn rewrite(path: &PathBuf, state: &State) -> io::Result<(File, u64)> {
    let next = path.with_extension("next");
    let mut out = BufWriter::new(File::create(&next)?);
    write_line(&mut out, &Record::Clock, state)?;
    write_line(&mut out, &Record::Rest, state)?;
    for (name, bucket) in &state.buckets {
        write_line(&mut out, &Record::Bucket(name.clone()), state)?;
        for key in bucket.objects.keys() {
            write_line(&mut out, &Record::Object(name.clone(), key.clone()), state)?;
        }
        for id in bucket.uploads.keys() {
            write_line(&mut out, &Record::Upload(name.clone(), id.clone()), state)?;
        }
    }
    write_vaults(&mut out, state)?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    fs::rename(&next, path)?;
    let bytes = file.metadata()?.len();
    // Opened anew: the old handle would not append after what another rewrite leaves.
    Ok((File::options().append(true).open(path)?, bytes))
}

fn write_vaults(out: &mut impl Write, state: &State) -> io::Result<()> {
    write_line(out, &Record::Vaults, state)?;
    for (name, vault) in &state.glacier.vaults {
        write_line(out, &Record::Vault(name.clone()), state)?;
        write_line(out, &Record::Inventory(name.clone()), state)?;
        for id in vault.archives.keys() {
            write_line(out, &Record::Archive(name.clone(), id.clone()), state)?;
        }
        for id in vault.uploads.keys() {
            write_line(out, &Record::VaultUpload(name.clone(), id.clone()), state)?;
        }
        for id in vault.jobs.keys() {
            write_line(out, &Record::VaultJob(name.clone(), id.clone()), state)?;
        }
    }
    Ok(())
}

fn load(path: &PathBuf, state: &mut State) -> io::Result<()> {
    let mut reader = BufReader::new(File::open(path)?);
    let mut text = String::new();
    let mut number = 0_u64;
    loop {
        text.clear();
        number += 1;
        if reader.read_line(&mut text)? == 0 {
            return Ok(());
        }
        let whole = text.ends_with('\n');
        let read = serde_json::from_str(&text).and_then(|line| apply(line, state));
        match read {
            Ok(()) => {}
            Err(_) if !whole => return Ok(()),
            Err(error) => return Err(io::Error::other(format!("line {number} of {}: {error}", path.display()))),
        }
    }
}

fn apply(line: Line, state: &mut State) -> serde_json::Result<()> {
    match line.record {
        Record::Bucket(name) => match serde_json::from_value::<Option<Bucket>>(line.value)? {
            None => drop(state.buckets.remove(&name)),
            Some(mut bucket) => {
                if let Some(old) = state.buckets.remove(&name) {
                    (bucket.objects, bucket.uploads) = (old.objects, old.uploads);
                }
                state.buckets.insert(name, bucket);
            }
        },
        Record::Object(bucket, key) => {
            let versions = serde_json::from_value::<Option<Vec<Version>>>(line.value)?;
            if let Some(bucket) = state.buckets.get_mut(&bucket) {
                replace(&mut bucket.objects, key, versions);
            }
        }
        Record::Upload(bucket, id) => {
            let upload = serde_json::from_value::<Option<Upload>>(line.value)?;
            if let Some(bucket) = state.buckets.get_mut(&bucket) {
                replace(&mut bucket.uploads, id, upload);
            }
        }
        Record::Vault(_)
        | Record::Archive(..)
        | Record::VaultUpload(..)
        | Record::VaultJob(..)
        | Record::Inventory(_)
        | Record::Vaults => apply_vault(line, state)?,
        Record::Clock => {
            let clock: Clock = serde_json::from_value(line.value)?;
            (state.now, state.counter) = (clock.now, clock.counter);
        }
        Record::Rest => {
            let rest: Rest = serde_json::from_value(line.value)?;
            state.keys = rest.keys;
            state.account = rest.account;
            state.queues = rest.queues;
            state.jobs = rest.jobs;
            state.meter = rest.meter;
            state.billed_until = rest.billed_until;
            state.late_nanos = rest.late_nanos;
            state.waiting = rest.waiting;
        }
    }
    Ok(())
}

fn apply_vault(line: Line, state: &mut State) -> serde_json::Result<()> {
    let vaults = &mut state.glacier.vaults;
    match line.record {
        Record::Vault(name) => match serde_json::from_value::<Option<Vault>>(line.value)? {
            None => drop(vaults.remove(&name)),
            Some(mut vault) => {
                if let Some(old) = vaults.remove(&name) {
                    vault.archives = old.archives;
                    (vault.uploads, vault.jobs, vault.inventory) = (old.uploads, old.jobs, old.inventory);
                }
                vaults.insert(name, vault);
            }
        },
        Record::Archive(vault, id) => {
            let archive = serde_json::from_value::<Option<Archive>>(line.value)?;
            vaults.entry(vault).and_modify(|vault| replace(&mut vault.archives, id, archive));
        }
        Record::VaultUpload(vault, id) => {
            let upload = serde_json::from_value::<Option<VaultUpload>>(line.value)?;
            vaults.entry(vault).and_modify(|vault| replace(&mut vault.uploads, id, upload));
        }
        Record::VaultJob(vault, id) => {
            let job = serde_json::from_value::<Option<VaultJob>>(line.value)?;
            vaults.entry(vault).and_modify(|vault| replace(&mut vault.jobs, id, job));
        }
        Record::Inventory(vault) => {
            let inventory = serde_json::from_value::<Option<Inventory>>(line.value)?;
            vaults.entry(vault).and_modify(|vault| vault.inventory = inventory);
        }
        _ => state.glacier.account = serde_json::from_value::<Account>(line.value)?,
    }
    Ok(())
}

fn replace<T>(all: &mut BTreeMap<String, T>, name: String, value: Option<T>) {
    match value {
        Some(value) => drop(all.insert(name, value)),
        None => drop(all.remove(&name)),
    }
}
