//! `vault`: what has to do with Glacier vaults beside backing up and restoring.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use darkslide_engine::provision::policy::keep_archives;
use darkslide_engine::vault::{EVENTS, InventoryState, Job, Notifications, Reconciled, RetrievalPolicy, VaultInfo};
use darkslide_engine::words::{Bytes, Money, Tier};
use darkslide_engine::{Engine, OpenVault, Payer, StoreSettings, parse_bytes, short, visit_vault};
use serde_json::json;

use crate::args::{
    InventoryCommand, LockCommand, NotifyVault, PolicyCommand, RetrievalCommand, TagsCommand, Vault, VaultCommand,
    Which,
};
use crate::output::{self, Exit};
use crate::{confirm, wiring};

/// A vault, and the engine and settings that it was opened with.
struct At {
    engine: Option<Engine>,
    settings: StoreSettings,
    vault: OpenVault,
}

impl At {
    /// The repository, where there is one.
    fn payer(&self) -> Payer<'_> {
        self.engine.as_ref().map_or(Payer::Visitor, Payer::Repository)
    }
}

/// Runs a command.
pub fn run(config: Option<PathBuf>, args: Vault) -> Result<Exit> {
    if let VaultCommand::Rebuild { set, json } = &args.command {
        return super::vault_rebuild::rebuild(config, &args.which, set.as_deref(), json.json);
    }
    let at = reach(config, &args)?;
    let vault = at.vault.get();
    match args.command {
        VaultCommand::List(json) => list(&vault.vaults()?, json.json),
        VaultCommand::Inventory(command) => inventory(&at, command),
        VaultCommand::Jobs(json) => jobs(&vault.jobs()?, json.json),
        VaultCommand::Retrieve { archives, tier, max_cost, yes, json } => {
            retrieve(&at, &archives, tier, max_cost, (yes, json.json))
        }
        VaultCommand::Fetch { job, to, json } => fetch(&at, &job, &to, json.json),
        VaultCommand::Discard { archives, yes, json } => discard(&at, &archives, yes, json.json),
        VaultCommand::Sweep(json) => {
            let swept = vault.sweep_uploads()?;
            match json.json {
                true => output::value(&json!({"ended": swept})),
                false => output::line(format_args!("{swept} uploads were ended")),
            }
            Ok(Exit::Ok)
        }
        VaultCommand::Notify(command) => notify(&at, command),
        VaultCommand::Policy(command) => policy(&at, command),
        VaultCommand::Tags(command) => tags(&at, command),
        VaultCommand::Lock(command) => lock(&at, command),
        VaultCommand::RetrievalPolicy(command) => retrieval_policy(&at, command),
        VaultCommand::Import(command) => super::vault_import::import(at.payer(), &at.settings, &at.vault, command),
        VaultCommand::Leave { to, class, tier, max_cost, empty, yes, json } => {
            let order = super::vault_leave::Order { to, class, tier, max_cost, empty, yes, as_json: json.json };
            super::vault_leave::leave(at.engine.as_ref(), &at.settings, &args.which, &order)
        }
        VaultCommand::Rebuild { .. } => Ok(Exit::Ok),
    }
}

/// The settings of a vault that is not configured.
pub(super) fn unconfigured(which: &Which, name: &str, config: &std::path::Path) -> StoreSettings {
    let name = name.trim_start_matches("glacier://").trim_end_matches('/');
    let folder = config.with_file_name("darkslide-vaults");
    StoreSettings {
        region: which.region.clone(),
        profile: which.profile.clone(),
        endpoint: which.endpoint.clone(),
        record: Some(folder.join(format!("{name}.sqlite"))),
        ..StoreSettings::parse(&format!("glacier://{name}"))
    }
}

fn reach(config: Option<PathBuf>, args: &Vault) -> Result<At> {
    let path = wiring::config_path(config.clone());
    let which = &args.which;
    let engine = match path.exists() {
        true => Some(wiring::reader(config)?),
        false => None,
    };
    // All vaults of an account need none of them.
    let list = matches!(args.command, VaultCommand::List(_)) && which.vault.is_none();
    let configured = match &engine {
        Some(engine) if !list => engine.vault_settings(which.vault.as_deref())?,
        Some(engine) => engine.vault_settings(None).ok().flatten(),
        None => None,
    };
    if let (Some(open), Some(settings)) = (&engine, configured) {
        let vault = open.open_vault(&settings)?;
        return Ok(At { settings, vault, engine });
    }
    let name = match (&which.vault, list) {
        (Some(name), _) => name.as_str(),
        (None, true) => "any",
        (None, false) => anyhow::bail!("name the vault by --vault, or add a [[store]] with its `url`"),
    };
    let settings = unconfigured(which, name, &path);
    let vault = visit_vault(&settings, &*wiring::opener())?;
    Ok(At { settings, vault, engine })
}

