//! `doctor`: a check-up of this machine and of what it uses: each finding with what to do about it.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use darkslide_catalog::Catalog;
use darkslide_disk::{Disk as _, RealDisk};
use darkslide_store::Store;
use darkslide_store::rules::{Rule, Standing};
use darkslide_words::{Bytes, Time};
use serde::Serialize;

use crate::{Engine, EngineError, secrets};

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// As it should be.
    Good,
    /// It was not told.
    Unknown,
    /// It could be better.
    Weak,
    /// Something will go wrong, or does already.
    Bad,
}

/// A finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Of what: `configuration`, `clock`, `keys`, `space`, `store`, …
    pub area: &'static str,
    /// How it is.
    pub health: Health,
    /// What was found.
    pub text: String,
    /// What to do about it; empty if nothing.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub advice: String,
}

/// Clocks differ by that much without harm. Source: Amazon refuses requests from 15 minutes on.
const SKEW_MAX: Duration = Duration::from_secs(5 * 60);
/// What a catalog and a few packs need.
const ROOM_LEAST: Bytes = Bytes(2 << 30);
/// Programs that recover without Darkslide.
const STOCK: [&str; 3] = ["age", "zstd", "tar"];

/// A place on a disk: what it is to us, where it is, whether it has to be there.
struct Place {
    what: String,
    path: PathBuf,
    written: bool,
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, area: &'static str, health: Health, text: impl Into<String>, advice: impl Into<String>) {
        self.0.push(Finding { area, health, text: text.into(), advice: advice.into() });
    }

    fn good(&mut self, area: &'static str, text: impl Into<String>) {
        self.add(area, Health::Good, text, "");
    }
}

impl Engine {
    /// Looks at everything that a run will need. Nothing is changed, and nothing costs more than a
    /// few requests.
    pub fn doctor(&self) -> Result<Vec<Finding>, EngineError> {
        let mut found = Findings::default();
        let path = &self.settings.path;
        found.good("configuration", format!("{} holds together", path.display()));
        self.places_there(&mut found);
        self.keys_closed(&mut found);
        self.memory_sound(&mut found);
        self.stores_well(&mut found);
        self.somebody_told(&mut found);
        self.retention_holds(&mut found);
        tools(&mut found);
        Ok(found.0)
    }

    fn disk_places(&self) -> Vec<Place> {
        let resolve = |path: &Path| self.settings.resolve(path);
        let place = |what: String, path: PathBuf, written| Place { what, path, written };
        let mut out = vec![place("this machine's state".into(), self.settings.state_dir(), true)];
        for job in &self.settings.backups {
            out.push(place(format!("library of backup `{}`", job.name), resolve(&job.library), false));
        }
        out.extend(self.settings.ingest.library.iter().map(|p| place("library for cards".into(), resolve(p), true)));
        out.extend(
            self.settings.ingest.second.iter().map(|p| place("second target for cards".into(), resolve(p), true)),
        );
        for mirror in &self.settings.mirrors {
            out.push(place(format!("mirror `{}`", mirror.name), resolve(&mirror.target), true));
        }
        out.extend(self.store_settings().into_iter().filter_map(|s| s.path).map(|p| place("store".into(), p, true)));
        out
    }

    fn places_there(&self, found: &mut Findings) {
        for place in self.disk_places() {
            let shown = format!("{} {}", place.what, place.path.display());
            if let Err(error) = fs::read_dir(&place.path) {
                let advice = match error.kind() {
                    std::io::ErrorKind::NotFound => "mount it, or correct its path in the configuration",
                    std::io::ErrorKind::PermissionDenied => "give this user access to it",
                    _ => "look at the disk or share that it is on",
                };
                found.add("places", Health::Bad, format!("{shown}: {error}"), advice);
                continue;
            }
            if place.written && rustix::fs::access(&place.path, rustix::fs::Access::WRITE_OK).is_err() {
                found.add(
                    "places",
                    Health::Bad,
                    format!("{shown} cannot be written to"),
                    "give this user the right to",
                );
                continue;
            }
            found.good("places", format!("{shown} is there"));
            if let (true, Ok(free)) = (place.written, RealDisk.free(&place.path).map(Bytes)) {
                match free < ROOM_LEAST {
                    true => found.add(
                        "space",
                        Health::Bad,
                        format!("{shown}: only {free} are free"),
                        "make room: a run that cannot write stops, with nothing lost",
                    ),
                    false => found.good("space", format!("{shown}: {free} are free")),
                }
            }
        }
    }

