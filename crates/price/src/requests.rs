//! Requests, thaws, retrieved bytes; Batch Operations and Inventory.

use darkslide_words::{Bytes, Count, StorageClass, Tier};

use crate::quote::{OBJECTS, REQUESTS};
use crate::{Access, GIB, Line, PriceError, Prices, tiers_offered};

/// What a thaw costs: rates for one request and one GB, and where they stand in the table.
pub(crate) struct ThawRates {
    request: (String, f64),
    gib: (String, f64),
}

impl Prices {
    /// PUT, COPY or POST: requests × the rate of the class written to.
    pub fn put(&self, class: &StorageClass, requests: Count) -> Result<Vec<Line>, PriceError> {
        let rate = self.class(class)?.put.each();
        Ok(self.requests_line(&format!("classes.{class}.put"), format!("Upload requests, {class}"), requests, rate))
    }

    /// GET and HEAD: requests × the rate of the class read from.
    pub fn get(&self, class: &StorageClass, requests: Count) -> Result<Vec<Line>, PriceError> {
        let rate = self.class(class)?.get.each();
        Ok(self.requests_line(&format!("classes.{class}.get"), format!("Download requests, {class}"), requests, rate))
    }

    /// LIST, of up to 1,000 objects each, whatever their class.
    pub fn list(&self, requests: Count) -> Vec<Line> {
        self.requests_line("requests.list", "Listing requests".into(), requests, self.requests.list.each())
    }

    /// DELETE: free, unless the table says otherwise.
    pub fn delete(&self, requests: Count) -> Vec<Line> {
        self.requests_line("requests.delete", "Deletion requests".into(), requests, self.requests.delete.each())
    }

    /// Lifecycle transitions: one request per object, at the rate of the class moved to.
    pub fn transition(&self, into: &StorageClass, objects: Count) -> Result<Vec<Line>, PriceError> {
        let key = format!("classes.{into}.transition");
        let rate = self.class(into)?.transition.ok_or_else(|| self.no_rate(&key))?.each();
        Ok(self.requests_line(&key, format!("Lifecycle transitions into {into}"), objects, rate))
    }

    /// Restore requests: one per object, by class and tier. None where nothing needs a thaw.
    ///
    /// Source: the S3 pricing page; RestoreObject (bulk is free for `GLACIER`, standard and bulk
    /// for Intelligent-Tiering). An unknown access tier is taken to need a thaw.
    pub fn restore_requests(
        &self,
        class: &StorageClass,
        access: Option<Access>,
        tier: Tier,
        objects: Count,
    ) -> Result<Vec<Line>, PriceError> {
        let Some(ThawRates { request: (key, rate), .. }) = self.thaw_rates(class, access, tier)? else {
            return Ok(Vec::new());
        };
        Ok(self.requests_line(&key, format!("Thaw requests, {class}, {tier}"), objects, rate))
    }

    /// Bytes that a thaw retrieves ÷ 2^30 × the rate of class and tier.
    pub fn retrieval(
        &self,
        class: &StorageClass,
        access: Option<Access>,
        tier: Tier,
        bytes: Bytes,
    ) -> Result<Vec<Line>, PriceError> {
        let Some(ThawRates { gib: (key, rate), .. }) = self.thaw_rates(class, access, tier)? else {
            return Ok(Vec::new());
        };
        let what = format!("Thawed bytes, {class}, {tier}");
        Ok(self.line(&key, what, bytes.0 as f64 / GIB, "GiB", rate).into_iter().collect())
    }

    /// Bytes read from a class that needs no thaw but charges for reading: ÷ 2^30 × its rate.
    pub fn read(&self, class: &StorageClass, bytes: Bytes) -> Result<Vec<Line>, PriceError> {
        let rate = self.class(class)?.read.map_or(0.0, |rate| rate.usd());
        let line = self.line(
            &format!("classes.{class}.read"),
            format!("Bytes read, {class}"),
            bytes.0 as f64 / GIB,
            "GiB",
            rate,
        );
        Ok(line.filter(|line| line.rate > 0.0).into_iter().collect())
    }

