//! An inventory, held against what is known: which archives are ours, which are somebody else's,
//! which are new, and which ought to be there and are not.
//!
//! An inventory is a day old, or older. What was uploaded after its date cannot be in it, and is
//! "too new"; only what is older than it and not in it is missing.

use std::io::{BufReader, Read, Seek as _, SeekFrom, Write};
use std::time::Duration;

use darkslide_store::StoreError;
use darkslide_store::vault::{Doubt, Doubtful, InventoryState, JobKind, JobState, Reconciled, Standing};
use darkslide_words::{Bytes, Count, ObjectName, Span, Time};
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::record::{ArchiveRow, JobRow};
use crate::service::JobAsk;
use crate::{VaultStore, amazon, description};

/// What was uploaded so shortly before an inventory may be missing in it: clocks differ, and an
/// inventory takes its time.
const MARGIN: Duration = Duration::from_secs(3600);
/// An inventory that is older than a deletion and a day shows what was deleted.
const LAG: Duration = Duration::from_secs(24 * 3600);
/// Bytes of an inventory that are read at once.
const PIECE: u64 = 16 << 20;
/// What stands beside our inventory jobs.
const DESCRIPTION: &str = "darkslide inventory";

/// An archive in an inventory.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Entry {
    pub(crate) archive_id: String,
    #[serde(default)]
    pub(crate) archive_description: Option<String>,
    pub(crate) creation_date: String,
    pub(crate) size: u64,
    #[serde(rename = "SHA256TreeHash")]
    pub(crate) tree: String,
}

type OnEntry<'a> = dyn FnMut(Entry) -> Result<(), StoreError> + 'a;

/// Reads an inventory entry by entry, so that one of a million archives needs no memory; its date.
pub(crate) fn read(from: impl Read, each: &mut OnEntry<'_>) -> Result<Time, Broken> {
    let mut failed = None;
    let mut date = None;
    let mut json = serde_json::Deserializer::from_reader(from);
    let read = Document { each, failed: &mut failed, date: &mut date }.deserialize(&mut json).and_then(|()| json.end());
    match (failed, read) {
        (Some(error), _) => Err(Broken::Caller(error)),
        (None, Err(error)) => Err(Broken::Json(error.to_string())),
        (None, Ok(())) => date.ok_or_else(|| Broken::Json("it has no InventoryDate".into())),
    }
}

/// Why an inventory could not be read to its end.
#[derive(Debug)]
pub(crate) enum Broken {
    Caller(StoreError),
    Json(String),
}

struct Document<'a, 'b> {
    each: &'a mut OnEntry<'b>,
    failed: &'a mut Option<StoreError>,
    date: &'a mut Option<Time>,
}

impl<'de> DeserializeSeed<'de> for Document<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Document<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an inventory of a vault")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "InventoryDate" => {
                    let text: String = map.next_value()?;
                    let at = amazon::time(Some(&text)).ok_or_else(|| A::Error::custom("InventoryDate is no time"))?;
                    *self.date = Some(at);
                }
                "ArchiveList" => map.next_value_seed(List { each: &mut *self.each, failed: &mut *self.failed })?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

struct List<'a, 'b> {
    each: &'a mut OnEntry<'b>,
    failed: &'a mut Option<StoreError>,
}

impl<'de> DeserializeSeed<'de> for List<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for List<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of archives")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(entry) = seq.next_element::<Entry>()? {
            if let Err(error) = (self.each)(entry) {
                *self.failed = Some(error);
                return Err(A::Error::custom("ended"));
            }
        }
        Ok(())
    }
}

