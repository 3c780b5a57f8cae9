//! What was last counted, kept for a while: to count, the stores are listed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use darkslide_engine::Overview;

/// The least time between two counts, or tries of one.
const PAUSE: Duration = Duration::from_secs(30);

#[derive(Debug, Default, Clone)]
struct Kept {
    overview: Option<Arc<Overview>>,
    /// Number of the last run of all when it was counted.
    run: i64,
    /// When it was last tried, by the clock that never jumps.
    tried: Option<Duration>,
    problem: Option<String>,
}

/// What is kept.
#[derive(Debug, Default)]
pub struct Looked {
    kept: Mutex<Kept>,
    is_looking: AtomicBool,
}

impl Looked {
    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last count, if there was one.
    pub fn last(&self) -> Option<Arc<Overview>> {
        self.kept().overview.clone()
    }

    /// Why the last count failed, if it did.
    pub fn problem(&self) -> Option<String> {
        self.kept().problem.clone()
    }

    /// Takes the right to count, if it is time: nothing was counted for `every`, or something ran
    /// since. Whoever gets it calls [`Looked::done`].
    pub fn is_due(&self, run: Option<i64>, now: Duration, every: Duration) -> bool {
        let kept = self.kept();
        let due = match kept.tried {
            None => true,
            Some(tried) => {
                let since = now.saturating_sub(tried);
                since >= every
                    || (since >= PAUSE && run.is_some_and(|run| run != kept.run))
                    || (since >= PAUSE && kept.overview.is_none())
            }
        };
        due && !self.is_looking.swap(true, Ordering::SeqCst)
    }

    /// Keeps what was counted.
    pub fn done(&self, counted: Result<Overview, String>, run: i64, now: Duration) {
        let mut kept = self.kept();
        kept.tried = Some(now);
        kept.run = run;
        match counted {
            Ok(overview) => {
                kept.overview = Some(Arc::new(overview));
                kept.problem = None;
            }
            Err(problem) => kept.problem = Some(problem),
        }
        drop(kept);
        self.is_looking.store(false, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_counted_anew_after_a_run_or_a_while() {
        let looked = Looked::default();
        let at = Duration::from_secs;
        assert!(looked.is_due(None, at(0), at(100)));
        assert!(!looked.is_due(None, at(0), at(100)), "one counts already");
        looked.done(Err("no store".into()), 7, at(1));
        assert_eq!(looked.problem().as_deref(), Some("no store"));
        assert!(!looked.is_due(Some(7), at(2), at(100)));
        assert!(looked.is_due(Some(7), at(40), at(100)), "nothing is known yet");
        looked.done(Err("no store".into()), 7, at(40));
        assert!(!looked.is_due(Some(8), at(60), at(100)), "not that soon");
        assert!(looked.is_due(Some(8), at(140), at(100)));
    }
}