fn list(vaults: &[VaultInfo], as_json: bool) -> Result<Exit> {
    if as_json {
        output::value(&json!(vaults));
        return Ok(Exit::Ok);
    }
    for vault in vaults {
        let seen =
            vault.inventoried.map_or("no inventory yet".to_string(), |at| format!("inventory of {}", at.local()));
        output::line(format_args!(
            "{:<30} {:>10} archives {:>12}  {seen}",
            vault.name,
            vault.archives.0,
            vault.bytes.to_string()
        ));
    }
    Ok(Exit::Ok)
}

fn inventory(at: &At, command: InventoryCommand) -> Result<Exit> {
    let vault = at.vault.get();
    match command {
        InventoryCommand::Start(json) => {
            let job = vault.start_inventory()?;
            match json.json {
                true => output::value(&json!({"job": job})),
                false => output::line(format_args!(
                    "Asked for, as job {job}. It takes hours: `darkslide vault inventory show`"
                )),
            }
            Ok(Exit::Waiting)
        }
        InventoryCommand::Wait { every, json } => {
            vault.start_inventory()?;
            loop {
                if let InventoryState::Read(made) = vault.inventory()? {
                    return Ok(tell(&made, json.json));
                }
                if !pause(every) {
                    return Ok(Exit::Cancelled);
                }
            }
        }
        InventoryCommand::Show { csv, json } => show(at, csv, json.json),
    }
}

/// Waits, unless the user ends it.
fn pause(time: Duration) -> bool {
    let step = Duration::from_millis(200).min(time);
    let mut left = time;
    while !left.is_zero() {
        if wiring::interrupted() {
            return false;
        }
        std::thread::sleep(step.min(left));
        left = left.saturating_sub(step);
    }
    !wiring::interrupted()
}

fn tell(made: &Reconciled, as_json: bool) -> Exit {
    if as_json {
        output::value(&json!(made));
    } else {
        output::line(format_args!("Inventory of {}: {} archives", made.date.local(), made.archives));
        output::line(format_args!(
            "  {} of this repository, {} of them new to this machine",
            made.known + made.found,
            made.found
        ));
        for (count, what) in [
            (made.too_new, "too new for the inventory"),
            (made.duplicates, "second copies of an upload"),
            (made.foreign, "not this repository's; left alone"),
            (made.missing, "MISSING: older than the inventory, and not in it"),
            (made.different, "DIFFERENT: another size or tree hash than was uploaded"),
        ] {
            if count.0 > 0 {
                output::line(format_args!("  {count} {what}"));
            }
        }
    }
    if made.missing.0 + made.different.0 > 0 { Exit::Failed } else { Exit::Ok }
}

fn show(at: &At, csv: bool, as_json: bool) -> Result<Exit> {
    let vault = at.vault.get();
    let state = vault.inventory()?;
    let last = vault.last_inventory()?;
    let archives = at.vault.archives()?;
    let working = matches!(state, InventoryState::Working { .. });
    if as_json {
        output::value(&json!({"state": state, "inventory": last, "archives": archives, "doubtful": vault.doubtful()?}));
    } else if csv {
        output::line("archive,standing,object,bytes,tree_hash,created,description");
        for a in &archives {
            let name = a.name.as_ref().map(ToString::to_string).unwrap_or_default();
            let (word, created) = (a.standing.word(), a.created.to_rfc3339_seconds());
            output::line(format_args!(
                "{},{word},{name},{},{},{created},{}",
                a.id,
                a.size.0,
                a.tree,
                quoted(&a.description)
            ));
        }
    } else {
        for a in &archives {
            let what = a.name.as_ref().map_or_else(|| a.description.clone(), ToString::to_string);
            output::line(format_args!("{:<9} {:>12} {}  {what}", a.standing.word(), a.size.to_string(), short(&a.id)));
        }
    }
    match (last, working) {
        (Some(made), false) if !csv && !as_json => Ok(tell(&made, false)),
        (Some(made), false) => Ok(if made.missing.0 + made.different.0 > 0 { Exit::Failed } else { Exit::Ok }),
        (_, true) => {
            eprintln!("The inventory is still being made.");
            Ok(Exit::Waiting)
        }
        (None, false) => {
            eprintln!("No inventory was read yet: `darkslide vault inventory start`");
            Ok(Exit::Ok)
        }
    }
}

/// A field of CSV.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

