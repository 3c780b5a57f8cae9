//! `photos` and `previews`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use darkslide_engine::{
    BackupOptions, Engine, Facet, Photograph, PhotographAsk, PhotographDetail, PhotographId, PhotographOrder,
};
use serde_json::json;

use crate::args::{Photos, PreviewsCommand};
use crate::output::{self, Exit};
use crate::progress::Watcher;
use crate::{keyfile, maker, wiring};

/// Lists, counts or shows photographs.
pub fn photos(config: Option<PathBuf>, args: Photos) -> Result<Exit> {
    let engine = wiring::engine(config.clone())?;
    if let Some(wanted) = &args.detail {
        return detail(&engine, config, wanted, &args);
    }
    let ask = PhotographAsk {
        job: args.job,
        from: args.from,
        until: args.until,
        cameras: args.camera,
        lenses: args.lens,
        kinds: args.kind,
        types: args.types,
        stars: args.stars,
        folder: args.folder,
        text: args.text,
        placed: args.placed,
        area: args.area.as_deref().map(darkslide_engine::area_of).transpose()?,
        state: args.state,
        order: if args.oldest_first { PhotographOrder::Oldest } else { PhotographOrder::Newest },
        after: args.after,
        limit: Some(args.limit),
    };
    if args.count {
        return count(&engine, &ask, args.json.json);
    }
    if args.facets {
        return facets(&engine, &ask, args.json.json);
    }
    if let Some(degrees) = args.cells {
        return cells(&engine, &ask, degrees, args.json.json);
    }
    let page = engine.photographs(&ask)?;
    if args.json.json {
        output::value(&serde_json::to_value(&page)?);
        return Ok(Exit::Ok);
    }
    page.photographs.iter().for_each(|one| output::line(listed(one)));
    if let Some(next) = page.next {
        eprintln!("There are more: --after {next}");
    }
    Ok(Exit::Ok)
}

fn path(one: &Photograph) -> String {
    if one.folder.is_empty() { one.name.clone() } else { format!("{}/{}", one.folder, one.name) }
}

fn listed(one: &Photograph) -> String {
    let stars = match one.stars {
        Some(-1) => "rejected".to_string(),
        Some(n) => "*".repeat(usize::try_from(n).unwrap_or(0)),
        None => String::new(),
    };
    let camera = one.camera.as_deref().unwrap_or("-");
    let taken = one.taken.get(..19).unwrap_or(&one.taken).replace('T', " ");
    format!("{taken:<19}  {:<8}  {stars:<8}  {camera:<20}  {}", one.state.word(), path(one))
}

fn count(engine: &Engine, ask: &PhotographAsk, as_json: bool) -> Result<Exit> {
    let timeline = engine.photograph_timeline(ask)?;
    if as_json {
        output::value(&serde_json::to_value(&timeline)?);
        return Ok(Exit::Ok);
    }
    for month in &timeline.months {
        output::line(format_args!("{}-{:02}  {:>8}", month.year, month.month, month.count));
    }
    output::line(format_args!("{} photographs, {}", timeline.count, timeline.size));
    Ok(Exit::Ok)
}

fn cells(engine: &Engine, ask: &PhotographAsk, degrees: f64, as_json: bool) -> Result<Exit> {
    let cells = engine.photograph_cells(ask, (degrees, degrees))?;
    if as_json {
        output::value(&serde_json::to_value(&cells)?);
        return Ok(Exit::Ok);
    }
    for cell in &cells {
        let folder = if cell.folder.is_empty() { "/" } else { &cell.folder };
        let (north, east) = (cell.latitude, cell.longitude);
        output::line(format_args!("{north:>10.5} {east:>11.5}  {:>8}  {}  {folder}", cell.count, cell.area));
    }
    Ok(Exit::Ok)
}

fn facets(engine: &Engine, ask: &PhotographAsk, as_json: bool) -> Result<Exit> {
    let facets = engine.photograph_facets(ask)?;
    if as_json {
        output::value(&serde_json::to_value(&facets)?);
        return Ok(Exit::Ok);
    }
    let tell = |what: &str, all: &[Facet]| {
        all.iter().for_each(|one| output::line(format_args!("{what:<7}  {:>8}  {}", one.count, one.value)));
    };
    tell("camera", &facets.cameras);
    tell("lens", &facets.lenses);
    tell("kind", &facets.kinds);
    tell("type", &facets.types);
    tell("stars", &facets.stars);
    for (folder, count) in &facets.folders {
        output::line(format_args!("{:<7}  {count:>8}  {}", "folder", if folder.is_empty() { "/" } else { folder }));
    }
    Ok(Exit::Ok)
}

fn detail(engine: &Engine, config: Option<PathBuf>, wanted: &Path, args: &Photos) -> Result<Exit> {
    let number = wanted.to_str().and_then(|text| text.parse().ok());
    let found = match number {
        Some(id) => engine.photograph(PhotographId(id))?,
        None => engine.photograph_at(args.job.as_deref(), &super::library_name(wanted))?,
    };
    if let Some(to) = &args.thumbnail {
        let identity = keyfile::given(&args.identity)?;
        let hash = found.photograph.hash.parse()?;
        let reader = wiring::reader(config)?;
        let jpeg = reader.thumbnail(&hash, identity.as_ref())?;
        let jpeg = jpeg.context("it has no thumbnail on this machine; with --identity the repository is asked, too")?;
        let mut file = std::fs::File::create_new(to).with_context(|| format!("the new file {}", to.display()))?;
        std::io::Write::write_all(&mut file, &jpeg)?;
    }
    match args.json.json {
        true => output::value(&serde_json::to_value(&found)?),
        false => tell_detail(&found),
    }
    Ok(Exit::Ok)
}

