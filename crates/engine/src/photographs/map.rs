//! Where photographs were taken.

use darkslide_catalog::{Area, MapCell, PhotographId};
use serde::Serialize;

use super::PhotographAsk;
use super::heat::Heat;
use crate::{Engine, EngineError};

/// Cells of one answer at most.
pub const CELLS_MAX: usize = 2000;
/// Ten millionths of a degree.
const PARTS: f64 = 1e7;

/// The photographs of one cell of a map.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PhotographCell {
    /// How many.
    pub count: u64,
    /// The middle of all of them, degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// What finds just these: west, south, east, north, as [`area_of`] reads it.
    pub area: String,
    /// The newest of them.
    pub newest: PhotographId,
    /// Content hash of the newest: the key of its thumbnail.
    pub hash: String,
    /// Folder of the newest.
    pub folder: String,
}

/// An area as text: west, south, east, north in degrees, such as `16.2,48.1,16.5,48.3`.
pub fn area_of(text: &str) -> Result<Area, EngineError> {
    let bad = || EngineError::BadArea { text: text.to_string() };
    let parts: Vec<f64> =
        text.split(',').map(|part| part.trim().parse().map_err(|_| bad())).collect::<Result<_, _>>()?;
    let [west, south, east, north] = parts[..] else { return Err(bad()) };
    let fits = |degrees: f64, most: f64| (-most..=most).contains(&degrees);
    if !(fits(west, 180.0) && fits(east, 180.0) && fits(south, 90.0) && fits(north, 90.0) && south <= north) {
        return Err(bad());
    }
    let [west, south, east, north] = [west, south, east, north].map(|degrees| (degrees * PARTS).round() as i64);
    Ok(Area { west, south, east, north })
}

fn text_of(area: &Area) -> String {
    let degrees = [area.west, area.south, area.east, area.north].map(|parts| format!("{:.7}", parts as f64 / PARTS));
    degrees.join(",")
}

fn told(cell: &MapCell) -> PhotographCell {
    PhotographCell {
        count: cell.count,
        latitude: cell.middle.0 as f64 / PARTS,
        longitude: cell.middle.1 as f64 / PARTS,
        area: text_of(&cell.area),
        newest: cell.newest,
        hash: cell.hash.to_string(),
        folder: cell.folder.to_string(),
    }
}

impl Engine {
    /// Where the photographs that fit were taken, by cells of so many degrees east and north; the fullest first.
    pub fn photograph_cells(
        &self,
        ask: &PhotographAsk,
        (wide, high): (f64, f64),
    ) -> Result<Vec<PhotographCell>, EngineError> {
        let catalog = self.photographs_catalog()?;
        let query = ask.query(&Heat::look(self, &catalog, ask.state)?)?;
        let parts = |degrees: f64| (degrees.clamp(1e-6, 360.0) * PARTS) as i64;
        let cells = catalog.photograph_cells(&query, (parts(wide), parts(high)), CELLS_MAX)?;
        Ok(cells.iter().map(told).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_area_is_text_and_back() {
        let area = area_of("-180,-90, 179.9999999,48.2081743").unwrap();
        assert_eq!(area, Area { west: -1_800_000_000, south: -900_000_000, east: 1_799_999_999, north: 482_081_743 });
        assert_eq!(area_of(&text_of(&area)).unwrap(), area);
        for bad in ["", "1,2,3", "1,2,3,4,5", "0,1,2,0", "-181,0,0,0", "0,0,0,91", "NaN,0,0,0", "a,b,c,d"] {
            assert!(matches!(area_of(bad), Err(EngineError::BadArea { .. })), "{bad}");
        }
    }
}
