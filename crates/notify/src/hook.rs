//! Hooks: a program before or after a job, or on an event, with what happened as JSON on its
//! standard input.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::channel::environment;
use crate::deliver::Surroundings;
use crate::message::Kind;
use crate::process::{Call, Ended};
use crate::runtime;
use crate::secret::{Blanks, MaybeSecret};

/// When a hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HookPoint {
    /// Before a run.
    Before,
    /// After a run, however it ended.
    After,
    /// On an event.
    On(Kind),
}

impl HookPoint {
    /// As it is written in the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
            Self::On(kind) => kind.word(),
        }
    }
}

impl fmt::Display for HookPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Serialize for HookPoint {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.word())
    }
}

impl<'de> Deserialize<'de> for HookPoint {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Word;
        impl Visitor<'_> for Word {
            type Value = HookPoint;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let kinds: Vec<&str> = Kind::ALL.into_iter().map(Kind::word).collect();
                write!(f, "before, after, or one of {}", kinds.join(", "))
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<HookPoint, E> {
                match word {
                    "before" => Ok(HookPoint::Before),
                    "after" => Ok(HookPoint::After),
                    word => {
                        let read = Kind::deserialize(de::value::StrDeserializer::<E>::new(word));
                        read.map(HookPoint::On).map_err(|_| E::invalid_value(de::Unexpected::Str(word), &self))
                    }
                }
            }
        }
        d.deserialize_str(Word)
    }
}

/// Whether a run may go on without a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Weight {
    /// What it does is told and changes nothing.
    #[default]
    Optional,
    /// If it fails before a run, the run does not begin.
    Required,
}

/// A hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Its name.
    pub name: String,
    /// When it runs.
    pub on: BTreeSet<HookPoint>,
    /// For which jobs; for all where empty.
    pub jobs: BTreeSet<String>,
    /// Program and arguments; never through a shell.
    pub command: Vec<String>,
    /// Further variables of its environment.
    pub env: BTreeMap<String, MaybeSecret>,
    /// How long it may take.
    pub limit: Duration,
    /// Whether a run may go on without it.
    pub weight: Weight,
}

/// What became of a hook: to be written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HookRun {
    /// Name of the hook.
    pub hook: String,
    /// When it ran.
    pub on: HookPoint,
    /// How it ended.
    pub ended: Ended,
    /// How long it took.
    pub took_ms: u64,
    /// The last lines of its standard error.
    pub stderr: Vec<String>,
}

impl HookRun {
    /// True if it ended with code 0.
    pub fn is_good(&self) -> bool {
        self.ended == Ended::Exit(0)
    }
}

impl fmt::Display for HookRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.took_ms as f64 / 1000.0;
        write!(f, "hook `{}` ({}) {} in {seconds:.1} s", self.hook, self.on, self.ended)?;
        match self.stderr.last() {
            Some(line) if !self.is_good() => write!(f, "; it said `{line}`"),
            _ => Ok(()),
        }
    }
}

impl Hook {
    /// Whether it is for that; `names` are those that the job goes by.
    pub fn wants(&self, point: HookPoint, names: &[&str]) -> bool {
        let ours = self.jobs.is_empty() || names.iter().any(|name| self.jobs.contains(*name));
        self.on.contains(&point) && ours
    }

    /// Runs it. However it ends, it has ended, and what it started, too, if it took too long.
    pub fn run(&self, point: HookPoint, job: Option<&str>, event: &Value, around: &Surroundings<'_>) -> HookRun {
        let began = around.clock.elapsed();
        let work = async {
            let mut blanks = Blanks::default();
            let mut env = match environment(&self.env, &mut blanks).await {
                Ok(env) => env,
                Err(failure) => return (Ended::NotStarted(blanks.blank(&failure.why)), Vec::new()),
            };
            env.push(("DARKSLIDE_EVENT".into(), Zeroizing::new(point.word().into())));
            env.push(("DARKSLIDE_JOB".into(), Zeroizing::new(job.unwrap_or_default().into())));
            let input = event.to_string().into_bytes();
            let call = Call { argv: &self.command, input: &input, env: &env, limit: self.limit, stdout_max: 0 };
            let done = call.run(around.stop).await;
            let stderr = done.stderr_lines(&blanks);
            (done.ended, stderr)
        };
        let (ended, stderr) = runtime::block(work)
            .unwrap_or_else(|e| (Ended::NotStarted(format!("there was no thread for it: {e}")), Vec::new()));
        let took = around.clock.elapsed().saturating_sub(began);
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        HookRun { hook: self.name.clone(), on: point, ended, took_ms, stderr }
    }
}
