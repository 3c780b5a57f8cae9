//! What a plan says: creations, drift, what belongs to others, what is in the way.

use darkslide_provision::cloud::{Aspect, Item, Thing};
use darkslide_provision::desired::BucketName;
use darkslide_provision::model::ModelCloud;
use darkslide_provision::{Act, Cloud as _, ProvisionError};
use serde_json::{Value, json};

use crate::setup::{account, applied, bucket, desired, name, planned};

fn made(folder: &std::path::Path) -> ModelCloud {
    let cloud = ModelCloud::new(account());
    applied(&desired(), &cloud, folder).unwrap();
    cloud
}

fn of_bucket(aspect: Aspect) -> Item {
    Item::new(Thing::Bucket(bucket().name), aspect)
}

#[test]
fn an_empty_account_gets_everything_in_an_order_that_works() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = ModelCloud::new(account());
    let plan = planned(&desired(), &cloud, folder.path()).unwrap();
    assert!(plan.steps.iter().all(|step| step.act == Act::Create), "{plan}");
    let shown = plan.to_string();
    for line in
        ["+ bucket photos-123456789012", "    + versioning: Enabled", "+ role darkslide-restorer", "+ user qnap"]
    {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
    assert!(cloud.log().is_empty(), "a plan writes nothing");
    serde_json::to_value(&plan).unwrap();
}

#[test]
fn drift_is_shown_and_healed() {
    let folder = tempfile::tempdir().unwrap();
    let writer = Thing::User(name("darkslide-writer"));
    let drifts: Vec<(Item, Option<Value>)> = vec![
        (of_bucket(Aspect::Versioning), Some(json!("Suspended"))),
        (of_bucket(Aspect::PublicAccess), Some(json!({"block_acls": false}))),
        (of_bucket(Aspect::Policy), None),
        (of_bucket(Aspect::Lifecycle), Some(json!([]))),
        (of_bucket(Aspect::Tiering), None),
        (Item::new(writer.clone(), Aspect::Policy), Some(json!({"Statement": [{"Action": "*"}]}))),
        (Item::new(writer, Aspect::Boundary), None),
        (Item::new(Thing::Role(name("darkslide-restorer")), Aspect::Trust), Some(json!({"Statement": []}))),
        (Item::new(Thing::Retrieval, Aspect::Limit), Some(json!({"strategy": "None"}))),
    ];
    for (item, drifted) in drifts {
        let cloud = made(&folder.path().join(format!("{item}").replace(['/', ' ', ':'], "-")));
        let keys = folder.path().join(format!("{item}").replace(['/', ' ', ':'], "-"));
        let good = cloud.settings();
        cloud.meddle(item.clone(), drifted.clone());
        let plan = planned(&desired(), &cloud, &keys).unwrap();
        let changes: Vec<&Item> = plan.changes().map(|step| &step.item).collect();
        assert_eq!(changes, [&item], "{plan}");
        let act = plan.changes().next().unwrap().act;
        assert_eq!(act, if drifted.is_some() { Act::Change } else { Act::Create });
        applied(&desired(), &cloud, &keys).unwrap();
        assert_eq!(cloud.settings(), good, "{item}");
    }
}

#[test]
fn what_others_set_in_a_shared_setting_stays() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = ModelCloud::new(account());
    let theirs = json!({"id": "logs", "prefix": "logs/", "expire_days": 30});
    let statement = json!({"Sid": "TheirBackup", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
        "Action": "s3:GetObject", "Resource": "arn:aws:s3:::photos-123456789012/*"});
    cloud.meddle(of_bucket(Aspect::Itself), Some(json!({})));
    cloud.meddle(of_bucket(Aspect::Lifecycle), Some(json!([theirs])));
    cloud.meddle(of_bucket(Aspect::Policy), Some(json!({"Version": "2012-10-17", "Statement": statement})));
    cloud.meddle(of_bucket(Aspect::Tags), Some(json!({"cost-centre": "7"})));
    cloud.meddle(
        of_bucket(Aspect::Notifications),
        Some(json!({"event_bridge": true, "rules": [{"id": "theirs", "function": "arn", "events": ["s3:ObjectCreated:*"]}]})),
    );
    applied(&desired(), &cloud, folder.path()).unwrap();
    let settings = cloud.settings();
    assert!(settings[&of_bucket(Aspect::Lifecycle)].as_array().unwrap().contains(&theirs));
    assert!(settings[&of_bucket(Aspect::Lifecycle)].as_array().unwrap().len() > 2);
    let statements = settings[&of_bucket(Aspect::Policy)]["Statement"].as_array().unwrap().clone();
    assert!(statements.contains(&statement) && statements.len() > 1, "{statements:?}");
    assert_eq!(settings[&of_bucket(Aspect::Tags)]["cost-centre"], "7");
    let told = &settings[&of_bucket(Aspect::Notifications)];
    assert_eq!((&told["event_bridge"], told["rules"].as_array().unwrap().len()), (&json!(true), 2));
    assert!(planned(&desired(), &cloud, folder.path()).unwrap().is_empty());
}

