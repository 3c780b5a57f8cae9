//! Every row of `docs/identities.md`: evaluated, simulated, and done.

use darkslide_coldsim::{Decision, Question, decide};
use darkslide_provision::desired::{Boundary, IamName, IamPath};
use darkslide_provision::{IdentityKind, policy};

use crate::doing::Account;
use crate::table::{desired, documents, rows};

#[test]
fn the_matrix_that_is_verified_is_the_table() {
    let (page, matrix) = (rows(), darkslide_provision::matrix::lines().collect::<Vec<_>>());
    assert_eq!(page.len(), matrix.len());
    for (row, line) in page.iter().zip(&matrix) {
        assert_eq!(
            (row.action.as_str(), row.on.as_str(), row.with.join(", ").as_str()),
            (line.action, line.on, line.with)
        );
        for (kind, allowed) in &row.allowed {
            assert_eq!(line.allows(*kind), *allowed, "{kind}: {line}");
        }
    }
}

#[test]
fn every_row_is_decided_as_the_table_says() {
    let desired = desired();
    let bucket = policy::bucket(&desired).unwrap().to_string();
    let mut wrong = Vec::new();
    for row in rows() {
        for (kind, allowed) in &row.allowed {
            let (policies, resource) = (documents(*kind, &desired), row.resource(&desired));
            let decided = decide(&Question {
                action: &row.action,
                resource: &resource,
                context: row.context(),
                policies: &policies,
                boundary: None,
                of_resource: row.action.starts_with("s3:").then_some(bucket.as_str()),
            })
            .unwrap();
            if (decided == Decision::Allow) != *allowed {
                wrong.push(format!("{kind}: {} on {} with {:?}: {decided:?}", row.action, row.on, row.with));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_boundary_takes_nothing_from_anybody_and_keeps_the_rest_out() {
    let mut desired = desired();
    desired.boundary =
        Boundary::Managed { path: IamPath::new("/photographs/").unwrap(), name: IamName::new("cap").unwrap() };
    let boundary = policy::boundary(&desired).to_string();
    let all =
        vec![r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#.to_string()];
    let ask = |policies: &[String], action: &str, resource: &str, mut context: std::collections::BTreeMap<_, _>| {
        context.insert("iam:permissionsboundary".to_string(), vec![desired.boundary_arn().unwrap()]);
        let question = Question { action, resource, context, policies, boundary: Some(&boundary), of_resource: None };
        decide(&question).unwrap()
    };
    for row in rows() {
        for (kind, _) in row.allowed.iter().filter(|(_, allowed)| **allowed) {
            let resource = row.resource(&desired);
            let decided = ask(&documents(*kind, &desired), &row.action, &resource, row.context());
            assert_eq!(decided, Decision::Allow, "{kind}: {} on {}", row.action, row.on);
        }
    }
    for (action, resource) in [
        ("s3:GetObject", "arn:aws:s3:::somebody-else/k"),
        ("iam:CreateUser", "arn:aws:iam::123456789012:user/elsewhere/x"),
        ("iam:DeleteUserPermissionsBoundary", "arn:aws:iam::123456789012:user/photographs/darkslide-writer"),
        ("s3:BypassGovernanceRetention", "arn:aws:s3:::photographs/nas/packs/ab/1"),
        ("ec2:RunInstances", "*"),
        ("sts:AssumeRole", "arn:aws:iam::123456789012:role/x"),
    ] {
        assert_ne!(ask(&all, action, resource, std::collections::BTreeMap::new()), Decision::Allow, "{action}");
    }
}

#[test]
fn under_a_boundary_programs_on_a_nas_work_and_nobody_makes_somebody_without_it() {
    let mut desired = desired();
    let (path, name) = (IamPath::new("/photographs/").unwrap(), IamName::new("cap").unwrap());
    desired.boundary = Boundary::Managed { path, name };
    let boundary = policy::boundary(&desired).to_string();
    let nas = vec![policy::nas(&desired, &desired.nas[0].program).to_string()];
    let ask = |policies: &[String], action: &str, resource: &str, context| {
        let question = Question { action, resource, context, policies, boundary: Some(&boundary), of_resource: None };
        decide(&question).unwrap()
    };
    for (action, resource) in [
        ("s3:ListAllMyBuckets", "*"),
        ("s3:PutObject", "arn:aws:s3:::photographs/k"),
        ("s3:ListBucket", "arn:aws:s3:::photographs"),
    ] {
        assert_eq!(ask(&nas, action, resource, Default::default()), Decision::Allow, "{action}");
    }
    // The second hop of a thief of the admin's key: a right for himself, then a user without the cap.
    let all =
        vec![r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#.to_string()];
    let user = desired.user_arn(&desired.nas[0].path, &desired.nas[0].name);
    for action in ["iam:CreateUser", "iam:PutUserPolicy", "iam:AttachUserPolicy"] {
        assert_ne!(ask(&all, action, &user, Default::default()), Decision::Allow, "{action}");
        let capped = [("iam:permissionsboundary".to_string(), vec![desired.boundary_arn().unwrap()])].into();
        assert_eq!(ask(&all, action, &user, capped), Decision::Allow, "{action}");
    }
}

#[test]
fn with_a_key_of_kms_everybody_who_reads_or_writes_may_use_it() {
    let mut desired = desired();
    let key_arn = "arn:aws:kms:us-east-1:123456789012:key/1".to_string();
    desired.bucket.as_mut().unwrap().encryption =
        darkslide_provision::desired::Encryption::Kms { key_arn: key_arn.clone() };
    for kind in [IdentityKind::Writer, IdentityKind::Restorer, IdentityKind::Auditor, IdentityKind::Pruner] {
        for action in ["kms:GenerateDataKey", "kms:Decrypt"] {
            let (policies, context) = (documents(kind, &desired), Default::default());
            let question = Question {
                action,
                resource: &key_arn,
                context,
                policies: &policies,
                boundary: None,
                of_resource: None,
            };
            assert_eq!(decide(&question).unwrap(), Decision::Allow, "{kind}: {action}");
        }
    }
}

#[test]
fn under_a_boundary_the_admin_makes_nobody_without_it() {
    let mut desired = desired();
    desired.boundary = Boundary::Existing { arn: "arn:aws:iam::123456789012:policy/cap".into() };
    let policies = documents(IdentityKind::Admin, &desired);
    let user = desired.user_arn(&desired.nas[0].path, &desired.nas[0].name);
    let ask = |action: &str, boundary: Option<&str>| {
        let context = boundary.map(|arn| ("iam:permissionsboundary".to_string(), vec![arn.to_string()]));
        let context = context.into_iter().collect();
        decide(&Question { action, resource: &user, context, policies: &policies, boundary: None, of_resource: None })
            .unwrap()
    };
    for action in ["iam:CreateUser", "iam:PutUserPolicy", "iam:PutUserPermissionsBoundary"] {
        assert_eq!(ask(action, Some("arn:aws:iam::123456789012:policy/cap")), Decision::Allow, "{action}");
        assert_ne!(ask(action, Some("arn:aws:iam::123456789012:policy/other")), Decision::Allow, "{action}");
        assert_ne!(ask(action, None), Decision::Allow, "{action}");
    }
}

#[test]
fn every_row_is_simulated_as_the_table_says() {
    let account = Account::new();
    let mut wrong = Vec::new();
    for row in rows() {
        for (kind, allowed) in &row.allowed {
            if account.simulates(*kind, &row) != *allowed {
                wrong.push(format!("{kind}: {} on {} with {:?}", row.action, row.on, row.with));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_row_that_the_simulator_knows_is_done_as_the_table_says() {
    let account = Account::new();
    let (mut wrong, mut done) = (Vec::new(), 0);
    for row in rows() {
        for (kind, allowed) in &row.allowed {
            match account.may(*kind, &row) {
                None => {}
                Some(Ok(())) if *allowed => done += 1,
                Some(Err(_)) if !*allowed => done += 1,
                Some(other) => {
                    wrong.push(format!("{kind}: {} on {} with {:?}: {other:?}", row.action, row.on, row.with));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(done > 300, "only {done} requests were made");
}
