//! `copies`: of each file of the library how many verified copies there are, on which media, and
//! whether that is enough. From the catalog, folder by folder in order; the stores are only listed.
//!
//! It goes by the last backup: what came into the library since is not in it.

mod places;

use std::collections::BTreeMap;
use std::time::Duration;

use darkslide_catalog::{Catalog, FileRow, MirroredFile};
use darkslide_format::canon;
use darkslide_format::tree::{Entry, EntryKind};
use darkslide_words::{Bytes, Count, Name, Time};
use serde::{Deserialize, Serialize};

use self::places::{Holding, Place};
use crate::{Engine, EngineError};

/// How many copies are enough: by default three, on two media, one of them outside the house.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CopiesSettings {
    /// Verified copies of each file, the library's own among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copies: Option<u64>,
    /// Media that they are on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media: Option<u64>,
    /// At least one of them outside the house.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub off_site: Option<bool>,
}

impl CopiesSettings {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// With what is not set.
    pub fn rule(&self) -> CopiesRule {
        CopiesRule {
            copies: self.copies.unwrap_or(3),
            media: self.media.unwrap_or(2),
            off_site: self.off_site.unwrap_or(true),
        }
    }
}

/// The rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopiesRule {
    /// Copies.
    pub copies: u64,
    /// Media.
    pub media: u64,
    /// One outside the house.
    pub off_site: bool,
}

/// What is told together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupBy {
    /// Each file by itself.
    Photo,
    /// The files of a folder.
    Shoot,
    /// The files of a year.
    Year,
}

/// How a file stands; ordered, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Standing {
    /// Verified copies.
    pub copies: u64,
    /// Media that they are on.
    pub media: u64,
    /// True if one is outside the house.
    pub off_site: bool,
}

impl CopiesRule {
    /// What a file lacks; nothing where the rule holds.
    pub fn lacks(&self, standing: &Standing) -> Option<String> {
        let mut lacks = Vec::new();
        if standing.copies < self.copies {
            lacks.push(format!("{} of {} copies", standing.copies, self.copies));
        }
        if standing.media < self.media {
            lacks.push(format!("{} of {} media", standing.media, self.media));
        }
        if self.off_site && !standing.off_site {
            lacks.push("none outside the house".into());
        }
        (!lacks.is_empty()).then(|| lacks.join(", "))
    }
}

/// Files that are told together.
#[derive(Debug, Clone, Serialize)]
pub struct CopiesGroup {
    /// Path, folder or year.
    pub name: String,
    /// Files.
    pub files: Count,
    /// Their bytes.
    pub bytes: Bytes,
    /// How the worst of them stands.
    pub worst: Standing,
    /// Files for which the rule does not hold.
    pub lacking: Count,
    /// Files at each place, in the order of the report's places.
    pub places: Vec<Count>,
}

/// A place that may hold copies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopiesPlace {
    /// What it is called.
    pub place: String,
    /// What it is on.
    pub medium: String,
    /// True if it is outside the house.
    pub off_site: bool,
    /// As of when its copies count as verified.
    pub verified: Option<String>,
    /// Why it counts for nothing, if so.
    pub problem: Option<String>,
    /// Files that it holds.
    pub files: Count,
}

/// What was found in all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopiesReport {
    /// The rule.
    pub rule: CopiesRule,
    /// The places.
    pub places: Vec<CopiesPlace>,
    /// Files.
    pub files: Count,
    /// Their bytes.
    pub bytes: Bytes,
    /// Files for which the rule does not hold.
    pub lacking: Count,
    /// The worst of them, and what they lack.
    pub worst: Vec<(Name, String)>,
}

/// Files that are named as the worst.
const WORST_MAX: usize = 20;
/// What was last counted counts so long, if nothing ran since.
const COUNTED_FOR: Duration = Duration::from_secs(6 * 3600);
/// Where the catalog keeps it.
const COUNTED: &str = "copies counted";

/// What was counted, when, and after which run of which configuration.
#[derive(Serialize, Deserialize)]
struct Counted {
    at: i64,
    run: i64,
    settings: String,
    report: CopiesReport,
}

/// Gets each group as soon as it is complete.
pub type OnGroup<'a> = dyn FnMut(&CopiesGroup) + 'a;

