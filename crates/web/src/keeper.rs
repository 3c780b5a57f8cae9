//! Thaws go on by themselves: a thread that does the next step of each as soon as it is due, if it
//! has what opens photographs. A thaw is rows, so a restart loses nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use darkslide_engine::words::Time;
use darkslide_engine::{ColdRestore, ThawState};

use crate::site::Site;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(5);
/// Between two steps of a thaw at the least.
const AGAIN: Duration = Duration::from_secs(300);

/// Begins it.
pub fn keep(site: &Arc<Site>) {
    let site = site.clone();
    // Without a thread thaws go on by hand: `darkslide thaw wait`.
    let _ = std::thread::Builder::new().name("thaws".into()).spawn(move || {
        let mut last = HashMap::new();
        let mut waited = LOOK;
        while !*site.stopping.borrow() {
            if waited >= LOOK {
                waited = Duration::ZERO;
                go_on(&site, &mut last);
            }
            std::thread::sleep(Duration::from_millis(100));
            waited += Duration::from_millis(100);
        }
    });
}

/// `last` remembers of each thaw when it was last looked at and when it is due again: what a thaw says
/// of itself is counted from now on, and so never due.
fn go_on(site: &Arc<Site>, last: &mut HashMap<i64, (Duration, Time)>) {
    let Ok(engine) = site.means.engine() else { return };
    let (Ok(thaws), Ok(Some(_))) = (engine.thaws(), site.unlocked.identity(engine.settings())) else { return };
    let (now, elapsed) = (site.now(), site.elapsed());
    for thaw in thaws.into_iter().filter(|thaw| thaw.row.state == ThawState::Open) {
        let is_due = match last.get(&thaw.id) {
            None => true,
            Some((at, due)) => {
                let is_ready = now >= *due || thaw.progress.warm.packs.0 > 0;
                is_ready && elapsed.saturating_sub(*at) >= AGAIN
            }
        };
        if is_due {
            let next = thaw.progress.next_step_at.unwrap_or(now.plus(AGAIN));
            last.insert(thaw.id, (elapsed, next));
            // If one goes on already, that one does it.
            let _ = step(site, thaw.id);
        }
    }
}

/// One step of a thaw, as a task.
pub fn step(site: &Arc<Site>, id: i64) -> Result<crate::tasks::Task, crate::refusal::Refusal> {
    let shared = site.clone();
    site.tasks.begin("restore", &format!("thaw {id}"), move |watch| {
        let engine = shared.means.engine().map_err(|e| e.to_string())?.for_reading().stopped_by(watch.stop.clone());
        let identity = shared.unlocked.identity(engine.settings()).map_err(|refusal| refusal.body.message)?;
        let identity = identity.ok_or("hand the identity over first")?;
        let outcome = engine.continue_thaw(id, &identity, watch).map_err(|e| e.to_string())?;
        Ok((told(&outcome), None))
    })
}

/// How a restore stands, in a line.
pub fn told(outcome: &ColdRestore) -> String {
    match outcome {
        ColdRestore::Done(done) if done.casualties.is_empty() => {
            format!("{} files restored and verified, {}", done.files, done.bytes)
        }
        ColdRestore::Done(done) => {
            format!("{} files restored and verified; {} could not be", done.files, done.casualties.len())
        }
        ColdRestore::Waiting { id, progress, .. } => {
            let ready = progress.ready_about.map(|at| format!(", ready about {}", at.local())).unwrap_or_default();
            match &progress.stop {
                Some(stop) => format!("thaw {id} stopped: {stop}"),
                None => format!("thaw {id} is under way{ready}"),
            }
        }
        ColdRestore::Declined => "it costs more than was confirmed; nothing was asked for".into(),
    }
}
