//! What Darkslide does, as functions: found a repository, join one, back up,
//! browse, restore, check, manage keys and writers.
//!
//! Level 3. **Invariant:** the API boundary. No HTTP, no arguments, no terminal, no
//! `$HOME`; concrete stores come from the caller through [`StoreOpener`].

mod alarms;
mod arriving;
mod backup;
mod browse;
mod catalogs;
mod check;
mod cloud;
mod cloud_checked;
mod cloud_export;
mod cloud_settings;
mod cold_checksums;
mod cold_world;
mod conditions;
mod copies;
mod costs;
mod daemon;
mod diff;
mod doctor;
mod drill;
mod error;
mod events;
mod founding;
mod history;
mod identity_use;
mod importing;
mod index_sync;
mod ingesting;
mod job_settings;
mod jobs;
mod joining;
mod leaving;
mod local_settings;
mod locks;
mod loss;
mod manual;
mod media;
mod metered;
mod mirroring;
mod notify_settings;
mod notifying;
mod overview;
mod owner;
mod photographs;
mod previewing;
mod pricing;
mod pruning;
mod pulse;
mod recorded;
mod repair;
mod repository;
mod restoring;
mod retention;
mod retention_settings;
mod runs;
mod schedule;
mod secrets;
mod serve_settings;
mod settings;
mod status;
mod store_settings;
mod thaw_choices;
mod thaw_order;
mod thawing;
mod todo;
mod vaults;

use std::path::PathBuf;
use std::sync::Arc;

use darkslide_store::{Store, StoreError};
use darkslide_words::Clock;

pub use arriving::{ArrivalPreviews, IngestDone};
pub use backup::{BackupDone, BackupOptions};
pub use browse::{Found, Line, Recursive, SnapshotInfo};
pub use catalogs::CatalogInfo;
pub use check::CheckOptions;
pub use cloud::{CloudAccess, CloudOpener, CloudSetup};
pub use cloud_checked::{CloudChecked, CloudIdentity};
pub use cloud_export::{ExportOf, ExportPlace, export_for_nas};
pub use cloud_settings::{
    BoundarySetting, CloudSettings, InventorySetting, KeyPlace, LockSetting, NasKind, NasSetting, VaultSetting,
};
pub use cold_world::{ColdWorld, Inventory};
pub use daemon::{Daemon, Ended, Hands, INSERTION, OnlyDaemon, Order, TURN_MAX, Turn};
pub use darkslide_audit::{Finding, Report, Rotated, Rotation, Sample, Severity, Sums};
pub use darkslide_format::config::PackSizes;
pub use darkslide_format::identity::IdentityFile;
pub use darkslide_format::previews::PreviewFacts;
pub use darkslide_format::snapshot::Counts;
pub use darkslide_format::tree::EntryKind;
pub use darkslide_format::trust::Standing;
pub use darkslide_format::{FormatError, paper, recover};
pub use darkslide_ingest::mhl::{MhlFinding, MhlReport};
pub use darkslide_ingest::{Card, CardState, IngestPlan, Ingested, Verdict, Volume};
pub use darkslide_mirror::{Agrees, Brake, Healed, MirrorPlan, Mirrored, Rot, Verified};
pub use darkslide_notify::Delivery;
pub use darkslide_provision as provision;
pub use darkslide_restore::{Casualty, Existing, RestorePlan, Restored};
pub use darkslide_snapshot::previews;
pub use darkslide_snapshot::{DEFAULT_EXCLUDES, Failure};
pub use darkslide_words as words;
pub use diff::{Change, Difference};
pub use doctor::{Finding as Diagnosis, Health};
pub use drill::{DRILL_COST, DrillOutcome};
pub use error::{EngineError, ErrorKind};
pub use events::{Announce, Before, Event, EventKind, Silence, Starting};
pub use founding::{Founded, Founder, InitOptions};
pub use history::PastMonth;
pub use identity_use::Restorer;
pub use importing::{ImportOptions, Imported};
pub use ingesting::IngestOptions;
pub use job_settings::{DaemonSettings, JobKind, JobSettings, LogSettings, OnCondition, Role, SCRUB_EVERY};
pub use jobs::{JobDone, JobMeans, JobPlan, Watch};
pub use joining::{JoinWith, Joined, OpenOptions};
pub use leaving::{LeaveOptions, LeavePlan, Leaving, Left};
pub use local_settings::{IngestSettings, MirrorSettings, SafeSettings, TEMPLATE};
pub use locks::Locks;
pub use loss::{Loss, LossAt, thaws_anything};
pub use manual::{Key, explain, keys, nearest};
pub use notify_settings::{ChannelKind, HookSettings, NotifySettings};
pub use notifying::{ChannelInfo, Dispatcher, StopSign};
pub use overview::{Lacking, Overview};
pub use owner::{RecipientInfo, WriterInfo};
pub use photographs::{
    CELLS_MAX, Photograph, PhotographAsk, PhotographCell, PhotographCopy, PhotographDetail, PhotographFacets,
    PhotographFile, PhotographOrder, PhotographPage, PhotographState, Timeline, area_of,
};
pub use previewing::{PreviewSettings, PreviewStatus, PreviewsFetched};
pub use pricing::builtin_prices;
pub use pruning::{PruneDone, PruneOptions};
pub use pulse::{JobPulse, LibraryPulse, Pulse};
pub use repair::{Cure, Harm, Hopeless, Mend, RepairOptions, RepairPlan, Repaired, Unprotected};
pub use restoring::RestoreOptions;
pub use retention::{ForgetOptions, Forgotten};
pub use retention_settings::{KeepSettings, PruneSettings};
pub use runs::{Level, LogLine, RunStop, StartedBy};
pub use schedule::{Decision, Due, Held, Schedule, ScheduleError, Windows, parse_span, span_text};
pub use serve_settings::ServeSettings;
pub use settings::{BackupSettings, BudgetSettings, NetworkSettings, Settings};
pub use status::{JobStatus, Status, StoreStatus};
pub use store_settings::{
    BatchSettings, ChecksumSetting, ChecksumsWhen, Media, StoreSettings, parse_bits, parse_bytes, parse_percent,
};