impl VaultStore {
    /// The inventory job that is under way or ready, the newest; after a look at the list of jobs.
    fn inventory_job(&self) -> Result<Option<JobRow>, StoreError> {
        self.refresh_jobs()?;
        let read = self.record.meta("inventory job")?;
        let now = self.clock.now();
        let usable = |job: &JobRow| {
            let over = job.until().is_some_and(|until| until <= now);
            // What somebody else asked for may be CSV, or a part.
            let ours = job.description == DESCRIPTION;
            job.kind == JobKind::Inventory
                && ours
                && job.state != JobState::Failed
                && !over
                && read.as_deref() != Some(&job.id)
        };
        Ok(self.record.jobs()?.into_iter().rev().find(usable))
    }

    pub(crate) fn ask_inventory(&self) -> Result<String, StoreError> {
        if let Some(job) = self.inventory_job()? {
            return Ok(job.id);
        }
        let ask = JobAsk::Inventory { description: DESCRIPTION.into() };
        let id = self.service.begin_job(&ask).map_err(|f| self.no_inventory(&f))?;
        let now = self.clock.now();
        let row = JobRow {
            id: id.clone(),
            kind: JobKind::Inventory,
            archive: None,
            state: JobState::Working,
            tier: None,
            span: None,
            tree: None,
            size: None,
            created: now,
            completed: None,
            description: DESCRIPTION.into(),
        };
        self.record.put_job(&row, now)?;
        Ok(id)
    }

    fn no_inventory(&self, failure: &crate::failure::Failure) -> StoreError {
        if failure.is_missing() && !failure.is_vault_missing() {
            return StoreError::Setup {
                store: self.label.clone(),
                why: "has no inventory yet: the service takes the first one about a day after the first upload".into(),
                advice: "ask again tomorrow".into(),
            };
        }
        self.error(failure, "asking for an inventory", None)
    }

    pub(crate) fn read_inventory(&self) -> Result<InventoryState, StoreError> {
        let Some(job) = self.inventory_job()? else { return Ok(InventoryState::None) };
        if job.state == JobState::Working {
            return Ok(InventoryState::Working { job: job.id, since: job.created });
        }
        let file = self.download(&job)?;
        let made = self.reconcile(file)?;
        self.record.set_meta("inventory job", &job.id)?;
        Ok(InventoryState::Read(made))
    }

    /// Into a temporary file: an inventory of a large vault has hundreds of megabytes.
    fn download(&self, job: &JobRow) -> Result<std::fs::File, StoreError> {
        let io = |source| StoreError::Io { store: self.label.clone(), what: "keeping the inventory".into(), source };
        let failed = |f: crate::failure::Failure| self.error(&f, "reading the inventory", None);
        let mut file = tempfile::tempfile().map_err(io)?;
        let Some(size) = job.size.filter(|size| *size > PIECE) else {
            let output = self.service.output(&job.id, None).map_err(failed)?;
            file.write_all(&output.bytes).map_err(io)?;
            return Ok(file);
        };
        let mut from = 0;
        while from < size {
            let to = (from + PIECE).min(size);
            let output = self.service.output(&job.id, Some(Span { from, to })).map_err(failed)?;
            file.write_all(&output.bytes).map_err(io)?;
            from = to;
        }
        Ok(file)
    }