    /// Secrets of this machine are its user's alone, and the identity is not among them.
    fn keys_closed(&self, found: &mut Findings) {
        let state = self.settings.state_dir();
        let own = secrets::path(&state);
        match fs::metadata(&own) {
            Err(_) => found.add(
                "keys",
                Health::Weak,
                format!("{} is not there: this machine cannot back up", own.display()),
                "`darkslide open` with the identity makes it a writer again",
            ),
            Ok(meta) if meta.permissions().mode() & 0o077 != 0 => found.add(
                "keys",
                Health::Bad,
                format!("{} can be read by others (mode {:o})", own.display(), meta.permissions().mode() & 0o777),
                format!("chmod 600 {}", own.display()),
            ),
            Ok(_) => found.good("keys", "this machine's secrets are its user's alone"),
        }
        let folder = self.settings.path.parent().unwrap_or(Path::new("."));
        let lying: Vec<PathBuf> = [folder, &state].into_iter().flat_map(identities).collect();
        for path in &lying {
            found.add(
                "keys",
                Health::Weak,
                format!("{} opens every photograph of the repository, and lies beside the configuration", path.display()),
                "move it to where a thief of this machine does not find it, and print a paper key (`darkslide key paper`)",
            );
        }
        if lying.is_empty() {
            found.good("keys", "no identity lies beside the configuration");
        }
    }

    fn memory_sound(&self, found: &mut Findings) {
        let now = self.clock.now();
        let catalog = match Catalog::open(&self.catalog_path()) {
            Ok(catalog) => catalog,
            Err(error) => {
                let advice = "delete it and run `darkslide open`: it is rebuilt from the repository";
                return found.add("catalog", Health::Bad, error.to_string(), advice);
            }
        };
        found.good("catalog", "it opens");
        let last = catalog.runs(1).ok().and_then(|runs| runs.first().map(|run| run.started));
        match last.filter(|last| now.until(*last) > SKEW_MAX) {
            Some(last) => found.add(
                "clock",
                Health::Bad,
                format!("the last run began at {last}, which is in the future"),
                "set the clock; times of snapshots and schedules go by it",
            ),
            None => found.good("clock", "it has not gone back since the last run"),
        }
    }

    /// Messages go somewhere, and the last one arrived.
    fn somebody_told(&self, found: &mut Findings) {
        const AREA: &str = "notifications";
        let channels = self.dispatcher("", std::sync::Arc::new(|| false)).channels();
        if channels.is_empty() {
            let advice = "`darkslide config explain notify` tells how to hear of a failure";
            return found.add(AREA, Health::Weak, "nobody is told when something goes wrong", advice);
        }
        for channel in channels {
            let shown = format!("{} ({})", channel.name, channel.way);
            let test = format!("`darkslide notify test {}`", channel.name);
            match channel.last {
                None => found.add(AREA, Health::Unknown, format!("{shown}: nothing was ever sent"), test),
                Some(last) => match &last.why {
                    None => found.good(AREA, format!("{shown}: the last message arrived {}", last.time.local())),
                    Some(why) => {
                        let text = format!("{shown}: the last message, {}, did not arrive: {why}", last.time.local());
                        found.add(AREA, Health::Bad, text, format!("mend it, then {test}"));
                    }
                },
            }
        }
    }

