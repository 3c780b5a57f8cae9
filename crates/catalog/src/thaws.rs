//! Thaws: each is a row, and a row for each of its packs with its deadlines. No
//! thread sleeps until a thaw is done; whoever comes next reads these.

use darkslide_words::{Bytes, Money, ObjectName, Span, StorageClass, Tier, Time};
use rusqlite::{OptionalExtension as _, Row, params};

use crate::{Catalog, CatalogError};

/// What version 6 has besides: which part of a pack is thawed, where a store can thaw a part.
pub(crate) const SPANS: &str = "
ALTER TABLE thaw_packs ADD COLUMN span_from INTEGER;
ALTER TABLE thaw_packs ADD COLUMN span_to INTEGER;
";

/// A thaw's row number; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ThawId(pub i64);

impl std::fmt::Display for ThawId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Whether anything is left to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThawState {
    /// Going on.
    Open,
    /// All of its packs were read and verified.
    Done,
    /// Nothing more is asked for.
    Cancelled,
}

impl ThawState {
    const ALL: [Self; 3] = [Self::Open, Self::Done, Self::Cancelled];

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A thaw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThawRow {
    /// Its number; given by [`Catalog::add_thaw`].
    pub id: ThawId,
    /// When it was begun.
    pub made: Time,
    /// When it was done or cancelled.
    pub ended: Option<Time>,
    /// Whether it goes on.
    pub state: ThawState,
    /// What it is for, as JSON; only whoever began it understands it.
    pub order: String,
    /// How fast.
    pub tier: Tier,
    /// Days that thawed copies stay.
    pub days: u32,
    /// Not to be exceeded.
    pub max_cost: Option<Money>,
    /// What was quoted, and confirmed.
    pub quoted: Money,
    /// What it has cost.
    pub spent: Money,
}

/// How far a pack is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PackStep {
    /// Not asked for.
    Cold,
    /// A request is about to go out, or its answer is not known.
    Asking,
    /// The store has the request.
    Asked,
    /// Can be read.
    Warm,
    /// Was read.
    Downloaded,
    /// Was read, and is what it should be.
    Verified,
    /// Given up; the note says why.
    Failed,
}

impl PackStep {
    /// All, in their order.
    pub const ALL: [Self; 7] =
        [Self::Cold, Self::Asking, Self::Asked, Self::Warm, Self::Downloaded, Self::Verified, Self::Failed];

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Asking => "asking",
            Self::Asked => "asked",
            Self::Warm => "warm",
            Self::Downloaded => "downloaded",
            Self::Verified => "verified",
            Self::Failed => "failed",
        }
    }
}

/// A pack of a thaw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThawPackRow {
    /// Label of the store that it is read from.
    pub store: String,
    /// Its name; once in a thaw.
    pub name: ObjectName,
    /// Stored bytes: what is thawed.
    pub size: Bytes,
    /// Bytes of it that will be downloaded.
    pub wanted: Bytes,
    /// Where they lie, for a store that can thaw a part.
    pub span: Option<Span>,
    /// Its storage class.
    pub class: StorageClass,
    /// How far it is.
    pub step: PackStep,
    /// Which wave of the thaw; 0 where nothing had to be asked for.
    pub wave: u32,
    /// How fast it is, or will be, asked for.
    pub tier: Tier,
    /// Days that its thawed copy stays; none in Intelligent-Tiering.
    pub days: Option<u32>,
    /// Not asked for earlier; once a request is written down, when that was.
    pub due: Time,
    /// When it was asked for.
    pub asked: Option<Time>,
    /// Until when it can be read, if that ends.
    pub until: Option<Time>,
    /// What it has cost so far, besides the download.
    pub cost: Money,
    /// Set aside for a request whose outcome is not known yet.
    pub pending: Money,
    /// What its download will cost, or has cost.
    pub fetch: Money,
    /// How often its thawed copy was made to stay longer.
    pub extensions: u32,
    /// The bulk job that asks for it.
    pub job: Option<String>,
    /// What there is to say about it.
    pub note: String,
}

const THAW: &str = "id, made, ended, state, wish, tier, days, max_cost, quoted, spent";
const PACK: &str = "store, name, size, wanted, class, step, wave, tier, days, due, asked, until, cost, pending, fetch,
    extensions, job, note, span_from, span_to";

fn tier(row: &Row<'_>, column: usize) -> Result<Option<Tier>, CatalogError> {
    Ok(Tier::from_name(&row.get::<_, String>(column)?))
}

fn time(row: &Row<'_>, column: usize) -> Result<Option<Time>, CatalogError> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Time))
}

fn thaw(row: &Row<'_>) -> Result<ThawRow, CatalogError> {
    let broken = || CatalogError::BrokenRow { what: "a thaw" };
    let state: String = row.get(3)?;
    Ok(ThawRow {
        id: ThawId(row.get(0)?),
        made: Time(row.get(1)?),
        ended: time(row, 2)?,
        state: ThawState::ALL.into_iter().find(|s| s.word() == state).ok_or_else(broken)?,
        order: row.get(4)?,
        tier: tier(row, 5)?.ok_or_else(broken)?,
        days: row.get(6)?,
        max_cost: row.get::<_, Option<i64>>(7)?.map(Money),
        quoted: Money(row.get(8)?),
        spent: Money(row.get(9)?),
    })
}

