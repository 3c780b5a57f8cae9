//! Which file of a card goes where: pure, from what is on the card and what the photographs tell.

use std::collections::BTreeMap;

use darkslide_disk::{Disk, Source, Stat};
use darkslide_photo::{DateSource, Facts, Format, Group, Kind, ReadAt, Role, Taken, clip_facts, clip_xml, groups};
use darkslide_words::{Bytes, Name};
use jiff::civil;
use jiff::tz::{Offset, TimeZone};

use crate::template::{Fill, Template, split_name};
use crate::{Card, CardFile};

/// How a card is ingested.
#[derive(Debug, Clone)]
pub struct Options {
    /// Folders and names.
    pub template: Template,
    /// What the shoot is called.
    pub job_code: String,
    /// When a day begins: what was taken after midnight and before it counts to the day before.
    pub day_starts: jiff::SignedDuration,
    /// The photographer's zone, for what says no other.
    pub zone: TimeZone,
    /// The first number of `{counter}`.
    pub counter: u64,
}

/// One file and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Path on the card.
    pub path: Name,
    /// As it was on the card.
    pub stat: Stat,
    /// Folder of the shoot, within the library.
    pub folder: Name,
    /// Path below that folder.
    pub below: Name,
    /// Part of a structure that is kept whole: the folder below `folder` that holds it.
    pub tree: Option<Name>,
    /// What it travels with.
    pub with: Option<With>,
}

/// A file that travels with a photograph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct With {
    /// The photograph's path on the card.
    pub original: Name,
    /// And within the library, as planned.
    pub planned: Name,
    /// True for a picture of its own right: the camera's JPEG beside a RAW. What is not is worth
    /// something beside its photograph alone.
    pub twin: bool,
}

impl Item {
    /// Path within the library.
    pub fn target(&self) -> Name {
        join(&self.folder, &self.below)
    }

    /// The folder of the shoot in which a name of this file lies.
    pub(crate) fn shoot(&self, name: &Name) -> Name {
        let below = name.as_bytes().strip_prefix(self.folder.as_bytes());
        match below.is_some_and(|rest| self.folder.is_empty() || rest.starts_with(b"/")) {
            true => self.folder.clone(),
            false => parent(name),
        }
    }

    /// Path within the library beside its photograph, which is called so there.
    pub(crate) fn beside(&self, with: &With, photograph: &Name) -> Name {
        join(&parent(photograph), &companion_name(photograph, &with.original, &self.path))
    }
}

/// Everything on a card and where it goes.
#[derive(Debug, Clone)]
pub struct IngestPlan {
    /// Files, in the order in which they are copied.
    pub items: Vec<Item>,
    /// The next number of `{counter}`.
    pub counter: u64,
    /// True if numbers were used.
    pub counted: bool,
}

impl IngestPlan {
    /// Bytes of all files.
    pub fn bytes(&self) -> Bytes {
        Bytes(self.items.iter().map(|item| item.stat.size).sum())
    }
}

pub(crate) fn join(a: &Name, b: &Name) -> Name {
    if a.is_empty() { b.clone() } else { a.join(b) }
}

/// An open file as bytes that can be asked for at any place.
struct Bits(Box<dyn Source>, u64);

impl ReadAt for Bits {
    fn read_at(&self, at: u64, buf: &mut [u8]) -> std::io::Result<usize> {
        self.0.read_at(at, buf)
    }
    fn len(&self) -> u64 {
        self.1
    }
}

/// What the photographs of a card tell; a few KiB are read of each.
pub fn read_facts(disk: &dyn Disk, card: &Card) -> BTreeMap<Name, Facts> {
    let mut out = BTreeMap::new();
    let sizes: BTreeMap<&Name, u64> = card.files.iter().map(|file| (&file.path, file.stat.size)).collect();
    // What cannot be read is found out, and told, when it is copied.
    let open = |path: &Name, size| Some(Bits(disk.open(&card.path(path)).ok()?, size));
    for file in card.files.iter().filter(|file| Kind::of(&file.path).is_original()) {
        let Some(bits) = open(&file.path, file.stat.size) else { continue };
        let mut facts = darkslide_photo::facts(&bits, Format::of(&file.path));
        let beside = clip_xml(&file.path).filter(|xml| sizes.contains_key(xml));
        if let Some(xml) = beside.and_then(|xml| open(&xml, sizes[&xml])) {
            facts = better(clip_facts(&xml), facts);
        }
        out.insert(file.path.clone(), facts);
    }
    out
}

