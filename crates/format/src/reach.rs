//! What a repository still needs: the packs that its snapshots refer to, and those
//! that a run which is about to end may refer to. Pure; prune and replication go
//! by it.
//!
//! **Invariant:** whatever a snapshot refers to is in here, whoever wrote it. What
//! cannot be told is named, never guessed.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use darkslide_words::{ObjectId, ObjectName, Time, WriterId};

use crate::limits::REFS_CHAIN_MAX;
use crate::snapshot::Refs;
use crate::trust::Standing;

/// A refs object, and who vouches for it.
#[derive(Debug, Clone)]
pub struct JudgedRefs {
    /// What it says.
    pub refs: Refs,
    /// How its writer stands.
    pub standing: Standing,
    /// When a store took it first, by that store's clock.
    pub stored: Time,
}

/// Refs objects by their id.
pub type AllRefs = BTreeMap<ObjectId, JudgedRefs>;

/// A snapshot that some store holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// Its name.
    pub name: ObjectName,
    /// The time in its name.
    pub time: Time,
    /// The refs that it names, where it was opened.
    pub refs: Option<ObjectId>,
}

/// What is needed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Packs, those of previews among them.
    pub packs: BTreeSet<ObjectName>,
    /// Refs objects.
    pub refs: BTreeSet<ObjectId>,
    /// Objects of which it cannot be told what they need, and why.
    pub unknown: Vec<(ObjectName, String)>,
}

/// What these snapshots need, complete ones and checkpoints; and what a run needs
/// whose refs are there and whose snapshot may still come.
pub fn needs(roots: &[Root], refs: &AllRefs) -> Needs {
    let mut by_time: HashMap<Time, Vec<ObjectId>> = HashMap::new();
    for (id, judged) in refs {
        by_time.entry(judged.refs.snapshot_time).or_default().push(*id);
    }
    let mut reach = Reach { refs, sets: Sets::new(refs), found: Bits::default(), needs: Needs::default() };
    let times: HashSet<Time> = roots.iter().map(|root| root.time).collect();
    for root in roots {
        let own = by_time.get(&root.time).map_or(&[][..], Vec::as_slice);
        reach.snapshot(root, own);
    }
    for id in unfinished(refs, &times) {
        if let Err(why) = reach.add(id) {
            reach.needs.unknown.push((crate::names::object(crate::names::Kind::Refs, id), why));
        }
    }
    reach.finish()
}

/// Refs without a snapshot, of writers that may still put it: a writer puts one
/// snapshot after the other, so only its last.
fn unfinished(refs: &AllRefs, snapshots: &HashSet<Time>) -> Vec<ObjectId> {
    let mut by_writer: BTreeMap<WriterId, Vec<(ObjectId, &JudgedRefs)>> = BTreeMap::new();
    for (id, judged) in refs.iter().filter(|(_, judged)| judged.standing == Standing::Trusted) {
        by_writer.entry(judged.refs.writer).or_default().push((*id, judged));
    }
    let mut open = Vec::new();
    for mut own in by_writer.into_values() {
        own.sort_by_key(|(_, judged)| std::cmp::Reverse(judged.refs.snapshot_time));
        // Later by its own clock and by the store's: clocks go back, and copies come late.
        let mut later = own.iter().peekable();
        let mut stored_after = None::<Time>;
        for (id, judged) in &own {
            while let Some((_, next)) = later.next_if(|(_, l)| l.refs.snapshot_time > judged.refs.snapshot_time) {
                stored_after = stored_after.max(Some(next.stored));
            }
            let over = stored_after.is_some_and(|stored| stored > judged.stored);
            if !over && !snapshots.contains(&judged.refs.snapshot_time) {
                open.push(*id);
            }
        }
    }
    open
}

struct Reach<'a> {
    refs: &'a AllRefs,
    sets: Sets<'a>,
    found: Bits,
    needs: Needs,
}

impl Reach<'_> {
    fn snapshot(&mut self, root: &Root, own: &[ObjectId]) {
        let (mut failed, mut resolved) = (Vec::new(), HashSet::new());
        for id in own {
            match self.add(*id) {
                Ok(()) => drop(resolved.insert(self.refs[id].refs.writer)),
                Err(why) => failed.push((*id, why)),
            }
        }
        let counts = |id: &ObjectId| {
            let JudgedRefs { refs, standing, .. } = &self.refs[id];
            // What only a stranger's refs say may be nonsense; and a writer that could not rely
            // on the first ones put others.
            root.refs == Some(*id) || (*standing == Standing::Trusted && !resolved.contains(&refs.writer))
        };
        let mut problems: Vec<String> = failed.into_iter().filter(|(id, _)| counts(id)).map(|(_, why)| why).collect();
        match root.refs {
            Some(id) if !own.contains(&id) => problems.push(format!("refs/{id}.age, which it names, is missing")),
            _ if resolved.is_empty() && problems.is_empty() => {
                problems.push("the list of the packs that it needs is missing".into());
            }
            _ => {}
        }
        self.needs.unknown.extend(problems.into_iter().map(|why| (root.name.clone(), why)));
    }

    fn add(&mut self, id: ObjectId) -> Result<(), String> {
        let set = self.sets.of(id)?;
        self.found.join(&set);
        let mut next = Some(id);
        while let Some(id) = next.filter(|id| self.needs.refs.insert(*id)) {
            next = self.refs.get(&id).and_then(|judged| judged.refs.base);
        }
        Ok(())
    }

    fn finish(mut self) -> Needs {
        let names = &self.sets.names;
        self.needs.packs = self.found.iter().filter_map(|n| names.get(n)).map(|name| (*name).clone()).collect();
        self.needs
    }
}

