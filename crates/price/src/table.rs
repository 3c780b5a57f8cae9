//! The table of prices: reading it, and refusing what cannot be one.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use darkslide_words::{StorageClass, Time};
use serde::Deserialize;
use toml::Spanned;

use crate::prices::RequestPrices;
use crate::{
    BatchPrices, ClassPrices, PriceError, Prices, Step, TieringPrices, TransferPrices, VaultPrices, tiers_offered,
};

/// The table that comes with the program.
const BUILTIN: &str = include_str!("../data/aws.toml");

/// The only version of the file's form.
const VERSION: u32 = 1;

/// Prices of some regions, as of one day.
#[derive(Debug, Clone, PartialEq)]
pub struct PriceTable {
    as_of: Time,
    regions: BTreeMap<String, Prices>,
}

/// The file as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: Spanned<u32>,
    as_of: Spanned<toml::value::Datetime>,
    /// For readers of the file.
    #[serde(default)]
    #[serde(rename = "sources")]
    _sources: BTreeMap<String, String>,
    regions: BTreeMap<String, Spanned<Region>>,
}

/// A region as written; what it leaves out comes from the built-in region it is `like`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Region {
    name: Option<String>,
    like: Option<Spanned<String>>,
    #[serde(default)]
    unconfirmed: Vec<Spanned<String>>,
    #[serde(default)]
    classes: BTreeMap<StorageClass, Spanned<ClassPrices>>,
    intelligent_tiering: Option<TieringPrices>,
    requests: Option<RequestPrices>,
    transfer: Option<Spanned<TransferPrices>>,
    batch: Option<BatchPrices>,
    vault: Option<VaultPrices>,
}

impl PriceTable {
    /// The table that comes with the program.
    pub fn builtin() -> Self {
        // invariant: the bytes are compiled in, and a test reads the same ones.
        Self::read(BUILTIN, None).expect("the built-in price table")
    }

    /// Reads a table in the form of `data/aws.toml`, for prices of one's own. Only its own regions
    /// are known afterwards; one that is `like` a built-in region takes from there the classes
    /// and groups it does not give.
    pub fn parse(toml: &str) -> Result<Self, PriceError> {
        Self::read(toml, Some(&Self::builtin()))
    }

    /// The start of the day on which the prices were collected.
    pub fn as_of(&self) -> Time {
        self.as_of
    }

    /// How old the prices are; zero for prices of the future.
    pub fn age(&self, now: Time) -> Duration {
        self.as_of.until(now)
    }

    /// The codes of the regions that have prices.
    pub fn regions(&self) -> impl Iterator<Item = &str> {
        self.regions.keys().map(String::as_str)
    }

    /// The prices of a region.
    pub fn region(&self, region: &str) -> Result<Prices, PriceError> {
        let unknown = || PriceError::UnknownRegion { region: region.to_string(), known: self.known() };
        self.regions.get(region).cloned().ok_or_else(unknown)
    }

    fn known(&self) -> String {
        self.regions().collect::<Vec<_>>().join(", ")
    }

    fn read(text: &str, base: Option<&Self>) -> Result<Self, PriceError> {
        let document: Document = toml::from_str(text)
            .map_err(|error| problem(text, error.span().unwrap_or(0..0), error.message().to_string()))?;
        let wrong = |span: Range<usize>, what: String| problem(text, span, what);
        if *document.version.get_ref() != VERSION {
            return Err(wrong(document.version.span(), format!("this program reads version {VERSION}")));
        }
        let day = document.as_of.get_ref().to_string();
        let Some(as_of) = start_of(&day) else {
            return Err(wrong(document.as_of.span(), format!("`{day}` is no day such as 2026-11-22")));
        };
        let whole: toml::Table = toml::from_str(text).map_err(|error| wrong(0..0, error.message().to_string()))?;
        let mut regions = BTreeMap::new();
        for (code, region) in document.regions {
            let written = Written { text, code: &code, whole: &whole, as_of: (as_of, day.clone()) };
            regions.insert(code.clone(), written.resolve(region, base)?);
        }
        Ok(Self { as_of, regions })
    }
}

