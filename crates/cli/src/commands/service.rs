//! `schedule install` and `uninstall`: the files with which a system starts Darkslide.
//!
//! Templates of our own: the crate for services that there is writes no timers, no service that
//! tells when it is ready, and no task.

mod files;
mod installed;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::args::{Service, ServiceKind};
use crate::output::{self, Exit};
use crate::wiring;

pub use installed::starts;

/// What is to be started.
struct Start {
    program: PathBuf,
    config: PathBuf,
    user: String,
    is_system: bool,
}

/// A file to write, and where.
struct File {
    path: PathBuf,
    text: String,
}

impl Start {
    fn new(config: Option<PathBuf>, service: &Service) -> Result<Self> {
        let config = std::path::absolute(wiring::config_path(config))?;
        // Loading it says at once what is wrong with it.
        wiring::engine(Some(config.clone()))?;
        let user = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
        let start = Self {
            program: std::env::current_exe().context("the path of this program")?,
            config,
            user: user.filter(|user| !user.is_empty()).unwrap_or_else(|| "root".into()),
            is_system: service.system,
        };
        for path in [&start.program, &start.config] {
            let odd = path.to_str().is_none_or(|text| text.contains(char::is_control));
            anyhow::ensure!(!odd, "{} cannot stand in such a file: its name is no plain text", path.display());
        }
        Ok(start)
    }

    fn text(path: &Path) -> String {
        path.to_string_lossy().into_owned()
    }
}

fn home() -> Result<PathBuf> {
    std::env::var_os("HOME").map(PathBuf::from).context("HOME is not set")
}

/// Where systemd looks.
fn systemd_folder(start: &Start) -> Result<PathBuf> {
    if start.is_system {
        return Ok("/etc/systemd/system".into());
    }
    let base = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    Ok(base.map_or_else(|| home().map(|home| home.join(".config")), Ok)?.join("systemd/user"))
}

fn files(kind: ServiceKind, start: &Start) -> Result<Vec<File>> {
    let file = |folder: &Path, name: &str, text: String| File { path: folder.join(name), text };
    Ok(match kind {
        ServiceKind::Systemd => {
            let folder = systemd_folder(start)?;
            vec![
                file(&folder, "darkslide.service", files::systemd_service(start)),
                file(&folder, "darkslide-due.service", files::systemd_due(start)),
                file(&folder, "darkslide-due.timer", files::systemd_timer()),
            ]
        }
        ServiceKind::Launchd => {
            let folder = match start.is_system {
                true => PathBuf::from("/Library/LaunchDaemons"),
                false => home()?.join("Library/LaunchAgents"),
            };
            vec![file(&folder, "org.darkslide.daemon.plist", files::launchd(start))]
        }
        ServiceKind::Windows => {
            let folder = start.config.parent().unwrap_or(Path::new(".")).to_path_buf();
            vec![file(&folder, "darkslide-task.xml", files::task(start))]
        }
        ServiceKind::Cron => Vec::new(),
    })
}

fn kind_of(service: &Service) -> ServiceKind {
    service.kind.unwrap_or(match () {
        () if cfg!(target_os = "macos") => ServiceKind::Launchd,
        () if cfg!(windows) => ServiceKind::Windows,
        () if Path::new("/run/systemd/system").is_dir() => ServiceKind::Systemd,
        () => ServiceKind::Cron,
    })
}

/// Writes the files, or prints them.
pub fn install(config: Option<PathBuf>, service: &Service) -> Result<Exit> {
    let start = Start::new(config, service)?;
    let kind = kind_of(service);
    if kind == ServiceKind::Cron {
        let line = files::cron(&start);
        if service.print {
            output::line(line);
            return Ok(Exit::Ok);
        }
        let mut table = without_ours(&crontab()?);
        table.push_str(&line);
        table.push('\n');
        set_crontab(&table)?;
        output::line(format_args!("A line of the crontab starts Darkslide every 15 minutes:\n{line}"));
        return Ok(Exit::Ok);
    }
    let files = files(kind, &start)?;
    for file in &files {
        if service.print {
            output::line(format_args!("# {}\n{}", file.path.display(), file.text.trim_end()));
            continue;
        }
        write(file)?;
        output::line(format_args!("{} written", file.path.display()));
    }
    if !service.print {
        output::line(next_step(kind, &start, &files));
    }
    Ok(Exit::Ok)
}

