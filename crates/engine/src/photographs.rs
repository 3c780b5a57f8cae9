//! `photographs`: what lies in the library and in the cold, as a photographer looks for it: by date, camera,
//! lens, folder, stars, type, state and name; one with all that it tells; its thumbnail. From the catalog
//! and the thumbnails that are kept here, without a call to any store.

mod detail;
mod heat;
mod map;

use darkslide_catalog::{
    Area, Catalog, Facet, MonthCount, PhotographId, PhotographQuery, PhotographRow, Sort, Thumbnails,
};
use darkslide_words::{Bytes, Count, Name};
use serde::{Deserialize, Serialize};

use self::heat::Heat;
use crate::{Engine, EngineError};

pub use detail::{PhotographCopy, PhotographDetail, PhotographFile};
pub use map::{CELLS_MAX, PhotographCell, area_of};

/// Photographs of one page where nothing else is asked.
const PAGE: usize = 200;
/// Photographs of one page at most.
const PAGE_MAX: usize = 5000;

/// How readable a photograph is; ordered, the coldest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PhotographState {
    /// At once.
    Readable,
    /// At once, for a while: a thawed copy of it is there.
    Warm,
    /// A thaw is under way.
    Thawing,
    /// Only after a thaw.
    Cold,
    /// In no store, as far as is known.
    Nowhere,
}

impl PhotographState {
    /// All, the most readable first.
    pub const ALL: [Self; 5] = [Self::Readable, Self::Warm, Self::Thawing, Self::Cold, Self::Nowhere];

    fn rank(self) -> u8 {
        self as u8
    }

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Readable => "readable",
            Self::Warm => "warm",
            Self::Thawing => "thawing",
            Self::Cold => "cold",
            Self::Nowhere => "nowhere",
        }
    }

    /// The state of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

/// Which end of the list comes first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PhotographOrder {
    /// The last taken.
    #[default]
    Newest,
    /// The first taken.
    Oldest,
}

/// Which photographs, in which order. What is left out, asks for nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PhotographAsk {
    /// Of this job's library.
    pub job: Option<String>,
    /// Taken from then on: `2024`, `2024-05` or `2024-05-31`.
    pub from: Option<String>,
    /// Taken until the end of that year, month or day.
    pub until: Option<String>,
    /// With one of these cameras.
    pub cameras: Vec<String>,
    /// With one of these lenses.
    pub lenses: Vec<String>,
    /// `raw`, `picture`, `video`.
    pub kinds: Vec<String>,
    /// With one of these ends of their names: `cr3`.
    pub types: Vec<String>,
    /// With at least so many stars; -1 takes rejected ones, too.
    pub stars: Option<i8>,
    /// In this folder of the library, or below.
    pub folder: Option<String>,
    /// With this in path or name.
    pub text: Option<String>,
    /// Where it is known where they were taken.
    pub placed: bool,
    /// Taken within this area.
    pub area: Option<Area>,
    /// In this state.
    pub state: Option<PhotographState>,
    /// Which come first.
    pub order: PhotographOrder,
    /// What the page before gave as `next`.
    pub after: Option<String>,
    /// How many at most.
    pub limit: Option<usize>,
}

/// A photograph in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Photograph {
    /// Its number on this machine.
    pub id: PhotographId,
    /// The job whose library holds it.
    pub job: String,
    /// Folder in the library.
    pub folder: String,
    /// Name.
    pub name: String,
    /// Names of what travels with it.
    pub beside: Vec<String>,
    /// Content hash, as `b3sum` prints it; the key of its thumbnail.
    pub hash: String,
    /// Bytes.
    pub size: Bytes,
    /// When it was taken, on the wall clock there: `2026-10-18T16:45:12.370`.
    pub taken: String,
    /// Seconds east of UTC, where they are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<i32>,
    /// Where the date comes from; `file` is the file's last change.
    pub dated: String,
    /// `raw`, `picture`, `video`.
    pub kind: String,
    /// End of its name, in small letters.
    #[serde(rename = "type")]
    pub extension: String,
    /// Camera.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub camera: Option<String>,
    /// Lens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lens: Option<String>,
    /// Stars; -1 is rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stars: Option<i8>,
    /// Degrees north.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latitude: Option<f64>,
    /// Degrees east.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longitude: Option<f64>,
    /// Pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// How readable its copies in the stores are: that of the most readable store.
    pub state: PhotographState,
    /// While warm: until when; while thawing: when it is ready, as far as is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// A page of photographs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PhotographPage {
    /// They.
    pub photographs: Vec<Photograph>,
    /// What to ask for next; nothing at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// How many photographs fit, and when they were taken.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Timeline {
    /// Photographs.
    pub count: Count,
    /// Their bytes.
    pub size: Bytes,
    /// Months with photographs, in the order that was asked for.
    pub months: Vec<MonthCount>,
}

