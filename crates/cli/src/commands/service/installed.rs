//! Whether the system starts Darkslide: for a check-up.

use std::fs;
use std::path::{Path, PathBuf};

use darkslide_engine::{Diagnosis, Engine, EngineError, Health};

use super::{crontab, files, home};

const AREA: &str = "schedule";
/// What systemd starts, each by itself enough.
const UNITS: [&str; 2] = ["darkslide.service", "darkslide-due.timer"];

/// How the scheduled jobs of this configuration are started.
pub fn starts(engine: &Engine, config: &Path) -> Diagnosis {
    let found = |health, text: String, advice: &str| Diagnosis { area: AREA, health, text, advice: advice.to_string() };
    let scheduled = engine.settings().jobs.iter().filter(|job| job.schedule.is_some() || !job.after.is_empty()).count();
    if scheduled == 0 {
        let advice = "`darkslide config explain job` tells how work gets a schedule";
        return found(Health::Unknown, "no job has a schedule: everything runs by hand".into(), advice);
    }
    if matches!(engine.only_daemon(), Err(EngineError::DaemonRuns)) {
        return found(Health::Good, format!("a daemon runs, for {scheduled} scheduled jobs"), "");
    }
    let folders = systemd_folders();
    let (mut written, mut other) = (None, None);
    for folder in folders.iter().filter(|folder| folder.join(UNITS[0]).is_file()) {
        if !names(&folder.join(UNITS[0]), config) {
            other = Some(folder.join(UNITS[0]));
            continue;
        }
        if is_enabled(folder) {
            let text = format!("systemd starts it, for {scheduled} scheduled jobs");
            return found(Health::Good, text, "");
        }
        written = Some(folder.join(UNITS[0]));
    }
    if let Some(plist) = plists().into_iter().find(|path| names(path, config)) {
        return found(Health::Good, format!("launchd starts it by {}", plist.display()), "");
    }
    let text = config.to_string_lossy();
    let line = |line: &&str| line.contains(files::MARK) && line.contains(&*text);
    if crontab().is_ok_and(|table| table.lines().any(|one| line(&one))) {
        return found(Health::Good, format!("cron starts it, for {scheduled} scheduled jobs"), "");
    }
    if let Some(unit) = written {
        let text = format!("{} is written, but not enabled", unit.display());
        return found(Health::Bad, text, "`systemctl [--user] enable --now darkslide.service`");
    }
    let elsewhere = other.map(|path| format!("; {} is for another configuration", path.display())).unwrap_or_default();
    let text = format!("{scheduled} jobs have a schedule, and nothing starts them{elsewhere}");
    found(Health::Bad, text, "`darkslide schedule install`, or let `darkslide daemon` run")
}

/// True if a file that starts Darkslide does it with this configuration.
fn names(file: &Path, config: &Path) -> bool {
    fs::read_to_string(file).is_ok_and(|text| text.contains(&*config.to_string_lossy()))
}

fn systemd_folders() -> Vec<PathBuf> {
    let base = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).or_else(|| Some(home().ok()?.join(".config")));
    let own = base.map(|base| base.join("systemd/user"));
    own.into_iter().chain([PathBuf::from("/etc/systemd/system")]).collect()
}

/// Enabling is a link in the folder of a target.
fn is_enabled(folder: &Path) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
    let wants = entries.filter(|path| path.extension().is_some_and(|kind| kind == "wants"));
    wants.into_iter().any(|path| UNITS.iter().any(|unit| path.join(unit).symlink_metadata().is_ok()))
}

fn plists() -> Vec<PathBuf> {
    let own = home().ok().map(|home| home.join("Library/LaunchAgents"));
    let folders = own.into_iter().chain([PathBuf::from("/Library/LaunchDaemons")]);
    folders.map(|folder| folder.join("org.darkslide.daemon.plist")).filter(|path| path.is_file()).collect()
}
