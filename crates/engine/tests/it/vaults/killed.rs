//! A backup into a vault and a restore out of it that are cut off at the n-th request, for every n:
//! the same command again goes on, nothing is paid twice, and everything is whole.

use darkslide_coldsim::{Fault, FaultKind};
use darkslide_engine::words::{Bytes, Money};
use darkslide_engine::{BackupOptions, ColdRestore};

use super::dying::Death;
use super::{BULK, HOUR, Site, backup, near, noise, order, thawed, tree};
use crate::harness::{Quiet, assert_same};

/// A site with a bucket as the companion, and two packs in the vault.
fn site() -> Site {
    let site = Site { bucket: true, ..Site::new() };
    site.sim.create_bucket("beside").unwrap();
    for (shoot, n) in [("2024/hike", 1), ("2024/wedding", 2)] {
        site.write(&format!("{shoot}/IMG_{n}.CR3"), &noise(n, 1_500_000));
        site.write(&format!("{shoot}/IMG_{n}.xmp"), format!("<x:{n}/>").as_bytes());
    }
    site
}

/// From the `n`-th request on, which still arrives or does not, the line is dead.
fn cut_line(site: &Site, n: u64, last: FaultKind) {
    site.sim.forget_requests();
    site.sim.fault(Fault::new(last).after(n));
    site.sim.fault(Fault::new(FaultKind::CutBefore).after(n + 1).times(u64::MAX));
}

/// True if so many requests were made.
fn struck(site: &Site, n: u64) -> bool {
    site.sim.requests().len() as u64 > n
}

/// Gives the order again and again, each time in a new process, until everything came. `process`
/// runs one; what it makes of an error is nothing.
fn restored(site: &Site, to: &str, mut process: impl FnMut(&dyn Fn() -> Option<bool>) -> Option<bool>) {
    let to = order(&site.path(to), &[]);
    let once = || match site.restore(&site.engine(), &to, &BULK) {
        Ok(ColdRestore::Done(done)) => Some(done.casualties.is_empty()),
        Ok(ColdRestore::Waiting { progress, .. }) => {
            assert_eq!(progress.stop, None);
            Some(false)
        }
        Ok(ColdRestore::Declined) => panic!("nobody declined"),
        Err(_) => None,
    };
    for _ in 0..30 {
        match process(&once) {
            Some(true) => return,
            Some(false) => site.sim.advance(7 * HOUR),
            None => {}
        }
    }
    panic!("it does not end");
}

/// What one undisturbed restore costs, after which whatever it thawed has vanished again.
fn undisturbed(site: &Site) -> Money {
    site.sim.reset_bill();
    restored(site, "undisturbed", |once| once());
    let cost = thawed(&site.sim);
    assert!(cost > Money::ZERO);
    cost
}

/// Everything is there, nothing was bought twice, and the rows say what was paid.
fn check(site: &Site, to: &str, cost: Money, when: &str) {
    assert_same(&tree(&site.path("library")), &tree(&site.path(to)));
    assert_eq!(thawed(&site.sim), cost, "{when}: it is paid once");
    let target = site.path(to);
    let mine: Vec<_> = site.engine().thaws().unwrap().into_iter().filter(|thaw| thaw.to == target).collect();
    let spent: Money = mine.iter().map(|thaw| thaw.row.spent).sum();
    // Requests to the companion that a dead line swallowed are all that may differ.
    let most = Money(cost.0 + Money::from_usd(0.001).0);
    assert!(!mine.is_empty() && spent <= most && (spent >= cost || near(spent, cost)), "{when}: {spent} for {cost}");
    for thaw in &mine {
        let left = &thaw.progress;
        assert!(left.cold.packs.0 + left.asked.packs.0 + left.failed.packs.0 == 0, "{when}: {left}");
    }
}

fn restore_with_a_line_that_is_cut(last: &FaultKind) {
    let site = site();
    backup(&site.init());
    let cost = undisturbed(&site);
    for n in 0.. {
        let (to, when) = (format!("out-{n}"), format!("{last:?} at request {n}"));
        site.sim.advance(40 * HOUR);
        site.sim.reset_bill();
        cut_line(&site, n, last.clone());
        let mut cut = false;
        restored(&site, &to, |once| {
            let ended = once();
            if !cut && struck(&site, n) {
                cut = true;
                site.sim.clear_faults();
                return None;
            }
            ended
        });
        site.sim.clear_faults();
        check(&site, &to, cost, &when);
        if !cut {
            assert!(n > 15, "requests were cut off: {n}");
            return;
        }
    }
}