pub use cold_checksums::{ColdChecksums, StoreChecksums};
pub use conditions::{Conditions, Senses};
pub use copies::{
    CopiesGroup, CopiesPlace, CopiesReport, CopiesRule, CopiesSettings, GroupBy, Standing as CopiesStanding,
};
pub use costs::{Bills, CostReport, StoreCost};
pub use darkslide_audit::prune::{Act, EarlyDeletion, PrunePlan, Pruned, Unit, Wait, Waiting};
pub use darkslide_audit::retention::{Author, Fate, Judged, Period, RetentionPlan, Rules, SnapshotFacts, Vouched};
pub use darkslide_catalog::{
    Facet, LedgerRow, MonthCount, PhotographId, PreviewStats, RunOrigin, RunOutcome, RunRow, ThawState,
};
pub use darkslide_price::{Holding as PriceHolding, Line as PriceLine, Quote};
pub use darkslide_store::vault;
pub use darkslide_thaw::{Cancelled, Progress as ThawProgress, Stop, ThawPlan, Upgrade};
pub use thaw_choices::{StoppedThaw, ThawPack};
pub use thawing::{ColdRestore, RestoreQuote, ThawInfo, ThawOptions};
pub use todo::ago;
pub use vaults::{OpenVault, Payer, short, visit_vault};

/// The cards that are in.
pub fn cards() -> Vec<Volume> {
    darkslide_ingest::cards()
}

/// Checks a folder against its MHL manifests, or one manifest.
pub fn verify_mhl(path: &std::path::Path, observer: &dyn observe::IngestObserver) -> Result<MhlReport, EngineError> {
    Ok(darkslide_ingest::mhl::verify(&darkslide_disk::RealDisk, path, observer)?)
}

/// Watchers of the kinds of long work.
pub mod observe {
    pub use darkslide_audit::{Observer as CheckObserver, Progress as CheckProgress};
    pub use darkslide_ingest::{Observer as IngestObserver, Progress as IngestProgress};
    pub use darkslide_mirror::{Observer as MirrorObserver, Progress as MirrorProgress};
    pub use darkslide_restore::{Observer as RestoreObserver, Progress as RestoreProgress};
    pub use darkslide_snapshot::{Observer as BackupObserver, Progress as BackupProgress};
}

