//! The matrix: a surprise by the simulator or by trying is one, and what was not looked at is said.

use darkslide_provision::cloud::{CloudError, Decision, Question};
use darkslide_provision::model::ModelCloud;
use darkslide_provision::verify::{Attempt, Outcome, Probe, ProbeOpener, attempts, question, verify};
use darkslide_provision::{Desired, IdentityKind};

use crate::setup::{account, desired};

/// Refuses and allows as it should, but for one attempt.
struct As {
    kind: IdentityKind,
    desired: Desired,
    but: Option<Attempt>,
}

fn other(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Allowed => Outcome::Refused,
        Outcome::Refused => Outcome::Allowed,
    }
}

impl Probe for As {
    fn attempt(&self, attempt: &Attempt) -> Result<Outcome, CloudError> {
        let all = attempts(&self.desired, self.kind);
        let expected = all.into_iter().find(|(one, _)| one == attempt).unwrap().1;
        Ok(if self.but.as_ref() == Some(attempt) { other(expected) } else { expected })
    }
}

struct Opener {
    kinds: Vec<IdentityKind>,
    but: Option<(IdentityKind, Attempt)>,
}

impl ProbeOpener for Opener {
    fn open(&self, kind: IdentityKind) -> Result<Option<Box<dyn Probe>>, CloudError> {
        let but = self.but.clone().filter(|(own, _)| *own == kind).map(|(_, attempt)| attempt);
        Ok(self.kinds.contains(&kind).then(|| Box::new(As { kind, desired: desired(), but }) as Box<dyn Probe>))
    }
}

/// A simulator that says what should be, but for one action of one identity.
fn cloud(but: Option<(IdentityKind, Attempt)>) -> ModelCloud {
    let simulator = move |arn: &str, asked: &Question| {
        let desired = desired();
        let identity = desired.identities.iter().find(|one| desired.identity_arn(one) == arn).unwrap();
        let all = attempts(&desired, identity.kind);
        let (attempt, expected) =
            all.into_iter().find(|(one, _)| question(&desired, one).as_ref() == Some(asked)).unwrap();
        let turned = but.as_ref() == Some(&(identity.kind, attempt));
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
    assert!(good.is_good() && good.rows.len() > 15, "{good}");
    for kind in kinds.iter().copied() {
        for (attempt, _) in attempts(&desired, kind) {
            let but = Some((kind, attempt.clone()));
            let tried = verify(&desired, &cloud(None), &Opener { kinds: kinds.clone(), but: but.clone() }).unwrap();
            let simulated = verify(&desired, &cloud(but), &Opener { kinds: kinds.clone(), but: None }).unwrap();
            for found in [tried, simulated] {
                let surprises: Vec<_> = found.surprises().map(|row| (row.identity, row.what.clone())).collect();
                assert_eq!(surprises, [(kind, attempt.to_string())]);
                assert!(!found.is_good() && found.to_string().contains(&format!("! {kind}")), "{found}");
            }
        }
    }
}

#[test]
fn a_writer_is_held_to_class_names_and_reading_nothing() {
    let all = attempts(&desired(), IdentityKind::Writer);
    let refused: Vec<String> = all
        .iter()
        .filter(|(_, outcome)| *outcome == Outcome::Refused)
        .map(|(attempt, _)| attempt.to_string())
        .collect();
    for wanted in [
        "put below packs/00/ as STANDARD",
        "overwrite below packs/00/ as DEEP_ARCHIVE",
        "get below packs/00/",
        "delete below packs/00/",
    ] {
        assert!(refused.iter().any(|one| one == wanted), "{wanted}: {refused:?}");
    }
}

#[test]
fn whoever_has_no_credentials_here_is_left_out_and_said() {
    let found = verify(&desired(), &cloud(None), &Opener { kinds: vec![IdentityKind::Writer], but: None }).unwrap();
    assert!(found.rows.iter().all(|row| row.tried.is_some() == (row.identity == IdentityKind::Writer)), "{found}");
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
