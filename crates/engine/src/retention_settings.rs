//! What `darkslide.toml` says of retention and prune.

use std::time::Duration;

use darkslide_audit::retention::{Period, Rules};
use serde::{Deserialize, Serialize};

use crate::job_settings::Span;

/// Which snapshots of a job are kept. Without any rule all are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeepSettings {
    /// The last so many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<u32>,
    /// The newest of each of the last so many hours that have any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hourly: Option<u32>,
    /// Of days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub daily: Option<u32>,
    /// Of weeks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weekly: Option<u32>,
    /// Of months.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monthly: Option<u32>,
    /// Of years.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yearly: Option<u32>,
    /// All that are not older than this, counted back from the newest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<Span>,
    /// All with one of these tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Names of the writers whose snapshots of the job are meant; this machine where
    /// none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub writers: Vec<String>,
}

impl KeepSettings {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The rules.
    pub fn rules(&self) -> Rules {
        let counts = [
            (Period::Hourly, self.hourly),
            (Period::Daily, self.daily),
            (Period::Weekly, self.weekly),
            (Period::Monthly, self.monthly),
            (Period::Yearly, self.yearly),
        ];
        let periods = counts.into_iter().filter_map(|(period, n)| Some((period, n.filter(|n| *n > 0)?))).collect();
        let within = self.within.as_ref().map(|span| span.time);
        Rules { last: self.last.unwrap_or_default(), periods, within, tags: self.tags.clone() }
    }

    pub(crate) fn problem(&self, job: &str) -> Option<String> {
        match !self.is_empty() && self.rules().is_empty() {
            true => Some(format!(
                "[[backup]] {job}: `keep` keeps nothing. Give it a number above 0, such as `daily = 14`; or leave it \
                 out, and everything is kept"
            )),
            false => None,
        }
    }
}

/// How prune works.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PruneSettings {
    /// How long something is condemned before it is deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace: Option<Span>,
}

/// The grace period where none is set: 30 days.
const GRACE: Duration = Duration::from_secs(30 * 86_400);
/// A machine puts a checkpoint each 7.5 days; what is younger must not be condemned.
const GRACE_MIN: Duration = Duration::from_secs(10 * 86_400);

impl PruneSettings {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// How long something is condemned before it is deleted.
    pub fn grace(&self) -> Duration {
        self.grace.as_ref().map_or(GRACE, |span| span.time)
    }

    pub(crate) fn problem(&self) -> Option<String> {
        (self.grace() < GRACE_MIN).then(|| {
            "[prune] grace must be at least `10 days`: machines that back up for longer than that put a checkpoint \
             each week, and what they store in between must not go"
                .to_string()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;

    const BASE: &str = "state = \"s\"\n[repository]\nid = \"00\"\nowner = \"x\"\n[[store]]\npath = \"r\"\n";

    fn load(more: &str) -> Result<Settings, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("darkslide.toml");
        std::fs::write(&path, format!("{BASE}{more}")).unwrap();
        Settings::load(&path).map_err(|e| e.to_string())
    }

    #[test]
    fn rules_are_read_as_people_write_them() {
        let text = "[[backup]]\nname = \"photos\"\nlibrary = \"l\"\n\
                    keep = { last = 3, daily = 14, monthly = 0, within = \"90d\", tags = [\"delivered\"] }\n\
                    [prune]\ngrace = \"45 days\"\n";
        let settings = load(text).unwrap();
        let rules = settings.backups[0].keep.rules();
        assert_eq!((rules.last, rules.periods.len()), (3, 1));
        assert_eq!(rules.within, Some(90 * Duration::from_secs(86_400)));
        assert_eq!(settings.prune.grace(), 45 * Duration::from_secs(86_400));
        assert_eq!(load("").unwrap().prune.grace(), GRACE);
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        let job = "[[backup]]\nname = \"photos\"\nlibrary = \"l\"\n";
        let error = load(&format!("{job}keep = {{ dayly = 3 }}\n")).unwrap_err();
        assert!(error.contains("dayly") && error.contains("line 10"), "{error}");
        let error = load(&format!("{job}keep = {{ within = \"soon\" }}\n")).unwrap_err();
        assert!(error.contains("soon") && error.contains("line 10"), "{error}");
        let error = load(&format!("{job}keep = {{ daily = 0 }}\n")).unwrap_err();
        assert!(error.contains("keeps nothing"), "{error}");
        let error = load("[prune]\ngrace = \"3 days\"\n").unwrap_err();
        assert!(error.contains("at least `10 days`"), "{error}");
    }
}
