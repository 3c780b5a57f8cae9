//! Photographs whose packs are cold, thawing, warm, and cold again.

use std::time::Duration;

use darkslide_engine::{ColdRestore, PhotographAsk, PhotographState};

use super::{Cold, backup, order};

#[test]
fn each_photograph_says_how_readable_it_is() {
    let cold = Cold::new();
    cold.library();
    backup(&cold.init(vec![cold.bucket()]));
    let engine = cold.engine("coldsim");
    let in_state = |state| {
        let ask = PhotographAsk { state: Some(state), ..PhotographAsk::default() };
        engine.photographs(&ask).unwrap().photographs
    };
    cold.sim.forget_requests();
    assert_eq!(in_state(PhotographState::Cold).len(), 8, "packs go to DEEP_ARCHIVE, though no listing has told yet");
    let hike = order(&cold.path("out"), &["2024/hike"]);
    assert_eq!(cold.sim.requests(), [], "no store was asked");
    assert!(matches!(cold.restore(&engine, &hike).unwrap(), ColdRestore::Waiting { .. }));
    let thawing = in_state(PhotographState::Thawing);
    assert_eq!(thawing.len(), 4);
    assert!(thawing.iter().all(|one| one.folder == "2024/hike" && one.until.is_some()), "and when it is ready");
    assert_eq!(in_state(PhotographState::Cold).len(), 4);
    cold.sim.advance(Duration::from_secs(48 * 3600));
    assert!(matches!(cold.restore(&engine, &hike).unwrap(), ColdRestore::Done(_)));
    let warm = in_state(PhotographState::Warm);
    assert_eq!(warm.len(), 4, "a thawed copy stays for days");
    let detail = engine.photograph(warm[0].id).unwrap();
    let store = detail.copies.iter().find(|copy| copy.kind == "store").unwrap();
    assert_eq!((store.state, store.classes.as_slice()), (PhotographState::Warm, &["DEEP_ARCHIVE".to_string()][..]));
    assert!(store.until.is_some() && store.off_site && detail.packs.len() == 1);
    assert!(in_state(PhotographState::Thawing).is_empty() && in_state(PhotographState::Readable).is_empty());
    cold.sim.advance(Duration::from_secs(30 * 24 * 3600));
    assert_eq!(in_state(PhotographState::Cold).len(), 8, "it has vanished again");
}
