//! Transfer to the internet.

use darkslide_words::Bytes;

use crate::prices::cut;
use crate::{Line, Prices, Rate, Step};

impl Prices {
    /// Download to the internet: the month's free GB first, then the steps, counted after the free
    /// ones; `used_this_month` is what the account has sent already. A GB has the table's
    /// `gb_bytes`. Transfer in, and to machines of AWS in the same region, is free.
    ///
    /// Source: the S3 pricing page, data transfer; bills name the first step "beyond the global
    /// free tier".
    pub fn egress(&self, bytes: Bytes, used_this_month: Bytes) -> Vec<Line> {
        let transfer = &self.transfer;
        let free = transfer.free_gb.usd();
        let gb = |bytes: u64| bytes as f64 / transfer.gb_bytes as f64;
        let (from, to) = (gb(used_this_month.0), gb(used_this_month.0) + gb(bytes.0));
        let used_free = self.line(
            "transfer.free_gb",
            format!("Download, of the {free} GB free each month"),
            to.min(free) - from.min(free),
            "GB",
            0.0,
        );
        let paid = cut(transfer.usd, &transfer.steps, (from - free).max(0.0), (to - free).max(0.0));
        let paid = paid.filter_map(|(part, rate)| {
            self.line(&self.transfer_key(rate), "Download to the internet".into(), part, "GB", rate)
        });
        used_free.into_iter().chain(paid).collect()
    }

    /// Where a rate of transfer stands.
    fn transfer_key(&self, rate: f64) -> String {
        let is_step = |step: &Step| rate_is(step.usd, rate);
        let name = if self.transfer.steps.iter().any(is_step) { "steps" } else { "usd" };
        format!("transfer.{name}")
    }
}

fn rate_is(rate: Rate, usd: f64) -> bool {
    rate.usd().to_bits() == usd.to_bits()
}
