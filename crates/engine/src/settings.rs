//! `darkslide.toml`: validated, with the line of what is wrong.

use std::fs;
use std::path::{Path, PathBuf};

use darkslide_words::Money;
use serde::{Deserialize, Serialize};

use crate::store_settings::{parse_bits, parse_bytes};
use crate::{
    CloudSettings, CopiesSettings, DaemonSettings, EngineError, HookSettings, IngestSettings, JobSettings,
    KeepSettings, LogSettings, MirrorSettings, NotifySettings, PreviewSettings, PruneSettings, SafeSettings,
    ServeSettings, StoreSettings, job_settings, notify_settings,
};

/// The configuration file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where the configuration was read from.
    #[serde(skip)]
    pub path: PathBuf,
    /// The repository.
    pub repository: RepositorySettings,
    /// Where this machine keeps its catalog and secrets; relative to this file.
    pub state: PathBuf,
    /// Places that each hold a full copy.
    #[serde(rename = "store")]
    pub stores: Vec<StoreSettings>,
    /// Libraries to back up.
    #[serde(rename = "backup", default)]
    pub backups: Vec<BackupSettings>,
    /// Cards.
    #[serde(default, skip_serializing_if = "IngestSettings::is_empty")]
    pub ingest: IngestSettings,
    /// When a card may be formatted.
    #[serde(default, skip_serializing_if = "SafeSettings::is_empty")]
    pub safe: SafeSettings,
    /// How many copies are enough.
    #[serde(default, skip_serializing_if = "CopiesSettings::is_empty")]
    pub copies: CopiesSettings,
    /// Mirrors.
    #[serde(rename = "mirror", default, skip_serializing_if = "Vec::is_empty")]
    pub mirrors: Vec<MirrorSettings>,
    /// What runs by itself.
    #[serde(rename = "job", default, skip_serializing_if = "Vec::is_empty")]
    pub jobs: Vec<JobSettings>,
    /// Who runs it.
    #[serde(default, skip_serializing_if = "DaemonSettings::is_empty")]
    pub daemon: DaemonSettings,
    /// Its logs.
    #[serde(default, skip_serializing_if = "LogSettings::is_empty")]
    pub logs: LogSettings,
    /// Who is told of what.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notify: Vec<NotifySettings>,
    /// What runs around jobs.
    #[serde(rename = "hook", default, skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<HookSettings>,
    /// How previews are made and kept.
    #[serde(default, skip_serializing_if = "PreviewSettings::is_empty")]
    pub previews: PreviewSettings,
    /// The web page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serve: Option<ServeSettings>,
    /// How prune works.
    #[serde(default, skip_serializing_if = "PruneSettings::is_empty")]
    pub prune: PruneSettings,
    /// Hard limits of what is spent.
    #[serde(default, skip_serializing_if = "BudgetSettings::is_empty")]
    pub budget: BudgetSettings,
    /// The line to the outside.
    #[serde(default, skip_serializing_if = "NetworkSettings::is_empty")]
    pub network: NetworkSettings,
    /// What shall be in the AWS account.
    #[serde(default, skip_serializing_if = "CloudSettings::is_empty")]
    pub cloud: CloudSettings,
}

/// Hard limits: checked before each request that costs money.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetSettings {
    /// US dollars for one run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_run: Option<Money>,
    /// US dollars for a calendar month (UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_month: Option<Money>,
    /// A file of prices instead of the built-in ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prices: Option<PathBuf>,
}

