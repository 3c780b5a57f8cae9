//! Who is logged in. In memory alone, so a restart ends all logins.
//!
//! **Invariant:** only hashes of what browsers hold are kept.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use darkslide_engine::words::{OsRng, Rng as _};

use crate::Role;

/// Logins at once; the oldest makes room.
const SESSIONS_MAX: usize = 256;

/// Somebody who is logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Whose login.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// What each request that changes something has to repeat; of a token nothing, since no browser
    /// sends one by itself.
    pub csrf: Option<String>,
    /// By the clock that never jumps.
    ends: Duration,
}

impl Session {
    /// Of a request that shows a token.
    pub fn of_token(name: String, role: Role) -> Self {
        Self { name, role, csrf: None, ends: Duration::MAX }
    }
}

/// All of them.
#[derive(Debug, Default)]
pub struct Sessions(HashMap<[u8; 32], Session>);

fn random() -> String {
    URL_SAFE_NO_PAD.encode(OsRng.bytes::<32>())
}

fn key(cookie: &str) -> [u8; 32] {
    *blake3::hash(cookie.as_bytes()).as_bytes()
}

impl Sessions {
    /// Begins one; what the browser keeps as its cookie.
    pub fn begin(&mut self, name: String, role: Role, now: Duration, long: Duration) -> (String, Session) {
        self.0.retain(|_, session| session.ends > now);
        if self.0.len() >= SESSIONS_MAX {
            let oldest = self.0.iter().min_by_key(|(_, session)| session.ends).map(|(key, _)| *key);
            oldest.map(|key| self.0.remove(&key));
        }
        let cookie = random();
        let session = Session { name, role, csrf: Some(random()), ends: now.saturating_add(long) };
        self.0.insert(key(&cookie), session.clone());
        (cookie, session)
    }

    /// Whose cookie it is.
    pub fn of(&self, cookie: &str, now: Duration) -> Option<Session> {
        self.0.get(&key(cookie)).filter(|session| session.ends > now).cloned()
    }

    /// Ends one.
    pub fn end(&mut self, cookie: &str) {
        self.0.remove(&key(cookie));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_ends_when_its_time_is_over_or_it_is_told_to() {
        let mut sessions = Sessions::default();
        let (hour, zero) = (Duration::from_secs(3600), Duration::ZERO);
        let (cookie, session) = sessions.begin("anna".into(), Role::Reader, zero, hour);
        assert_eq!(sessions.of(&cookie, zero), Some(session));
        assert_eq!(sessions.of(&cookie, hour), None);
        assert_eq!(sessions.of("other", zero), None);
        sessions.end(&cookie);
        assert_eq!(sessions.of(&cookie, zero), None);
    }

    #[test]
    fn many_logins_push_out_the_oldest() {
        let mut sessions = Sessions::default();
        let at = |n: usize| Duration::from_secs(n as u64);
        let (first, _) = sessions.begin("a".into(), Role::Reader, at(0), at(9999));
        for n in 1..=SESSIONS_MAX {
            sessions.begin("b".into(), Role::Reader, at(n), at(9999));
        }
        assert_eq!(sessions.of(&first, at(1)), None);
        assert_eq!(sessions.0.len(), SESSIONS_MAX);
    }
}