#[test]
fn a_list_of_one_is_the_same_as_a_word() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = made(folder.path());
    let item = Item::new(Thing::User(name("darkslide-writer")), Aspect::Policy);
    // AWS may answer with lists where words were sent, and the other way round.
    fn wrapped(value: &Value) -> Value {
        match value {
            Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), wrapped(value))).collect(),
            Value::Array(list) => list.iter().map(wrapped).collect(),
            Value::String(_) => json!([value]),
            other => other.clone(),
        }
    }
    let document = cloud.settings()[&item].clone();
    let mut other = document.clone();
    for statement in other["Statement"].as_array_mut().unwrap() {
        statement["Action"] = wrapped(&statement["Action"]);
    }
    cloud.meddle(item, Some(other));
    assert!(planned(&desired(), &cloud, folder.path()).unwrap().is_empty());
}

#[test]
fn things_of_others_are_in_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let user = Thing::User(name("darkslide-writer"));
    let cloud = ModelCloud::new(account());
    cloud.meddle(Item::new(user.clone(), Aspect::Itself), Some(json!({"path": "/darkslide/"})));
    let error = applied(&desired(), &cloud, folder.path()).unwrap_err();
    assert!(matches!(&error, ProvisionError::Blocked(why) if why.contains("user darkslide-writer")), "{error}");
    assert!(cloud.log().is_empty());
    cloud.meddle(Item::new(user, Aspect::Tags), Some(json!({"darkslide": crate::setup::OWNER})));
    applied(&desired(), &cloud, folder.path()).unwrap();

    let cloud = ModelCloud::new(account());
    cloud.meddle(of_bucket(Aspect::Itself), Some(json!({})));
    cloud.meddle(of_bucket(Aspect::Tags), Some(json!({"darkslide": "another"})));
    assert!(matches!(applied(&desired(), &cloud, folder.path()), Err(ProvisionError::Blocked(_))));
}

#[test]
fn credentials_of_another_account_change_nothing() {
    let cloud = ModelCloud::new(darkslide_provision::desired::AccountId::new("999999999999").unwrap());
    let error = applied(&desired(), &cloud, std::path::Path::new("/nowhere")).unwrap_err();
    assert!(matches!(error, ProvisionError::OtherAccount { .. }), "{error}");
}

#[test]
fn who_is_not_wanted_any_more_goes_with_the_next_plan() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = made(folder.path());
    let stranger = Thing::User(name("somebody"));
    cloud.meddle(Item::new(stranger.clone(), Aspect::Itself), Some(json!({"path": "/darkslide/"})));
    let mut less = desired();
    less.nas.clear();
    let plan = planned(&less, &cloud, folder.path()).unwrap();
    let gone: Vec<String> = plan.changes().map(|step| format!("{:?} {}", step.act, step.item)).collect();
    // The cap knew what the program needs.
    assert_eq!(gone, ["Change policy darkslide-boundary: policy", "Delete user qnap"]);
    applied(&less, &cloud, folder.path()).unwrap();
    assert!(cloud.all_keys().iter().all(|(user, _)| *user != name("qnap")));
    assert!(cloud.settings().contains_key(&Item::new(stranger, Aspect::Itself)));
}

#[test]
fn an_account_without_vaults_is_told_of_the_bucket() {
    let cloud = ModelCloud::new(account());
    cloud.refuse_vaults();
    let error = planned(&desired(), &cloud, std::path::Path::new("/nowhere")).unwrap_err();
    assert!(matches!(error, ProvisionError::NoVaults { .. }) && error.to_string().contains("DEEP_ARCHIVE"), "{error}");
}

#[test]
fn a_plan_is_priced_for_what_will_lie_there() {
    use darkslide_price::{Holding, PriceTable, monthly};
    use darkslide_provision::{KeyFiles, Pricing, Purpose, observe, plan};
    use darkslide_words::{Bytes, Count, StorageClass};
    let cloud = ModelCloud::new(account());
    let facts = observe(&desired(), &cloud, &KeyFiles::new("/nowhere"), Purpose::Apply).unwrap();
    let prices = PriceTable::builtin().region("eu-central-1").unwrap();
    let held = Holding {
        class: StorageClass::DeepArchive,
        access: None,
        objects: Count(1000),
        bytes: Bytes(64_000_000_000),
        age_days: None,
    };
    let pricing = Pricing { prices: &prices, holdings: vec![held.clone()] };
    let made = plan(&desired(), &facts, Some(&pricing)).unwrap();
    assert_eq!(made.monthly.total(), monthly(&prices, &[held]).unwrap().total());
    assert!(made.to_string().contains("Each month:"), "{made}");
    let example = plan(&desired(), &facts, Some(&Pricing { prices: &prices, holdings: Vec::new() })).unwrap();
    assert!(example.monthly.total() > made.monthly.total() && example.to_string().contains("example"), "{example}");
}

