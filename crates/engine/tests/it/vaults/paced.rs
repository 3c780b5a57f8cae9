//! Thaws under the account's data retrieval policy: the quote's hours follow it, the requests keep to
//! it, and what it never lets through is refused before anything is asked for.

use darkslide_engine::words::RetrievalPolicy;

use super::*;

/// A backup of so many shoots, each a pack of 12 MB, and the policy.
fn site(shoots: u64, policy: RetrievalPolicy) -> (Site, Tree) {
    let site = Site::new();
    for n in 0..shoots {
        for part in 0..2 {
            site.write(&format!("2024/{n}/IMG_{part}.CR3"), &noise(n * 10 + part, 6_000_000));
        }
    }
    let library = tree(&site.path("library"));
    backup(&site.init());
    let vault = site.engine().open_vault(&site.settings()).unwrap();
    vault.get().set_retrieval_policy(policy).unwrap();
    (site, library)
}

/// Restores, and looks again every quarter of an hour, as `--wait` does; how long it took, and how
/// many steps there were.
fn hours_of(site: &Site, thaw: &ThawOptions) -> Duration {
    let (to, begun) = (order(&site.path("out"), &[]), site.sim.now());
    for _ in 0..4 * 24 * 10 {
        match site.restore(&site.engine(), &to, thaw).unwrap() {
            ColdRestore::Done(done) => {
                assert!(done.casualties.is_empty(), "{:?}", done.casualties);
                return begun.until(site.sim.now());
            }
            ColdRestore::Waiting { progress, .. } => assert_eq!(progress.stop, None),
            ColdRestore::Declined => panic!("nobody declined"),
        }
        site.sim.advance(HOUR / 4);
    }
    panic!("it does not end");
}

fn refusals(site: &Site) -> usize {
    site.sim.requests().iter().filter(|r| r.operation == "InitiateJob" && r.status >= 400).count()
}

#[test]
fn the_quotes_hours_hold_under_bytes_an_hour_and_nothing_is_refused() {
    // Two packs are in progress at once.
    let (site, library) = site(5, RetrievalPolicy::BytesPerHour { bytes: Bytes::mib(7) });
    site.engine().refresh().unwrap();
    site.sim.forget_requests();
    let quote = site.engine().quote_restore(&order(&site.path("out"), &[]), &STANDARD).unwrap();
    assert_eq!(site.sim.requests(), [], "a quote asks nobody");
    let packs = quote.thaw.packs.len();
    assert!(
        packs >= 4 && (packs / 2..=packs).contains(&quote.thaw.waves.len()),
        "{packs} packs, {} waves",
        quote.thaw.waves.len()
    );
    assert!(quote.thaw.assumptions.iter().any(|text| text.contains("BytesPerHour")), "{:?}", quote.thaw.assumptions);
    let took = hours_of(&site, &STANDARD);
    assert_same(&library, &tree(&site.path("out")));
    assert_eq!((site.count("InitiateJob"), refusals(&site)), (packs, 0));
    let (said, slack) = (quote.thaw.last_byte, HOUR * quote.thaw.waves.len() as u32 / 2);
    assert!(took <= said + slack, "quoted {said:?}, took {took:?}");
    assert!(took * 2 > said, "quoted {said:?}, took {took:?} only");
}

#[test]
fn what_another_client_asks_for_too_only_makes_it_later() {
    let (site, library) = site(2, RetrievalPolicy::BytesPerHour { bytes: Bytes::mib(7) });
    let vault = site.engine().open_vault(&site.settings()).unwrap();
    let archives = vault.archives().unwrap();
    stranger_asks(&site, &archives[0].id);
    hours_of(&site, &STANDARD);
    assert_same(&library, &tree(&site.path("out")));
}

/// A job of another program, of which this machine knows nothing.
fn stranger_asks(site: &Site, archive: &str) {
    let other = site.opener().visit(&StoreSettings { record: None, ..site.vault() }).unwrap();
    other.vault().unwrap().retrieve(archive, Tier::Standard, None).unwrap();
}

#[test]
fn under_the_free_tier_a_restore_of_little_goes_through_and_bulk_is_never_held() {
    let (free, library) = site(1, RetrievalPolicy::FreeTier);
    let took = hours_of(&free, &STANDARD);
    assert_same(&library, &tree(&free.path("out")));
    assert!(took <= 6 * HOUR && refusals(&free) == 0, "{took:?}");
    let (slow, library) = site(1, RetrievalPolicy::BytesPerHour { bytes: Bytes(1000) });
    let took = hours_of(&slow, &BULK);
    assert_same(&library, &tree(&slow.path("out")));
    assert!(took <= 13 * HOUR, "{took:?}");
}

#[test]
fn what_the_policy_never_lets_through_is_refused_before_anything_is_asked_for() {
    let (site, _) = site(1, RetrievalPolicy::BytesPerHour { bytes: Bytes(1000) });
    site.sim.forget_requests();
    let refused = site.restore(&site.engine(), &order(&site.path("out"), &[]), &STANDARD).unwrap_err();
    let told = refused.to_string();
    assert!(told.contains("BytesPerHour") && told.contains("bulk"), "{told}");
    assert_eq!((site.count("InitiateJob"), refusals(&site)), (0, 0));
    assert_eq!(site.engine().thaws().unwrap().len(), 0);
}