/// A set of numbers.
#[derive(Debug, Clone, Default)]
struct Bits(Vec<u64>);

impl Bits {
    fn set(&mut self, n: usize, on: bool) {
        if self.0.len() <= n / 64 {
            self.0.resize(n / 64 + 1, 0);
        }
        match on {
            true => self.0[n / 64] |= 1 << (n % 64),
            false => self.0[n / 64] &= !(1 << (n % 64)),
        }
    }

    fn join(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a |= b);
    }

    fn iter(&self) -> impl Iterator<Item = usize> {
        self.0
            .iter()
            .enumerate()
            .flat_map(|(at, word)| (0..64).filter(move |n| word >> n & 1 == 1).map(move |n| at * 64 + n))
    }
}

/// The sets of refs objects, each computed once out of its base's.
struct Sets<'a> {
    refs: &'a AllRefs,
    names: Vec<&'a ObjectName>,
    numbers: HashMap<&'a ObjectName, usize>,
    done: HashMap<ObjectId, (usize, Bits)>,
}

impl<'a> Sets<'a> {
    fn new(refs: &'a AllRefs) -> Self {
        Self { refs, names: Vec::new(), numbers: HashMap::new(), done: HashMap::new() }
    }

    fn number(&mut self, name: &'a ObjectName) -> usize {
        let (names, next) = (&mut self.names, self.numbers.len());
        *self.numbers.entry(name).or_insert_with(|| {
            names.push(name);
            next
        })
    }