impl Engine {
    /// How many copies there are in all, as of the last hours: counted anew when anything ran since
    /// or was configured otherwise. Nothing before the first backup.
    pub fn copies_in_all(&self) -> Result<Option<CopiesReport>, EngineError> {
        let catalog = Catalog::open(&self.catalog_path())?;
        let mut any = false;
        for backup in &self.settings.backups {
            any |= catalog.job(&backup.name)?.snapshot.is_some();
        }
        if !any {
            return Ok(None);
        }
        let (now, run) = (self.clock.now(), catalog.last_run()?);
        let text = format!("{:?}", self.settings);
        let settings = blake3::hash(text.as_bytes()).to_hex().to_string();
        let known = catalog.meta(COUNTED)?.and_then(|json| serde_json::from_slice::<Counted>(&json).ok());
        let fresh = known.filter(|known| {
            let at = Time(known.at);
            known.run == run && known.settings == settings && at <= now && at.until(now) < COUNTED_FOR
        });
        if let Some(known) = fresh {
            return Ok(Some(known.report));
        }
        let report = self.copies(None, GroupBy::Year, &mut |_| {})?;
        let counted = Counted { at: now.0, run, settings, report };
        catalog.set_meta(COUNTED, &serde_json::to_vec(&counted).unwrap_or_default())?;
        Ok(Some(counted.report))
    }

    /// Counts the copies of each file below `path` (all where there is none).
    pub fn copies(
        &self,
        path: Option<&Name>,
        by: GroupBy,
        each: &mut OnGroup<'_>,
    ) -> Result<CopiesReport, EngineError> {
        let catalog = Catalog::open(&self.catalog_path())?;
        let rule = self.settings.copies.rule();
        let (places, jobs) = places::look(self, &catalog)?;
        let mut counting = Counting {
            rule,
            by,
            below: path.cloned(),
            totals: vec![Count(0); places.len()],
            places: &places,
            open: None,
            years: BTreeMap::new(),
            worst: Vec::new(),
            files: Count(0),
            bytes: Bytes(0),
            lacking: Count(0),
            each,
        };
        for job in &jobs {
            catalog.for_each_folder::<EngineError>(&job.name, &mut |folder, dir| {
                let mirrored = job.mirrored(&catalog, &places, folder)?;
                catalog.for_each_file::<EngineError>(dir, &mut |row| {
                    counting.file(&catalog, job, folder, &row, &mirrored)
                })?;
                counting.end_folder();
                Ok(())
            })?;
        }
        counting.end();
        let Counting { totals, files, bytes, lacking, worst, .. } = counting;
        let worst = worst.into_iter().filter_map(|(standing, path)| Some((path, rule.lacks(&standing)?))).collect();
        let places = places.iter().zip(totals).map(|(place, files)| place.told(files)).collect();
        Ok(CopiesReport { rule, places, files, bytes, lacking, worst })
    }
}

struct Counting<'a, 'e> {
    rule: CopiesRule,
    by: GroupBy,
    below: Option<Name>,
    places: &'a [Place],
    totals: Vec<Count>,
    open: Option<CopiesGroup>,
    years: BTreeMap<String, CopiesGroup>,
    worst: Vec<(Standing, Name)>,
    files: Count,
    bytes: Bytes,
    lacking: Count,
    each: &'a mut OnGroup<'e>,
}

/// The year of a file: the first folder of its path that is one, else that of its last change.
fn year(path: &Name, changed: Time) -> String {
    let is_year = |part: &&[u8]| {
        part.len() == 4 && part.iter().all(u8::is_ascii_digit) && (part.starts_with(b"19") || part.starts_with(b"20"))
    };
    match path.as_bytes().split(|b| *b == b'/').find(is_year) {
        Some(year) => String::from_utf8_lossy(year).into_owned(),
        None => changed.to_string().chars().take(4).collect(),
    }
}

impl Counting<'_, '_> {
    fn is_asked(&self, path: &Name) -> bool {
        let Some(below) = &self.below else { return true };
        let (path, below) = (path.as_bytes(), below.as_bytes());
        path.strip_prefix(below).is_some_and(|rest| below.is_empty() || rest.is_empty() || rest[0] == b'/')
    }