fn jobs(jobs: &[Job], as_json: bool) -> Result<Exit> {
    if as_json {
        output::value(&json!(jobs));
        return Ok(Exit::Ok);
    }
    for job in jobs {
        let what = match (&job.name, &job.archive) {
            (Some(name), _) => name.to_string(),
            (None, Some(archive)) => format!("archive {}", short(archive)),
            (None, None) => "inventory".into(),
        };
        let part = job.span.map(|s| format!(" bytes {}-{}", s.from, s.to.saturating_sub(1))).unwrap_or_default();
        let until = job.until.map(|at| format!(", until about {}", at.local())).unwrap_or_default();
        let state = format!("{:?}", job.state).to_lowercase();
        output::line(format_args!("{}  {state}{until}  {what}{part}", job.id));
    }
    Ok(Exit::Ok)
}

fn retrieve(
    at: &At,
    ids: &[String],
    tier: Tier,
    max_cost: Option<Money>,
    (yes, as_json): (bool, bool),
) -> Result<Exit> {
    let known = at.vault.archives()?;
    let mut archives = Vec::with_capacity(ids.len());
    for id in ids {
        let found: Vec<_> = known.iter().filter(|a| a.id.starts_with(id.as_str())).collect();
        match found[..] {
            [one] => archives.push(one.clone()),
            [] => {
                anyhow::bail!("no archive {id} is known: read an inventory first (`darkslide vault inventory start`)")
            }
            _ => anyhow::bail!("{id} begins the ids of {} archives", found.len()),
        }
    }
    let quote = at.payer().quote(&at.settings, &archives, tier)?;
    let total = quote.total();
    let what = format!("{quote}\nTo ask for {} archives at the tier {tier} costs about {total}.", archives.len());
    if !confirm::spend(&what, yes)? {
        return Ok(Exit::Refused);
    }
    let jobs = at.payer().retrieve(&at.vault, &archives, tier, total, max_cost)?;
    match as_json {
        true => output::value(&json!({"jobs": jobs, "quoted": total})),
        false => jobs.iter().for_each(output::line),
    }
    Ok(Exit::Waiting)
}

fn fetch(at: &At, job: &str, to: &std::path::Path, as_json: bool) -> Result<Exit> {
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(to)
        .with_context(|| format!("making {}", to.display()))?;
    let fetched = at.vault.get().fetch(job, &mut file).and_then(|done| {
        let io = |source| darkslide_store::StoreError::Io { store: at.vault.label(), what: "writing".into(), source };
        file.sync_all().map_err(io).map(|()| done)
    });
    let (bytes, vouched) = match fetched {
        Ok(done) => done,
        Err(error) => {
            // What is not whole is not left there as if it were.
            let _ = std::fs::remove_file(to);
            return Err(error.into());
        }
    };
    let word = if vouched { "checked by its tree hash" } else { "the service gave no tree hash for this part" };
    match as_json {
        true => output::value(&json!({"bytes": bytes, "verified": vouched})),
        false => output::line(format_args!("{bytes} fetched, {word}")),
    }
    Ok(Exit::Ok)
}

fn discard(at: &At, archives: &[String], yes: bool, as_json: bool) -> Result<Exit> {
    let what = format!(
        "{} archives would be deleted for good. What is younger than 90 days is billed for the rest of them.",
        archives.len()
    );
    if !confirm::spend(&what, yes)? {
        return Ok(Exit::Refused);
    }
    archives.iter().try_for_each(|archive| at.vault.get().discard(archive))?;
    match as_json {
        true => output::value(&json!({"deleted": archives})),
        false => output::line(format_args!("{} archives deleted", archives.len())),
    }
    Ok(Exit::Ok)
}

fn notify(at: &At, command: NotifyVault) -> Result<Exit> {
    let vault = at.vault.get();
    match command {
        NotifyVault::Show(json) => match (vault.notifications()?, json.json) {
            (told, true) => output::value(&json!(told)),
            (Some(told), false) => output::line(format_args!("{}: {}", told.topic, told.events.join(", "))),
            (None, false) => output::line("nobody is told"),
        },
        NotifyVault::Set { topic, events } => {
            let events = if events.is_empty() { EVENTS.map(str::to_string).to_vec() } else { events };
            if let Some(odd) = events.iter().find(|event| !EVENTS.contains(&event.as_str())) {
                anyhow::bail!("`{odd}` is no event of a vault: there are {}", EVENTS.join(" and "));
            }
            vault.set_notifications(Some(&Notifications { topic, events }))?;
        }
        NotifyVault::Clear => vault.set_notifications(None)?,
    }
    Ok(Exit::Ok)
}

