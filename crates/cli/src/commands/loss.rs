//! `drill --simulate`: the house burns down on the simulator.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use darkslide_coldsim::{ColdSim, Options};
use darkslide_engine::{ColdWorld, Engine, EngineError, Inventory, Loss};
use darkslide_store::{Store, StoreError};
use darkslide_store_s3::{Key, S3Settings, S3Store};
use darkslide_words::{Bytes, Clock as _, Count, Money, ObjectName, SystemClock, Time};
use serde_json::json;

use super::cold::hours;
use crate::output::{self, Exit};

const BUCKET: &str = "after-the-fire";

/// A simulator with a client for it.
struct World {
    sim: ColdSim,
    store: S3Store,
    _running: darkslide_coldsim::Running,
}

impl ColdWorld for World {
    fn store(&self) -> &dyn Store {
        &self.store
    }

    fn now(&self) -> Time {
        self.sim.now()
    }

    fn advance(&self, by: Duration) {
        self.sim.advance(by);
    }

    fn fetch(&self, name: &ObjectName, bytes: Bytes, reads: Count) -> bool {
        self.sim.download_hollow(BUCKET, name.as_str(), bytes.0, reads.0)
    }

    fn bill(&self) -> Money {
        // What lies there would be paid with or without a fire.
        let bill = self.sim.bill();
        let standing = |what: &str| what.contains("storage") && !what.contains("thawed copies");
        bill.lines.iter().filter(|line| !standing(&line.what)).map(|line| line.amount).sum()
    }
}

fn world(region: &str, inventory: &[Inventory]) -> Result<Box<dyn ColdWorld>, EngineError> {
    let failed =
        |why: String| StoreError::Setup { store: "the simulator".into(), why, advice: "please report it".into() };
    let real = Arc::new(SystemClock::default());
    let options = Options { region: region.to_string(), ..Options::new(real.now()) };
    let sim = ColdSim::open(options, real).map_err(|e| failed(e.to_string()))?;
    sim.create_bucket(BUCKET).map_err(|e| failed(e.to_string()))?;
    for object in inventory {
        let put = sim.add_hollow(BUCKET, object.name.as_str(), object.size.0, &object.class);
        put.map_err(|e| failed(e.to_string()))?;
    }
    let local = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let running = sim.start(local).map_err(|e| failed(e.to_string()))?;
    let mut settings = S3Settings::new(BUCKET, "");
    settings.endpoint = Some(running.url());
    settings.region = Some(region.to_string());
    settings.credentials = Some(Key { id: "coldsim".into(), secret: "coldsim-secret".into(), token: None });
    Ok(Box::new(World { store: S3Store::connect(settings)?, sim, _running: running }))
}

/// Runs `drill --simulate`.
pub fn run(engine: &Engine, as_json: bool) -> Result<Exit> {
    let region = engine.store_settings().iter().find_map(|s| s.price_region().map(String::from));
    let region = region.unwrap_or_else(|| "us-east-1".into());
    let loss = engine.simulate_loss(&|inventory| world(&region, inventory))?;
    match as_json {
        true => output::value(&as_value(&loss)),
        false => tell(&loss),
    }
    Ok(Exit::Ok)
}

fn as_value(loss: &Loss) -> serde_json::Value {
    let tiers: Vec<_> = loss
        .tiers
        .iter()
        .map(|at| {
            json!({"tier": at.tier, "first_seconds": at.first.as_secs(), "last_seconds": at.last.as_secs(),
                   "quoted": at.plan.total(), "billed": at.billed, "waves": at.plan.waves.len()})
        })
        .collect();
    json!({"files": loss.files, "bytes": loss.bytes, "packs": loss.packs, "bits_per_second": loss.rate, "tiers": tiers})
}

fn tell(loss: &Loss) {
    output::line(format_args!(
        "If the house were gone: {} files, {}, out of {} packs, over a line of {} Mbit/s.",
        loss.files,
        loss.bytes,
        loss.packs,
        loss.rate / 1_000_000
    ));
    output::line("Simulated: a new machine, the identity, the bucket as it was listed.\n");
    output::line(format_args!(
        "  {:<10} {:>16} {:>16} {:>6} {:>12} {:>12}",
        "tier", "first photograph", "last photograph", "waves", "quoted", "billed"
    ));
    for at in &loss.tiers {
        output::line(format_args!(
            "  {:<10} {:>16} {:>16} {:>6} {:>12} {:>12}",
            at.tier,
            hours(at.first),
            hours(at.last),
            at.plan.waves.len(),
            at.plan.total().to_string(),
            at.billed.to_string()
        ));
    }
    output::line("\nBilled is what the simulator charges by its own arithmetic, storage of the archive apart.");
}
