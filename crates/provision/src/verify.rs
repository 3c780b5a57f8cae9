//! Least privilege, proven twice: by AWS's policy simulator, and by trying with each identity's own
//! credentials. Reads and refused attempts only.

use std::fmt;

use darkslide_words::StorageClass;
use serde::{Deserialize, Serialize};

use crate::ProvisionError;
use crate::cloud::{Cloud, CloudError, Decision, Question};
use crate::desired::{Desired, IdentityKind};
use crate::matrix::{Line, lines};

/// Whether an attempt is, or should be, let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was.
    Allowed,
    /// It was not.
    Refused,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Allowed => "allowed",
            Self::Refused => "refused",
        })
    }
}

impl From<Decision> for Outcome {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Allowed => Self::Allowed,
            Decision::Denied => Self::Refused,
        }
    }
}

/// Whether a PUT could replace what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Replacing {
    /// It says that it must not.
    Never,
    /// It could.
    Allowed,
}

/// Something that an identity tries. Names are below the repository's prefix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attempt {
    /// Lists the bucket.
    List,
    /// Lists the bucket's old versions.
    ListVersions,
    /// Reads a setting of the bucket.
    Look(Setting),
    /// Puts an object.
    Put {
        /// Where.
        below: String,
        /// In which class, where it names one.
        class: Option<StorageClass>,
        /// Whether in place of another.
        replacing: Replacing,
    },
    /// Reads an object.
    Get {
        /// Where.
        below: String,
    },
    /// Deletes an object.
    Delete {
        /// Where.
        below: String,
    },
    /// Asks for a thaw.
    Thaw {
        /// Where.
        below: String,
    },
}

/// A setting of a bucket that can be read without harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Setting {
    /// Versioning.
    Versioning,
    /// Object Lock.
    ObjectLock,
    /// Lifecycle.
    Lifecycle,
    /// The bucket's policy.
    Policy,
}

/// The bucket with the credentials of one identity.
pub trait Probe {
    /// Tries, without doing harm where it is let through.
    fn attempt(&self, attempt: &Attempt) -> Result<Outcome, CloudError>;
}

/// Opens the bucket as an identity; nothing where this machine has no credentials of it.
pub trait ProbeOpener {
    /// Opens it.
    fn open(&self, kind: IdentityKind) -> Result<Option<Box<dyn Probe>>, CloudError>;
}

/// One line of the matrix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Who.
    pub identity: IdentityKind,
    /// What.
    pub what: String,
    /// What should come of it.
    pub expected: Outcome,
    /// What the policy simulator says; nothing where it was not asked.
    pub simulated: Option<Outcome>,
    /// What came of trying; nothing where it was not tried.
    pub tried: Option<Outcome>,
}

impl Row {
    /// True where it was simulated or tried.
    pub fn was_looked_at(&self) -> bool {
        self.simulated.is_some() || self.tried.is_some()
    }

    /// True where nothing speaks against it.
    pub fn is_as_expected(&self) -> bool {
        [self.simulated, self.tried].into_iter().flatten().all(|outcome| outcome == self.expected)
    }
}

/// The whole matrix.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Verified {
    /// Its lines.
    pub rows: Vec<Row>,
    /// What could not be looked at, and why.
    pub left_out: Vec<String>,
    /// Settings that are not as they shall be: what `plan` would change.
    pub drift: Vec<String>,
}

impl Verified {
    /// Lines where somebody may more, or less, than expected.
    pub fn surprises(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| !row.is_as_expected())
    }

    /// Lines that were neither simulated nor tried: of them nothing is known.
    pub fn unknown(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| !row.was_looked_at())
    }

    /// True where every line was looked at, and nothing is wrong.
    pub fn is_good(&self) -> bool {
        let known = !self.rows.is_empty() && self.unknown().next().is_none();
        known && self.surprises().next().is_none() && self.drift.is_empty()
    }
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wide = self.rows.iter().map(|row| row.what.len()).max().unwrap_or(4);
        writeln!(f, "  {:<9} {:<wide$}  expected  simulated  tried", "identity", "what")?;
        let or_dash = |outcome: Option<Outcome>| outcome.map_or("-".to_string(), |outcome| outcome.to_string());
        for row in &self.rows {
            let mark = match (row.is_as_expected(), row.was_looked_at()) {
                (false, _) => '!',
                (true, true) => ' ',
                (true, false) => '?',
            };
            let (simulated, tried) = (or_dash(row.simulated), or_dash(row.tried));
            let who = row.identity.word();
            writeln!(f, "{mark} {who:<9} {:<wide$}  {:<8}  {simulated:<9}  {tried}", row.what, row.expected)?;
        }
        let (surprises, unknown) = (self.surprises().count(), self.unknown().count());
        let good = self.rows.len() - surprises - unknown;
        writeln!(f, "{good} of {} lines as expected, {surprises} surprises, {unknown} not looked at", self.rows.len())?;
        for line in &self.drift {
            writeln!(f, "! not as it shall be: {line}")?;
        }
        self.left_out.iter().try_for_each(|line| writeln!(f, "- left out: {line}"))
    }
}