/// A policy out of a file: JSON, at least.
fn read_policy(file: &std::path::Path) -> Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    serde_json::from_str::<serde_json::Value>(&text).with_context(|| format!("{} is no JSON", file.display()))?;
    Ok(text)
}

fn policy(at: &At, command: PolicyCommand) -> Result<Exit> {
    let vault = at.vault.get();
    match command {
        PolicyCommand::Show(json) => match (vault.access_policy()?, json.json) {
            (policy, true) => output::value(&json!({"policy": policy})),
            (Some(policy), false) => output::line(policy),
            (None, false) => output::line("it has none"),
        },
        PolicyCommand::Set { file } => vault.set_access_policy(Some(&read_policy(&file)?))?,
        PolicyCommand::Clear => vault.set_access_policy(None)?,
    }
    Ok(Exit::Ok)
}

fn tags(at: &At, command: TagsCommand) -> Result<Exit> {
    let vault = at.vault.get();
    match command {
        TagsCommand::List(json) => {
            let tags = vault.tags()?;
            match json.json {
                true => output::value(&json!(tags)),
                false => tags.iter().for_each(|(key, value)| output::line(format_args!("{key}={value}"))),
            }
        }
        TagsCommand::Add { tags } => vault.add_tags(&tags.into_iter().collect())?,
        TagsCommand::Remove { keys } => vault.remove_tags(&keys)?,
    }
    Ok(Exit::Ok)
}

fn lock(at: &At, command: LockCommand) -> Result<Exit> {
    let vault = at.vault.get();
    match command {
        LockCommand::Show(json) => match (vault.lock()?, json.json) {
            (lock, true) => output::value(&json!(lock)),
            (Some(lock), false) => {
                let until = lock.expires.map(|at| format!(", lapses {}", at.local())).unwrap_or_default();
                output::line(format_args!("{}{until}", lock.state));
                output::line(lock.policy);
            }
            (None, false) => output::line("it has none"),
        },
        LockCommand::Initiate { file, keep_days, json } => {
            let policy = match (&file, keep_days) {
                (Some(file), _) => read_policy(file)?,
                (None, days) => {
                    let name = at.settings.vault().unwrap_or_default();
                    let arn = vault.vaults()?.into_iter().find(|found| found.name == name).map(|found| found.arn);
                    let arn = arn.with_context(|| format!("there is no vault {name} here"))?;
                    keep_archives(&arn, days.unwrap_or_default()).to_string()
                }
            };
            let id = vault.initiate_lock(&policy)?;
            match json.json {
                true => output::value(&json!({"lock": id})),
                false => output::line(&id),
            }
            eprintln!(
                "It holds from now on, so try it: it lapses in 24 hours. `darkslide vault lock complete -- {id}` makes it \
                 stay for ever, `darkslide vault lock abort` ends it."
            );
        }
        LockCommand::Complete { id, i_mean } => {
            let name = at.settings.vault().unwrap_or_default();
            let policy = vault.lock()?.map(|lock| lock.policy).unwrap_or_default();
            let what = format!(
                "{policy}\nA lock that is complete can never be changed or removed, by nobody, while the vault exists."
            );
            if !confirm::typed(&what, "the vault's name", name, i_mean.as_deref())? {
                return Ok(Exit::Refused);
            }
            vault.complete_lock(&id)?;
        }
        LockCommand::Abort => vault.abort_lock()?,
    }
    Ok(Exit::Ok)
}

fn retrieval_policy(at: &At, command: RetrievalCommand) -> Result<Exit> {
    let vault = at.vault.get();
    match command {
        RetrievalCommand::Show(json) => {
            let policy = vault.retrieval_policy()?;
            let text = match policy {
                RetrievalPolicy::None => "no limit".to_string(),
                RetrievalPolicy::FreeTier => "what is free; all else at the tier standard is refused".into(),
                RetrievalPolicy::BytesPerHour { bytes } => format!("{bytes} an hour at the tier standard"),
            };
            match json.json {
                true => output::value(&json!(policy)),
                false => output::line(text),
            }
        }
        RetrievalCommand::Set { rule } => {
            let policy = match (rule.as_str(), parse_bytes(&rule)) {
                ("none", _) => RetrievalPolicy::None,
                ("free-tier", _) => RetrievalPolicy::FreeTier,
                (_, Some(bytes)) => RetrievalPolicy::BytesPerHour { bytes: Bytes(bytes) },
                (_, None) => anyhow::bail!("`{rule}` is none of `none`, `free-tier`, or an amount such as `5 GB`"),
            };
            vault.set_retrieval_policy(policy)?;
        }
    }
    Ok(Exit::Ok)
}
