//! Amazon Glacier vaults: the older service beside S3, with archives instead of objects.

use darkslide_words::{Bytes, Count, Tier};

use crate::quote::{GIB_MONTHS, REQUESTS};
use crate::requests::not_offered;
use crate::{GIB, Line, PriceError, Prices, months};

/// Billed per archive besides its bytes. Source: S3 developer guide, object-archival.
const OVERHEAD: Bytes = Bytes::kib(32);

/// Billed even if an archive is deleted earlier. Source: Glacier developer guide, deleting-an-archive.
const MIN_DAYS: u32 = 90;

impl Prices {
    /// A month in a vault: bytes and 32 KiB per archive, ÷ 2^30 × the rate.
    pub fn vault_storage(&self, archives: Count, bytes: Bytes) -> Vec<Line> {
        self.vault_line(
            "storage",
            "Storage, vault".into(),
            vault_gib(archives, bytes),
            GIB_MONTHS,
            self.vault.storage.usd(),
        )
    }

    /// Uploads: one request per archive, or per part of a multipart upload.
    pub fn vault_upload(&self, requests: Count) -> Vec<Line> {
        let rate = self.vault.upload.each();
        self.vault_line("upload", "Upload requests, vault".into(), requests.0 as f64, REQUESTS, rate)
    }

    /// Retrieval: one request per job, and the bytes asked for ÷ 2^30 × the tier's rate.
    pub fn vault_retrieval(&self, tier: Tier, jobs: Count, bytes: Bytes) -> Result<Vec<Line>, PriceError> {
        let rates = (self.vault.retrieval_request.at(tier), self.vault.retrieve.at(tier));
        let (Some(request), Some(gib)) = rates else {
            let offered = Tier::ALL.into_iter().filter(|tier| self.vault.retrieve.at(*tier).is_some());
            return Err(not_offered("a vault".into(), tier, offered));
        };
        let what = |what: &str| format!("{what}, vault, {tier}");
        let key = |name: &str| format!("{name}.{tier}");
        let jobs = jobs.0 as f64;
        let mut lines =
            self.vault_line(&key("retrieval_request"), what("Retrieval jobs"), jobs, REQUESTS, request.each());
        let quantity = bytes.0 as f64 / GIB;
        lines.extend(self.vault_line(&key("retrieve"), what("Retrieved bytes"), quantity, "GiB", gib.usd()));
        Ok(lines)
    }

    /// Deleting archives before 90 days are over: the remaining days at the storage rate.
    pub fn vault_early_deletion(&self, archives: Count, bytes: Bytes, age_days: u32) -> Vec<Line> {
        let days = MIN_DAYS.saturating_sub(age_days);
        let what = format!("{days} of {MIN_DAYS} minimum days left, vault");
        let quantity = vault_gib(archives, bytes) * months(days);
        self.vault_line("storage", what, quantity, GIB_MONTHS, self.vault.storage.usd())
    }

    fn vault_line(&self, key: &str, what: String, quantity: f64, unit: &str, rate: f64) -> Vec<Line> {
        self.line(&format!("vault.{key}"), what, quantity, unit, rate).into_iter().collect()
    }
}

fn vault_gib(archives: Count, bytes: Bytes) -> f64 {
    (bytes.0 as f64 + archives.0 as f64 * OVERHEAD.0 as f64) / GIB
}