#[test]
fn a_restore_whose_line_dies_before_any_request_goes_on() {
    restore_with_a_line_that_is_cut(&FaultKind::CutBefore);
}

#[test]
fn a_restore_whose_line_dies_after_any_request_goes_on() {
    restore_with_a_line_that_is_cut(&FaultKind::CutAfter);
}

fn restore_that_dies(death: Death) {
    let site = site();
    backup(&site.init());
    let cost = undisturbed(&site);
    for n in 1.. {
        let (to, when) = (format!("out-{n}"), format!("{death:?} call {n}"));
        site.sim.advance(40 * HOUR);
        site.sim.reset_bill();
        // The calls of the processes before the one that dies count too.
        let (mut left, mut died) = (n, false);
        restored(&site, &to, |once| {
            let at = (!died).then_some((left, death));
            let (ended, calls) = site.switch.process(at, once);
            died |= ended.is_none();
            left = left.saturating_sub(calls);
            ended.flatten()
        });
        check(&site, &to, cost, &when);
        if !died {
            assert!(n > 15, "calls were cut off: {n}");
            return;
        }
    }
}

#[test]
fn a_restore_that_is_killed_before_any_call_goes_on() {
    restore_that_dies(Death::Before);
}

#[test]
fn a_restore_that_is_killed_after_any_call_goes_on() {
    restore_that_dies(Death::After);
}

/// A backup that may fail.
fn try_backup(site: &Site) -> bool {
    let options = BackupOptions { host: "nas".into(), ..BackupOptions::default() };
    let done = site.engine().backup(&options, &Quiet);
    done.is_ok_and(|done| done.done.failures.is_empty() && done.refused.is_empty())
}

/// All packs go in parts; `cut` ends the n-th backup, and says whether it did.
fn backups_that_are_cut_off(cut: impl Fn(&Site, u64) -> bool) -> Site {
    let site = Site { parts: Some(Bytes::mib(1)), ..site() };
    backup(&site.init());
    for n in 1.. {
        site.write(&format!("2025/{n}.CR3"), &noise(1000 + n, 2_300_000));
        let struck = cut(&site, n);
        site.sim.forget_requests();
        assert!(try_backup(&site), "{n}: it goes on");
        let parts = site.count("UploadMultipartPart");
        assert!(parts <= 3 + 1, "{n}: at most the pack of this run, {parts} parts");
        if !struck {
            assert!(n > 15, "requests were cut off: {n}");
            break;
        }
    }
    site
}

/// Everything comes back; each object lies in the vault once; what nobody goes on with is ended.
fn check_backups(site: &Site) {
    site.sim.advance(25 * HOUR);
    site.engine().open_vault(&site.settings()).unwrap().get().sweep_uploads().unwrap();
    let made = site.inventory();
    assert_eq!((made.duplicates.0, made.foreign.0, made.missing.0, made.different.0), (0, 0, 0, 0), "{made:?}");
    let report = site.engine().audit(Some(&site.identity), &Quiet).unwrap();
    assert_eq!(report.damages(), 0, "{:?}", report.findings);
    restored(site, "out", |once| once());
    assert_same(&tree(&site.path("library")), &tree(&site.path("out")));
}

fn backup_whose_line_dies(last: &FaultKind) {
    let site = backups_that_are_cut_off(|site, n| {
        cut_line(site, n - 1, last.clone());
        let done = try_backup(site);
        let struck = struck(site, n - 1);
        site.sim.clear_faults();
        assert!(struck || done, "{n}: what is not cut off goes well");
        struck
    });
    check_backups(&site);
}

#[test]
fn a_backup_in_parts_whose_line_dies_before_any_request_goes_on() {
    backup_whose_line_dies(&FaultKind::CutBefore);
}

#[test]
fn a_backup_in_parts_whose_line_dies_after_any_request_goes_on() {
    backup_whose_line_dies(&FaultKind::CutAfter);
}

fn backup_that_dies(death: Death) {
    let site = backups_that_are_cut_off(|site, n| {
        let (done, _) = site.switch.process(Some((n, death)), || try_backup(site));
        assert_ne!(done, Some(false), "{n}: what is not killed goes well");
        done.is_none()
    });
    check_backups(&site);
}

#[test]
fn a_backup_that_is_killed_before_any_call_goes_on() {
    backup_that_dies(Death::Before);
}

#[test]
fn a_backup_that_is_killed_after_any_call_goes_on() {
    backup_that_dies(Death::After);
}