    /// Holds an inventory against what is known. Reads it twice: nothing is changed by one that
    /// breaks off.
    pub(crate) fn reconcile(&self, mut file: std::fs::File) -> Result<Reconciled, StoreError> {
        let broken = |why: String| StoreError::Setup {
            store: self.label.clone(),
            why: format!("gave an inventory that cannot be read: {why}"),
            advice: "nothing was changed by it; ask for another one with `darkslide vault inventory start`".into(),
        };
        let read_all = |file: &mut std::fs::File, each: &mut OnEntry<'_>| {
            file.seek(SeekFrom::Start(0)).map_err(|e| broken(e.to_string()))?;
            read(BufReader::new(&*file), each).map_err(|e| match e {
                Broken::Caller(error) => error,
                Broken::Json(why) => broken(why),
            })
        };
        let date = read_all(&mut file, &mut |_| Ok(()))?;
        let mut made = Reconciled { date, ..Reconciled::default() };
        self.record.transaction(|| {
            read_all(&mut file, &mut |entry| self.meet(entry, date, &mut made))?;
            self.not_met(date, &mut made)?;
            self.record.set_meta("inventory", &write_made(&made))
        })?;
        // Receipts come after the rows: a later listing writes those that are still lacking.
        for row in self.record.ours("")?.into_iter().filter(|row| !row.receipt) {
            if let Some(name) = row.name.clone() {
                self.settle(&row, &name)?;
            }
        }
        Ok(made)
    }

    /// One archive of an inventory.
    fn meet(&self, entry: Entry, date: Time, made: &mut Reconciled) -> Result<(), StoreError> {
        made.archives += Count(1);
        let created = amazon::time(Some(&entry.creation_date)).unwrap_or(date);
        let described = entry.archive_description.unwrap_or_default();
        let before = self.record.archive(&entry.archive_id)?;
        let mut row = match before {
            Some(row) => row,
            None => {
                let ours = description::read(&described).filter(|d| d.set == self.set);
                let standing = if ours.is_some() { Standing::Gone } else { Standing::Foreign };
                ArchiveRow {
                    id: entry.archive_id,
                    name: ours.map(|d| d.name),
                    standing,
                    size: entry.size,
                    tree: entry.tree.clone(),
                    created,
                    description: described,
                    receipt: false,
                    gone: None,
                    inventoried: None,
                    differs: false,
                }
            }
        };
        row.inventoried = Some(date);
        row.differs = row.size != entry.size || row.tree != entry.tree;
        made.different += Count(u64::from(row.differs));
        // A deletion since the inventory was taken is not taken back by it.
        let deleted = row.gone.is_some_and(|gone| gone.plus(LAG) > date);
        match row.standing {
            Standing::Ours => made.known += Count(1),
            Standing::Duplicate => made.duplicates += Count(1),
            Standing::Foreign => made.foreign += Count(1),
            Standing::Gone if deleted => {}
            Standing::Gone => {
                row.gone = None;
                row.standing = self.standing_of(&row)?;
                match row.standing {
                    Standing::Ours => made.found += Count(1),
                    Standing::Duplicate => made.duplicates += Count(1),
                    _ => made.foreign += Count(1),
                }
            }
        }
        self.record.put_archive(&row)
    }

    /// What an archive is that comes to light: of two with one object the one that is known counts,
    /// by its name and its tree hash.
    fn standing_of(&self, row: &ArchiveRow) -> Result<Standing, StoreError> {
        let Some(name) = &row.name else { return Ok(Standing::Foreign) };
        if self.record.archive_of(name)?.is_some() {
            return Ok(Standing::Duplicate);
        }
        // Another machine's, of which nothing was heard yet.
        match self.receipt(name)? {
            Some(first) if first.id != row.id => {
                self.record.put_archive(&first)?;
                Ok(Standing::Duplicate)
            }
            _ => Ok(Standing::Ours),
        }
    }

    /// Archives that the inventory does not show.
    fn not_met(&self, date: Time, made: &mut Reconciled) -> Result<(), StoreError> {
        let mut after = String::new();
        loop {
            let page = self.record.page(&after)?;
            let Some(last) = page.last() else { return Ok(()) };
            after.clone_from(&last.id);
            for row in page.into_iter().filter(|row| row.inventoried != Some(date)) {
                match (row.standing, doubt(&row, date)) {
                    (Standing::Ours, Some(Doubt::TooNew)) => made.too_new += Count(1),
                    (Standing::Ours, Some(_)) => made.missing += Count(1),
                    (Standing::Duplicate | Standing::Foreign, Some(Doubt::Missing)) => {
                        let gone = Some(date);
                        self.record.put_archive(&ArchiveRow { standing: Standing::Gone, gone, ..row })?;
                    }
                    _ => {}
                }
            }
        }
    }

    /// What the last inventory made of it all.
    pub(crate) fn last_made(&self) -> Result<Option<Reconciled>, StoreError> {
        Ok(self.record.meta("inventory")?.as_deref().and_then(read_made))
    }

    /// Our objects of which the last inventory does not say what is believed.
    pub(crate) fn doubts(&self) -> Result<Vec<Doubtful>, StoreError> {
        let Some(last) = self.last_made()? else { return Ok(Vec::new()) };
        let mut all = Vec::new();
        for row in self.record.ours("")? {
            let Some(doubt) = doubt(&row, last.date) else { continue };
            let name: Option<ObjectName> = row.name;
            all.extend(name.map(|name| Doubtful { name, size: Bytes(row.size), uploaded: row.created, doubt }));
        }
        Ok(all)
    }
}

