//! `config`: whether the configuration holds together, what counts, what a key means.

use std::path::PathBuf;

use anyhow::Result;
use darkslide_engine::{EngineError, Key, explain, keys};
use serde_json::{Value, json};

use crate::args::ConfigCommand;
use crate::output::{self, Exit};
use crate::wiring;

/// `config …`.
pub fn config(config: Option<PathBuf>, command: ConfigCommand) -> Result<Exit> {
    match command {
        ConfigCommand::Check(json) => check(config, json.json),
        ConfigCommand::Show(json) => show(config, json.json),
        ConfigCommand::Explain(args) => tell(args.key.as_deref(), args.json.json),
    }
}

/// What is wrong with the file comes as the error of reading it.
fn check(config: Option<PathBuf>, as_json: bool) -> Result<Exit> {
    let engine = wiring::engine(config)?;
    let settings = engine.settings();
    let (stores, backups, mirrors) = (settings.stores.len(), settings.backups.len(), settings.mirrors.len());
    let path = settings.path.display().to_string();
    if as_json {
        output::value(&json!({"config": path, "ok": true, "stores": stores, "backups": backups, "mirrors": mirrors}));
    } else {
        output::line(format!("{path} holds together: stores {stores}, backups {backups}, mirrors {mirrors}."));
        output::line("Whether what it names is there, `darkslide doctor` says.");
    }
    Ok(Exit::Ok)
}

fn show(config: Option<PathBuf>, as_json: bool) -> Result<Exit> {
    let engine = wiring::engine(config)?;
    let said = serde_json::to_value(engine.settings())?;
    let silent: Vec<&Key> = keys().iter().filter(|key| key.default.is_some() && !is_said(&said, &key.name)).collect();
    if as_json {
        let defaults: serde_json::Map<String, Value> =
            silent.iter().map(|key| (key.name.clone(), json!(key.default))).collect();
        output::value(&json!({"config": engine.settings().path, "said": said, "defaults": defaults}));
        return Ok(Exit::Ok);
    }
    output::line(format!("# {}", engine.settings().path.display()));
    output::line(engine.settings().shown()?.trim_end());
    output::line("\n# What it does not say, and what counts instead:");
    for key in silent {
        output::line(format!("#   {} = {}", key.name, key.default.as_deref().unwrap_or_default()));
    }
    Ok(Exit::Ok)
}

/// True if a key stands in the file; of tables that there may be several of, in each.
fn is_said(value: &Value, name: &str) -> bool {
    let (first, rest) = name.split_once('.').map_or((name, None), |(first, rest)| (first, Some(rest)));
    match (value.get(first), rest) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(Value::Array(all)), Some(rest)) => !all.is_empty() && all.iter().all(|one| is_said(one, rest)),
        (Some(below), Some(rest)) => is_said(below, rest),
    }
}

fn tell(key: Option<&str>, as_json: bool) -> Result<Exit> {
    let found: Vec<&Key> = match key {
        None => keys().iter().collect(),
        Some(key) => match explain(key) {
            Ok(found) => found,
            Err(near) => {
                let hint = near.map_or_else(
                    || "`darkslide config explain` lists all keys".to_string(),
                    |near| format!("did you mean `{near}`?"),
                );
                return Err(EngineError::NoKey { key: key.to_string(), hint }.into());
            }
        },
    };
    if as_json {
        output::value(&serde_json::to_value(&found)?);
        return Ok(Exit::Ok);
    }
    for key in found {
        output::line(&key.name);
        output::line(format!("    {}", key.text));
        if let Some(default) = &key.default {
            output::line(format!("    Default: {default}"));
        }
        if let Some(example) = &key.example {
            output::line(format!("    {example}"));
        }
    }
    Ok(Exit::Ok)
}
