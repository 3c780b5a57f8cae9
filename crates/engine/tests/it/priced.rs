//! Repairs that cost something: quoted, limited, and on record.

use std::fs;

use darkslide_engine::words::{Bytes, Money};
use darkslide_engine::{Engine, RepairOptions, StoreSettings};

use crate::cold::{Cold, backup};
use crate::harness::{Quiet, tree};

fn warm(cold: &Cold) -> StoreSettings {
    StoreSettings { class: Some(darkslide_engine::words::StorageClass::Standard), ..cold.bucket() }
}

#[test]
fn a_repair_is_quoted_limited_and_a_run() {
    let cold = Cold::new();
    cold.library();
    let disk = cold.path("disk");
    backup(&cold.init(vec![StoreSettings::dir(&disk), warm(&cold)]));
    let engine = || -> Engine { cold.engine("coldsim") };
    let of =
        |(path, facts): (std::path::PathBuf, _)| (path.starts_with("packs") && facts == 'f').then(|| disk.join(path));
    let lost: Vec<_> = tree(&disk).into_iter().filter_map(|(path, facts)| of((path, facts.0))).collect();
    assert!(!lost.is_empty());
    lost.iter().for_each(|path| fs::remove_file(path).unwrap());
    let plan = engine().plan_repair(&RepairOptions::default()).unwrap();
    let cost = plan.cost.unwrap();
    assert!(cost > Money::ZERO && plan.copied() > Bytes(0), "{plan:?}");
    let limit = |max: Money| RepairOptions { store: None, max_cost: Some(max) };
    let refused = engine().repair(&plan, &limit(Money(1)), &Quiet);
    assert!(refused.is_err(), "{refused:?}");
    assert!(lost.iter().all(|path| !path.exists()), "nothing was paid, nothing came");
    engine().repair(&plan, &limit(cost), &Quiet).unwrap();
    assert!(lost.iter().all(|path| path.is_file()));
    let row = engine().runs(None, 1).unwrap().pop().unwrap();
    assert_eq!((row.kind.as_str(), row.outcome.as_deref()), ("repair", Some("complete")));
    assert!(row.money > Money::ZERO && row.money <= cost, "{} of {cost}", row.money);
}