/// What there is to filter by, with how many photographs each would leave.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PhotographFacets {
    /// Cameras, the most used first.
    pub cameras: Vec<Facet>,
    /// Lenses.
    pub lenses: Vec<Facet>,
    /// `raw`, `picture`, `video`.
    pub kinds: Vec<Facet>,
    /// Ends of names.
    pub types: Vec<Facet>,
    /// Stars.
    pub stars: Vec<Facet>,
    /// Folders, sorted, each with what it holds itself.
    pub folders: Vec<(String, u64)>,
}

impl PhotographAsk {
    fn sort(&self) -> Sort {
        match self.order {
            PhotographOrder::Newest => Sort::Newest,
            PhotographOrder::Oldest => Sort::Oldest,
        }
    }

    pub(super) fn query(&self, heat: &Heat) -> Result<PhotographQuery, EngineError> {
        let date = |text: &Option<String>| text.as_deref().map(span).transpose();
        Ok(PhotographQuery {
            jobs: self.job.iter().cloned().collect(),
            from: date(&self.from)?.map(|(from, _)| from),
            before: date(&self.until)?.map(|(_, before)| before),
            cameras: self.cameras.clone(),
            lenses: self.lenses.clone(),
            kinds: self.kinds.clone(),
            extensions: self.types.iter().map(|one| one.to_lowercase()).collect(),
            rating_min: self.stars,
            folder: self.folder.as_deref().map(|folder| Name::from(folder.trim_matches('/'))),
            text: self.text.clone(),
            placed: self.placed.then_some(()),
            area: self.area,
            heat: self.state.map(|state| (heat.of_all(), state.rank())),
        })
    }
}

/// Beginning and end of a year, a month or a day, in milliseconds of the wall clock.
fn span(text: &str) -> Result<(i64, i64), EngineError> {
    let bad = || EngineError::BadDate { text: text.to_string() };
    let mut parts = text.split('-').map(str::parse::<i16>);
    let mut next = || parts.next().transpose().map_err(|_| bad());
    let (year, month, day) = (next()?.ok_or_else(bad)?, next()?, next()?);
    if next()?.is_some() {
        return Err(bad());
    }
    let small = |n: Option<i16>| i8::try_from(n.unwrap_or(1)).map_err(|_| bad());
    let from = jiff::civil::Date::new(year, small(month)?, small(day)?).map_err(|_| bad())?;
    let step = match (month, day) {
        (None, _) => jiff::Span::new().years(1),
        (_, None) => jiff::Span::new().months(1),
        _ => jiff::Span::new().days(1),
    };
    let before = from.checked_add(step).map_err(|_| bad())?;
    let millis = |date: jiff::civil::Date| {
        let zoned = date.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| bad())?;
        Ok::<_, EngineError>(zoned.timestamp().as_millisecond())
    };
    Ok((millis(from)?, millis(before)?))
}

/// Milliseconds of a wall clock as text.
fn wall(taken: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(taken).unwrap_or_default();
    at.to_zoned(jiff::tz::TimeZone::UTC).datetime().to_string()
}

fn cursor(row: &PhotographRow) -> String {
    format!("{}.{}", row.shown.taken, row.id.0)
}

fn from_cursor(text: &str) -> Result<(i64, PhotographId), EngineError> {
    let parsed = text.split_once('.').and_then(|(taken, id)| Some((taken.parse().ok()?, id.parse().ok()?)));
    let (taken, id) = parsed.ok_or_else(|| EngineError::BadCursor { text: text.to_string() })?;
    Ok((taken, PhotographId(id)))
}

/// A photograph of a row, and how readable it is.
fn told(row: &PhotographRow, (state, until): (PhotographState, Option<String>)) -> Photograph {
    let degrees = |n: i64| n as f64 / 1e7;
    Photograph {
        id: row.id,
        job: row.job.clone(),
        folder: row.folder.to_string(),
        name: row.name.to_string(),
        beside: row.beside.iter().map(Name::to_string).collect(),
        hash: row.hash.to_string(),
        size: row.size,
        taken: wall(row.shown.taken),
        zone: row.shown.zone,
        dated: row.shown.dated.clone(),
        kind: row.shown.kind.clone(),
        extension: row.shown.extension.clone(),
        camera: row.shown.camera.clone(),
        lens: row.shown.lens.clone(),
        stars: row.shown.rating,
        latitude: row.shown.place.map(|place| degrees(place.0)),
        longitude: row.shown.place.map(|place| degrees(place.1)),
        width: row.shown.pixels.map(|pixels| pixels.0),
        height: row.shown.pixels.map(|pixels| pixels.1),
        state,
        until,
    }
}

