//! Webhooks, ntfy and pings, against a server that answers, fails, hangs and closes.

use std::time::Duration;

use darkslide_notify::{
    Begins, Channel, Details, Kind, MaybeSecret, Ntfy, Patience, Ping, Signal, Surroundings, Way, Webhook, deliver,
};
use darkslide_words::{Clock as _, SystemClock};

use crate::room::{PATIENCE, channel, message, secret, send, signal};
use crate::server::{Act, Server, tls};

fn webhook(url: impl Into<String>) -> Webhook {
    Webhook { url: MaybeSecret::Plain(url.into()), headers: Default::default(), sign: None, ca: None }
}

fn to(server: &Server) -> Channel {
    channel(Way::Webhook(webhook(format!("{}/hook?room=9", server.url))))
}

#[test]
fn a_webhook_posts_the_message_signed_and_with_its_headers() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::new([]);
    let mut way = webhook(format!("{}/hook?room=9", server.url));
    way.headers.insert("authorization".into(), secret(folder.path(), "token", "Bearer abc\n").into());
    way.headers.insert("X-House".into(), "mine".into());
    way.sign = Some(secret(folder.path(), "key", "the key of the house"));
    let told = message(Kind::Failure);
    let done = send(&channel(Way::Webhook(way)), &told);
    assert_eq!((done.why.as_deref(), done.attempts), (None, 1));
    let got = server.one();
    assert_eq!((got.method.as_str(), got.path.as_str()), ("POST", "/hook?room=9"));
    assert_eq!(got.headers["content-type"], "application/json");
    assert_eq!(got.headers["authorization"], "Bearer abc");
    assert_eq!(got.headers["x-house"], "mine");
    assert_eq!(got.headers["x-darkslide-delivery"].len(), 32);
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"the key of the house");
    let signature = got.headers["x-darkslide-signature"].strip_prefix("sha256=").unwrap();
    ring::hmac::verify(&key, &got.body, &hex::decode(signature).unwrap()).unwrap();
    let body = got.json();
    assert_eq!(body, told.to_json(Details::Withheld));
    assert_eq!((&body["kind"], &body["severity"]), (&"failure".into(), &"failure".into()));
    assert_eq!((&body["job"], &body["run"], &body["machine"]), (&"nächtlich".into(), &7.into(), &"nas".into()));
    assert_eq!(body["time"], "2026-09-21T14:13:20Z");
    assert_eq!(body["facts"], serde_json::json!({"kind": "backup", "files": 3, "failed": 1}));
    assert!(!String::from_utf8(got.body).unwrap().contains("IMG_1"), "names of photographs stay at home");
}

#[test]
fn details_go_to_who_asks_for_them() {
    let server = Server::new([]);
    let channel = Channel { details: Details::Shown, ..to(&server) };
    assert!(send(&channel, &message(Kind::Failure)).is_delivered());
    assert_eq!(server.one().json()["details"], serde_json::json!(["IMG_1.CR3: permission denied"]));
}

#[test]
fn a_server_that_fails_is_tried_again_with_the_same_delivery() {
    let server = Server::new([Act::status(500), Act::Close, Act::status(200)]);
    let done = send(&to(&server), &message(Kind::Failure));
    assert_eq!((done.why.as_deref(), done.attempts), (None, 3));
    let got = server.requests();
    assert_eq!(got.len(), 3);
    assert!(got.iter().all(|r| r.headers["x-darkslide-delivery"] == got[0].headers["x-darkslide-delivery"]));
    let other = Server::new([]);
    send(&to(&other), &message(Kind::Warning));
    assert_ne!(other.one().headers["x-darkslide-delivery"], got[0].headers["x-darkslide-delivery"]);
}

#[test]
fn attempts_are_bounded_and_the_outcome_says_why() {
    let busy = |_| Act::Answer(503, vec![("retry-after", "3600".into())], "down\nfor <b>repairs</b>".into());
    let server = Server::new((0..9).map(busy));
    let done = send(&to(&server), &message(Kind::Failure));
    assert_eq!((done.attempts, server.requests().len()), (3, 3));
    let why = done.why.unwrap();
    assert!(why.contains("503") && why.contains("said `down for <b>repairs</b>`"), "{why}");
}