impl BudgetSettings {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How fast the line is: decides how much is thawed at once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkSettings {
    /// Download rate, such as `50 Mbit/s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub download: Option<String>,
    /// True where this machine is inside the store's region: nothing is egress.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inside_aws: bool,
    /// Packs from which on a thaw is asked for by S3 Batch Operations, where a store has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_from: Option<u64>,
}

impl NetworkSettings {
    pub(crate) fn batch_from(&self) -> u64 {
        self.batch_from.unwrap_or(darkslide_thaw::BULK_FROM)
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What this machine knows of the repository from its first contact.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepositorySettings {
    /// Its id.
    pub id: String,
    /// The owner's public key: the trust root.
    pub owner: String,
}

/// A library to back up.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupSettings {
    /// Name of the job.
    pub name: String,
    /// The library's root.
    pub library: PathBuf,
    /// Rules in gitignore syntax, after the defaults.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// If any: only what these match.
    #[serde(default)]
    pub include: Vec<String>,
    /// Stay on the library's file system.
    #[serde(default)]
    pub one_file_system: bool,
    /// Which of its snapshots are kept.
    #[serde(default, skip_serializing_if = "KeepSettings::is_empty")]
    pub keep: KeepSettings,
}

impl Settings {
    /// Reads and checks the file.
    pub fn load(path: &Path) -> Result<Self, EngineError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(EngineError::NoConfig { path: path.to_path_buf() });
            }
            Err(source) => return Err(EngineError::Io { what: "reading", path: path.to_path_buf(), source }),
        };
        Self::parse(path, &text)
    }

    /// Understands and checks the text of a file.
    pub fn parse(path: &Path, text: &str) -> Result<Self, EngineError> {
        let bad = |message: String| EngineError::BadConfig { path: path.to_path_buf(), message };
        let mut settings: Self = toml::from_str(text).map_err(|e| {
            let hint = crate::manual::hint(e.message()).map(|hint| format!("\n{hint}")).unwrap_or_default();
            bad(format!("{}{hint}", notify_settings::told(&e, text)))
        })?;
        settings.path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        if settings.stores.is_empty() {
            return Err(bad("there is no [[store]]: name at least one place for the repository".into()));
        }
        let jobs = || job_settings::problem(&settings, text);
        let telling = || notify_settings::problem(&settings, text);
        if let Some(problem) = settings.problem().or_else(jobs).or_else(telling) {
            return Err(bad(problem));
        }
        for (n, job) in settings.backups.iter().enumerate() {
            if job.name.is_empty() || settings.backups[..n].iter().any(|other| other.name == job.name) {
                return Err(bad(format!(
                    "[[backup]] number {}: its name `{}` is empty or stands twice",
                    n + 1,
                    job.name
                )));
            }
        }
        Ok(settings)
    }

    fn problem(&self) -> Option<String> {
        for store in &self.stores {
            let rate = store.limit_upload.as_deref().filter(|rate| parse_bytes(rate).is_none());
            let slow = rate.map(|rate| format!("limit_upload = `{rate}` is no amount such as `2 MB`"));
            if let Some(problem) = store.problem().or(slow) {
                return Some(problem);
            }
        }
        for (n, mirror) in self.mirrors.iter().enumerate() {
            if let Some(problem) = mirror.problem() {
                return Some(problem);
            }
            if self.mirrors[..n].iter().any(|other| other.name == mirror.name) {
                return Some(format!("two [[mirror]] are called `{}`", mirror.name));
            }
        }
        let of_tables = [self.ingest.problem(), self.logs.problem(), self.previews.problem(), self.cloud.problem()];
        if let Some(problem) = of_tables.into_iter().flatten().next() {
            return Some(problem);
        }
        if let Some(problem) = self.serve.as_ref().and_then(ServeSettings::problem) {
            return Some(problem);
        }
        let keep = self.backups.iter().find_map(|backup| backup.keep.problem(&backup.name));
        if let Some(problem) = keep.or_else(|| self.prune.problem()) {
            return Some(problem);
        }
        let rate = self.network.download.as_deref().filter(|rate| parse_bits(rate).is_none());
        rate.map(|rate| format!("download = `{rate}` is no rate such as `50 Mbit/s`"))
    }

    /// What the file says, as the program understood it.
    pub fn shown(&self) -> Result<String, EngineError> {
        toml::to_string(self).map_err(|e| EngineError::BadConfig { path: self.path.clone(), message: e.to_string() })
    }

    /// Writes a new file; never replaces one.
    pub fn save_new(&self) -> Result<(), EngineError> {
        use std::io::Write as _;
        let io = |source| EngineError::Io { what: "writing", path: self.path.clone(), source };
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder).map_err(io)?;
        }
        let body = self.shown()?;
        let text = format!("{HEAD}\n{body}{TAIL}");
        match fs::OpenOptions::new().write(true).create_new(true).open(&self.path) {
            Ok(mut file) => file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(io),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
                Err(EngineError::ConfigExists { path: self.path.clone() })
            }
            Err(e) => Err(io(e)),
        }
    }

    /// The file as it is now.
    pub fn text(&self) -> Result<String, EngineError> {
        fs::read_to_string(&self.path).map_err(|source| EngineError::Io {
            what: "reading",
            path: self.path.clone(),
            source,
        })
    }

    /// Replaces the file by a text that is understood, if it still is `was`: whole or not at all.
    pub fn replace(&self, was: &str, text: &str) -> Result<(), EngineError> {
        use std::io::Write as _;
        use std::os::unix::fs::PermissionsExt as _;
        Self::parse(&self.path, text)?;
        if self.text()? != was {
            return Err(EngineError::ConfigChanged { path: self.path.clone() });
        }
        let io = |source| EngineError::Io { what: "writing", path: self.path.clone(), source };
        // A link stays one.
        let path = fs::canonicalize(&self.path).map_err(io)?;
        let mode = fs::metadata(&path).map_err(io)?.permissions().mode();
        let new = path.with_extension("toml.new");
        let write = || {
            let mut file = fs::File::create(&new)?;
            file.set_permissions(fs::Permissions::from_mode(mode))?;
            file.write_all(text.as_bytes()).and_then(|()| file.sync_all())?;
            fs::rename(&new, &path)
        };
        write().map_err(io)
    }

    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    /// A path of the file, which may be relative to it.
    pub fn resolve(&self, path: &Path) -> PathBuf {
        self.folder().join(path)
    }

    /// Where catalog and secrets lie.
    pub fn state_dir(&self) -> PathBuf {
        self.resolve(&self.state)
    }

    /// A job by name; the only one where none is named.
    pub fn job(&self, name: Option<&str>) -> Result<&BackupSettings, EngineError> {
        let known = || match self.backups.is_empty() {
            true => "none. Add a [[backup]] with a name and a library".to_string(),
            false => self.backups.iter().map(|b| b.name.as_str()).collect::<Vec<_>>().join(", "),
        };
        match (name, &self.backups[..]) {
            (None, [only]) => Ok(only),
            (name, all) => all
                .iter()
                .find(|b| Some(b.name.as_str()) == name)
                .ok_or_else(|| EngineError::NoJob { job: name.unwrap_or("(none named)").to_string(), known: known() }),
        }
    }
}