/// What the camera wrote beside a clip goes before what is in the clip: it knows the zone.
fn better(beside: Facts, inside: Facts) -> Facts {
    Facts {
        taken: beside.taken.or(inside.taken),
        make: beside.make.or(inside.make.clone()),
        model: beside.model.or(inside.model.clone()),
        serial: beside.serial.or(inside.serial.clone()),
        lens: beside.lens.or(inside.lens.clone()),
        ..inside
    }
}

/// Where each file of the card goes.
pub fn plan(card: &Card, facts: &BTreeMap<Name, Facts>, options: &Options) -> IngestPlan {
    let planner = Planner { card, facts, options, still_zone: still_zone(facts) };
    let (mut photographs, mut trees): (BTreeMap<Name, Vec<&CardFile>>, Vec<&CardFile>) = Default::default();
    let has_dcim = card.files.iter().any(|file| first(&file.path).eq_ignore_ascii_case(b"DCIM"));
    for file in &card.files {
        let kept_whole = has_dcim && !first(&file.path).eq_ignore_ascii_case(b"DCIM") || is_structure(&file.path);
        match kept_whole {
            true => trees.push(file),
            false => photographs.entry(parent(&file.path)).or_default().push(file),
        }
    }
    let mut items = Vec::new();
    let mut counter = options.counter;
    for files in photographs.values() {
        let by_name: BTreeMap<&Name, &CardFile> = files.iter().map(|file| (&file.path, *file)).collect();
        for group in groups(files.iter().map(|file| &file.path)) {
            match group.original().filter(|name| Kind::of(name).is_original()) {
                Some(original) => {
                    items.extend(planner.photograph(&group, original, &by_name, counter));
                    counter += 1;
                }
                // Management files between the photographs belong to the card.
                None => trees.extend(group.files.iter().filter_map(|(_, name)| by_name.get(name).copied())),
            }
        }
    }
    items.extend(planner.trees(&trees));
    IngestPlan { items, counter, counted: options.template.counts() }
}

struct Planner<'p> {
    card: &'p Card,
    facts: &'p BTreeMap<Name, Facts>,
    options: &'p Options,
    still_zone: Option<i32>,
}