#[test]
fn what_will_not_change_is_not_tried_again() {
    for (status, hint) in [(400, "400"), (401, "token"), (403, "token"), (404, "url"), (410, "url"), (413, "413")] {
        let server = Server::new([Act::status(status)]);
        let done = send(&to(&server), &message(Kind::Failure));
        assert_eq!(done.attempts, 1, "{status}");
        assert!(done.why.unwrap().contains(hint), "{status}");
    }
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = Server::new([]);
    let to_there = vec![("location", format!("{}/steal?token=secret", elsewhere.url))];
    let server = Server::new([Act::Answer(307, to_there, String::new())]);
    let done = send(&to(&server), &message(Kind::Failure));
    let why = done.why.unwrap();
    assert!(why.contains(&elsewhere.url) && !why.contains("steal"), "{why}");
    assert!(elsewhere.requests().is_empty() && done.attempts == 1);
}

#[test]
fn whoever_hangs_trickles_or_speaks_something_else_ends_in_time() {
    let quick = Patience { attempt: Duration::from_millis(400), attempts_max: 2, ..PATIENCE };
    for (act, words) in
        [(Act::Hang, "no answer within"), (Act::Trickle, "no answer within"), (Act::Garbage, "broke off")]
    {
        let server = Server::new([act.clone(), act]);
        let began = SystemClock::default();
        let done = send(&Channel { patience: quick, ..to(&server) }, &message(Kind::Failure));
        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
        assert_eq!((done.attempts, server.requests().len()), (2, 2));
        let why = done.why.unwrap();
        assert!(why.contains(words), "{why}");
    }
}

#[test]
fn nobody_there_is_said_with_the_place_alone() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let done =
        send(&channel(Way::Webhook(webhook(format!("http://{free}/services/T0/B0/tokentoken")))), &message(Kind::Test));
    let why = done.why.unwrap();
    assert!(why.contains(&format!("http://{free} cannot be reached")) && !why.contains("services"), "{why}");
    assert_eq!(done.attempts, 3);
    for bad in ["ftp://x/y", "nonsense", "http://"] {
        let done = send(&channel(Way::Webhook(webhook(bad))), &message(Kind::Test));
        assert!(done.attempts == 1 && done.why.unwrap().contains("url is none"), "{bad}");
    }
}

#[test]
fn channels_go_at_once_and_one_that_fails_keeps_no_other() {
    let (bad, good) = (Server::new((0..6).map(|_| Act::Hang)), Server::new([]));
    let quick = Patience { attempt: Duration::from_millis(300), ..PATIENCE };
    let bad_one = Channel { patience: quick, ..to(&bad) };
    let good_one = to(&good);
    let began = SystemClock::default();
    let around = Surroundings { clock: &SystemClock::default(), stop: &|| false };
    let done = deliver(&[&bad_one, &good_one, &bad_one], &message(Kind::Failure), &around);
    assert_eq!(done.iter().map(|d| d.is_delivered()).collect::<Vec<_>>(), [false, true, false]);
    assert!(began.elapsed() < Duration::from_secs(3), "one after the other");
    good.one();
}

#[test]
fn a_stop_ends_attempts_and_pauses() {
    let stopped = std::sync::atomic::AtomicBool::new(false);
    let patience = Patience { attempt: Duration::from_secs(60), pause: Duration::from_secs(60), ..PATIENCE };
    let patience = Patience { pause_max: Duration::from_secs(60), ..patience };
    for acts in [vec![Act::Hang], vec![Act::status(500)]] {
        stopped.store(false, std::sync::atomic::Ordering::SeqCst);
        let server = Server::new(acts);
        let there = to(&server);
        let began = SystemClock::default();
        let done = std::thread::scope(|scope| {
            let worker = scope.spawn(|| {
                let stop = || stopped.load(std::sync::atomic::Ordering::SeqCst);
                let around = Surroundings { clock: &SystemClock::default(), stop: &stop };
                deliver(&[&Channel { patience, ..there }], &message(Kind::Failure), &around)
            });
            std::thread::sleep(Duration::from_millis(300));
            stopped.store(true, std::sync::atomic::Ordering::SeqCst);
            worker.join().unwrap()
        });
        assert!(!done[0].is_delivered() && began.elapsed() < Duration::from_secs(10));
    }
}

#[test]
fn an_authority_of_ones_own_is_named_or_the_server_is_refused() {
    let server = Server::tls([]);
    let way = webhook(format!("{}/hook", server.url));
    let done = send(&channel(Way::Webhook(way.clone())), &message(Kind::Test));
    let why = done.why.unwrap();
    assert!(why.contains("certificate") && why.contains("`ca`") && done.attempts == 1, "{why}");
    assert!(server.requests().is_empty());
    let trusted = Webhook { ca: Some(tls("ca.pem")), ..way.clone() };
    assert_eq!(send(&channel(Way::Webhook(trusted)), &message(Kind::Test)).why, None);
    assert_eq!(server.one().path, "/hook");
    for (ca, words) in [(tls("none.pem"), "No such file"), (tls("README.md"), "no certificate")] {
        let done = send(&channel(Way::Webhook(Webhook { ca: Some(ca), ..way.clone() })), &message(Kind::Test));
        assert!(done.why.unwrap().contains(words));
    }
}

