//! Events: a page that is open hears what changes, by server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use darkslide_engine::Engine;
use futures::Stream;
use futures::stream;
use tokio::sync::OwnedSemaphorePermit;

use super::shapes::{Run, Thaw};
use crate::access::Reader;
use crate::refusal::{Refusal, Refused};
use crate::site::Site;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(700);

/// What is looked at, and what was last told of it.
struct Heard {
    site: Arc<Site>,
    told: [String; 3],
    queue: Vec<Event>,
    is_first: bool,
    _place: OwnedSemaphorePermit,
}

/// What changes: `tasks`, `runs` (the newest ten), `thaws` (those that are open), each as in the
/// requests of that name; at first all of them.
#[utoipa::path(
    get, path = "/api/v1/events", tag = "look",
    responses((status = 200, description = "As they happen.", content_type = "text/event-stream"),
        (status = 401, body = Refused), (status = 503, body = Refused))
)]
pub async fn events(
    State(site): State<Arc<Site>>,
    _: Reader,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refusal> {
    let busy = |_| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "too many pages are open");
    let place = site.listeners.clone().try_acquire_owned().map_err(busy)?;
    let heard = Heard { site, told: Default::default(), queue: Vec::new(), is_first: true, _place: place };
    Ok(Sse::new(stream::unfold(heard, next)).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}

/// The next event; none any more once the page ends.
async fn next(mut heard: Heard) -> Option<(Result<Event, Infallible>, Heard)> {
    loop {
        if let Some(event) = heard.queue.pop() {
            return Some((Ok(event), heard));
        }
        if !std::mem::take(&mut heard.is_first) {
            let mut stopping = heard.site.stopping.clone();
            tokio::select! {
                _ = stopping.wait_for(|stop| *stop) => return None,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
        look(&mut heard).await;
    }
}

async fn look(heard: &mut Heard) {
    let tasks = serde_json::to_string(&heard.site.tasks.list()).unwrap_or_default();
    let rows = heard.site.engine(|engine: Engine| {
        let runs: Vec<Run> = engine.runs(None, 10)?.iter().map(Run::from).collect();
        let open = |thaw: &&darkslide_engine::ThawInfo| thaw.row.state == darkslide_engine::ThawState::Open;
        let thaws: Vec<Thaw> = engine.thaws()?.iter().filter(open).map(Thaw::from).collect();
        let text = |value: Result<String, serde_json::Error>| value.unwrap_or_default();
        Ok([text(serde_json::to_string(&runs)), text(serde_json::to_string(&thaws))])
    });
    let [runs, thaws] = rows.await.unwrap_or_else(|_| [heard.told[1].clone(), heard.told[2].clone()]);
    for (n, (name, text)) in [("tasks", tasks), ("runs", runs), ("thaws", thaws)].into_iter().enumerate() {
        if heard.told[n] != text {
            heard.queue.push(Event::default().event(name).data(&text));
            heard.told[n] = text;
        }
    }
}