    /// A rule by number alone lets whoever has this machine's secrets push good snapshots out.
    fn retention_holds(&self, found: &mut Findings) {
        for job in &self.settings.backups {
            let rules = job.keep.rules();
            if rules.last > 0 && rules.periods.is_empty() && rules.within.is_none() {
                let text = format!(
                    "backup `{}` keeps the last {} snapshots and nothing else: a thief of this machine's secrets \
                     pushes them out by as many of his own",
                    job.name, rules.last
                );
                found.add("retention", Health::Weak, text, "add a rule by time, such as `daily` or `within = \"90d\"`");
            }
        }
    }

    fn stores_well(&self, found: &mut Findings) {
        let repo = match self.repository() {
            Ok(repo) => repo,
            Err(error) => {
                let advice = "without a store there is neither backup nor restore: see the reason";
                return found.add("store", Health::Bad, format!("no store can be used: {error}"), advice);
            }
        };
        for (label, why) in &repo.reached.missing {
            let advice = "mount it or mend the line; the next backup brings it up";
            found.add("store", Health::Bad, format!("{label} cannot be reached: {why}"), advice);
        }
        for (name, why) in &repo.refused {
            let advice = "somebody put it there who may not sign, or it is damaged: `darkslide audit` says more";
            found.add("store", Health::Weak, format!("{name} was refused: {why}"), advice);
        }
        for store in &repo.reached.stores {
            let label = store.label();
            found.good("store", format!("{label} answers"));
            match store.rules() {
                Ok(rules) => rules.into_iter().for_each(|rule| found.0.push(of_rule(&label, rule))),
                Err(error) => {
                    let advice = "its rules could not be looked at; the store itself answers";
                    found.add("store", Health::Unknown, format!("{label}: {error}"), advice);
                }
            }
            store_clock(&**store, &label, self.clock.now(), found);
        }
    }
}

/// A store stamps what it takes by its own clock: nothing it holds is of the future.
fn store_clock(store: &dyn Store, label: &str, now: Time, found: &mut Findings) {
    let mut newest: Option<Time> = None;
    let listed = store.list("snapshots/", &mut |listed| {
        newest = newest.max(Some(listed.modified));
        Ok(())
    });
    if listed.is_err() {
        return;
    }
    match newest.filter(|newest| now.until(*newest) > SKEW_MAX) {
        Some(newest) => found.add(
            "clock",
            Health::Bad,
            format!("{label} took its newest snapshot at {newest}, by its clock; here it is {now}"),
            "one of the two clocks is wrong: let this machine's be set by the network",
        ),
        None => found.good("clock", format!("{label}'s clock agrees, as far as can be seen")),
    }
}

fn of_rule(label: &str, rule: Rule) -> Finding {
    let health = match rule.standing {
        Standing::Good => Health::Good,
        Standing::Unknown => Health::Unknown,
        Standing::Weak => Health::Weak,
        Standing::Bad => Health::Bad,
    };
    Finding { area: "store", health, text: format!("{label}: {}: {}", rule.what, rule.text), advice: rule.advice }
}

/// Identity files in a folder: by what they begin with.
fn identities(folder: &Path) -> Vec<PathBuf> {
    const SMALL: u64 = 64 << 10;
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let small = entries.filter(|entry| entry.metadata().is_ok_and(|meta| meta.is_file() && meta.size() <= SMALL));
    let opens = |path: &PathBuf| {
        let text = fs::read(path).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        text.lines().any(|line| line.starts_with("AGE-SECRET-KEY-"))
    };
    small.map(|entry| entry.path()).filter(opens).collect()
}

fn tools(found: &mut Findings) {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let there = |tool: &str| std::env::split_paths(&paths).any(|folder| folder.join(tool).is_file());
    let missing: Vec<&str> = STOCK.into_iter().filter(|tool| !there(tool)).collect();
    match missing.is_empty() {
        true => found.good("recovery", "age, zstd and tar are installed: packs can be opened without Darkslide"),
        false => found.add(
            "recovery",
            Health::Weak,
            format!("not installed: {}", missing.join(", ")),
            "install them to be able to practise recovery without Darkslide",
        ),
    }
}