const HEAD: &str = "\
# Darkslide's configuration of this machine. Paths may be relative to this file.
# The secrets are elsewhere: those of this machine (it can back up, but open
# nothing) below `state`, the identity wherever you put it away.
";

const TAIL: &str = "
# In each [[backup]]: rules in gitignore syntax, one by one. Rebuildable previews,
# .DS_Store, Thumbs.db, NAS folders such as @eaDir and lock files are left out
# anyway; `!pattern` takes them back.
#   exclude = [\"*.mov\", \"/private/\"]
#   include = [\"*.CR3\"]            # only what matches
#   one_file_system = true         # do not enter mount points
#
# What each key means: `darkslide config explain KEY`.
#
# A second copy, on another disk or in a bucket: one more
#   [[store]]
#   path = \"/mnt/usb/darkslide\"
# or
#   [[store]]
#   url = \"s3://bucket/prefix\"
#   region = \"eu-central-1\"
#   profile = \"darkslide-writer\"      # of ~/.aws; reader_profile for thaws and restores
#   class = \"DEEP_ARCHIVE\"            # of packs
#   limit_upload = \"2 MB/s\"
#
# Hard limits of what is spent, in US dollars, and how fast the line is:
#   [budget]
#   per_run = \"5.00\"
#   per_month = \"20.00\"
#   [network]
#   download = \"50 Mbit/s\"
#   batch_from = 1000                  # packs, with [store.batch]
#
# Cards go into the library, and to further targets at once:
#   [ingest]
#   second = [\"/mnt/usb/photos\"]
#   template = \"{date:%Y}/{date:%Y-%m-%d}_{job}/{name}\"
#   day_starts = \"03:00\"
# A card may be formatted when each file has so many verified copies, on so many media:
#   [safe]
#   copies = 2
#   places = 2
#   off_site = false
# The library, verbatim in a second place:
#   [[mirror]]
#   name = \"nas\"
#   target = \"/mnt/nas/photos\"
#   trash_days = 30
#   trash_max = \"200 GB\"
#   brake_files = 100                  # more deletions or changes than this,
#   brake_percent = 10                 # and than this share of the mirror, stop a run
#
# What runs by itself (`darkslide daemon`, `darkslide schedule`):
#   [[job]]
#   name = \"mirror\"
#   kind = \"mirror\"                  # ingest, mirror, backup, catalogs, audit, scrub, drill,
#   schedule = \"nightly 02:00\"       # forget, prune, forget+prune
#   [[job]]                            # `hourly`, `weekly sun 03:00`, `every 2 weeks`, `every 6 hours`,
#   name = \"backup\"                  # `monthly 1 04:00`, `after JOB`, or cron: `0 2 * * *`
#   kind = \"backup\"
#   schedule = \"after mirror\"
#   not = [\"18:00-23:00\"]            # waits, and stops where it is running
#   jitter = \"30 min\"
#   limit_upload = \"2 MB\"
#   on_battery = \"skip\"
#   metered = \"skip\"
#   timeout = \"12h\"
#   [daemon]
#   no_backup_for = \"7 days\"         # then somebody is told
#   [logs]
#   keep = \"30d\"
#   max = \"200 MB\"
#
# Thumbnails and what photographs tell of themselves go sealed into the repository with each backup:
#   [previews]
#   make = true
#   cache_max = \"10 GB\"              # plain thumbnails that are kept on this machine
#
# Who hears when something is wrong (`darkslide notify test` tries it), and what runs around jobs.
# Secrets stand elsewhere: { file = ... } of mode 0600, { env = ... } or { keyring = ... }:
#   [[notify]]
#   name = \"phone\"
#   kind = \"ntfy\"                    # webhook, email, sns, command, ping
#   topic = { file = \"ntfy.topic\" }
#   on = [\"failure\", \"recovered\", \"no-backup-for\"]
#   [[hook]]
#   name = \"mount\"
#   on = \"before\"                    # after, or an event
#   command = [\"/usr/local/bin/mount-nas\"]
#   required = true
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_told_with_their_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("darkslide.toml");
        let good = "state = \"s\"\n[repository]\nid = \"00\"\nowner = \"x\"\n[[store]]\npath = \"r\"\n";
        fs::write(&path, good).unwrap();
        let settings = Settings::load(&path).unwrap();
        assert_eq!(settings.state_dir(), folder.path().join("s"));
        assert!(settings.job(None).is_err());
        fs::write(&path, good.replace("path = \"r\"", "pth = \"r\"")).unwrap();
        let error = Settings::load(&path).unwrap_err().to_string();
        assert!(error.contains("pth") && error.contains("line 6"), "{error}");
        assert!(matches!(Settings::load(&folder.path().join("none")), Err(EngineError::NoConfig { .. })));
        let mut new = settings.clone();
        assert!(matches!(new.save_new(), Err(EngineError::ConfigExists { .. })));
        new.path = folder.path().join("new/darkslide.toml");
        new.save_new().unwrap();
        assert_eq!(Settings::load(&new.path).unwrap().stores, settings.stores);
    }

    #[test]
    fn a_text_is_kept_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("darkslide.toml");
        let text = "# mine\nstate = \"s\"\n[repository]\nid = \"00\"\nowner = \"x\"\n[[store]]\npath = \"r\"\n";
        fs::write(&path, text).unwrap();
        let settings = Settings::load(&path).unwrap();
        let wrong = settings.replace(text, &text.replace("path", "pth")).unwrap_err();
        assert!(wrong.to_string().contains("path"), "{wrong}");
        let stale = settings.replace("something else", text).unwrap_err();
        assert!(matches!(stale, EngineError::ConfigChanged { .. }));
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        let better = text.replace("\"s\"", "\"t\" # still mine");
        settings.replace(text, &better).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), better);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    }
}