    fn of(&mut self, id: ObjectId) -> Result<Bits, String> {
        let (mut chain, mut at) = (Vec::new(), id);
        let (mut length, mut set) = loop {
            if let Some(known) = self.done.get(&at) {
                break known.clone();
            }
            let Some(judged) = self.refs.get(&at) else {
                return Err(format!("refs/{at}.age, on which its refs build, is missing or damaged"));
            };
            chain.push((at, judged));
            match judged.refs.base {
                Some(base) if chain.len() < REFS_CHAIN_MAX => at = base,
                Some(_) => return Err("the chain of its refs is too long, or loops".into()),
                None => break (0, Bits::default()),
            }
        };
        for (id, judged) in chain.into_iter().rev() {
            let refs = &judged.refs;
            for name in refs.add.iter().chain(&refs.add_previews) {
                let n = self.number(name);
                set.set(n, true);
            }
            for name in refs.remove.iter().chain(&refs.remove_previews) {
                let n = self.number(name);
                set.set(n, false);
            }
            length += 1;
            if length > REFS_CHAIN_MAX {
                return Err("the chain of its refs is too long, or loops".into());
            }
            self.done.insert(id, (length, set.clone()));
        }
        Ok(set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use darkslide_words::RepositoryId;

    fn pack(n: u8) -> ObjectName {
        crate::names::object(crate::names::Kind::Packs, ObjectId::new([n; 32]))
    }

    fn judged(writer: u8, time: i64, base: Option<u8>, add: &[u8], remove: &[u8]) -> JudgedRefs {
        let refs = Refs {
            add: add.iter().map(|n| pack(*n)).collect(),
            add_previews: Vec::new(),
            base: base.map(|n| ObjectId::new([n; 32])),
            complete: Some(true),
            features: Vec::new(),
            format: 1,
            job: "photos".into(),
            predecessor: None,
            remove: remove.iter().map(|n| pack(*n)).collect(),
            remove_previews: Vec::new(),
            repository: RepositoryId::new([0; 16]),
            snapshot_time: Time(time),
            tags: Vec::new(),
            writer: WriterId::new([writer; 16]),
        };
        JudgedRefs { refs, standing: Standing::Trusted, stored: Time(time) }
    }

    fn all(list: Vec<(u8, JudgedRefs)>) -> AllRefs {
        list.into_iter().map(|(n, judged)| (ObjectId::new([n; 32]), judged)).collect()
    }

    fn root(n: u8, time: i64) -> Root {
        let id = ObjectId::new([n; 32]);
        Root { name: crate::names::snapshot(Time(time), id), time: Time(time), refs: None }
    }

    fn packs(needs: &Needs) -> Vec<ObjectName> {
        needs.packs.iter().cloned().collect()
    }

    #[test]
    fn a_snapshot_needs_its_set_and_the_chain_behind_it() {
        let refs = all(vec![
            (1, judged(1, 10, None, &[1, 2, 3], &[])),
            (2, judged(1, 20, Some(1), &[4], &[1])),
            (3, judged(1, 30, Some(2), &[5], &[2, 4])),
        ]);
        let needs = super::needs(&[root(9, 30)], &refs);
        assert_eq!(packs(&needs), [pack(3), pack(5)]);
        assert_eq!(needs.refs.len(), 3);
        assert_eq!(needs.unknown, []);
        let both = super::needs(&[root(9, 30), root(8, 10)], &refs);
        assert_eq!(packs(&both), [pack(1), pack(2), pack(3), pack(5)]);
    }

    #[test]
    fn previews_are_needed_like_packs() {
        let name = |n: u8| crate::names::object(crate::names::Kind::Previews, ObjectId::new([n; 32]));
        let mut first = judged(1, 10, None, &[1], &[]);
        first.refs.add_previews = vec![name(1), name(2)];
        let mut second = judged(1, 20, Some(1), &[], &[]);
        (second.refs.add_previews, second.refs.remove_previews) = (vec![name(3)], vec![name(1)]);
        let refs = all(vec![(1, first), (2, second)]);
        assert_eq!(packs(&super::needs(&[root(9, 20)], &refs)), [pack(1), name(2), name(3)]);
        assert_eq!(packs(&super::needs(&[root(9, 20), root(8, 10)], &refs)).len(), 4, "an older one needs its own");
    }

    #[test]
    fn what_cannot_be_told_is_named() {
        let refs = all(vec![(2, judged(1, 20, Some(1), &[4], &[]))]);
        assert_eq!(super::needs(&[root(9, 20)], &refs).unknown.len(), 1);
        assert_eq!(super::needs(&[root(9, 77)], &AllRefs::new()).unknown.len(), 1);
        let named = Root { refs: Some(ObjectId::new([7; 32])), ..root(9, 20) };
        let whole = all(vec![(2, judged(1, 20, None, &[4], &[]))]);
        let needs = super::needs(&[named], &whole);
        assert!(needs.unknown[0].1.contains("which it names"), "{needs:?}");
        assert_eq!(packs(&needs), [pack(4)], "what can be told counts all the same");
    }

    #[test]
    fn a_strangers_broken_refs_block_nothing_where_the_writers_own_hold() {
        let mut forged = judged(2, 20, Some(99), &[7], &[]);
        forged.standing = Standing::Revoked;
        let refs = all(vec![(1, judged(1, 20, None, &[1], &[])), (2, forged)]);
        let needs = super::needs(&[root(9, 20)], &refs);
        assert_eq!((packs(&needs), needs.unknown), (vec![pack(1)], vec![]));
    }

    #[test]
    fn a_writer_may_put_other_refs_where_the_first_cannot_be_relied_upon() {
        let refs = all(vec![(1, judged(1, 20, Some(99), &[1], &[])), (2, judged(1, 20, None, &[1, 2], &[]))]);
        let needs = super::needs(&[root(9, 20)], &refs);
        assert_eq!((packs(&needs), needs.unknown), (vec![pack(1), pack(2)], vec![]));
    }

    #[test]
    fn what_others_say_of_a_snapshot_only_adds() {
        let mut forged = judged(2, 20, None, &[7], &[]);
        forged.standing = Standing::Unknown;
        let refs = all(vec![(1, judged(1, 20, None, &[1], &[])), (2, forged)]);
        assert_eq!(packs(&super::needs(&[root(9, 20)], &refs)), [pack(1), pack(7)]);
    }

    #[test]
    fn the_last_refs_of_a_writer_count_without_a_snapshot_until_it_went_on() {
        let first = judged(1, 10, None, &[1], &[]);
        let open = all(vec![(1, first.clone())]);
        assert_eq!(packs(&super::needs(&[], &open)), [pack(1)]);
        let went_on = all(vec![(1, first.clone()), (2, judged(1, 20, None, &[2], &[]))]);
        assert_eq!(packs(&super::needs(&[], &went_on)), [pack(2)]);
        let another = all(vec![(1, first.clone()), (2, judged(2, 20, None, &[2], &[]))]);
        assert_eq!(packs(&super::needs(&[], &another)).len(), 2);
        // Later by its own clock alone, or by the store's alone: it may be the last.
        let mut ahead = judged(1, 20, None, &[2], &[]);
        ahead.stored = Time(5);
        assert_eq!(packs(&super::needs(&[], &all(vec![(1, first.clone()), (2, ahead)]))).len(), 2);
        let mut revoked = first;
        revoked.standing = Standing::Revoked;
        assert_eq!(packs(&super::needs(&[], &all(vec![(1, revoked)]))), []);
    }

    #[test]
    fn long_chains_are_refused() {
        let mut list = vec![(1, judged(1, 1, None, &[1], &[]))];
        list.extend((2..=70).map(|n| (n, judged(1, i64::from(n), Some(n - 1), &[], &[]))));
        let refs = all(list);
        assert_eq!(super::needs(&[root(200, 64)], &refs).unknown.len(), 1, "the newest, 70, is open and too long");
        assert!(super::needs(&[root(200, 65)], &refs).unknown.iter().any(|(n, _)| *n == root(200, 65).name));
    }
}