#[test]
fn deliveries_may_be_made_inside_another_runtime() {
    let server = Server::new([]);
    let outer = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let done = outer.block_on(async { send(&to(&server), &message(Kind::Failure)) });
    assert!(done.is_delivered());
}

fn ntfy(server: &Server) -> Ntfy {
    Ntfy {
        server: Some(MaybeSecret::Plain(server.url.clone())),
        topic: "photos".into(),
        priority: None,
        tags: Vec::new(),
        token: None,
        login: None,
        ca: None,
    }
}

#[test]
fn ntfy_gets_topic_priority_tags_and_token() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::new([]);
    let plain = channel(Way::Ntfy(ntfy(&server)));
    assert_eq!(send(&plain, &message(Kind::Failure)).why, None);
    let got = server.one();
    assert_eq!((got.method.as_str(), got.path.as_str()), ("POST", "/"));
    assert!(!got.headers.contains_key("authorization"));
    let body = got.json();
    assert_eq!((&body["topic"], &body["priority"]), (&"photos".into(), &4.into()));
    assert_eq!(
        (&body["title"], &body["tags"]),
        (&"backup of nächtlich failed on nas".into(), &serde_json::json!(["rotating_light"]))
    );
    assert!(body["message"].as_str().unwrap().contains("darkslide logs"));
    let set = Ntfy {
        topic: secret(folder.path(), "topic", "photos-8fj2").into(),
        priority: Some(5),
        tags: vec!["camera".into()],
        token: Some(secret(folder.path(), "token", "tk_abcdefgh\n")),
        ..ntfy(&server)
    };
    assert_eq!(send(&channel(Way::Ntfy(set)), &message(Kind::CardSafe)).why, None);
    let got = server.one();
    assert_eq!(got.headers["authorization"], "Bearer tk_abcdefgh");
    assert_eq!(got.json()["topic"], "photos-8fj2");
    assert_eq!((&got.json()["priority"], &got.json()["tags"]), (&5.into(), &serde_json::json!(["camera"])));
    let login = Ntfy { login: Some(("me".into(), secret(folder.path(), "pw", "pa:ss"))), ..ntfy(&server) };
    assert_eq!(send(&channel(Way::Ntfy(login)), &message(Kind::Warning)).why, None);
    let got = server.one();
    assert_eq!((got.headers["authorization"].as_str(), &got.json()["priority"]), ("Basic bWU6cGE6c3M=", &3.into()));
}

#[test]
fn a_long_message_stays_one_message() {
    let server = Server::new([]);
    let mut long = message(Kind::Failure);
    long.text = "ä".repeat(10_000);
    assert_eq!(send(&channel(Way::Ntfy(ntfy(&server))), &long).why, None);
    let got = server.one().json();
    let text = got["message"].as_str().unwrap();
    assert!(text.len() <= 4000 && text.chars().all(|c| c == 'ä'));
}

#[test]
fn pings_go_to_start_success_and_fail_with_a_body() {
    let server = Server::new([]);
    let check = Ping { url: MaybeSecret::Plain(format!("{}/ping/uuid", server.url)), start: Begins::Told, ca: None };
    let watcher = channel(Way::Ping(check.clone()));
    for (what, path) in
        [(Signal::Start, "/ping/uuid/start"), (Signal::Success, "/ping/uuid"), (Signal::Fail, "/ping/uuid/fail")]
    {
        assert_eq!(signal(&watcher, what, &message(Kind::Failure)).why, None);
        let got = server.one();
        assert_eq!((got.method.as_str(), got.path.as_str()), ("POST", path));
        let body = String::from_utf8(got.body).unwrap();
        assert!(body.starts_with("backup of nächtlich failed on nas\n") && !body.contains("IMG_1"), "{body}");
    }
    let mute = channel(Way::Ping(Ping { start: Begins::Untold, ..check }));
    assert_eq!(signal(&mute, Signal::Start, &message(Kind::Failure)).why, None);
    assert!(server.requests().is_empty());
    assert!(!watcher.wants(Kind::Failure, &["x"]) && watcher.watches(&["x"]));
}