fn next_step(kind: ServiceKind, start: &Start, files: &[File]) -> String {
    let systemctl = if start.is_system { "systemctl" } else { "systemctl --user" };
    match kind {
        ServiceKind::Systemd => format!(
            "Now, for a daemon that stays:\n  {systemctl} daemon-reload && {systemctl} enable --now darkslide.service\n\
             or, for one look every 15 minutes:\n  {systemctl} daemon-reload && {systemctl} enable --now darkslide-due.timer{}",
            match start.is_system {
                true => "",
                false => "\nSo that it runs while nobody is logged in: loginctl enable-linger",
            }
        ),
        ServiceKind::Launchd => {
            format!("Now: launchctl load -w {}", files.iter().map(|file| Start::text(&file.path)).collect::<String>())
        }
        ServiceKind::Windows => {
            let path = files.iter().map(|file| Start::text(&file.path)).collect::<String>();
            format!("Now: schtasks /Create /TN Darkslide /XML \"{path}\"")
        }
        ServiceKind::Cron => String::new(),
    }
}

/// A file of ours is replaced; it is whole or not there.
fn write(file: &File) -> Result<()> {
    let said = || format!("writing {}", file.path.display());
    let folder = file.path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).with_context(said)?;
    let new = file.path.with_extension("new");
    fs::write(&new, &file.text).and_then(|()| fs::rename(&new, &file.path)).with_context(said)
}

/// Takes the files away.
pub fn uninstall(config: Option<PathBuf>, service: &Service) -> Result<Exit> {
    let start = Start::new(config, service)?;
    let kind = kind_of(service);
    if kind == ServiceKind::Cron {
        let table = crontab()?;
        let rest = without_ours(&table);
        if service.print {
            table.lines().filter(|line| line.contains(files::MARK)).for_each(output::line);
        } else if rest != table {
            set_crontab(&rest)?;
            output::line("The line of the crontab is gone.");
        }
        return Ok(Exit::Ok);
    }
    if kind == ServiceKind::Systemd && !service.print {
        let systemctl = if start.is_system { "systemctl" } else { "systemctl --user" };
        eprintln!("If it runs: {systemctl} disable --now darkslide.service darkslide-due.timer");
    }
    for file in files(kind, &start)? {
        if service.print {
            output::line(file.path.display());
            continue;
        }
        match fs::remove_file(&file.path) {
            Ok(()) => output::line(format_args!("{} removed", file.path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("removing {}", file.path.display())),
        }
    }
    Ok(Exit::Ok)
}

fn without_ours(table: &str) -> String {
    let rest = table.lines().filter(|line| !line.contains(files::MARK));
    rest.map(|line| format!("{line}\n")).collect()
}

fn crontab() -> Result<String> {
    let out = Command::new("crontab").arg("-l").stdin(Stdio::null()).output().context("running crontab")?;
    let said = String::from_utf8_lossy(&out.stderr);
    // Without a crontab yet it fails and says so. After any other failure there may be one, which
    // must not be replaced by ours.
    if !out.status.success() && !said.contains("no crontab") {
        bail!("the crontab cannot be read, so that nothing was changed: {}", said.trim());
    }
    String::from_utf8(out.stdout).context("the crontab is no text")
}

fn set_crontab(table: &str) -> Result<()> {
    let mut child = Command::new("crontab").arg("-").stdin(Stdio::piped()).spawn().context("running crontab")?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(table.as_bytes()).context("writing the crontab")?;
    }
    match child.wait()?.success() {
        true => Ok(()),
        false => bail!("crontab did not take the new table; the old one counts"),
    }
}