fn pack(row: &Row<'_>) -> Result<ThawPackRow, CatalogError> {
    let broken = || CatalogError::BrokenRow { what: "a pack of a thaw" };
    let step: String = row.get(5)?;
    Ok(ThawPackRow {
        store: row.get(0)?,
        name: ObjectName::new(row.get::<_, String>(1)?).map_err(|_| broken())?,
        size: Bytes(row.get::<_, i64>(2)? as u64),
        wanted: Bytes(row.get::<_, i64>(3)? as u64),
        class: StorageClass::from_name(&row.get::<_, String>(4)?),
        step: PackStep::ALL.into_iter().find(|s| s.word() == step).ok_or_else(broken)?,
        wave: row.get(6)?,
        tier: tier(row, 7)?.ok_or_else(broken)?,
        days: row.get(8)?,
        due: Time(row.get(9)?),
        asked: time(row, 10)?,
        until: time(row, 11)?,
        cost: Money(row.get(12)?),
        pending: Money(row.get(13)?),
        fetch: Money(row.get(14)?),
        extensions: row.get(15)?,
        job: row.get(16)?,
        note: row.get(17)?,
        span: match (row.get::<_, Option<i64>>(18)?, row.get::<_, Option<i64>>(19)?) {
            (Some(from), Some(to)) => Some(Span { from: from as u64, to: to as u64 }),
            _ => None,
        },
    })
}

impl Catalog {
    /// Adds a thaw with its packs, all or nothing; the row's own `id` is ignored.
    /// Not to be called within a transaction.
    pub fn add_thaw(&self, row: &ThawRow, packs: &[ThawPackRow]) -> Result<ThawId, CatalogError> {
        self.transaction(|| {
            self.conn.execute(
                "INSERT INTO thaws (made, ended, state, wish, tier, days, max_cost, quoted, spent)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                params![
                    row.made.0,
                    row.ended.map(|t| t.0),
                    row.state.word(),
                    row.order,
                    row.tier.as_str(),
                    row.days,
                    row.max_cost.map(|m| m.0),
                    row.quoted.0,
                    row.spent.0
                ],
            )?;
            let id = ThawId(self.conn.last_insert_rowid());
            packs.iter().try_for_each(|pack| self.put_thaw_pack(id, pack))?;
            Ok(id)
        })
    }

    /// A thaw.
    pub fn thaw(&self, id: ThawId) -> Result<Option<ThawRow>, CatalogError> {
        let mut query = self.conn.prepare_cached(&format!("SELECT {THAW} FROM thaws WHERE id = ?1"))?;
        query.query_row([id.0], |row| Ok(thaw(row))).optional()?.transpose()
    }

    /// All thaws, the newest first.
    pub fn thaws(&self) -> Result<Vec<ThawRow>, CatalogError> {
        let mut query = self.conn.prepare_cached(&format!("SELECT {THAW} FROM thaws ORDER BY id DESC"))?;
        let mut rows = query.query([])?;
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            out.push(thaw(row)?);
        }
        Ok(out)
    }

    /// The packs of a thaw, wave by wave, in the order of their names.
    pub fn thaw_packs(&self, id: ThawId) -> Result<Vec<ThawPackRow>, CatalogError> {
        let mut query =
            self.conn.prepare_cached(&format!("SELECT {PACK} FROM thaw_packs WHERE thaw = ?1 ORDER BY wave, name"))?;
        let mut rows = query.query([id.0])?;
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            out.push(pack(row)?);
        }
        Ok(out)
    }

    /// Records how far a pack is.
    pub fn put_thaw_pack(&self, id: ThawId, row: &ThawPackRow) -> Result<(), CatalogError> {
        let mut put = self.conn.prepare_cached(&format!(
            "INSERT OR REPLACE INTO thaw_packs (thaw, {PACK})
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)",
        ))?;
        put.execute(params![
            id.0,
            row.store,
            row.name.as_str(),
            row.size.0 as i64,
            row.wanted.0 as i64,
            row.class.as_str(),
            row.step.word(),
            row.wave,
            row.tier.as_str(),
            row.days,
            row.due.0,
            row.asked.map(|t| t.0),
            row.until.map(|t| t.0),
            row.cost.0,
            row.pending.0,
            row.fetch.0,
            row.extensions,
            row.job,
            row.note,
            row.span.map(|span| span.from as i64),
            row.span.map(|span| span.to as i64)
        ])?;
        Ok(())
    }

    /// What is set aside for requests whose outcome is not known, in all thaws.
    pub fn pending_costs(&self) -> Result<Money, CatalogError> {
        let mut query =
            self.conn.prepare_cached("SELECT coalesce(sum(pending), 0) FROM thaw_packs WHERE pending <> 0")?;
        Ok(Money(query.query_row([], |row| row.get(0))?))
    }

    /// Ends a thaw.
    pub fn end_thaw(&self, id: ThawId, state: ThawState, at: Time) -> Result<(), CatalogError> {
        let mut update = self.conn.prepare_cached("UPDATE thaws SET state = ?2, ended = ?3 WHERE id = ?1")?;
        update.execute(params![id.0, state.word(), at.0])?;
        Ok(())
    }

    /// Adds to what a thaw has cost.
    pub fn add_spent(&self, id: ThawId, money: Money) -> Result<(), CatalogError> {
        let mut update = self.conn.prepare_cached("UPDATE thaws SET spent = spent + ?2 WHERE id = ?1")?;
        update.execute(params![id.0, money.0])?;
        Ok(())
    }

    /// Records that somebody confirmed another tier, another quote or another limit.
    pub fn confirm_thaw(
        &self,
        id: ThawId,
        tier: Tier,
        quoted: Money,
        max_cost: Option<Money>,
    ) -> Result<(), CatalogError> {
        let mut update =
            self.conn.prepare_cached("UPDATE thaws SET tier = ?2, quoted = ?3, max_cost = ?4 WHERE id = ?1")?;
        update.execute(params![id.0, tier.as_str(), quoted.0, max_cost.map(|m| m.0)])?;
        Ok(())
    }
}
