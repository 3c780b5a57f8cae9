//! Keys and trust: wrong identities, foreign repositories, forged and revoked
//! writers, newer formats, recipients that come and go.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use darkslide_engine::words::{Name, OsRng};
use darkslide_engine::{EngineError, Founder, IdentityFile, JoinWith, Recursive};
use darkslide_format::signed::{self, DocType, SecretKey};
use darkslide_format::{canon, frame, names as format_names, object_id, seal};
use darkslide_store::{PutFacts, Store as _};

use crate::harness::{
    World, audit, backup, identity, names, noise, options, path, restores, same, tree, try_backup, try_restore,
};

const FACTS: PutFacts = PutFacts { crc64: 0, temperature: darkslide_engine::words::Temperature::Hot };

fn world() -> (World, IdentityFile, darkslide_engine::Engine) {
    let world = World::empty();
    world.write("2024/IMG_1.CR3", &noise(1, 200_000));
    let me = identity();
    let engine = world.init(Founder::Identity(same(&me)), 1).unwrap();
    backup(&engine);
    (world, me, engine)
}

#[test]
fn a_wrong_identity_opens_nothing() {
    let (world, _, engine) = world();
    let error = try_restore(&engine, &options("latest", &world.target("x")), &identity()).unwrap_err();
    assert!(matches!(error, EngineError::WrongIdentity), "{error}");
    assert!(matches!(world.join("other", JoinWith::Identity(identity())).map(|_| ()), Err(EngineError::WrongIdentity)));
}