    /// S3 Batch Operations: a fee per job and per object, besides the requests the job makes.
    pub fn batch(&self, jobs: Count, objects: Count) -> Vec<Line> {
        let job =
            self.line("batch.job", "S3 Batch Operations, jobs".into(), jobs.0 as f64, "jobs", self.batch.job.usd());
        let each = self.batch.per_million.usd() / 1e6;
        let what = "S3 Batch Operations, objects".to_string();
        job.into_iter().chain(self.line("batch.per_million", what, objects.0 as f64, OBJECTS, each)).collect()
    }

    /// One S3 Inventory report: a fee per object listed. (Its storage and reading come on top.)
    pub fn inventory(&self, objects: Count) -> Vec<Line> {
        let rate = self.batch.inventory_per_million.usd() / 1e6;
        let what = "Objects listed by S3 Inventory".to_string();
        self.line("batch.inventory_per_million", what, objects.0 as f64, OBJECTS, rate).into_iter().collect()
    }

    /// True if objects there have to be thawed; unknown in Intelligent-Tiering counts as yes.
    pub(crate) fn needs_thaw(&self, class: &StorageClass, access: Option<Access>) -> Result<bool, PriceError> {
        let prices = self.class(class)?;
        let tiered = *class == StorageClass::IntelligentTiering;
        Ok(prices.restore.is_some() || (tiered && access.is_none_or(Access::is_archive)))
    }

    fn thaw_rates(
        &self,
        class: &StorageClass,
        access: Option<Access>,
        tier: Tier,
    ) -> Result<Option<ThawRates>, PriceError> {
        if !self.needs_thaw(class, access)? {
            return Ok(None);
        }
        if *class == StorageClass::IntelligentTiering {
            return self.tiered_thaw_rates(access, tier).map(Some);
        }
        let prices = self.class(class)?;
        let name = tier.to_string();
        let rates = |rates: Option<crate::TierRates>| rates.and_then(|rates| rates.at(tier));
        let (Some(request), Some(bytes)) = (rates(prices.restore), rates(prices.retrieve)) else {
            let offered = Tier::ALL.into_iter().filter(|t| prices.restore.is_some_and(|r| r.at(*t).is_some()));
            return Err(not_offered(class.to_string(), tier, offered));
        };
        let request = (format!("classes.{class}.restore.{name}"), request.each());
        Ok(Some(ThawRates { request, gib: (format!("classes.{class}.retrieve.{name}"), bytes.usd()) }))
    }

    fn tiered_thaw_rates(&self, access: Option<Access>, tier: Tier) -> Result<ThawRates, PriceError> {
        let keys = ["expedited_restore", "expedited_retrieve"].map(|name| format!("intelligent_tiering.{name}"));
        let [request, gib] = match (tier, access) {
            (Tier::Expedited, Some(Access::DeepArchive)) => {
                let class = format!("{}, {}", StorageClass::IntelligentTiering, Access::DeepArchive);
                return Err(not_offered(class, tier, tiers_offered(&StorageClass::DeepArchive).iter().copied()));
            }
            (Tier::Expedited, _) => [self.tiering.expedited_restore.each(), self.tiering.expedited_retrieve.usd()],
            // Free by definition, not by the table.
            _ => return Ok(ThawRates { request: (String::new(), 0.0), gib: (String::new(), 0.0) }),
        };
        let [request_key, gib_key] = keys;
        Ok(ThawRates { request: (request_key, request), gib: (gib_key, gib) })
    }

    fn requests_line(&self, key: &str, what: String, requests: Count, rate: f64) -> Vec<Line> {
        self.line(key, what, requests.0 as f64, REQUESTS, rate).into_iter().collect()
    }
}

pub(crate) fn not_offered(class: String, tier: Tier, offered: impl Iterator<Item = Tier>) -> PriceError {
    let offered = offered.map(|tier| tier.to_string()).collect::<Vec<_>>().join(" or ");
    PriceError::TierNotOffered { class, tier, offered }
}
