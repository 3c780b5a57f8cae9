//! The plan of a repair: for each object that is missing or damaged somewhere, what mends it.

use std::collections::BTreeMap;

use darkslide_format::names::{self, Kind};
use darkslide_store::ParityState;
use darkslide_words::{Bytes, Count, ObjectName};

use super::survey::{Shelf, Survey, id_of};
use super::{Cure, Harm, Hopeless, Mend, RepairPlan, Unprotected, photographs, quote};
use crate::EngineError;

/// Makes the plan.
pub fn plan(survey: &Survey<'_>) -> Result<RepairPlan, EngineError> {
    let mut plan = RepairPlan { unreached: survey.repo.reached.missing.clone(), ..RepairPlan::default() };
    let wanted = survey.wanted()?;
    let mut lost: BTreeMap<ObjectName, Vec<usize>> = BTreeMap::new();
    for shelf in survey.shelves.iter().filter(|shelf| shelf.chosen) {
        for (name, size) in &wanted {
            let Some(harm) = harm(shelf, name, *size) else { continue };
            let Some(cure) = cure(survey, shelf, name, *size, &harm)? else { continue };
            if matches!(cure, Cure::Library { .. }) {
                lost.entry(name.clone()).or_default().push(plan.mends.len());
            }
            plan.mends.push(Mend { store: shelf.label.clone(), object: name.clone(), size: Bytes(*size), harm, cure });
        }
        plan.unprotected.extend(unprotected(shelf, &wanted));
    }
    let held = photographs::sources(survey, lost.keys())?;
    for (name, mends) in lost {
        let chunks = photographs::lost_chunks(survey, &name)?;
        let files = held.get(&name).copied().unwrap_or_default();
        for at in mends {
            plan.mends[at].cure = Cure::Library { chunks: Count(chunks.len() as u64), files };
        }
        // Where another store has it whole, nothing is lost but that one's copy.
        let size = wanted.get(&name).copied().unwrap_or_default();
        if survey.shelves.iter().any(|shelf| shelf.holds(&name, size)) {
            continue;
        }
        let missing = photographs::not_at_hand(survey, &name, &chunks)?;
        if !missing.is_empty() {
            let (photographs, count) = photographs::named(survey, &name, &missing)?;
            let chunks = Count(missing.len() as u64);
            plan.hopeless.push(Hopeless { object: name, chunks, photographs, count });
        }
    }
    plan.cost = quote::cost(survey, &plan)?;
    Ok(plan)
}

fn harm(shelf: &Shelf, name: &ObjectName, size: u64) -> Option<Harm> {
    match shelf.listed.get(name) {
        None => Some(Harm::Missing),
        Some((found, _)) if *found != size => Some(Harm::Truncated { found: Bytes(*found) }),
        Some(_) => shelf.damaged.get(name).map(|why| Harm::Damaged { why: why.clone() }),
    }
}

/// What mends an object in a store; nothing if a second look finds it whole.
fn cure(
    survey: &Survey<'_>,
    shelf: &Shelf,
    name: &ObjectName,
    size: u64,
    harm: &Harm,
) -> Result<Option<Cure>, EngineError> {
    if let Some(mending) = shelf.store.mending() {
        match mending.parity(name, id_of(name), None)? {
            ParityState::Healable { damaged, .. } => return Ok(Some(Cure::Parity { shards: damaged })),
            // Missing under its name, whole where it was set aside.
            ParityState::Whole | ParityState::Worn { .. } if *harm == Harm::Missing => {
                return Ok(Some(Cure::Parity { shards: Count(0) }));
            }
            _ => {}
        }
    }
    let from: Vec<&Shelf> =
        survey.shelves.iter().filter(|other| other.label != shelf.label && other.holds(name, size)).collect();
    let replaceable = *harm == Harm::Missing || shelf.store.mending().is_some();
    let at_hand = |other: &&&Shelf| other.listed.get(name).is_some_and(|(_, at_hand)| *at_hand);
    let readable: Vec<String> = from.iter().filter(at_hand).map(|other| other.label.clone()).collect();
    if replaceable && !readable.is_empty() {
        return Ok(Some(Cure::Store { from: readable }));
    }
    let kind = names::parse(name).map(|p| p.kind);
    if matches!(kind, Some(Kind::Packs | Kind::Warm | Kind::Trees)) {
        if replaced_in(survey, shelf, name)? {
            return Ok(Some(Cure::Elsewhere));
        }
        return Ok(Some(match survey.writer {
            Some(_) => Cure::Library { chunks: Count(0), files: Count(0) },
            None => Cure::Nothing { why: without_writer(&from) },
        }));
    }
    Ok(Some(other_kind(survey, shelf, name, kind, &from)?))
}

