//! The plan, for people: a line for each snapshot, with its reasons.

use std::fmt;

use super::{Fate, RetentionPlan, SnapshotFacts, Vouched};

impl fmt::Display for RetentionPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut head = String::new();
        for judged in &self.snapshots {
            let group = group(&judged.snapshot);
            if group != head {
                writeln!(f, "{group}")?;
                head = group;
            }
            let (word, why) = match &judged.fate {
                Fate::Keep(reasons) => ("keep", reasons.join(", ")),
                Fate::Forget(why) => ("FORGET", why.clone()),
            };
            let snapshot = &judged.snapshot;
            let claims = match snapshot.time > snapshot.stored {
                true => format!(" (claims {}: its clock was ahead)", snapshot.time.local()),
                false => String::new(),
            };
            writeln!(f, "  {word:<6}  {}  {}  {why}{claims}", snapshot.made().local(), short(snapshot))?;
        }
        let forgotten = self.forgotten().count();
        let kept = self.snapshots.len() - forgotten;
        write!(f, "{} of {} snapshots are forgotten, {kept} stay", forgotten, self.snapshots.len())
    }
}

fn group(snapshot: &SnapshotFacts) -> String {
    match &snapshot.vouched {
        Vouched::By(author) | Vouched::Newest(author) => format!("Job {} of {}:", author.job, author.name),
        Vouched::Nobody(_) => "Nobody known vouches for:".into(),
    }
}

/// The beginning of its id, by which it can be named.
fn short(snapshot: &SnapshotFacts) -> String {
    let id = darkslide_format::names::parse(&snapshot.name).and_then(|p| p.id);
    id.map_or_else(|| snapshot.name.to_string(), |id| id.to_string().chars().take(10).collect())
}