/// A region of the text, on its way to being prices.
struct Written<'a> {
    text: &'a str,
    code: &'a str,
    whole: &'a toml::Table,
    as_of: (Time, String),
}

impl Written<'_> {
    fn resolve(&self, region: Spanned<Region>, base: Option<&PriceTable>) -> Result<Prices, PriceError> {
        let span = region.span();
        let region = region.into_inner();
        self.check(&region)?;
        let like = self.like(&region, base)?;
        let missing = |group: &str| {
            let what = format!("`{group}` is missing; give it, or say `like = \"…\"` with a built-in region");
            PriceError::Table {
                line: line_of(self.text, span.start),
                key: format!("regions.{}", self.code),
                problem: what,
            }
        };
        let unconfirmed = self.unconfirmed(&region, like);
        let mut classes = like.map(|like| like.classes.clone()).unwrap_or_default();
        classes.extend(region.classes.into_iter().map(|(class, prices)| (class, prices.into_inner())));
        if !classes.contains_key(&StorageClass::Standard) {
            // Overheads and thawed copies are billed at this class's rate.
            return Err(missing("classes.STANDARD"));
        }
        let transfer = region.transfer.map(Spanned::into_inner);
        let vault = region.vault.or_else(|| like.map(|l| l.vault.clone())).ok_or_else(|| missing("vault"))?;
        Ok(Prices {
            region: self.code.to_string(),
            name: region.name.or_else(|| like.map(|l| l.name.clone())).unwrap_or_else(|| self.code.to_string()),
            as_of: self.as_of.clone(),
            unconfirmed,
            classes,
            tiering: region
                .intelligent_tiering
                .or_else(|| like.map(|l| l.tiering.clone()))
                .ok_or_else(|| missing("intelligent_tiering"))?,
            requests: region
                .requests
                .or_else(|| like.map(|l| l.requests.clone()))
                .ok_or_else(|| missing("requests"))?,
            transfer: transfer.or_else(|| like.map(|l| l.transfer.clone())).ok_or_else(|| missing("transfer"))?,
            batch: region.batch.or_else(|| like.map(|l| l.batch.clone())).ok_or_else(|| missing("batch"))?,
            vault_class: crate::vault::as_class(&vault),
            vault,
        })
    }

    /// The built-in region that fills the gaps, if one is named.
    fn like<'b>(&self, region: &Region, base: Option<&'b PriceTable>) -> Result<Option<&'b Prices>, PriceError> {
        let Some(name) = &region.like else {
            return Ok(None);
        };
        let known = base.map(PriceTable::known).unwrap_or_default();
        let found = base.and_then(|base| base.regions.get(name.get_ref()));
        let what = || format!("`{}` is no built-in region; those are {known}", name.get_ref());
        found.map(Some).ok_or_else(|| problem(self.text, name.span(), what()))
    }

    /// The region's own list, and that of the model for what is taken from there.
    fn unconfirmed(&self, region: &Region, like: Option<&Prices>) -> Vec<String> {
        let own = region.unconfirmed.iter().map(|key| key.get_ref().clone());
        let inherited = like.into_iter().flat_map(|like| &like.unconfirmed).filter(|key| {
            let group_parts = if key.starts_with("classes.") { 2 } else { 1 };
            let group: Vec<&str> = key.split('.').take(group_parts).collect();
            !self.has(&group.join("."))
        });
        own.chain(inherited.cloned()).collect()
    }

    /// Whether the text gives the key itself.
    fn has(&self, key: &str) -> bool {
        let path = ["regions", self.code].into_iter().chain(key.split('.'));
        let mut at = Some(self.whole);
        let mut found = false;
        for part in path {
            let value = at.and_then(|table| table.get(part));
            (found, at) = (value.is_some(), value.and_then(toml::Value::as_table));
        }
        found
    }

    fn check(&self, region: &Region) -> Result<(), PriceError> {
        for (class, prices) in &region.classes {
            if let Some(what) = class_fault(class, prices.get_ref()) {
                let key = format!("regions.{}.classes.{class}", self.code);
                return Err(PriceError::Table { line: line_of(self.text, prices.span().start), key, problem: what });
            }
        }
        if let Some(transfer) = &region.transfer {
            let steps = steps_fault(&transfer.get_ref().steps);
            let units = !matches!(transfer.get_ref().gb_bytes, 1_000_000_000 | 1_073_741_824);
            let bytes = units.then(|| "`gb_bytes` is neither 1000000000 nor 1073741824".to_string());
            if let Some(what) = steps.or(bytes) {
                let key = format!("regions.{}.transfer", self.code);
                return Err(PriceError::Table { line: line_of(self.text, transfer.span().start), key, problem: what });
            }
        }
        match region.unconfirmed.iter().find(|key| !self.has(key.get_ref())) {
            Some(key) => Err(problem(self.text, key.span(), format!("`{}` is no price given here", key.get_ref()))),
            None => Ok(()),
        }
    }
}

