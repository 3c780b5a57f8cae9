//! Questions to the photographs: pages of a filtered list, counts by month, what there is to filter by.

use darkslide_words::Name;
use rusqlite::ToSql;
use rusqlite::types::Value;

use super::{Area, COLUMNS, PhotographId, PhotographRow, photograph};
use crate::{Catalog, CatalogError, PackId};

/// What a photograph shows: what can be asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    /// Milliseconds since 1970 on the wall clock of where it was taken.
    pub taken: i64,
    /// Seconds east of UTC, where they are known.
    pub zone: Option<i32>,
    /// Where the date comes from.
    pub dated: String,
    /// Raw, picture or video.
    pub kind: String,
    /// End of its name, in small letters.
    pub extension: String,
    /// Camera.
    pub camera: Option<String>,
    /// Lens.
    pub lens: Option<String>,
    /// Stars; -1 is rejected.
    pub rating: Option<i8>,
    /// Degrees north and east, in ten millionths.
    pub place: Option<(i64, i64)>,
    /// Pixels.
    pub pixels: Option<(u32, u32)>,
}

/// Which end of the list comes first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sort {
    /// The last taken.
    #[default]
    Newest,
    /// The first taken.
    Oldest,
}

/// How readable packs are: a rank for those that differ from the usual, the larger the colder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackHeat {
    /// Rank of packs that are not named.
    pub usual: u8,
    /// The others.
    pub others: Vec<(PackId, u8)>,
}

/// Which photographs. Lists that are empty ask for nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PhotographQuery {
    /// Of these jobs.
    pub jobs: Vec<String>,
    /// Taken at or after, on the wall clock, in milliseconds.
    pub from: Option<i64>,
    /// Taken before.
    pub before: Option<i64>,
    /// With one of these cameras.
    pub cameras: Vec<String>,
    /// With one of these lenses.
    pub lenses: Vec<String>,
    /// Of these kinds.
    pub kinds: Vec<String>,
    /// With one of these ends of their names.
    pub extensions: Vec<String>,
    /// With at least so many stars.
    pub rating_min: Option<i8>,
    /// In this folder or below.
    pub folder: Option<Name>,
    /// With this in path or name, whatever the case of ASCII letters.
    pub text: Option<String>,
    /// Where it is known where they were taken.
    pub placed: Option<()>,
    /// Taken within this area.
    pub area: Option<Area>,
    /// As readable as this.
    pub heat: Option<(PackHeat, u8)>,
}

/// One value and how often it is there.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Facet {
    /// The value.
    pub value: String,
    /// Photographs.
    pub count: u64,
}

/// A month, and how many photographs are of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct MonthCount {
    /// Year.
    pub year: i32,
    /// Month, 1 to 12.
    pub month: u8,
    /// Photographs.
    pub count: u64,
}

/// Conditions and their values.
#[derive(Default)]
pub(super) struct Asked {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
}

impl Asked {
    fn and(&mut self, sql: &str, value: impl Into<Value>) {
        self.values.push(value.into());
        let n = self.values.len();
        self.sql.push_str(&format!(" AND {}", sql.replace('?', &format!("?{n}"))));
    }

    fn one_of(&mut self, column: &str, values: &[String]) {
        if values.is_empty() {
            return;
        }
        let from = self.values.len() + 1;
        self.values.extend(values.iter().cloned().map(Value::from));
        let list: Vec<String> = (from..=self.values.len()).map(|n| format!("?{n}")).collect();
        self.sql.push_str(&format!(" AND {column} IN ({})", list.join(", ")));
    }

    fn within(&mut self, area: &Area) {
        self.and("latitude >= ?", area.south);
        self.and("latitude <= ?", area.north);
        self.values.extend([Value::from(area.west), Value::from(area.east)]);
        let n = self.values.len();
        // Over the date line west lies east of east.
        let both = if area.west <= area.east { "AND" } else { "OR" };
        self.sql.push_str(&format!(" AND (longitude >= ?{} {both} longitude <= ?{n})", n - 1));
    }

    pub(super) fn values(&self) -> Vec<&dyn ToSql> {
        self.values.iter().map(|value| value as &dyn ToSql).collect()
    }
}

/// The end of everything below a folder: `a/` to before `a0`.
fn below(folder: &Name) -> (Vec<u8>, Vec<u8>) {
    let bytes = folder.as_bytes();
    ([bytes, b"/"].concat(), [bytes, b"0"].concat())
}