/// Makes concrete stores from settings.
pub trait StoreOpener: Send + Sync {
    /// Makes the place where it is absent.
    fn create(&self, settings: &StoreSettings) -> Result<Arc<dyn Store>, StoreError>;
    /// Opens a place that exists.
    fn open(&self, settings: &StoreSettings) -> Result<Arc<dyn Store>, StoreError>;
    /// Opens a vault that is no store of a repository.
    fn visit(&self, settings: &StoreSettings) -> Result<Arc<dyn Store>, StoreError> {
        Err(no_vaults(settings))
    }
    /// Opens a vault whose companion is new, for the set of archives with this id.
    fn rebuild(&self, settings: &StoreSettings, _set: &str) -> Result<Arc<dyn Store>, StoreError> {
        Err(no_vaults(settings))
    }
    /// Reaches the account behind the buckets; nothing where there is none.
    fn cloud(&self) -> Option<&dyn CloudOpener> {
        None
    }
}

fn no_vaults(settings: &StoreSettings) -> StoreError {
    StoreError::Setup {
        store: settings.label(),
        why: "is a vault, and nothing here opens vaults".into(),
        advice: "use the program `darkslide`".into(),
    }
}

/// A configured Darkslide.
pub struct Engine {
    pub(crate) settings: Settings,
    pub(crate) opener: Arc<dyn StoreOpener>,
    pub(crate) clock: Arc<dyn Clock>,
    /// True where it opens stores with the identity that may thaw and read packs.
    pub(crate) reads: bool,
    /// Who or what starts its runs.
    pub(crate) by: StartedBy,
    /// What tells its runs to end, beside their watchers.
    pub(crate) stop: Option<Arc<RunStop>>,
    /// Who hears of events.
    pub(crate) announce: Arc<dyn Announce>,
    /// The time zone of schedules.
    pub(crate) zone: jiff::tz::TimeZone,
    /// Makes previews.
    pub(crate) maker: Arc<dyn previews::Maker>,
}

impl Engine {
    /// Reads the configuration file.
    pub fn load(
        config: &std::path::Path,
        opener: Arc<dyn StoreOpener>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, EngineError> {
        Ok(Self::new(Settings::load(config)?, opener, clock))
    }

    pub(crate) fn new(settings: Settings, opener: Arc<dyn StoreOpener>, clock: Arc<dyn Clock>) -> Self {
        let (by, stop, announce) = (StartedBy::default(), None, Arc::new(Silence));
        let (zone, maker) = (jiff::tz::TimeZone::system(), Arc::new(previews::InProcess));
        Self { settings, opener, clock, reads: false, by, stop, announce, zone, maker }
    }

    /// The same, with previews made by this: one that bounds time and memory of hostile files.
    pub fn with_maker(self, maker: Arc<dyn previews::Maker>) -> Self {
        Self { maker, ..self }
    }

    /// The same, with the identity of `reader_profile` where a store names one: for
    /// thaws and restores.
    pub fn for_reading(self) -> Self {
        Self { reads: true, ..self }
    }

    /// The same, with the identity of `auditor_profile` where a store names one: for audits.
    pub fn for_auditing(mut self) -> Self {
        self.settings.stores.iter_mut().for_each(|store| *store = store.for_auditing());
        self
    }

    /// The same, with prices from this file.
    pub fn with_prices(mut self, file: &std::path::Path) -> Self {
        self.settings.budget.prices = Some(founding::absolute(file));
        self
    }

    /// The same, sending so much a second at most to each bucket (such as `2 MB`).
    pub fn with_limit_upload(mut self, rate: &str) -> Self {
        for store in self.settings.stores.iter_mut().filter(|store| store.url.is_some()) {
            store.limit_upload = Some(rate.to_string());
        }
        self
    }

    /// The configured stores, with absolute paths.
    pub fn store_settings(&self) -> Vec<StoreSettings> {
        let state = self.settings.state_dir();
        let resolved = |s: &StoreSettings| s.absolute(|path| self.settings.resolve(path)).recorded(&state);
        self.settings.stores.iter().map(resolved).collect()
    }

    /// The configuration.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn catalog_path(&self) -> PathBuf {
        self.settings.state_dir().join("catalog.sqlite")
    }
}

/// What this program writes into snapshots.
pub const TOOL: &str = concat!("darkslide ", env!("CARGO_PKG_VERSION"));