impl Engine {
    /// The catalog with photographs that are up to date.
    pub(crate) fn photographs_catalog(&self) -> Result<Catalog, EngineError> {
        let catalog = Catalog::open(&self.catalog_path())?;
        catalog.relax()?;
        darkslide_snapshot::photographs::settle(&catalog)?;
        Ok(catalog)
    }

    /// A page of the photographs that fit.
    pub fn photographs(&self, ask: &PhotographAsk) -> Result<PhotographPage, EngineError> {
        let catalog = self.photographs_catalog()?;
        let heat = Heat::look(self, &catalog, ask.state)?;
        let limit = ask.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX);
        let after = ask.after.as_deref().map(from_cursor).transpose()?;
        let mut rows = catalog.photographs(&ask.query(&heat)?, ask.sort(), after, limit + 1)?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(cursor);
        let one = |row: &PhotographRow| Ok(told(row, heat.of_photograph(&catalog, row.id)?));
        let photographs = rows.iter().map(one).collect::<Result<_, EngineError>>()?;
        Ok(PhotographPage { photographs, next })
    }

    /// How many photographs fit, month by month.
    pub fn photograph_timeline(&self, ask: &PhotographAsk) -> Result<Timeline, EngineError> {
        let catalog = self.photographs_catalog()?;
        let query = ask.query(&Heat::look(self, &catalog, ask.state)?)?;
        let (count, size) = catalog.photograph_count(&query)?;
        let mut months = catalog.photograph_months(&query)?;
        if ask.order == PhotographOrder::Newest {
            months.reverse();
        }
        Ok(Timeline { count: Count(count), size: Bytes(size), months })
    }

    /// What there is to filter by among those that fit.
    pub fn photograph_facets(&self, ask: &PhotographAsk) -> Result<PhotographFacets, EngineError> {
        let catalog = self.photographs_catalog()?;
        let query = ask.query(&Heat::look(self, &catalog, ask.state)?)?;
        let folders = catalog.photograph_folders(&query)?;
        Ok(PhotographFacets {
            cameras: catalog.photograph_cameras(&query)?,
            lenses: catalog.photograph_lenses(&query)?,
            kinds: catalog.photograph_kinds(&query)?,
            types: catalog.photograph_extensions(&query)?,
            stars: catalog.photograph_ratings(&query)?,
            folders: folders.into_iter().map(|(folder, count)| (folder.to_string(), count)).collect(),
        })
    }

    /// The thumbnails that are kept on this machine.
    pub(crate) fn thumbnails(&self) -> Result<Thumbnails, EngineError> {
        let settings = &self.settings.previews;
        let folder = self.settings.resolve(&settings.folder(&self.settings.state));
        let io = |source| EngineError::Io { what: "making", path: folder.clone(), source };
        {
            use std::os::unix::fs::DirBuilderExt as _;
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(io)?;
        }
        Ok(Thumbnails::open(&folder.join("thumbnails.sqlite"), settings.cache_max())?)
    }

    /// Today, as a number: when a thumbnail was used last.
    pub(crate) fn day(&self) -> i64 {
        self.clock.now().seconds().div_euclid(86_400)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_years_months_and_days() {
        let day = 86_400_000;
        assert_eq!(span("1970").unwrap(), (0, 365 * day));
        assert_eq!(span("2020-02").unwrap().1 - span("2020-02").unwrap().0, 29 * day);
        assert_eq!(span("2020-02-29").unwrap().1 - span("2020-02-29").unwrap().0, day);
        for bad in ["", "x", "2020-13", "2021-02-29", "2020-02-02-02x", "99999"] {
            assert!(matches!(span(bad), Err(EngineError::BadDate { .. })), "{bad}");
        }
        assert_eq!(wall(span("2020-02-29").unwrap().0 + 1500), "2020-02-29T00:00:01.5");
    }

    #[test]
    fn words_and_ranks_are_those_of_the_order() {
        for (rank, state) in PhotographState::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(state.rank()), rank);
            assert_eq!(PhotographState::from_word(state.word()), Some(state));
        }
        assert!(from_cursor("12.x").is_err() && from_cursor("-5.7").is_ok_and(|at| at == (-5, PhotographId(7))));
    }
}
