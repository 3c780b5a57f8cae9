//! Least privilege, proven twice: by AWS's policy simulator, and by trying with each identity's own
//! credentials. Reads and refused attempts only.

use std::fmt;

use darkslide_words::StorageClass;
use serde::Serialize;

use crate::ProvisionError;
use crate::cloud::{Cloud, CloudError, Decision, Question};
use crate::desired::{Desired, IdentityKind};

/// Whether an attempt is, or should be, let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
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
    /// Puts an object.
    Put {
        /// Where.
        below: String,
        /// In which class.
        class: StorageClass,
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

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List => f.write_str("list"),
            Self::Put { below, class, replacing: Replacing::Never } => write!(f, "put below {below} as {class}"),
            Self::Put { below, class, replacing: Replacing::Allowed } => {
                write!(f, "overwrite below {below} as {class}")
            }
            Self::Get { below } => write!(f, "get below {below}"),
            Self::Delete { below } => write!(f, "delete below {below}"),
            Self::Thaw { below } => write!(f, "thaw below {below}"),
        }
    }
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
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

/// What each identity tries, and what should come of it.
pub fn attempts(desired: &Desired, kind: IdentityKind) -> Vec<(Attempt, Outcome)> {
    use Outcome::{Allowed, Refused};
    let Some(bucket) = &desired.bucket else { return Vec::new() };
    let (packs, cold) = (|| "packs/00/".to_string(), bucket.cold_class.clone());
    let wrong = if cold == StorageClass::Standard { StorageClass::DeepArchive } else { StorageClass::Standard };
    let put = |class: &StorageClass, replacing| Attempt::Put { below: packs(), class: class.clone(), replacing };
    let (get, delete, thaw) =
        (Attempt::Get { below: packs() }, Attempt::Delete { below: packs() }, Attempt::Thaw { below: packs() });
    match kind {
        IdentityKind::Writer => vec![
            (Attempt::List, Allowed),
            (put(&cold, Replacing::Never), Allowed),
            (put(&wrong, Replacing::Never), Refused),
            (put(&cold, Replacing::Allowed), Refused),
            (get, Refused),
            (Attempt::Get { below: "index/".into() }, Allowed),
            (delete, Refused),
            (thaw, Refused),
        ],
        IdentityKind::Restorer => vec![
            (Attempt::List, Allowed),
            (get, Allowed),
            (thaw, Allowed),
            (put(&cold, Replacing::Never), Refused),
            (delete, Refused),
        ],
        IdentityKind::Auditor => {
            vec![(Attempt::List, Allowed), (put(&cold, Replacing::Never), Refused), (delete, Refused), (thaw, Refused)]
        }
        IdentityKind::Pruner => vec![
            (Attempt::List, Allowed),
            (delete, Allowed),
            (get, Refused),
            (put(&cold, Replacing::Allowed), Refused),
            (thaw, Refused),
        ],
        IdentityKind::Admin => Vec::new(),
    }
}

/// The question to the policy simulator that an attempt is.
pub fn question(desired: &Desired, attempt: &Attempt) -> Option<Question> {
    let bucket = desired.bucket.as_ref()?;
    let object = |below: &str| desired.object_arn(bucket, &format!("{below}x"));
    let mut context = vec![("aws:SecureTransport".to_string(), vec!["true".to_string()])];
    let (action, resource) = match attempt {
        Attempt::List => {
            context.push(("s3:prefix".into(), vec![bucket.prefix.to_string()]));
            ("s3:ListBucket", desired.bucket_arn(bucket))
        }
        Attempt::Put { below, class, replacing } => {
            context.push(("s3:x-amz-storage-class".into(), vec![class.to_string()]));
            if *replacing == Replacing::Never {
                context.push(("s3:if-none-match".into(), vec!["*".into()]));
            }
            ("s3:PutObject", object(below))
        }
        Attempt::Get { below } => ("s3:GetObject", object(below)),
        Attempt::Delete { below } => ("s3:DeleteObject", object(below)),
        Attempt::Thaw { below } => ("s3:RestoreObject", object(below)),
    };
    Some(Question { action: action.into(), resource, context })
}

/// Asks the simulator, then tries.
pub fn verify(desired: &Desired, cloud: &dyn Cloud, probes: &dyn ProbeOpener) -> Result<Verified, ProvisionError> {
    let mut out = Verified::default();
    for identity in &desired.identities {
        let kind = identity.kind;
        let attempts = attempts(desired, kind);
        if attempts.is_empty() {
            continue;
        }
        let probe = probes.open(kind)?;
        if probe.is_none() {
            out.left_out.push(format!("tries as the {kind}: this machine holds no credentials of it"));
        }
        let arn = desired.identity_arn(identity);
        let mut simulator = true;
        for (attempt, expected) in attempts {
            let question = question(desired, &attempt).filter(|_| simulator);
            let simulated = match question.map(|question| cloud.simulate(&arn, &[question], None)) {
                None => None,
                Some(Ok(answers)) => answers.first().copied().map(Outcome::from),
                Some(Err(error)) => {
                    simulator = false;
                    out.left_out.push(format!("the policy simulator, for the {kind}: {error}"));
                    None
                }
            };
            let tried = match probe.as_ref().map(|probe| probe.attempt(&attempt)) {
                None => None,
                Some(Ok(outcome)) => Some(outcome),
                Some(Err(error)) => {
                    out.left_out.push(format!("{attempt}, as the {kind}: {error}"));
                    None
                }
            };
            out.rows.push(Row { identity: kind, what: attempt.to_string(), expected, simulated, tried });
        }
    }
    Ok(out)
}