    fn file(
        &mut self,
        catalog: &Catalog,
        job: &Holding,
        folder: &Name,
        row: &FileRow,
        mirrored: &[Option<Vec<MirroredFile>>],
    ) -> Result<(), EngineError> {
        let path = folder.join(&row.name);
        if !self.is_asked(&path) {
            return Ok(());
        }
        let entry: Entry = canon::from_bytes("a row of the catalog", &row.entry)?;
        if entry.kind != EntryKind::File {
            return Ok(());
        }
        let (mut held, mut copies, mut media, mut off_site) = (Vec::new(), 0, Vec::<&str>::new(), false);
        for (n, place) in self.places.iter().enumerate() {
            if !place.holds(catalog, job, &path, row, &entry, mirrored[n].as_deref())? {
                continue;
            }
            held.push(n);
            if held[..held.len() - 1].iter().any(|other: &usize| self.places[*other].is_same(place)) {
                continue;
            }
            copies += 1;
            off_site |= place.off_site;
            if !media.contains(&place.medium.as_str()) {
                media.push(&place.medium);
            }
        }
        let standing = Standing { copies, media: media.len() as u64, off_site };
        let lacks = self.rule.lacks(&standing).is_some();
        self.files += Count(1);
        self.bytes += entry.bytes();
        self.lacking += Count(u64::from(lacks));
        held.iter().for_each(|n| self.totals[*n] += Count(1));
        if lacks {
            self.name_worst(standing, &path);
        }
        let name = match self.by {
            GroupBy::Photo => path.to_string(),
            GroupBy::Shoot if folder.is_empty() => ".".into(),
            GroupBy::Shoot => folder.to_string(),
            GroupBy::Year => year(&path, entry.mtime),
        };
        let places = self.places.len();
        let fresh = |name| CopiesGroup {
            name,
            files: Count(0),
            bytes: Bytes(0),
            worst: standing,
            lacking: Count(0),
            places: vec![Count(0); places],
        };
        let group = match self.by {
            GroupBy::Year => self.years.entry(name.clone()).or_insert_with(|| fresh(name)),
            _ => self.open.get_or_insert_with(|| fresh(name)),
        };
        group.files += Count(1);
        group.bytes += entry.bytes();
        group.worst = group.worst.min(standing);
        group.lacking += Count(u64::from(lacks));
        held.iter().for_each(|n| group.places[*n] += Count(1));
        if self.by == GroupBy::Photo {
            self.end_folder();
        }
        Ok(())
    }

    fn name_worst(&mut self, standing: Standing, path: &Name) {
        let at = self.worst.partition_point(|(known, _)| *known <= standing);
        if at < WORST_MAX {
            self.worst.insert(at, (standing, path.clone()));
            self.worst.truncate(WORST_MAX);
        }
    }

    fn end_folder(&mut self) {
        if let Some(group) = self.open.take() {
            (self.each)(&group);
        }
    }

    fn end(&mut self) {
        self.end_folder();
        std::mem::take(&mut self.years).values().for_each(|group| (self.each)(group));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_names_what_is_lacking() {
        let rule = CopiesSettings::default().rule();
        let standing = |copies, media, off_site| Standing { copies, media, off_site };
        assert_eq!(rule.lacks(&standing(3, 2, true)), None);
        assert_eq!(rule.lacks(&standing(2, 2, true)).unwrap(), "2 of 3 copies");
        assert_eq!(rule.lacks(&standing(5, 1, true)).unwrap(), "1 of 2 media");
        assert_eq!(rule.lacks(&standing(1, 1, false)).unwrap(), "1 of 3 copies, 1 of 2 media, none outside the house");
        let own = CopiesSettings { copies: Some(2), media: Some(1), off_site: Some(false) }.rule();
        assert_eq!(own.lacks(&standing(2, 1, false)), None);
        assert!(standing(2, 1, true) < standing(2, 2, false), "fewer media are worse");
    }

    #[test]
    fn a_year_is_a_folder_or_the_change() {
        let changed = Time(1_790_000_000_000_000_000);
        assert_eq!(year(&Name::from("raw/2019/2019-05-01_x/a.CR3"), changed), "2019");
        assert_eq!(year(&Name::from("1234/a.CR3"), changed), "2026");
        assert_eq!(year(&Name::from("a.CR3"), changed), "2026");
    }
}
