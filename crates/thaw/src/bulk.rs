//! When a store's bulk engine asks instead of this machine.

use darkslide_words::Tier;

/// From so many packs on the bulk engine pays, unless told otherwise.
///
/// It never saves money: S3 Batch Operations makes the same requests, and takes $0.25 a job and
/// $1 a million objects besides (<https://aws.amazon.com/s3/pricing/>). It saves time: asked one
/// after the other, with a durable row before and after each, about 10 to 20 packs a second go
/// out, so that 1,000 take a minute and 250,000 (16 TB) many hours. At 1,000 packs the fee is a
/// quarter of a dollar beside a thaw of 64 GB, whose transfer alone costs dollars.
pub const BULK_FROM: u64 = 1_000;

/// True if so many packs of one store are better asked for by its bulk engine, which is used from
/// `from` packs on. Expedited thaws never are: Batch Operations does not start them.
pub fn bulk_pays(packs: u64, from: u64, tier: Tier) -> bool {
    packs >= from && tier != Tier::Expedited
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_packs_and_expedited_ones_are_asked_for_singly() {
        let pays = |packs, tier| bulk_pays(packs, BULK_FROM, tier);
        assert!(!pays(999, Tier::Bulk) && pays(1000, Tier::Bulk) && pays(1000, Tier::Standard));
        assert!(!pays(u64::MAX, Tier::Expedited));
    }
}
