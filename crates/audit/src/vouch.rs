//! Who vouches for a snapshot: it was opened here, or its writer's refs tell. So a
//! machine that can open none can still say whose each one is, and never mistakes one
//! for another.

use std::collections::{BTreeMap, BTreeSet};

use darkslide_format::names;
use darkslide_format::reach::AllRefs;
use darkslide_format::snapshot::{Refs, Snapshot};
use darkslide_format::trust::{Standing, Trust};
use darkslide_words::{ObjectName, Time};

use crate::retention::{Author, SnapshotFacts, Vouched};

/// What is known of each snapshot in a listing (name, and when a store took it first).
pub fn vouch(
    listed: &BTreeMap<ObjectName, Time>,
    opened: &BTreeMap<ObjectName, Snapshot>,
    refs: &AllRefs,
    trust: &Trust,
) -> Vec<SnapshotFacts> {
    let mut at: BTreeMap<Time, Vec<&Refs>> = BTreeMap::new();
    let mut named: BTreeMap<&ObjectName, Vec<&Refs>> = BTreeMap::new();
    for judged in refs.values() {
        at.entry(judged.refs.snapshot_time).or_default().push(&judged.refs);
        if let Some(before) = judged.refs.predecessor.as_ref().filter(|_| judged.standing == Standing::Trusted) {
            named.entry(before).or_default().push(&judged.refs);
        }
    }
    let mut objects: BTreeMap<Time, usize> = BTreeMap::new();
    let time = |name: &ObjectName| names::parse(name).and_then(|p| p.time);
    listed.keys().filter_map(time).for_each(|time| *objects.entry(time).or_default() += 1);
    let none: Vec<&Refs> = Vec::new();
    let mut facts = Vec::new();
    for (name, stored) in listed {
        let Some(time) = time(name) else { continue };
        let vouched = match opened.get(name) {
            Some(snapshot) => Vouched::By(of_snapshot(snapshot, trust)),
            None => {
                let own = at.get(&time).unwrap_or(&none);
                let by = named.get(name).unwrap_or(&none);
                by_refs(own, by, objects[&time] == 1, trust)
            }
        };
        facts.push(SnapshotFacts { name: name.clone(), time, stored: *stored, vouched });
    }
    facts
}

fn of_snapshot(snapshot: &Snapshot, trust: &Trust) -> Author {
    Author {
        writer: snapshot.writer,
        name: trust.writer_name(snapshot.writer),
        standing: trust.standing(snapshot.writer),
        job: snapshot.job.clone(),
        complete: snapshot.complete,
        tags: snapshot.tags.clone(),
    }
}