fn tell_detail(found: &PhotographDetail) {
    let one = &found.photograph;
    let row = |what: &str, text: &str| output::line(format_args!("{what:<10}  {text}"));
    row("photograph", &format!("{} (number {})", path(one), one.id.0));
    row("taken", &format!("{} ({})", one.taken.replace('T', " "), one.dated));
    let shown = [("camera", &one.camera), ("lens", &one.lens)];
    shown.iter().for_each(|(what, text)| text.iter().for_each(|text| row(what, text)));
    if let Some(facts) = &found.facts {
        let shot = [
            facts.exposure.as_ref().map(|seconds| format!("{seconds} s")),
            facts.aperture.as_ref().map(|number| format!("f/{number}")),
            facts.iso.map(|iso| format!("ISO {}", iso.0)),
            facts.focal.as_ref().map(|length| format!("{length} mm")),
        ];
        let shot: Vec<String> = shot.into_iter().flatten().collect();
        if !shot.is_empty() {
            row("shot at", &shot.join(", "));
        }
    }
    if let (Some(width), Some(height)) = (one.width, one.height) {
        row("pixels", &format!("{width} x {height}"));
    }
    if let (Some(north), Some(east)) = (one.latitude, one.longitude) {
        row("place", &format!("{north:.5}, {east:.5}"));
    }
    row("size", &one.size.to_string());
    row("b3sum", &one.hash);
    found.files.iter().skip(1).for_each(|file| row("with it", &file.name));
    for copy in &found.copies {
        let until = copy.until.as_deref().map(|until| format!(", {until}")).unwrap_or_default();
        let class = if copy.classes.is_empty() { String::new() } else { format!(", {}", copy.classes.join(" and ")) };
        row(copy.kind, &format!("{}: {}{until}{class}", copy.place, copy.state.word()));
    }
}

/// How far previews are, makes them, fetches them.
pub fn previews(config: Option<PathBuf>, command: PreviewsCommand) -> Result<Exit> {
    match command {
        PreviewsCommand::Worker { memory, seconds, name } => maker::work(&name, memory, seconds),
        PreviewsCommand::Status(json) => status(config, json.json),
        PreviewsCommand::Make { job, json } => make(config, job, json.json),
        PreviewsCommand::Fetch { identity, json } => {
            let identity = keyfile::needed(&identity, "fetching previews")?;
            let watcher = Watcher::new(json.json);
            let done = wiring::reader(config)?.fetch_previews(&identity, &watcher);
            watcher.finish();
            let done = done?;
            if json.json {
                output::value(&serde_json::to_value(&done)?);
            } else {
                output::line(format_args!("{} previews out of {} packs, {}", done.previews, done.packs, done.bytes));
                output::line(format_args!(
                    "  {} thumbnails; {} photographs of libraries that are not on this machine",
                    done.thumbnails, done.photographs
                ));
            }
            done.refused.iter().for_each(|(name, why)| eprintln!("refused: {name}: {why}"));
            Ok(if done.refused.is_empty() { Exit::Ok } else { Exit::Incomplete })
        }
    }
}

fn status(config: Option<PathBuf>, as_json: bool) -> Result<Exit> {
    let status = wiring::engine(config)?.previews_status()?;
    if as_json {
        output::value(&serde_json::to_value(&status)?);
        return Ok(Exit::Ok);
    }
    let stats = &status.stats;
    output::line(format_args!("{} photographs", stats.photographs));
    output::line(format_args!("  {} with a preview, {} of them with a thumbnail", stats.described, stats.pictured));
    output::line(format_args!("  {} packs of previews in the repository, {}", stats.packs, stats.bytes));
    output::line(format_args!(
        "  {} thumbnails kept on this machine, {} of {} at most",
        status.kept, status.kept_bytes, status.kept_max
    ));
    if stats.due.0 > 0 {
        output::line(format_args!("  {} left to the next backup", stats.due));
    }
    if !status.makes {
        output::line("Backups make none: [previews] make = false");
    } else if stats.described < stats.photographs {
        output::line("`darkslide previews make` makes those that are missing.");
    }
    Ok(Exit::Ok)
}

fn make(config: Option<PathBuf>, job: Option<String>, as_json: bool) -> Result<Exit> {
    let options = BackupOptions { job, host: wiring::host(), ..BackupOptions::default() };
    let watcher = Watcher::new(as_json);
    let done = wiring::engine(config)?.make_previews(&options, &watcher);
    watcher.finish();
    let (due, run) = done?;
    let (previewed, failed) = (&run.done.previewed, &run.done.failures);
    if as_json {
        let problems: Vec<_> = previewed.problems.iter().map(|(p, why)| json!({"path": p, "reason": why})).collect();
        output::value(&json!({
            "due": due, "made": previewed.made, "thumbnails": previewed.pictured, "troubled": previewed.troubled,
            "problems": problems, "stored": previewed.stored, "snapshot": run.done.snapshot, "failures": failed.len(),
        }));
    } else {
        output::line(format_args!(
            "{} of {due} previews made, {} with a thumbnail; {} stored",
            previewed.made, previewed.pictured, previewed.stored
        ));
        previewed.problems.iter().for_each(|(path, why)| eprintln!("  {path}: {why}"));
    }
    Ok(if failed.is_empty() && run.done.behind.is_empty() { Exit::Ok } else { Exit::Incomplete })
}