fn without_writer(from: &[&Shelf]) -> String {
    let cold = "it lies whole, but cold, in another store: a thaw makes it readable; or run `repair` on the machine that backs up, which seals it again out of the library";
    match from.is_empty() {
        true => "no store at hand has it whole: run `repair` on the machine that backs up, which seals it again out of the library".into(),
        false => cold.into(),
    }
}

/// What is no pack.
fn other_kind(
    survey: &Survey<'_>,
    shelf: &Shelf,
    name: &ObjectName,
    kind: Option<Kind>,
    from: &[&Shelf],
) -> Result<Cure, EngineError> {
    if !from.is_empty() {
        let why = format!(
            "{} overwrites nothing: the damaged object stays. {} has it whole, and is asked where this one fails",
            shelf.label, from[0].label
        );
        return Ok(Cure::Nothing { why });
    }
    let index =
        kind == Some(Kind::Index) && id_of(name).map(|id| survey.catalog.has_segment(id)).transpose()? == Some(true);
    if index {
        return Ok(Cure::NextBackup);
    }
    let why = match kind {
        Some(Kind::Snapshots | Kind::Refs) => {
            "no store has it whole. The packs are there: the next backup makes a snapshot of the library as it is; what \
             only this one held comes back from the packs' recipes (`recover.py`)"
        }
        Some(Kind::Keys) => {
            "no store has it whole. Recipients still open every pack; `darkslide key add` writes the keys again"
        }
        Some(Kind::Previews) => {
            "no store has it whole. No photograph is in it: `darkslide previews make` on the machine that backs up makes \
             the thumbnails again"
        }
        Some(Kind::Config | Kind::Writers | Kind::Header) => {
            "no store has it whole. Look for it in an older copy of a store, on another disk, and put it back under its name"
        }
        _ => "no store has it whole",
    };
    Ok(Cure::Nothing { why: why.into() })
}

/// True if all that a pack held lies in other packs that this store holds.
pub fn replaced_in(survey: &Survey<'_>, shelf: &Shelf, name: &ObjectName) -> Result<bool, EngineError> {
    let there = |other: &ObjectName| {
        let size = survey.catalog.pack_named(other).ok().flatten().and_then(|id| survey.catalog.pack(id).ok());
        size.is_some_and(|facts| shelf.holds(other, facts.size.0))
    };
    Ok(darkslide_audit::replaced(&survey.catalog, name, &there)?)
}

/// Whole objects that are to have parity and lack it.
pub fn without_parity<'s>(
    shelf: &'s Shelf,
    wanted: &'s BTreeMap<ObjectName, u64>,
) -> impl Iterator<Item = (&'s ObjectName, u64)> + 's {
    let mending = shelf.store.mending().filter(|mending| mending.parity_percent() > 0);
    let lacks = move |name: &ObjectName| mending.is_some_and(|m| shelf.worn.contains(name) || !m.has_parity(name));
    wanted
        .iter()
        .filter(|(name, size)| id_of(name).is_some() && shelf.holds(name, **size))
        .filter(move |(name, _)| lacks(name))
        .map(|(name, size)| (name, *size))
}

fn unprotected(shelf: &Shelf, wanted: &BTreeMap<ObjectName, u64>) -> Option<Unprotected> {
    let (mut objects, mut bytes) = (Count(0), Bytes(0));
    for (_, size) in without_parity(shelf, wanted) {
        objects += Count(1);
        bytes += Bytes(size);
    }
    (objects.0 > 0).then(|| Unprotected { store: shelf.label.clone(), objects, bytes })
}
