//! Where photographs were taken: counted by the cells of a net, so that a map of hundreds of thousands is small.

use darkslide_words::{ContentHash, Name};
use rusqlite::types::Value;

use super::{PhotographId, PhotographQuery, hash};
use crate::{Catalog, CatalogError};

/// Degrees of a half circle, in ten millionths.
const HALF: i64 = 1_800_000_000;

/// A piece of the earth, edges and all, in ten millionths of degrees north and east. Where `west` is more than
/// `east`, it lies over the date line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Area {
    /// Its western edge.
    pub west: i64,
    /// Its southern edge.
    pub south: i64,
    /// Its eastern edge.
    pub east: i64,
    /// Its northern edge.
    pub north: i64,
}

/// The photographs of one cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapCell {
    /// Photographs.
    pub count: u64,
    /// Where they are: the middle of all of them, degrees north and east in ten millionths.
    pub middle: (i64, i64),
    /// The smallest area that has all of them.
    pub area: Area,
    /// The newest of them.
    pub newest: PhotographId,
    /// Its content: the key of its thumbnail.
    pub hash: ContentHash,
    /// Its folder.
    pub folder: Name,
}

impl Catalog {
    /// The photographs that fit and whose place is known, by the cells of a net: so wide and so high, in ten
    /// millionths of degrees. The fullest come first; at most so many.
    pub fn photograph_cells(
        &self,
        query: &PhotographQuery,
        (wide, high): (i64, i64),
        most: usize,
    ) -> Result<Vec<MapCell>, CatalogError> {
        let mut asked = self.asked(query)?;
        asked.values.extend([wide.max(1), high.max(1), most as i64].map(Value::from));
        let n = asked.values.len();
        // Of the columns that are no sums, the row with the greatest `taken` tells.
        let sql = format!(
            "SELECT count(*), avg(latitude), avg(longitude), min(longitude), min(latitude), max(longitude), max(latitude),
               max(taken), id, hash, folder
             FROM photographs WHERE latitude IS NOT NULL AND longitude IS NOT NULL{}
             GROUP BY (longitude + {HALF}) / ?{}, (latitude + {HALF}) / ?{} ORDER BY count(*) DESC, id LIMIT ?{n}",
            asked.sql,
            n - 2,
            n - 1
        );
        let mut query = self.conn.prepare_cached(&sql)?;
        let mut rows = query.query(&asked.values()[..])?;
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            let edge = |n: usize| row.get::<_, i64>(n);
            let middle = |n: usize| row.get::<_, f64>(n).map(|degrees| degrees.round() as i64);
            out.push(MapCell {
                count: edge(0)? as u64,
                middle: (middle(1)?, middle(2)?),
                area: Area { west: edge(3)?, south: edge(4)?, east: edge(5)?, north: edge(6)? },
                newest: PhotographId(edge(8)?),
                hash: hash(&row.get::<_, Vec<u8>>(9)?)?,
                folder: Name::new(row.get::<_, Vec<u8>>(10)?),
            });
        }
        Ok(out)
    }
}
