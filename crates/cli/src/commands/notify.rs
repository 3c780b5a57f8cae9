//! `notify`: do messages arrive?

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use darkslide_engine::{Delivery, Dispatcher};
use serde_json::json;

use crate::args::NotifyCommand;
use crate::output::{self, Exit};
use crate::wiring;

/// `notify …`.
pub fn notify(config: Option<PathBuf>, command: NotifyCommand) -> Result<Exit> {
    let engine = wiring::engine(config)?;
    let settings = engine.settings();
    anyhow::ensure!(
        !settings.notify.is_empty(),
        "{} has no [[notify]]: nobody is told of anything. `darkslide config explain notify` says how",
        settings.path.display()
    );
    let dispatcher = engine.dispatcher(&wiring::host(), Arc::new(wiring::interrupted));
    match command {
        NotifyCommand::Test(args) => {
            let told = told(&dispatcher.test(args.channel.as_deref())?, args.json.json);
            let watchers = dispatcher.channels().into_iter().filter(|one| one.way == "ping");
            for watcher in watchers.filter(|_| args.channel.is_none()) {
                let name = &watcher.name;
                eprintln!("{name}: left out, since a ping says that a run went well: `darkslide notify test {name}`");
            }
            Ok(told)
        }
        NotifyCommand::List(json) => {
            list(&dispatcher, json.json);
            Ok(Exit::Ok)
        }
    }
}

/// What became of a test.
fn told(deliveries: &[Delivery], as_json: bool) -> Exit {
    for delivery in deliveries.iter().filter(|_| !as_json) {
        let seconds = delivery.took_ms as f64 / 1000.0;
        let attempts = if delivery.attempts == 1 { "attempt" } else { "attempts" };
        output::line(format_args!("{delivery} ({} {attempts}, {seconds:.1} s)", delivery.attempts));
    }
    let lost = deliveries.iter().filter(|delivery| !delivery.is_delivered()).count();
    if as_json {
        output::value(&json!({"deliveries": deliveries, "lost": lost}));
    }
    match lost {
        0 => Exit::Ok,
        lost if lost == deliveries.len() => Exit::Failed,
        _ => Exit::Incomplete,
    }
}

fn list(dispatcher: &Dispatcher, as_json: bool) {
    let channels = dispatcher.channels();
    if as_json {
        let rows: Vec<_> = channels
            .iter()
            .map(|one| json!({"name": one.name, "kind": one.way, "on": one.on, "last": one.last}))
            .collect();
        output::value(&json!(rows));
        return;
    }
    for channel in channels {
        output::line(format_args!("{} ({}): {}", channel.name, channel.way, channel.on.join(", ")));
        match channel.last {
            None => output::line("    nothing was sent yet; `darkslide notify test` tries it"),
            Some(last) => output::line(format_args!("    {} {}: {last}", last.time.local(), last.kind)),
        }
    }
}