/// The lines that apply to a desired state, with what should come of each for an identity.
pub fn expectations(desired: &Desired, kind: IdentityKind) -> Vec<(Line, Question, Outcome)> {
    let expected = |line: &Line| if line.allows(kind) { Outcome::Allowed } else { Outcome::Refused };
    lines().filter_map(|line| Some((line, line.question(desired)?, expected(&line)))).collect()
}

/// How a line can be tried without harm; nothing where it cannot.
pub fn attempt(desired: &Desired, line: &Line) -> Option<Attempt> {
    let bucket = desired.bucket.as_ref()?;
    if !line.is_of_object() {
        return match line.action {
            "s3:ListBucket" => Some(Attempt::List),
            "s3:ListBucketVersions" => Some(Attempt::ListVersions),
            "s3:GetBucketVersioning" => Some(Attempt::Look(Setting::Versioning)),
            "s3:GetBucketObjectLockConfiguration" => Some(Attempt::Look(Setting::ObjectLock)),
            "s3:GetLifecycleConfiguration" => Some(Attempt::Look(Setting::Lifecycle)),
            "s3:GetBucketPolicy" => Some(Attempt::Look(Setting::Policy)),
            _ => None,
        };
    }
    // Names of which there is but one are read alone: something lies there.
    let (below, is_folder) = match line.on.rsplit_once('/') {
        Some((folder, _)) => (format!("{folder}/"), true),
        None => (line.on.to_string(), line.on == "elsewhere"),
    };
    match line.action {
        "s3:GetObject" => Some(Attempt::Get { below }),
        "s3:PutObject" if is_folder => {
            let replacing = if line.is_new() { Replacing::Never } else { Replacing::Allowed };
            Some(Attempt::Put { below, class: line.class(bucket), replacing })
        }
        "s3:DeleteObject" if is_folder => Some(Attempt::Delete { below }),
        "s3:RestoreObject" if is_folder => Some(Attempt::Thaw { below }),
        _ => None,
    }
}

/// Asks the simulator, then tries.
pub fn verify(desired: &Desired, cloud: &dyn Cloud, probes: &dyn ProbeOpener) -> Result<Verified, ProvisionError> {
    let mut out = Verified::default();
    for identity in &desired.identities {
        let kind = identity.kind;
        let expectations = expectations(desired, kind);
        let probe = probes.open(kind)?;
        if probe.is_none() {
            out.left_out.push(format!("tries as the {kind}: this machine holds no credentials of it"));
        }
        let questions: Vec<Question> = expectations.iter().map(|(_, question, _)| question.clone()).collect();
        let simulated = match cloud.simulate(&desired.identity_arn(identity), &questions, None) {
            Ok(answers) => answers.into_iter().map(|answer| Some(Outcome::from(answer))).collect(),
            Err(error) => {
                out.left_out.push(format!("the policy simulator, for the {kind}: {error}"));
                vec![None; questions.len()]
            }
        };
        for ((line, _, expected), simulated) in expectations.into_iter().zip(simulated) {
            let attempt = probe.as_ref().zip(attempt(desired, &line));
            let tried = match attempt.map(|(probe, attempt)| probe.attempt(&attempt)) {
                None => None,
                Some(Ok(outcome)) => Some(outcome),
                Some(Err(error)) => {
                    out.left_out.push(format!("{line}, as the {kind}: {error}"));
                    None
                }
            };
            out.rows.push(Row { identity: kind, what: line.to_string(), expected, simulated, tried });
        }
    }
    Ok(out)
}