/// What an inventory of that date leaves open of an archive.
fn doubt(row: &ArchiveRow, date: Time) -> Option<Doubt> {
    match row.inventoried {
        Some(shown) if shown >= date => row.differs.then_some(Doubt::Different),
        _ if row.created.plus(MARGIN) > date => Some(Doubt::TooNew),
        _ => Some(Doubt::Missing),
    }
}

fn write_made(made: &Reconciled) -> String {
    let Reconciled { date, archives, known, found, duplicates, foreign, too_new, missing, different } = made;
    let counts = [archives, known, found, duplicates, foreign, too_new, missing, different];
    let counts = counts.map(|count| count.0.to_string());
    format!("{} {}", date.0, counts.join(" "))
}

fn read_made(text: &str) -> Option<Reconciled> {
    let mut words = text.split(' ');
    let date = Time(words.next()?.parse().ok()?);
    let mut next = || words.next()?.parse().ok().map(Count);
    Some(Reconciled {
        date,
        archives: next()?,
        known: next()?,
        found: next()?,
        duplicates: next()?,
        foreign: next()?,
        too_new: next()?,
        missing: next()?,
        different: next()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"VaultARN":"arn:x","InventoryDate":"2026-03-10T00:00:00Z","ArchiveList":[
        {"ArchiveId":"a","ArchiveDescription":"darkslide \"x\" \\","CreationDate":"2026-03-09T01:02:03Z","Size":5,"SHA256TreeHash":"ff"},
        {"ArchiveId":"b","CreationDate":"2026-03-09T01:02:03Z","Size":0,"SHA256TreeHash":"00","New":{"x":[1]}}]}"#;

    #[test]
    fn an_inventory_is_read_entry_by_entry() {
        let mut seen = Vec::new();
        let date = read(GOOD.as_bytes(), &mut |entry| {
            seen.push((entry.archive_id, entry.archive_description, entry.size));
            Ok(())
        });
        assert_eq!(date.unwrap(), Time::from_compact("20260310T000000.000Z").unwrap());
        let a = ("a".to_string(), Some("darkslide \"x\" \\".to_string()), 5);
        assert_eq!(seen, [a, ("b".to_string(), None, 0)]);
    }

    #[test]
    fn what_is_no_inventory_is_refused() {
        for bad in ["", "[]", "{}", "{\"ArchiveList\":[]}", &GOOD[..GOOD.len() - 2], &format!("{GOOD}x")] {
            assert!(matches!(read(bad.as_bytes(), &mut |_| Ok(())), Err(Broken::Json(_))), "{bad}");
        }
        let stop = read(GOOD.as_bytes(), &mut |_| Err(StoreError::Busy { store: "s".into(), what: "w".into() }));
        assert!(matches!(stop, Err(Broken::Caller(StoreError::Busy { .. }))));
    }

    #[test]
    fn counts_come_back() {
        let made = Reconciled { date: Time(7), archives: Count(1), different: Count(9), ..Reconciled::default() };
        assert_eq!(read_made(&write_made(&made)), Some(made));
        assert_eq!(read_made("7 1 2"), None);
    }
}