impl Planner<'_> {
    fn photograph(
        &self,
        group: &Group,
        original: &Name,
        files: &BTreeMap<&Name, &CardFile>,
        counter: u64,
    ) -> Vec<Item> {
        let Some(file) = files.get(original) else { return Vec::new() };
        let none = Facts::default();
        let facts = self.facts.get(original).unwrap_or(&none);
        let taken = self.wall_clock(facts.taken, &file.stat);
        let fill = Fill { counter, ..self.fill(taken, original, facts) };
        let (folder, name) = (self.options.template.folder(&fill), self.options.template.name(&fill));
        let named = |companion: &Name| match self.options.template.keeps_names() || companion == original {
            true if companion == original => name.clone(),
            true => Name::new(companion.file_name()),
            false => companion_name(&name, original, companion),
        };
        let item = |(role, path): &(Role, Name)| {
            let stat = files.get(path)?.stat;
            let planned = join(&folder, &name);
            let with = With { original: original.clone(), planned, twin: *role == Role::Twin };
            let with = (path != original).then_some(with);
            Some(Item { path: path.clone(), stat, folder: folder.clone(), below: named(path), tree: None, with })
        };
        group.files.iter().filter_map(item).collect()
    }

    /// Structures go whole into a folder of their own, named for the card, dated by their oldest clip.
    fn trees(&self, files: &[&CardFile]) -> Vec<Item> {
        let dated = |file: &&CardFile| {
            let taken = self.facts.get(&file.path)?.taken;
            taken.is_some().then(|| self.wall_clock(taken, &file.stat))
        };
        let by_clock = files.iter().filter_map(dated).min();
        let by_file = || files.iter().map(|file| self.wall_clock(None, &file.stat)).min();
        let Some(taken) = by_clock.or_else(by_file) else { return Vec::new() };
        let none = Facts::default();
        let folder = self.options.template.folder(&self.fill(taken, &Name::default(), &none));
        let tree = Name::new(format!("card_{}", tame(&self.card.volume.label)));
        let item = |file: &&CardFile| Item {
            path: file.path.clone(),
            stat: file.stat,
            folder: folder.clone(),
            below: join(&tree, &file.path),
            tree: Some(tree.clone()),
            with: None,
        };
        let mut items: Vec<Item> = files.iter().map(item).collect();
        items.sort_by(|a, b| a.path.cmp(&b.path));
        items
    }

    fn fill<'f>(&'f self, taken: civil::DateTime, name: &'f Name, facts: &'f Facts) -> Fill<'f> {
        Fill {
            taken,
            day: taken.checked_sub(self.options.day_starts).unwrap_or(taken),
            name,
            camera: facts.model.as_deref().unwrap_or_default(),
            make: facts.make.as_deref().unwrap_or_default(),
            serial: facts.serial.as_deref().unwrap_or_default(),
            counter: self.options.counter,
            job: &self.options.job_code,
            card: &self.card.volume.label,
        }
    }

    /// What the photographer's clock showed. A video tells UTC: then the zone of the photographs
    /// beside it counts, else the photographer's. Without any date, the file's time.
    fn wall_clock(&self, taken: Option<Taken>, stat: &Stat) -> civil::DateTime {
        let zone = || match self.still_zone.and_then(|seconds| Offset::from_seconds(seconds).ok()) {
            Some(offset) => TimeZone::fixed(offset),
            None => self.options.zone.clone(),
        };
        let shown = match taken {
            Some(taken) if taken.source == DateSource::Video && taken.offset == Some(0) => {
                taken.instant(&TimeZone::UTC).and_then(|at| Taken::from_file(at, &zone()))
            }
            Some(taken) => Some(taken),
            None => Taken::from_file(stat.mtime, &self.options.zone),
        };
        shown.map_or(civil::DateTime::constant(1970, 1, 1, 0, 0, 0, 0), |taken| taken.local)
    }
}

/// The zone that most photographs say.
fn still_zone(facts: &BTreeMap<Name, Facts>) -> Option<i32> {
    let mut votes: BTreeMap<i32, u32> = BTreeMap::new();
    for taken in facts.values().filter_map(|facts| facts.taken) {
        if let (DateSource::Original, Some(offset)) = (taken.source, taken.offset) {
            *votes.entry(offset).or_default() += 1;
        }
    }
    votes.into_iter().max_by_key(|(_, votes)| *votes).map(|(offset, _)| offset)
}

/// A renamed photograph's companion: the photograph's new stem, and what the companion's name has
/// beyond the old one.
fn companion_name(new: &Name, original: &Name, companion: &Name) -> Name {
    let old_stem = split_name(original).0;
    let (new, name) = (Name::new(new.file_name()), companion.file_name());
    let new_stem = split_name(&new).0;
    let rest = match name.get(..old_stem.len()) {
        Some(head) if head.eq_ignore_ascii_case(old_stem) => name[old_stem.len()..].to_vec(),
        _ => [b".", split_name(companion).1].concat(),
    };
    Name::new([new_stem, &rest].concat())
}

fn first(path: &Name) -> &[u8] {
    path.as_bytes().split(|b| *b == b'/').next().unwrap_or_default()
}

pub(crate) fn parent(path: &Name) -> Name {
    let bytes = path.as_bytes();
    Name::new(bytes.iter().rposition(|b| *b == b'/').map_or(&b""[..], |at| &bytes[..at]))
}

/// Part of a structure that breaks when its files are renamed or spread.
fn is_structure(path: &Name) -> bool {
    const WHOLE: [&[u8]; 8] = [b"PRIVATE", b"AVCHD", b"CONTENTS", b"XDROOT", b"BPAV", b"CLIP", b"M4ROOT", b"BDMV"];
    let folders = parent(path);
    folders.as_bytes().split(|b| *b == b'/').any(|part| WHOLE.iter().any(|whole| part.eq_ignore_ascii_case(whole)))
}

fn tame(label: &str) -> String {
    label.trim().chars().map(|c| if c.is_control() || c == '/' { '_' } else { c }).collect()
}
