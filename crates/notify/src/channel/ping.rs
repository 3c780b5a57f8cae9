//! Pings to a watcher outside, as healthchecks.io and its kin: it raises the alarm when they stay
//! away, also when the whole machine is gone.

use std::path::PathBuf;

use reqwest::Url;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};

use crate::channel::{Letter, Signal};
use crate::failure::Failure;
use crate::http;
use crate::secret::{Blanks, MaybeSecret};

/// What a watcher keeps of a body.
const BYTES_MAX: usize = 10_000;

/// One check of a watcher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ping {
    /// The check's URL. Success goes there, the rest to `/start` and `/fail` below it.
    pub url: MaybeSecret,
    /// Whether the begin of a run is told.
    pub start: Begins,
    /// Certificates of one's own authority, in PEM.
    pub ca: Option<PathBuf>,
}

/// Whether the begin of a run is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begins {
    /// To `/start`; the watcher then measures how long runs take.
    Told,
    /// For watchers that know no `/start`.
    Untold,
}

impl Ping {
    pub(crate) async fn send(&self, letter: &Letter<'_>, signal: Signal, blanks: &mut Blanks) -> Result<(), Failure> {
        let url = http::address(&self.url, blanks).await?;
        if signal == Signal::Start && self.start == Begins::Untold {
            return Ok(());
        }
        let url = place(url, signal);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        let body = format!("{}\n{}", letter.message.title, letter.body());
        let body = crate::cut(&body, BYTES_MAX).as_bytes().to_vec();
        http::post(&http::client(self.ca.as_deref())?, &url, headers, body, blanks).await
    }
}

fn place(mut url: Url, signal: Signal) -> Url {
    let below = match signal {
        Signal::Start => "/start",
        Signal::Success => return url,
        Signal::Fail => "/fail",
    };
    let path = format!("{}{below}", url.path().trim_end_matches('/'));
    url.set_path(&path);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_go_below_the_url_and_keep_its_query() {
        let url = |text: &str| Url::parse(text).unwrap();
        for base in ["https://hc.example/ping/uuid?rid=1", "https://hc.example/ping/uuid/?rid=1"] {
            assert_eq!(place(url(base), Signal::Fail).as_str(), "https://hc.example/ping/uuid/fail?rid=1");
            assert_eq!(place(url(base), Signal::Start).as_str(), "https://hc.example/ping/uuid/start?rid=1");
            assert_eq!(place(url(base), Signal::Success).as_str(), base);
        }
    }
}
