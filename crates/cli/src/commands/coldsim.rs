//! `coldsim`: the simulator as a server, until it is interrupted.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use darkslide_coldsim::{ColdSim, Options};
use darkslide_words::{Clock as _, SystemClock};

use crate::args::Coldsim;
use crate::output::{self, Exit};
use crate::wiring;

/// Serves until Ctrl-C.
pub fn run(args: Coldsim) -> Result<Exit> {
    if !(args.speed.is_finite() && (0.0..=1e9).contains(&args.speed)) {
        anyhow::bail!("--speed {}: a factor from 0 (stands still) to 1000000000 is wanted", args.speed);
    }
    std::fs::create_dir_all(&args.dir).with_context(|| format!("the folder {}", args.dir.display()))?;
    let real = Arc::new(SystemClock::default());
    let options = Options {
        dir: Some(args.dir),
        region: args.region,
        start: real.now(),
        speed: args.speed,
        enforce: args.enforce,
    };
    let sim = ColdSim::open(options, real)?;
    for bucket in &args.bucket {
        sim.create_bucket(bucket)?;
    }
    for vault in &args.vault {
        sim.create_vault(vault)?;
    }
    let running = sim.start(args.listen)?;
    output::line(format_args!("coldsim listens on http://{}", running.addr()));
    eprintln!("Access key `coldsim`, secret `coldsim-secret`. Time there: {}. Ctrl-C ends it.", sim.now());
    eprintln!("  turn the clock:  curl -d '{{\"advance_seconds\":3600}}' http://{}/_coldsim/clock", running.addr());
    eprintln!("  see the bill:    curl http://{}/_coldsim/bill", running.addr());
    while !wiring::interrupted() {
        if let Some(reason) = sim.broken() {
            anyhow::bail!("the simulator's directory cannot be written to any more: {reason}");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(Exit::Ok)
}
