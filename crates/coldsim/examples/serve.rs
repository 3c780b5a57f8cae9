//! Serves a simulator until it is killed: `serve 127.0.0.1:PORT DIR`. Policies are enforced.

use std::sync::Arc;

use darkslide_coldsim::{ColdSim, Options};
use darkslide_words::{Clock, SystemClock};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(listen), dir) = (args.next(), args.next()) else { return Err("usage: serve LISTEN [DIR]".into()) };
    let clock = Arc::new(SystemClock::default());
    let options = Options { dir: dir.map(Into::into), speed: 1.0, ..Options::new(clock.now()) };
    ColdSim::open(options, clock)?.start(listen.parse()?)?.wait();
    Ok(())
}
