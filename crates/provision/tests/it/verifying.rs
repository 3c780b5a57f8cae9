//! The matrix: a surprise by the simulator or by trying is one, and what was not looked at is said.

use darkslide_provision::IdentityKind;
use darkslide_provision::cloud::{CloudError, Decision, Question};
use darkslide_provision::model::ModelCloud;
use darkslide_provision::verify::{Attempt, Outcome, Probe, ProbeOpener, attempt, expectations, verify};

use crate::setup::{account, desired};

/// Refuses and allows as it should, but for one attempt.
struct As {
    /// What comes of each attempt.
    all: Vec<(Attempt, Outcome)>,
    but: Option<Attempt>,
}

fn other(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Allowed => Outcome::Refused,
        Outcome::Refused => Outcome::Allowed,
    }
}

impl Probe for As {
    fn attempt(&self, asked: &Attempt) -> Result<Outcome, CloudError> {
        let expected = self.all.iter().find(|(attempt, _)| attempt == asked).unwrap().1;
        Ok(if self.but.as_ref() == Some(asked) { other(expected) } else { expected })
    }
}

struct Opener {
    kinds: Vec<IdentityKind>,
    but: Option<(IdentityKind, Attempt)>,
}

impl ProbeOpener for Opener {
    fn open(&self, kind: IdentityKind) -> Result<Option<Box<dyn Probe>>, CloudError> {
        let but = self.but.clone().filter(|(own, _)| *own == kind).map(|(_, attempt)| attempt);
        let desired = desired();
        let all = expectations(&desired, kind).into_iter();
        let all = all.filter_map(|(line, _, expected)| Some((attempt(&desired, &line)?, expected))).collect();
        Ok(self.kinds.contains(&kind).then(|| Box::new(As { all, but }) as Box<dyn Probe>))
    }
}

/// A simulator that says what should be, but for one question about one identity.
fn cloud(but: Option<(IdentityKind, Question)>) -> ModelCloud {
    let desired = desired();
    type Known = (IdentityKind, String, Vec<(Question, Outcome)>);
    let known: Vec<Known> = desired
        .identities
        .iter()
        .map(|identity| {
            let all =
                expectations(&desired, identity.kind).into_iter().map(|(_, question, expected)| (question, expected));
            (identity.kind, desired.identity_arn(identity), all.collect())
        })
        .collect();
    let simulator = move |arn: &str, asked: &Question| {
        let (kind, _, all) = known.iter().find(|(_, own, _)| own == arn).unwrap();
        let expected = all.iter().find(|(question, _)| question == asked).unwrap().1;
        let turned = but.as_ref().is_some_and(|(own, question)| own == kind && question == asked);
        match if turned { other(expected) } else { expected } {
            Outcome::Allowed => Decision::Allowed,
            Outcome::Refused => Decision::Denied,
        }
    };
    ModelCloud::new(account()).simulating(Box::new(simulator))
}

#[test]
fn every_line_of_the_matrix_can_surprise_in_either_way() {
    let desired = desired();
    let kinds = IdentityKind::ALL.to_vec();
    let good = verify(&desired, &cloud(None), &Opener { kinds: kinds.clone(), but: None }).unwrap();
    assert!(good.is_good() && good.rows.len() > 300, "{good}");
    let tried = good.rows.iter().filter(|row| row.tried.is_some()).count();
    assert!(tried > 150, "{tried} lines are tried");
    for identity in &desired.identities {
        let (mut desired, kind) = (desired.clone(), identity.kind);
        desired.identities = vec![identity.clone()];
        for (line, question, _) in expectations(&desired, kind) {
            let simulated = cloud(Some((kind, question)));
            let mut all = vec![verify(&desired, &simulated, &Opener { kinds: kinds.clone(), but: None }).unwrap()];
            if let Some(attempt) = attempt(&desired, &line) {
                let opener = Opener { kinds: kinds.clone(), but: Some((kind, attempt)) };
                all.push(verify(&desired, &cloud(None), &opener).unwrap());
            }
            for found in all {
                let surprises: Vec<_> = found.surprises().map(|row| (row.identity, row.what.clone())).collect();
                assert_eq!(surprises, [(kind, line.to_string())]);
                assert!(!found.is_good() && found.to_string().contains(&format!("! {kind}")), "{found}");
            }
        }
    }
}

#[test]
fn a_writer_is_held_to_class_names_and_reading_nothing() {
    let all = expectations(&desired(), IdentityKind::Writer);
    let refused: Vec<String> =
        all.iter().filter(|(.., outcome)| *outcome == Outcome::Refused).map(|(line, ..)| line.to_string()).collect();
    for wanted in [
        "s3:PutObject packs/ab/1 (standard, new)",
        "s3:PutObject packs/ab/1 (cold)",
        "s3:GetObject packs/ab/1",
        "s3:DeleteObject packs/ab/1",
    ] {
        assert!(refused.iter().any(|one| one == wanted), "{wanted}: {refused:?}");
    }
}

#[test]
fn what_is_the_right_class_here_is_no_wrong_one() {
    let mut desired = desired();
    let bucket = desired.bucket.as_mut().unwrap();
    bucket.cold_class = darkslide_words::StorageClass::Standard;
    let all = expectations(&desired, IdentityKind::Writer);
    assert!(!all.iter().any(|(line, ..)| line.to_string() == "s3:PutObject packs/ab/1 (standard, new)"));
    assert!(all.iter().any(|(line, ..)| line.to_string() == "s3:PutObject packs/ab/1 (cold, new)"));
    desired.bucket = None;
    assert!(expectations(&desired, IdentityKind::Writer).iter().all(|(line, ..)| !line.action.starts_with("s3:")));
}

#[test]
fn whoever_has_no_credentials_here_is_left_out_and_said() {
    let found = verify(&desired(), &cloud(None), &Opener { kinds: vec![IdentityKind::Writer], but: None }).unwrap();
    assert!(found.rows.iter().all(|row| row.tried.is_none() || row.identity == IdentityKind::Writer), "{found}");
    assert!(found.rows.iter().any(|row| row.tried.is_some()), "{found}");
    assert!(found.left_out.iter().any(|line| line.contains("pruner")), "{:?}", found.left_out);
    assert!(found.is_good());
}

#[test]
fn what_was_neither_simulated_nor_tried_is_not_well() {
    use darkslide_provision::verify::{Row, Verified};
    let row = |simulated, tried| Row {
        identity: IdentityKind::Writer,
        what: "delete below packs/00/".into(),
        expected: Outcome::Refused,
        simulated,
        tried,
    };
    let of = |rows: Vec<Row>| Verified { rows, ..Verified::default() };
    assert!(of(vec![row(None, Some(Outcome::Refused))]).is_good());
    let unknown = of(vec![row(Some(Outcome::Refused), None), row(None, None)]);
    assert!(!unknown.is_good() && unknown.to_string().contains("1 not looked at"), "{unknown}");
    assert!(!of(Vec::new()).is_good());
    let drifted = Verified { drift: vec!["bucket: versioning".into()], ..of(vec![row(None, Some(Outcome::Refused))]) };
    assert!(!drifted.is_good());
}
