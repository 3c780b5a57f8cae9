//! Where photographs were taken.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use darkslide_engine::{CELLS_MAX, Engine, PhotographAsk, PhotographCell, area_of};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::look::asked;
use crate::access::Reader;
use crate::refusal::{Refusal, Refused};
use crate::site::Site;

/// Which part of the earth, and how finely.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Net {
    /// West, south, east, north in degrees, such as `16.2,48.1,16.5,48.3`; the whole earth if it is not given.
    area: Option<String>,
    /// Width of a cell, in degrees.
    #[param(minimum = 0.000001, maximum = 360)]
    wide: f64,
    /// Height of a cell, in degrees; as much as its width if it is not given.
    #[param(minimum = 0.000001, maximum = 360)]
    high: Option<f64>,
}

/// The photographs of one cell.
#[derive(Debug, Serialize, ToSchema)]
pub struct Cell {
    count: u64,
    /// The middle of all of them, degrees north.
    latitude: f64,
    /// Degrees east.
    longitude: f64,
    /// What finds just these, as `area` of photographs.
    area: String,
    /// Content hash of the newest: the key of its thumbnail.
    hash: String,
    /// Folder of the newest.
    folder: String,
}

impl From<PhotographCell> for Cell {
    fn from(cell: PhotographCell) -> Self {
        let PhotographCell { count, latitude, longitude, area, hash, folder, .. } = cell;
        Self { count, latitude, longitude, area, hash, folder }
    }
}

/// A part of the map.
#[derive(Debug, Serialize, ToSchema)]
pub struct Map {
    /// The fullest first.
    cells: Vec<Cell>,
    /// True if there are more cells than were told.
    more: bool,
}

/// Where photographs were taken, counted by cells.
#[utoipa::path(
    get, path = "/api/v1/map", tag = "photographs", params(Net),
    responses(
        (status = 200, body = Map), (status = 400, body = Refused), (status = 401, body = Refused),
        (status = 422, body = Refused), (status = 503, body = Refused),
    )
)]
pub async fn map(
    State(site): State<Arc<Site>>,
    _: Reader,
    query: Result<Query<Net>, QueryRejection>,
) -> Result<Json<Map>, Refusal> {
    let net = asked(query)?;
    let high = net.high.unwrap_or(net.wide);
    if ![net.wide, high].iter().all(|degrees| (0.000_001..=360.0).contains(degrees)) {
        return Err(Refusal::bad("`wide` and `high` are between 0.000001 and 360 degrees"));
    }
    let area = net.area.as_deref().map(area_of).transpose()?;
    let work = move |engine: Engine| {
        let ask = PhotographAsk { area, placed: true, ..PhotographAsk::default() };
        let cells = engine.photograph_cells(&ask, (net.wide, high))?;
        let more = cells.len() >= CELLS_MAX;
        Ok(Json(Map { cells: cells.into_iter().map(Cell::from).collect(), more }))
    };
    site.engine(work).await
}
