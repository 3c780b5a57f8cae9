//! Who is told: the channels of `[[notify]]`, and whether a message arrives.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use darkslide_engine::Engine;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::act::{Sent, sent};
use crate::access::{Operator, Reader};
use crate::refusal::{Refusal, Refused};
use crate::site::Site;
use crate::tasks::Task;

/// A channel.
#[derive(Debug, Serialize, ToSchema)]
pub struct Channel {
    channel: String,
    /// How: by mail, ntfy, a web hook, ….
    way: String,
    /// Of what it tells.
    on: Vec<String>,
    /// What became of its last message.
    last: Option<String>,
}

/// Who is told of what.
#[utoipa::path(
    get, path = "/api/v1/channels", tag = "look",
    responses((status = 200, body = Vec<Channel>), (status = 401, body = Refused), (status = 503, body = Refused))
)]
pub async fn channels(State(site): State<Arc<Site>>, _: Reader) -> Result<Json<Vec<Channel>>, Refusal> {
    let host = site.means.host();
    let work = move |engine: Engine| {
        let all = engine.dispatcher(&host, Arc::new(|| false)).channels();
        let channel = |one: darkslide_engine::ChannelInfo| Channel {
            channel: one.name.to_string(),
            way: one.way.to_string(),
            on: one.on.iter().map(ToString::to_string).collect(),
            last: one.last.map(|last| last.to_string()),
        };
        Ok(all.into_iter().map(channel).collect())
    };
    site.engine(work).await.map(Json)
}

/// Which channel.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Which {
    /// Its name, as it is told.
    #[schema(min_length = 1)]
    channel: String,
}

/// Send a test message. Whether it arrived is the task's text.
#[utoipa::path(
    post, path = "/api/v1/channels/test", tag = "act", request_body = Which,
    responses(
        (status = 202, body = Task), (status = 400, body = Refused), (status = 401, body = Refused),
        (status = 403, body = Refused), (status = 409, body = Refused), (status = 422, body = Refused),
        (status = 503, body = Refused),
    )
)]
pub async fn test(
    State(site): State<Arc<Site>>,
    _: Operator,
    body: Sent<Which>,
) -> Result<(StatusCode, Json<Task>), Refusal> {
    let channel = sent(body)?.channel;
    let shared = site.clone();
    let work = move |engine: Engine| {
        let host = shared.means.host();
        let known = engine.dispatcher(&host, Arc::new(|| false)).channels();
        if !known.iter().any(|one| one.name == channel) {
            let text = format!("there is no [[notify]] of the name {channel}");
            return Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "user", text));
        }
        let what = channel.clone();
        shared.tasks.begin("test", &what, move |watch| {
            let stop = watch.stop.clone();
            let dispatcher = engine.dispatcher(&host, Arc::new(move || stop.is_stopped()));
            let deliveries = dispatcher.test(Some(&channel)).map_err(|e| e.to_string())?;
            let text: Vec<String> = deliveries.iter().map(ToString::to_string).collect();
            match deliveries.iter().all(|delivery| delivery.is_delivered()) {
                true => Ok((text.join("; "), None)),
                false => Err(text.join("; ")),
            }
        })
    };
    Ok((StatusCode::ACCEPTED, Json(site.engine(work).await?)))
}