impl Catalog {
    pub(super) fn asked(&self, query: &PhotographQuery) -> Result<Asked, CatalogError> {
        let mut asked = Asked::default();
        asked.one_of("job", &query.jobs);
        if let Some(from) = query.from {
            asked.and("taken >= ?", from);
        }
        if let Some(before) = query.before {
            asked.and("taken < ?", before);
        }
        asked.one_of("camera", &query.cameras);
        asked.one_of("lens", &query.lenses);
        asked.one_of("kind", &query.kinds);
        asked.one_of("type", &query.extensions);
        if let Some(stars) = query.rating_min {
            asked.and("rating >= ?", i64::from(stars));
        }
        if let Some(folder) = query.folder.as_ref().filter(|folder| !folder.is_empty()) {
            let (from, to) = below(folder);
            asked.values.extend([Value::from(folder.as_bytes().to_vec()), Value::from(from), Value::from(to)]);
            let n = asked.values.len();
            asked.sql.push_str(&format!(" AND (folder = ?{} OR (folder >= ?{} AND folder < ?{n}))", n - 2, n - 1));
        }
        if let Some(text) = query.text.as_ref().filter(|text| !text.is_empty()) {
            let mut like = String::from("%");
            for c in text.chars() {
                if matches!(c, '%' | '_' | '\\') {
                    like.push('\\');
                }
                like.push(c);
            }
            like.push('%');
            asked.and("CAST(folder || x'2f' || name AS TEXT) LIKE ? ESCAPE '\\'", like);
        }
        if query.placed.is_some() {
            asked.sql.push_str(" AND latitude IS NOT NULL");
        }
        if let Some(area) = &query.area {
            asked.within(area);
        }
        if let Some((heat, rank)) = &query.heat {
            self.heat(heat)?;
            let ranked = "(SELECT coalesce(max(coalesce(h.rank, usual.rank)), usual.rank) FROM temp.heat_usual usual
                  LEFT JOIN photograph_packs pp ON pp.photograph = photographs.id
                  LEFT JOIN temp.heat h ON h.pack = pp.pack)";
            // Few are not as usual, and they are found by their packs: nobody else is looked at closely.
            let others = "(SELECT pp.photograph FROM temp.heat h JOIN photograph_packs pp ON pp.pack = h.pack)";
            let (not, or) = if *rank == heat.usual { ("NOT ", "OR") } else { ("", "AND") };
            asked.and(&format!("(id {not}IN {others} {or} {ranked} = ?)"), i64::from(*rank));
        }
        Ok(asked)
    }

    /// Puts the ranks where a query finds them.
    fn heat(&self, heat: &PackHeat) -> Result<(), CatalogError> {
        self.conn.execute_batch(
            "CREATE TEMP TABLE IF NOT EXISTS heat (pack INTEGER PRIMARY KEY, rank INTEGER NOT NULL);
             CREATE TEMP TABLE IF NOT EXISTS heat_usual (rank INTEGER NOT NULL);
             DELETE FROM temp.heat; DELETE FROM temp.heat_usual;",
        )?;
        self.conn.execute("INSERT INTO temp.heat_usual (rank) VALUES (?1)", [heat.usual])?;
        let mut insert = self.conn.prepare_cached("INSERT OR REPLACE INTO temp.heat (pack, rank) VALUES (?1, ?2)")?;
        // One implicit transaction a row would cost more than all the rows.
        self.conn.execute_batch("SAVEPOINT heat")?;
        for (pack, rank) in &heat.others {
            insert.execute([pack.0, i64::from(*rank)])?;
        }
        Ok(self.conn.execute_batch("RELEASE heat")?)
    }

    /// A page of the photographs that fit, after the one that ended the page before.
    pub fn photographs(
        &self,
        query: &PhotographQuery,
        sort: Sort,
        after: Option<(i64, PhotographId)>,
        most: usize,
    ) -> Result<Vec<PhotographRow>, CatalogError> {
        let mut asked = self.asked(query)?;
        let (beyond, order) = match sort {
            Sort::Newest => ("<", "DESC"),
            Sort::Oldest => (">", "ASC"),
        };
        if let Some((taken, id)) = after {
            asked.values.extend([Value::from(taken), Value::from(id.0)]);
            let n = asked.values.len();
            asked.sql.push_str(&format!(" AND (taken, id) {beyond} (?{}, ?{n})", n - 1));
        }
        asked.values.push(Value::from(most as i64));
        let sql = format!(
            "SELECT {COLUMNS} FROM photographs WHERE 1{} ORDER BY taken {order}, id {order} LIMIT ?{}",
            asked.sql,
            asked.values.len()
        );
        let mut query = self.conn.prepare_cached(&sql)?;
        let mut rows = query.query(&asked.values()[..])?;
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            out.push(photograph(row)?);
        }
        Ok(out)
    }

    /// How many photographs fit, and their bytes.
    pub fn photograph_count(&self, query: &PhotographQuery) -> Result<(u64, u64), CatalogError> {
        let asked = self.asked(query)?;
        let sql = format!("SELECT count(*), coalesce(sum(size), 0) FROM photographs WHERE 1{}", asked.sql);
        let mut query = self.conn.prepare_cached(&sql)?;
        let (count, size): (i64, i64) = query.query_row(&asked.values()[..], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok((count as u64, size as u64))
    }

    /// How many photographs that fit come before this one in the order: where in the whole list it stands.
    pub fn photographs_before(
        &self,
        query: &PhotographQuery,
        sort: Sort,
        at: (i64, PhotographId),
    ) -> Result<u64, CatalogError> {
        let mut asked = self.asked(query)?;
        asked.values.extend([Value::from(at.0), Value::from(at.1.0)]);
        let n = asked.values.len();
        let before = if sort == Sort::Newest { ">" } else { "<" };
        let sql = format!(
            "SELECT count(*) FROM photographs WHERE 1{} AND (taken, id) {before} (?{}, ?{n})",
            asked.sql,
            n - 1
        );
        let mut query = self.conn.prepare_cached(&sql)?;
        Ok(query.query_row(&asked.values()[..], |row| row.get::<_, i64>(0))? as u64)
    }

    /// How many photographs that fit are of each month, the first month first.
    pub fn photograph_months(&self, query: &PhotographQuery) -> Result<Vec<MonthCount>, CatalogError> {
        let asked = self.asked(query)?;
        let sql = format!(
            "SELECT strftime('%Y-%m', taken / 1000, 'unixepoch') AS month, count(*) FROM photographs WHERE 1{}
             GROUP BY month ORDER BY month",
            asked.sql
        );
        let mut query = self.conn.prepare_cached(&sql)?;
        let rows = query.query_map(&asked.values()[..], |row| {
            Ok((row.get::<_, Option<String>>(0)?.unwrap_or_default(), row.get::<_, i64>(1)?))
        })?;
        let mut out = Vec::new();
        for row in rows {
            let (month, count) = row?;
            let (year, month) = month.rsplit_once('-').unwrap_or(("0", "1"));
            let (year, month) = (year.parse().unwrap_or_default(), month.parse().unwrap_or(1));
            out.push(MonthCount { year, month, count: count as u64 });
        }
        out.sort_by_key(|one| (one.year, one.month));
        Ok(out)
    }

    fn facet(&self, column: &str, query: &PhotographQuery) -> Result<Vec<Facet>, CatalogError> {
        let asked = self.asked(query)?;
        let sql = format!(
            "SELECT CAST({column} AS TEXT), count(*) FROM photographs WHERE {column} IS NOT NULL{}
             GROUP BY {column} ORDER BY count(*) DESC, {column}",
            asked.sql
        );
        let mut query = self.conn.prepare_cached(&sql)?;
        let rows = query.query_map(&asked.values()[..], |row| {
            Ok(Facet { value: row.get(0)?, count: row.get::<_, i64>(1)? as u64 })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Cameras of the photographs that fit, the most used first.
    pub fn photograph_cameras(&self, query: &PhotographQuery) -> Result<Vec<Facet>, CatalogError> {
        self.facet("camera", query)
    }

    /// Their lenses.
    pub fn photograph_lenses(&self, query: &PhotographQuery) -> Result<Vec<Facet>, CatalogError> {
        self.facet("lens", query)
    }

    /// Their kinds.
    pub fn photograph_kinds(&self, query: &PhotographQuery) -> Result<Vec<Facet>, CatalogError> {
        self.facet("kind", query)
    }

    /// The ends of their names.
    pub fn photograph_extensions(&self, query: &PhotographQuery) -> Result<Vec<Facet>, CatalogError> {
        self.facet("type", query)
    }

    /// Their stars.
    pub fn photograph_ratings(&self, query: &PhotographQuery) -> Result<Vec<Facet>, CatalogError> {
        self.facet("rating", query)
    }

    /// Folders that hold photographs, and how many each holds itself.
    pub fn photograph_folders(&self, query: &PhotographQuery) -> Result<Vec<(Name, u64)>, CatalogError> {
        let asked = self.asked(query)?;
        let sql =
            format!("SELECT folder, count(*) FROM photographs WHERE 1{} GROUP BY folder ORDER BY folder", asked.sql);
        let mut query = self.conn.prepare_cached(&sql)?;
        let rows = query.query_map(&asked.values()[..], |row| {
            Ok((Name::new(row.get::<_, Vec<u8>>(0)?), row.get::<_, i64>(1)? as u64))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
