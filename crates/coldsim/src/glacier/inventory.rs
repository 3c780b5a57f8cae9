//! Inventories: taken once a day if something changed, and never younger than that.

use darkslide_words::Time;
use serde_json::json;

use super::jobs::{WantedJob, delay};
use super::model::{Format, Inventory, Item, Listing, ListingRange};
use super::{Failure, Outcome, VaultDue};
use crate::bill::VaultUse;
use crate::blobs::Segment;
use crate::clock::days_later;
use crate::queue::instant;
use crate::state::{Charge, Due, Record, State};

/// The first inventory comes so many minutes after the first archive: half a day to a day.
const FIRST_MINUTES: (u64, u64) = (12 * 60, 24 * 60);

/// `2013-11-12T13:43:12Z`, or with another offset.
fn date(text: &str) -> Outcome<Time> {
    let at = text.parse::<jiff::Timestamp>().ok().and_then(|at| i64::try_from(at.as_nanosecond()).ok());
    at.map(Time).ok_or_else(|| Failure::invalid(format!("Invalid date: {text}")))
}

fn range_of(wanted: &WantedJob) -> Outcome<Option<ListingRange>> {
    let Some(range) = &wanted.inventory_retrieval_parameters else { return Ok(None) };
    let limit = match range.limit.as_deref() {
        None => None,
        Some(text) => {
            let limit = text.parse().ok().filter(|limit: &u64| *limit > 0);
            Some(limit.ok_or_else(|| Failure::invalid(format!("Invalid limit: {text}; it is at least 1")))?)
        }
    };
    Ok(Some(ListingRange {
        start: range.start_date.as_deref().map(date).transpose()?,
        end: range.end_date.as_deref().map(date).transpose()?,
        limit,
        marker: range.marker.clone().filter(|marker| !marker.is_empty()),
    }))
}

/// Which items a listing shows, and with which the next one begins.
fn chosen<'a>(inventory: &'a Inventory, range: &ListingRange) -> Outcome<(Vec<&'a Item>, Option<String>)> {
    let fits = |item: &&Item| {
        range.start.is_none_or(|start| item.created >= start) && range.end.is_none_or(|end| item.created < end)
    };
    let all: Vec<&Item> = inventory.items.iter().filter(fits).collect();
    let first = match &range.marker {
        None => 0,
        Some(marker) => {
            let found = all.iter().position(|item| item.id == *marker);
            found.ok_or_else(|| Failure::invalid(format!("Invalid marker: {marker}")))?
        }
    };
    let limit = range.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    let next = all.get(first.saturating_add(limit)).map(|item| item.id.clone());
    Ok((all.into_iter().skip(first).take(limit).collect(), next))
}

fn as_json(arn: &str, taken: Time, items: &[&Item]) -> String {
    let item = |item: &&Item| {
        json!({
            "ArchiveId": item.id,
            "ArchiveDescription": item.description.as_deref().unwrap_or_default(),
            "CreationDate": instant(item.created),
            "Size": item.size,
            "SHA256TreeHash": item.tree_hash,
        })
    };
    let list: Vec<_> = items.iter().map(item).collect();
    json!({ "VaultARN": arn, "InventoryDate": instant(taken), "ArchiveList": list }).to_string()
}

/// A quote within a field gets a backslash before it; a backslash stays as it is.
fn as_csv(items: &[&Item]) -> String {
    let mut text = "ArchiveId,ArchiveDescription,CreationDate,Size,SHA256TreeHash\r\n".to_string();
    for item in items {
        let description = item.description.as_deref().unwrap_or_default().replace('"', "\\\"");
        let (id, created, size, hash) = (&item.id, instant(item.created), item.size, &item.tree_hash);
        text.push_str(&format!("{id},\"{description}\",{created},{size},{hash}\r\n"));
    }
    text
}

impl State {
    /// When the first inventory of a vault is taken, if its first archive comes now.
    pub(super) fn first_inventory(&self, vault: &str) -> Time {
        self.now.plus(delay(&format!("inventory {vault} {}", self.now.0), FIRST_MINUTES))
    }

    /// The daily round: a new inventory if archives came or went.
    pub(super) fn take_inventory(&mut self, name: &str) {
        let now = self.now;
        let Some(vault) = self.glacier.vaults.get_mut(name) else { return };
        if vault.inventory_due.is_none_or(|due| due > now) {
            return;
        }
        vault.inventory_due = Some(days_later(now, 1));
        if vault.changed {
            let mut items: Vec<Item> = Vec::with_capacity(vault.archives.len());
            items.extend(vault.archives.iter().map(|(id, archive)| Item {
                id: id.clone(),
                description: archive.description.clone(),
                created: archive.created,
                size: archive.size,
                tree_hash: archive.leaves.root(),
            }));
            items.sort_by(|one, other| (one.created, &one.id).cmp(&(other.created, &other.id)));
            vault.inventory = Some(Inventory { taken: now, items });
            vault.changed = false;
            self.dirty.insert(Record::Inventory(name.to_string()));
        }
        self.dirty.insert(Record::Vault(name.to_string()));
        self.plan(days_later(now, 1), Due::Vault(name.to_string(), VaultDue::Inventory));
    }

    /// Writes the last inventory down, as it is when it is asked for.
    pub(super) fn begin_listing(&mut self, name: &str, wanted: &WantedJob) -> Outcome<(Listing, Vec<Segment>)> {
        if wanted.archive_id.is_some() || wanted.retrieval_byte_range.is_some() {
            return Err(Failure::invalid("Invalid job: ArchiveId and RetrievalByteRange are for archives"));
        }
        let format = match wanted.format.as_deref() {
            None | Some("JSON") => Format::Json,
            Some("CSV") => Format::Csv,
            Some(other) => return Err(Failure::invalid(format!("Invalid format: {other}; it is JSON or CSV"))),
        };
        let range = range_of(wanted)?;
        let arn = self.vault_arn(name);
        let none = || Failure::not_found(format!("No inventory has been taken yet of the vault {arn}"));
        let inventory = self.vault(name)?.inventory.as_ref().ok_or_else(none)?;
        let (items, next) = chosen(inventory, &range.clone().unwrap_or_default())?;
        let text = match format {
            Format::Json => as_json(&arn, inventory.taken, &items),
            Format::Csv => as_csv(&items),
        };
        let stored = self.blobs.store(text.as_bytes());
        let stored = stored.map_err(|error| Failure::new(500, "ServiceUnavailableException", error.to_string()))?;
        self.refer(&[stored]);
        self.charge(Charge::Vault(VaultUse::Inventory, 1));
        Ok((Listing { format, wanted: range, next }, vec![stored]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_escapes_quotes_and_nothing_else() {
        let description = Some(r#"my archive,1\"2"#.to_string());
        let item = Item { id: "a".into(), description, created: Time(0), size: 5, tree_hash: "h".into() };
        let text = as_csv(&[&item]);
        let row = text.lines().nth(1).unwrap();
        assert_eq!(row, r#"a,"my archive,1\\"2",1970-01-01T00:00:00.000Z,5,h"#);
    }

    #[test]
    fn dates_may_have_offsets() {
        assert_eq!(date("1970-01-01T01:00:00+01:00").unwrap(), Time(0));
        assert!(date("1970-01-01").is_err() && date("noon").is_err());
    }
}