/// `own` are the refs of its time, `by` those that name it as the one before them.
fn by_refs(own: &[&Refs], by: &[&Refs], alone: bool, trust: &Trust) -> Vouched {
    let nobody = |why: &str| Vouched::Nobody(format!("{why}; `--identity FILE` opens it"));
    let whose: BTreeSet<_> = own.iter().chain(by).map(|refs| (refs.writer, &refs.job)).collect();
    let (Some(refs), 1) = (own.first(), whose.len()) else {
        return nobody(if own.is_empty() { "no refs tell whose it is" } else { "refs of several tell of it" });
    };
    let facts: BTreeSet<_> = own.iter().map(|refs| (refs.complete, &refs.tags)).collect();
    let (Some(complete), 1) = (refs.complete, facts.len()) else {
        return nobody("its refs do not tell what it is");
    };
    let author = Author {
        writer: refs.writer,
        name: trust.writer_name(refs.writer),
        standing: trust.standing(refs.writer),
        job: refs.job.clone(),
        complete,
        tags: refs.tags.clone(),
    };
    match (by.is_empty(), alone) {
        (false, _) => Vouched::By(author),
        (true, true) => Vouched::Newest(author),
        (true, false) => nobody("several are of its time"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use darkslide_format::config::Header;
    use darkslide_format::reach::JudgedRefs;
    use darkslide_format::signed::SecretKey;
    use darkslide_format::trust::{WriterDoc, writer_document};
    use darkslide_words::{ObjectId, RepositoryId};

    const REPOSITORY: [u8; 16] = [1; 16];

    fn key(n: u8) -> SecretKey {
        SecretKey::from_seed(&[n; 32])
    }

    fn trust() -> Trust {
        let owner = key(100);
        let header = Header {
            created: Time(0),
            features: Vec::new(),
            format: 1,
            owner: darkslide_format::canon::B64(owner.public().as_bytes().to_vec()),
            repository: RepositoryId::new(REPOSITORY),
        };
        let mut trust = Trust::new(header).unwrap();
        for n in [1, 2] {
            let doc = WriterDoc::enroll(RepositoryId::new(REPOSITORY), &key(n).public(), &format!("w{n}"), Time(0));
            let (id, bytes) = writer_document(&doc, &owner).unwrap();
            trust.add_writer(id, &bytes).unwrap();
        }
        trust
    }

    fn name(time: i64, n: u8) -> ObjectName {
        names::snapshot(Time(time * 1_000_000), ObjectId::new([n; 32]))
    }

    fn refs(writer: u8, time: i64, predecessor: Option<ObjectName>) -> Refs {
        Refs {
            add: Vec::new(),
            add_previews: Vec::new(),
            base: None,
            complete: Some(true),
            features: Vec::new(),
            format: 1,
            job: "photos".into(),
            predecessor,
            remove: Vec::new(),
            remove_previews: Vec::new(),
            repository: RepositoryId::new(REPOSITORY),
            snapshot_time: Time(time * 1_000_000),
            tags: Vec::new(),
            writer: key(writer).public().writer_id(),
        }
    }

    fn judge(listed: &[ObjectName], refs: Vec<Refs>) -> Vec<Vouched> {
        let trust = trust();
        let listed = listed.iter().map(|n| (n.clone(), Time(0))).collect();
        let all = refs.into_iter().enumerate().map(|(n, refs)| {
            let standing = trust.standing(refs.writer);
            (ObjectId::new([n as u8; 32]), JudgedRefs { refs, standing, stored: Time(0) })
        });
        vouch(&listed, &BTreeMap::new(), &all.collect(), &trust).into_iter().map(|f| f.vouched).collect()
    }

    #[test]
    fn its_writer_names_it_later_and_the_newest_is_only_likely() {
        let (a, b) = (name(10, 1), name(20, 2));
        let found = judge(&[a.clone(), b], vec![refs(1, 10, None), refs(1, 20, Some(a))]);
        assert!(matches!(&found[0], Vouched::By(author) if author.name == "w1"), "{found:?}");
        assert!(matches!(&found[1], Vouched::Newest(author) if author.name == "w1"), "{found:?}");
    }

    #[test]
    fn nobody_takes_anothers_snapshot_for_his_own() {
        let (a, b) = (name(10, 1), name(20, 2));
        let honest = || vec![refs(1, 10, None), refs(1, 20, Some(a.clone()))];
        // He names it as his predecessor, or writes refs of its time, or puts an object of its time.
        let mut forged = honest();
        forged.push(refs(2, 30, Some(a.clone())));
        assert!(matches!(judge(&[a.clone(), b.clone()], forged)[0], Vouched::Nobody(_)));
        let mut forged = honest();
        forged.push(refs(2, 20, None));
        assert!(matches!(judge(&[a.clone(), b.clone()], forged)[1], Vouched::Nobody(_)));
        let found = judge(&[a.clone(), b, name(20, 9)], honest());
        assert!(matches!(found[1..], [Vouched::Nobody(_), Vouched::Nobody(_)]), "{found:?}");
        // One of the time of a real one that was named is not mistaken for it.
        let found = judge(&[a.clone(), name(10, 9)], honest());
        assert!(matches!(found[..], [Vouched::By(_), Vouched::Nobody(_)]), "{found:?}");
    }

    #[test]
    fn what_is_not_known_is_said() {
        let a = name(10, 1);
        assert!(matches!(&judge(std::slice::from_ref(&a), vec![])[0], Vouched::Nobody(why) if why.contains("no refs")));
        let old = Refs { complete: None, ..refs(1, 10, None) };
        assert!(
            matches!(&judge(std::slice::from_ref(&a), vec![old])[0], Vouched::Nobody(why) if why.contains("what it is"))
        );
        let stranger = refs(7, 10, None);
        let found = judge(&[a], vec![stranger]);
        assert!(matches!(&found[0], Vouched::Newest(author) if author.standing == Standing::Unknown), "{found:?}");
    }
}
