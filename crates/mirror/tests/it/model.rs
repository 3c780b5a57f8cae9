//! After any sequence of edits the mirror equals the library, and nothing that was on it is lost.

use std::collections::BTreeSet;

use darkslide_disk::RealDisk;
use proptest::prelude::*;

use crate::harness::{World, all, noise};

#[derive(Debug, Clone)]
enum Edit {
    Write(u8, u8, u8),
    Remove(u8, u8),
    Move(u8, u8, u8, u8),
    MoveFolder(u8, u8),
    RemoveFolder(u8),
    Link(u8, u8),
    Run,
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let (d, f) = (0..4u8, 0..4u8);
    let edit = prop_oneof![
        4 => (d.clone(), f.clone(), any::<u8>()).prop_map(|(d, f, c)| Edit::Write(d, f, c)),
        1 => (d.clone(), f.clone()).prop_map(|(d, f)| Edit::Remove(d, f)),
        2 => (d.clone(), f.clone(), d.clone(), f.clone()).prop_map(|(a, b, c, d)| Edit::Move(a, b, c, d)),
        1 => (d.clone(), d.clone()).prop_map(|(a, b)| Edit::MoveFolder(a, b)),
        1 => d.clone().prop_map(Edit::RemoveFolder),
        1 => (d, f).prop_map(|(d, f)| Edit::Link(d, f)),
        2 => Just(Edit::Run),
    ];
    proptest::collection::vec(edit, 1..24)
}

fn apply(world: &World, edit: &Edit, clock: &mut u64) {
    let folder = |d: &u8| format!("library/d{d}");
    let file = |d: &u8, f: &u8| format!("library/d{d}/f{f}");
    *clock += 10;
    match edit {
        Edit::Write(d, f, content) => {
            let _ = std::fs::remove_file(world.path(&file(d, f)));
            world.write(&file(d, f), &noise(u64::from(*content), usize::from(*content) * 3));
            world.date(&file(d, f), *clock);
        }
        Edit::Remove(d, f) => drop(std::fs::remove_file(world.path(&file(d, f)))),
        Edit::Move(a, b, c, d) => {
            let _ = std::fs::create_dir_all(world.path(&folder(c)));
            drop(std::fs::rename(world.path(&file(a, b)), world.path(&file(c, d))));
        }
        Edit::MoveFolder(a, b) => drop(std::fs::rename(world.path(&folder(a)), world.path(&folder(b)))),
        Edit::RemoveFolder(d) => drop(std::fs::remove_dir_all(world.path(&folder(d)))),
        Edit::Link(d, f) => {
            let _ = std::fs::remove_file(world.path(&file(d, f)));
            let _ = std::fs::create_dir_all(world.path(&folder(d)));
            drop(std::os::unix::fs::symlink("../d0", world.path(&file(d, f))));
        }
        Edit::Run => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn any_sequence_of_edits(edits in edits()) {
        let world = World::new();
        let mut clock = 0;
        let mut ever: BTreeSet<Vec<u8>> = BTreeSet::new();
        for edit in edits.iter().chain([&Edit::Run]) {
            apply(&world, edit, &mut clock);
            if matches!(edit, Edit::Run) {
                world.later(std::time::Duration::from_secs(60));
                let done = world.run(&RealDisk, &all()).unwrap();
                prop_assert!(done.failures.is_empty(), "{done:?}");
                prop_assert_eq!(world.tree("library"), world.tree("mirror"));
                prop_assert!(world.plan(&RealDisk, &all()).unwrap().is_empty());
                let files = |tree: std::collections::BTreeMap<String, (char, u32, i64, Vec<u8>)>| {
                    tree.into_values().filter(|(kind, ..)| *kind == 'f').map(|(.., bytes)| bytes).collect::<BTreeSet<_>>()
                };
                ever.extend(files(world.tree("mirror")));
                let kept: BTreeSet<_> = files(world.tree("mirror")).into_iter().chain(world.trash()).collect();
                prop_assert!(kept.is_superset(&ever), "something is gone from mirror and trash");
            }
        }
    }
}
