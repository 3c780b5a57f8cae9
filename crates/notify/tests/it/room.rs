//! Messages, channels and patience as the tests want them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use darkslide_notify::{
    Channel, Delivery, Details, Happening, KINDS_DEFAULT, Kind, Message, Patience, REPEAT, SecretRef, Signal,
    Surroundings, Way, compose, deliver, ping,
};
use darkslide_words::{SystemClock, Time};

/// Patience of a test: short, and enough for a busy machine.
pub const PATIENCE: Patience = Patience {
    attempts_max: 3,
    attempt: Duration::from_secs(5),
    pause: Duration::from_millis(20),
    pause_max: Duration::from_millis(50),
};

pub fn channel(way: Way) -> Channel {
    Channel {
        name: "there".into(),
        on: KINDS_DEFAULT.iter().copied().collect(),
        jobs: Default::default(),
        repeat: REPEAT,
        details: Details::Withheld,
        patience: PATIENCE,
        way,
    }
}

pub fn message(kind: Kind) -> Message {
    let happening = Happening {
        kind,
        job: Some("nächtlich".into()),
        run: Some(7),
        time: Time::from_parts(1_790_000_000, 0),
        facts: serde_json::json!({"kind": "backup", "files": 3, "failed": ["IMG_1.CR3"]}).as_object().unwrap().clone(),
        details: vec!["IMG_1.CR3: permission denied".into()],
    };
    compose(&happening, "nas")
}

/// Sends it, never told to stop.
pub fn send(channel: &Channel, message: &Message) -> Delivery {
    let around = Surroundings { clock: &SystemClock::default(), stop: &|| false };
    deliver(&[channel], message, &around).remove(0)
}

pub fn signal(channel: &Channel, signal: Signal, message: &Message) -> Delivery {
    let around = Surroundings { clock: &SystemClock::default(), stop: &|| false };
    ping(&[channel], signal, message, &around).remove(0)
}

/// A secret in a file of mode 0600.
pub fn secret(folder: &Path, name: &str, text: &str) -> SecretRef {
    SecretRef::File(file(folder, name, text, 0o600))
}

pub fn file(folder: &Path, name: &str, text: &str, mode: u32) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    path
}