#[test]
fn a_server_without_tls_is_not_asked_to_insist_on_it() {
    use darkslide_provision::desired::Transport;
    let cloud = ModelCloud::new(account());
    let folder = tempfile::tempdir().unwrap();
    let tls = |plan: &darkslide_provision::Plan| {
        let steps = plan.steps.iter().filter(|step| step.item == of_bucket(Aspect::Policy));
        steps.filter_map(|step| step.after.as_ref()).any(|after| after.to_string().contains("DarkslideTls"))
    };
    let mut wanted = desired();
    assert!(tls(&planned(&wanted, &cloud, folder.path()).unwrap()));
    wanted.transport = Transport::Plain;
    assert!(!tls(&planned(&wanted, &cloud, folder.path()).unwrap()));
}

#[test]
fn a_lock_is_made_by_hand_and_the_plan_says_how() {
    let (cloud, folder) = (ModelCloud::new(account()), tempfile::tempdir().unwrap());
    let mut wanted = desired();
    wanted.vaults[0].lock_days = Some(365);
    let by_hand = |cloud: &ModelCloud| planned(&wanted, cloud, folder.path()).unwrap().by_hand;
    assert!(by_hand(&cloud)[0].contains("lock initiate --keep-days 365 --vault old"), "{:?}", by_hand(&cloud));
    applied(&wanted, &cloud, folder.path()).unwrap();
    let lock = Item::new(Thing::Vault(wanted.vaults[0].name.clone()), Aspect::Lock);
    let policy = darkslide_provision::policy::vault_lock(&wanted, &wanted.vaults[0]).unwrap();
    for (state, policy, told) in [
        ("InProgress", policy.clone(), Some("lock complete")),
        ("InProgress", json!({}), Some("lock abort")),
        ("Locked", json!({}), Some("for ever")),
        ("Locked", policy, None),
    ] {
        cloud.write(&lock, &json!({"state": state, "policy": policy})).unwrap();
        let said = by_hand(&cloud);
        match told {
            Some(told) => assert!(said[0].contains(told), "{said:?}"),
            None => assert!(said.is_empty(), "{said:?}"),
        }
    }
    // It is no step of a plan.
    assert!(planned(&wanted, &cloud, folder.path()).unwrap().is_empty());
}

#[test]
fn what_does_not_fit_into_a_user_is_refused_by_the_plan() {
    let (cloud, folder) = (ModelCloud::new(account()), tempfile::tempdir().unwrap());
    let mut wanted = desired();
    wanted.bucket.as_mut().unwrap().name = BucketName::new("b".repeat(63)).unwrap();
    let error = planned(&wanted, &cloud, folder.path()).unwrap_err().to_string();
    assert!(error.contains("characters") && error.contains("make it a role"), "{error}");
}

#[test]
fn a_bucket_of_others_is_not_moved_into_without_a_prefix() {
    let (cloud, folder) = (ModelCloud::new(account()), tempfile::tempdir().unwrap());
    let thing = Thing::Bucket(bucket().name);
    let there = json!({"account_regional": false, "lock": true});
    cloud.meddle(Item::new(thing.clone(), Aspect::Itself), Some(there));
    let mut wanted = desired();
    wanted.bucket.as_mut().unwrap().prefix = darkslide_provision::desired::KeyPrefix::new("").unwrap();
    assert!(planned(&wanted, &cloud, folder.path()).unwrap().blocked.is_empty(), "an empty one is welcome");
    cloud.fill(thing, "objects");
    let plan = planned(&wanted, &cloud, folder.path()).unwrap();
    assert!(plan.blocked[0].contains("/PREFIX"), "{:?}", plan.blocked);
    assert!(planned(&desired(), &cloud, folder.path()).unwrap().blocked.is_empty(), "with a prefix there is room");
}

#[test]
fn a_prefix_that_is_called_like_a_kind_of_objects_is_refused() {
    let (cloud, folder) = (ModelCloud::new(account()), tempfile::tempdir().unwrap());
    for prefix in ["index/", "photos/packs/", "snapshots/mine/", "RECOVER.txt/"] {
        let mut wanted = desired();
        wanted.bucket.as_mut().unwrap().prefix = darkslide_provision::desired::KeyPrefix::new(prefix).unwrap();
        let error = planned(&wanted, &cloud, folder.path()).unwrap_err().to_string();
        assert!(error.contains("kind of objects"), "{prefix}: {error}");
    }
}
