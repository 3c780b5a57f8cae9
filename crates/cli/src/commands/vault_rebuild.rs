//! `vault rebuild`: a vault whose companion was lost.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use darkslide_engine::vault::InventoryState;
use darkslide_engine::visit_vault;
use darkslide_store_glacier::sets_of;
use serde_json::json;

use super::vault::unconfigured;
use crate::args::Which;
use crate::output::{self, Exit};
use crate::wiring;

/// First an inventory, to see whose archives there are; then the companion; then, from the same
/// inventory, its receipts.
pub fn rebuild(config: Option<PathBuf>, which: &Which, set: Option<&str>, as_json: bool) -> Result<Exit> {
    let engine = wiring::reader(config.clone())?;
    let Some(settings) = engine.vault_settings(which.vault.as_deref())? else {
        anyhow::bail!("that vault is no [[store]] of the configuration");
    };
    let set = match set {
        Some(set) => set.to_string(),
        None => {
            let looking = Which {
                vault: None,
                region: settings.region.clone(),
                profile: settings.profile.clone(),
                endpoint: settings.endpoint.clone(),
            };
            let path = wiring::config_path(config);
            let mut visited = unconfigured(&looking, settings.vault().unwrap_or_default(), &path);
            visited.account.clone_from(&settings.account);
            let vault = visit_vault(&visited, &*wiring::opener())?;
            match only_set(&vault)? {
                Some(set) => set,
                None => return Ok(Exit::Waiting),
            }
        }
    };
    let vault = engine.rebuild_vault(&settings, &set)?;
    vault.get().start_inventory()?;
    let state = vault.get().inventory()?;
    if as_json {
        output::value(&json!({"set": set, "state": state}));
    }
    match state {
        InventoryState::Read(made) => {
            if !as_json {
                output::line(format_args!("{} archives of the set {set} are known again", made.found + made.known));
            }
            Ok(Exit::Ok)
        }
        _ => {
            eprintln!(
                "The companion is made. Its receipts come from an inventory, which takes hours: run the same again."
            );
            Ok(Exit::Waiting)
        }
    }
}

/// The only set of archives in a vault; nothing while an inventory is being made.
fn only_set(vault: &darkslide_engine::OpenVault) -> Result<Option<String>> {
    let mut sets: BTreeMap<String, u64> = sets_of(vault.get())?;
    if sets.is_empty() {
        vault.get().start_inventory()?;
        if matches!(vault.get().inventory()?, InventoryState::Working { .. }) {
            eprintln!(
                "To see whose archives the vault holds takes an inventory, which is being made: run the same again in hours."
            );
            return Ok(None);
        }
        sets = sets_of(vault.get())?;
    }
    match sets.len() {
        1 => Ok(sets.into_keys().next()),
        0 => anyhow::bail!("the vault holds no archive that a Darkslide wrote"),
        _ => {
            let all: Vec<String> = sets.iter().map(|(set, n)| format!("{set} ({n} archives)")).collect();
            anyhow::bail!("the vault holds archives of several repositories; choose one by --set: {}", all.join(", "))
        }
    }
}