#[test]
fn the_backing_up_machine_holds_no_key_that_opens_photographs() {
    let (world, me, engine) = world();
    let state = engine.settings().state_dir();
    let (secret, _) = me.secrets();
    let secret = secret.as_bytes().to_vec();
    for (file, facts) in tree(&state) {
        assert!(!facts.4.windows(secret.len()).any(|w| w == secret), "{} holds the identity", file.display());
    }
    assert_eq!(fs::metadata(state.join("writer.json")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(&state).unwrap().permissions().mode() & 0o777, 0o700);
    // The machine's secrets open index and refs, never packs, trees, snapshots or keys.
    let doc: serde_json::Value = serde_json::from_slice(&fs::read(state.join("writer.json")).unwrap()).unwrap();
    let index = darkslide_format::keys::KeyPair::parse(doc["index_identity"].as_str().unwrap()).unwrap();
    let store = world.store(0);
    for (prefix, opens) in [
        ("packs/", false),
        ("trees/", false),
        ("previews/", false),
        ("snapshots/", false),
        ("keys/", false),
        ("index/", true),
        ("refs/", true),
    ] {
        for name in names(&store, prefix) {
            let bytes = store.read(&name, None).unwrap().bytes(&name).unwrap();
            assert_eq!(seal::open_head(&bytes, &[index.identity()]).is_ok(), opens, "{name}");
        }
    }
    fs::set_permissions(state.join("writer.json"), PermissionsExt::from_mode(0o644)).unwrap();
    assert!(matches!(try_backup(&engine), Err(EngineError::Exposed { .. })));
}

#[test]
fn founding_for_recipients_never_sees_a_private_key_and_its_owner_can_rule() {
    let world = World::empty();
    world.write("IMG_1.CR3", &noise(1, 1000));
    let me = identity();
    let recipients = vec![("me".to_string(), me.recipients()[0].clone())];
    let engine = world.init(Founder::Recipients(recipients), 1).unwrap();
    backup(&engine);
    restores(&engine, "latest", &world.target("out"), &me, &tree(&world.library));
    let other = identity();
    engine.add_recipient("partner", &other.recipients()[0], &me).unwrap();
    restores(&world.engine(), "latest", &world.target("partner"), &other, &tree(&world.library));
    // The partner opens photographs, and does not rule.
    let third = identity();
    let error = engine.add_recipient("third", &third.recipients()[0], &other).unwrap_err();
    assert!(matches!(error, EngineError::NotOwner), "{error}");
}

#[test]
fn recipients_come_and_go_with_epochs() {
    let (world, me, engine) = world();
    let partner = identity();
    engine.add_recipient("partner", &partner.recipients()[0], &me).unwrap();
    let old = tree(&world.library);
    restores(&world.engine(), "latest", &world.target("old"), &partner, &old);
    engine.remove_recipient("partner", &me).unwrap();
    assert_eq!(engine.recipients().unwrap().1.0, 2, "a new epoch");
    world.write("2024/IMG_2.CR3", &noise(2, 300_000));
    backup(&world.engine());
    let error = try_restore(&engine, &options("latest", &world.target("x")), &partner).unwrap_err();
    assert!(matches!(error, EngineError::WrongIdentity), "{error}");
    // New packs are not sealed to him, and the owner opens old and new.
    let store = world.store(0);
    let readable = |id: &IdentityFile, prefix: &str| {
        let open = |n| seal::open_head(&store.read(n, None).unwrap().bytes(n).unwrap(), &id.identities().all()).is_ok();
        names(&store, prefix).iter().filter(|n| open(n)).count()
    };
    assert_eq!(readable(&me, "packs/"), 2);
    assert_eq!(readable(&partner, "packs/"), 0, "a late recipient opens through the epoch alone");
    restores(&engine, "latest", &world.target("new"), &me, &tree(&world.library));
    assert!(matches!(engine.remove_recipient("owner", &me), Err(EngineError::LastRecipient { .. })));
    assert!(matches!(engine.remove_recipient("nobody", &me), Err(EngineError::NoSuch { .. })));
}

#[test]
fn a_lost_catalog_comes_back_from_the_writers_secrets_alone() {
    let (world, me, engine) = world();
    let state = engine.settings().state_dir();
    let secrets = world.folder.path().join("writer.json");
    fs::copy(state.join("writer.json"), &secrets).unwrap();
    fs::remove_dir_all(&state).unwrap();
    let again = world.join("again", JoinWith::Writer(secrets)).unwrap();
    let done = backup(&again);
    assert!(done.done.counts.stored_bytes.0 < 20_000, "chunks are known again: {:?}", done.done.counts);
    restores(&again, "latest", &world.target("out"), &me, &tree(&world.library));
    assert_eq!(audit(&again, Some(&me)).findings, []);
}

#[test]
fn enrolled_elsewhere_and_revoked() {
    let (world, me, engine) = world();
    let carried = world.folder.path().join("laptop.json");
    engine.enroll_writer("laptop", &carried, &me, &mut OsRng).unwrap();
    let laptop = world.join("laptop", JoinWith::Writer(carried)).unwrap();
    world.write("2024/IMG_2.CR3", &noise(2, 300_000));
    let theirs = backup(&laptop).done.snapshot;
    restores(&engine, theirs.as_str(), &world.target("before"), &me, &tree(&world.library));
    engine.revoke_writer("laptop", "stolen on a train", &me).unwrap();
    let error = try_backup(&laptop).unwrap_err().to_string();
    assert!(error.contains("not enrolled, or was revoked"), "{error}");
    let error = try_restore(&engine, &options(theirs.as_str(), &world.target("x")), &me).unwrap_err();
    assert!(matches!(error, EngineError::Untrusted { standing: "revoked", .. }), "{error}");
    let mut asked = options(theirs.as_str(), &world.target("asked"));
    asked.accept_writers = vec!["laptop".into()];
    assert_eq!(try_restore(&engine, &asked, &me).unwrap().casualties, []);
    // Nothing that the thief stored is relied upon: the photograph is stored again.
    let done = backup(&engine);
    assert!(done.done.counts.stored_bytes.0 > 300_000, "{:?}", done.done.counts);
    restores(&engine, "latest", &world.target("own"), &me, &tree(&world.library));
}

/// Puts a snapshot object that says what `change` makes of a real one.
fn forge(world: &World, me: &IdentityFile, key: &SecretKey, change: impl Fn(&mut serde_json::Value)) -> String {
    let store = world.store(0);
    let real = names(&store, "snapshots/").pop().unwrap();
    let bytes = store.read(&real, None).unwrap().bytes(&real).unwrap();
    let packed = seal::open(&bytes, &me.identities().all(), 1 << 20).unwrap();
    let document = frame::unpack_json("snapshot", &packed, 1 << 20).unwrap();
    let verified = signed::verify(DocType::Snapshot, &document).unwrap();
    let mut payload: serde_json::Value = canon::from_bytes("snapshot", verified.payload).unwrap();
    let time = darkslide_engine::words::Time(1_800_000_000_000_000_000);
    payload["time"] = time.0.to_string().into();
    payload["writer"] = key.public().writer_id().to_string().into();
    change(&mut payload);
    let document = signed::sign(DocType::Snapshot, &payload, key).unwrap();
    let to = seal::Recipients::parse(me.recipients().iter().map(String::as_str)).unwrap();
    let sealed = seal::seal(&to, &frame::pack_json(&document).unwrap()).unwrap();
    let name = format_names::snapshot(time, object_id(&sealed));
    store.inner().put(&name, &sealed, &FACTS).unwrap();
    name.as_str().to_string()
}

#[test]
fn a_forged_snapshot_is_refused_and_not_latest() {
    let (world, me, engine) = world();
    let thief = SecretKey::from_seed(&[66; 32]);
    let name = forge(&world, &me, &thief, |_| {});
    let error = try_restore(&engine, &options(&name, &world.target("x")), &me).unwrap_err();
    assert!(matches!(error, EngineError::Untrusted { standing: "not enrolled", .. }), "{error}");
    restores(&engine, "latest", &world.target("out"), &me, &tree(&world.library));
    let elsewhere = world.join("elsewhere", JoinWith::Identity(same(&me))).unwrap();
    restores(&elsewhere, "latest", &world.target("elsewhere"), &me, &tree(&world.library));
    assert!(audit(&engine, Some(&me)).findings.iter().any(|f| f.to_string().contains("Unknown")));
}

#[test]
fn newer_formats_features_and_foreign_repositories_are_named() {
    let (world, me, engine) = world();
    let key = SecretKey::from_seed(&[66; 32]);
    type Change = fn(&mut serde_json::Value);
    let cases: [(&str, Change); 3] = [
        ("format version 2", |p| p["format"] = 2.into()),
        ("feature `holograms`", |p| p["features"] = serde_json::json!(["holograms"])),
        ("another repository", |p| p["repository"] = "00".repeat(16).into()),
    ];
    for (wanted, change) in cases {
        let name = forge(&world, &me, &key, change);
        let report = audit(&engine, Some(&me));
        let of_it = |f: &&darkslide_engine::Finding| f.object.as_ref().is_some_and(|o| o.as_str() == name);
        let told = report.findings.iter().filter(of_it).any(|f| f.to_string().contains(wanted));
        assert!(told, "{wanted}: {:?}", report.findings);
        world.store(0).inner().delete(&darkslide_engine::words::ObjectName::new(name).unwrap()).unwrap();
    }
    // A header of a newer format stops everything, by name.
    let header = format_names::header();
    world.store(0).inner().damage(&header, |b| {
        let text = String::from_utf8(b.clone()).unwrap().replace("\"format\":1", "\"format\":2");
        *b = text.into_bytes();
    });
    let error = try_backup(&world.engine()).unwrap_err().to_string();
    assert!(error.contains("format version 2") && error.contains("darkslide.json"), "{error}");
}

#[test]
fn an_exchanged_repository_or_owner_is_noticed() {
    let (world, me, _) = world();
    let other = World::empty();
    other.write("x", b"x");
    other.init(Founder::Identity(identity()), 1).unwrap();
    world.put_store(0, other.store(0).inner().snapshot());
    let error = try_backup(&world.engine()).unwrap_err();
    assert!(matches!(error, EngineError::Exchanged { what: "repository", .. }), "{error}");
    let error = try_restore(&world.engine(), &options("latest", &world.target("x")), &me).unwrap_err();
    assert!(matches!(error, EngineError::Exchanged { .. }), "{error}");
}

#[test]
fn an_old_configuration_is_not_accepted_again() {
    let (world, me, engine) = world();
    let before = world.store(0).inner().snapshot();
    let partner = identity();
    engine.add_recipient("partner", &partner.recipients()[0], &me).unwrap();
    engine.remove_recipient("partner", &me).unwrap();
    backup(&world.engine());
    world.put_store(0, before);
    let error = try_backup(&world.engine()).unwrap_err();
    assert!(matches!(error, EngineError::RolledBack { shown: 1, seen: 3, .. }), "{error}");
}

#[test]
fn an_index_that_names_what_does_not_exist_costs_only_that() {
    let (world, me, engine) = world();
    // Another machine lies about where the first one's chunks are.
    let second = world.join("liar", JoinWith::Identity(same(&me))).unwrap();
    let state = second.settings().state_dir();
    let doc: serde_json::Value = serde_json::from_slice(&fs::read(state.join("writer.json")).unwrap()).unwrap();
    let mut seed = [0; 32];
    hex::decode_to_slice(doc["signing_key"].as_str().unwrap(), &mut seed).unwrap();
    let key = SecretKey::from_seed(&seed);
    let index = darkslide_format::keys::KeyPair::parse(doc["index_identity"].as_str().unwrap()).unwrap();
    let store = world.store(0);
    let real = names(&store, "index/").pop().unwrap();
    let bytes = store.read(&real, None).unwrap().bytes(&real).unwrap();
    let document =
        frame::unpack_json("index", &seal::open(&bytes, &[index.identity()], 1 << 28).unwrap(), 1 << 30).unwrap();
    let mut payload: serde_json::Value =
        canon::from_bytes("index", signed::verify(DocType::Index, &document).unwrap().payload).unwrap();
    payload["writer"] = key.public().writer_id().to_string().into();
    for pack in payload["packs"].as_array_mut().unwrap() {
        let object = pack["object"].as_str().unwrap().to_string();
        let (folder, _) = object.split_once('/').unwrap();
        let id = "ab".repeat(32);
        pack["object"] = match folder {
            "trees" => format!("trees/{id}.tar.zst.age"),
            other => format!("{other}/ab/{id}.tar.zst.age"),
        }
        .into();
    }
    let document = signed::sign(DocType::Index, &payload, &key).unwrap();
    let to = seal::Recipients::parse([index.recipient().as_str()]).unwrap();
    let sealed = seal::seal(&to, &frame::pack_json(&document).unwrap()).unwrap();
    let name = format_names::object(format_names::Kind::Index, object_id(&sealed));
    store.inner().put(&name, &sealed, &FACTS).unwrap();
    // The true places are tried as well; the lie is named by the audit.
    restores(&engine, "latest", &world.target("out"), &me, &tree(&world.library));
    assert!(audit(&engine, Some(&me)).damages() > 0);
    world.write("2024/IMG_2.CR3", &noise(5, 100_000));
    let elsewhere = world.join("elsewhere", JoinWith::Identity(same(&me))).unwrap();
    backup(&elsewhere);
    restores(&elsewhere, "latest", &world.target("elsewhere"), &me, &tree(&world.library));
}

#[test]
fn what_another_machine_sealed_is_said_to_be_sealed() {
    let (world, me, engine) = world();
    let second = world.join("second", JoinWith::Identity(same(&me))).unwrap();
    world.write("2024/IMG_2.CR3", &noise(2, 1000));
    let theirs = backup(&second).done.snapshot;
    let all = engine.snapshots(None).unwrap();
    assert_eq!(all.iter().filter(|s| s.snapshot.is_none()).count(), 1);
    let error = engine.ls(theirs.as_str(), &Name::default(), Recursive::No, None, &mut |_| {}).unwrap_err();
    assert!(matches!(error, EngineError::Sealed { .. }), "{error}");
    let mut seen = 0;
    engine.ls("latest", &path("2024"), Recursive::No, None, &mut |_| seen += 1).unwrap();
    assert_eq!(seen, 1, "`latest` is this machine's own");
    let restored = engine.restore_plan(&options(theirs.as_str(), &world.target("x")), Some(&me)).unwrap();
    assert_eq!(restored.files.0, 2);
}