/// What is wrong with the prices of a class as a whole.
fn class_fault(class: &StorageClass, prices: &ClassPrices) -> Option<String> {
    if let Some(fault) = steps_fault(&prices.storage_steps) {
        return Some(fault);
    }
    if prices.restore.is_some() != prices.retrieve.is_some() {
        return Some("a class that needs a thaw has both `restore` and `retrieve`, any other has neither".into());
    }
    let thawed = prices.restore.zip(prices.retrieve);
    match (class.is_archive(), thawed) {
        (true, None) => return Some("an archive class needs `restore` and `retrieve`, by tier".into()),
        (true, Some((restore, retrieve))) => {
            let lacking = |tier: &&_| restore.at(**tier).is_none() || retrieve.at(**tier).is_none();
            if let Some(tier) = tiers_offered(class).iter().find(lacking) {
                return Some(format!("the tier {tier} needs a price in `restore` and in `retrieve`"));
            }
        }
        (false, None) if prices.read.is_none() => {
            return Some("`read` is missing: what reading costs per GB, 0 if nothing".into());
        }
        (false, _) => {}
    }
    let needs_transition = !matches!(class, StorageClass::Standard | StorageClass::Other(_));
    (needs_transition && prices.transition.is_none()).then(|| "`transition` is missing".into())
}

fn steps_fault(steps: &[Step]) -> Option<String> {
    let rising = steps.windows(2).all(|pair| pair[0].over_gb < pair[1].over_gb);
    let above_zero = steps.first().is_none_or(|first| first.over_gb.usd() > 0.0);
    (!rising || !above_zero).then(|| "the steps' `over_gb` have to rise from above 0".into())
}

/// Midnight UTC of `2026-11-22`.
fn start_of(day: &str) -> Option<Time> {
    let date: jiff::civil::Date = day.parse().ok()?;
    let zoned = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(Time::from_parts(zoned.timestamp().as_second(), 0))
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text.as_bytes().iter().take(at).filter(|b| **b == b'\n').count()
}

/// An error at a place of the text, with the key that stands there.
fn problem(text: &str, span: Range<usize>, what: String) -> PriceError {
    let what = what.trim().replace('\n', "; ");
    PriceError::Table { line: line_of(text, span.start), key: key_at(text, span.start), problem: what }
}

/// The key that a position belongs to: the last table header, and what stands before `=`.
fn key_at(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[line_start..].lines().next().unwrap_or_default();
    let header = |line: &str| Some(line.trim().strip_prefix('[')?.split(']').next()?.trim().to_string());
    if let Some(table) = header(line).filter(|_| !line.contains('=')) {
        return table;
    }
    let table = before[..line_start].lines().rev().find(|line| line.starts_with('[')).and_then(header);
    let outer = line.split_once('=').map(|(key, _)| key.trim());
    // Within `key = [{ a = 1, b = 2 }]` the inner key is named too.
    let inside = &before[line_start..];
    let inner = inside.rfind(['{', ',']).and_then(|open| text[line_start + open + 1..].split_once('='));
    let inner =
        inner.map(|(key, _)| key.trim()).filter(|key| key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
    let parts = [table.as_deref(), outer, inner];
    parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".")
}
