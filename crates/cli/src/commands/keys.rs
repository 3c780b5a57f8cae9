//! `key` and `writer`.

use std::path::PathBuf;

use anyhow::Result;
use darkslide_engine::words::{Name, OsRng};
use serde_json::json;

use crate::args::{Key, Writer};
use crate::output::{self, Exit};
use crate::{keyfile, wiring};

/// Keys and recipients.
pub fn key(config: Option<PathBuf>, args: Key) -> Result<Exit> {
    match args {
        Key::New { file, passphrase, passphrase_file } => {
            let identity = keyfile::make(&file, passphrase, passphrase_file.as_deref())?;
            for recipient in identity.recipients() {
                output::line(recipient);
            }
            eprintln!("Made {}. Move it away from machines that back up, and print it:", file.display());
            eprintln!("  darkslide key paper --identity {}", file.display());
        }
        Key::Paper { identity, recover: None, out } => {
            let page = keyfile::paper_page(&keyfile::needed(&identity, "a paper key")?)?;
            match out {
                Some(out) => keyfile::write_private(&out, page.as_bytes())?,
                None => output::line(page),
            }
        }
        Key::Paper { recover: Some(from), out, .. } => {
            let out = out.unwrap_or_else(|| PathBuf::from("identity.txt"));
            let identity = keyfile::recover(&from, &out)?;
            eprintln!("Recovered the identity of {} into {}", identity.recipients().join(", "), out.display());
        }
        Key::List(json) => list(config, json.json)?,
        Key::Add { recipient, name, identity } => {
            let identity = keyfile::needed(&identity, "adding a recipient")?;
            wiring::engine(config)?.add_recipient(&name, &recipient, &identity)?;
            eprintln!("{name} can open everything from now on, old and new.");
        }
        Key::Remove { recipient, identity } => {
            let identity = keyfile::needed(&identity, "removing a recipient")?;
            wiring::engine(config)?.remove_recipient(&recipient, &identity)?;
            eprintln!(
                "New photographs are sealed to {recipient} no more. What was stored before stays readable to whoever \
                 holds that key: sealed data cannot be taken back."
            );
        }
    }
    Ok(Exit::Ok)
}

fn list(config: Option<PathBuf>, as_json: bool) -> Result<()> {
    let (recipients, epoch) = wiring::engine(config)?.recipients()?;
    for r in &recipients {
        match as_json {
            true => output::value(&json!({"name": r.name, "recipient": r.recipient, "epoch": epoch})),
            false => output::line(format_args!("{}  {}", r.recipient, Name::from(r.name.as_str()))),
        }
    }
    if !as_json {
        eprintln!("epoch {epoch}");
    }
    Ok(())
}

/// Writers.
pub fn writer(config: Option<PathBuf>, args: Writer) -> Result<Exit> {
    match args {
        Writer::Enroll { name, out, identity } => {
            let identity = keyfile::needed(&identity, "enrolling a machine")?;
            let id = wiring::engine(config)?.enroll_writer(&name, &out, &identity, &mut OsRng)?;
            eprintln!("Enrolled {name} ({id}). Carry {} to it and run there:", out.display());
            eprintln!("  darkslide open --store REPOSITORY --writer {} --library LIBRARY", out.display());
        }
        Writer::List(json) => {
            for w in wiring::engine(config)?.writers()? {
                let revoked = w.revoked.as_ref();
                match json.json {
                    true => output::value(&json!({
                        "id": w.id, "name": w.name, "enrolled": w.enrolled.to_string(),
                        "revoked": revoked.map(|(t, _)| t.to_string()), "reason": revoked.map(|(_, r)| r),
                    })),
                    false => {
                        let state = revoked.map_or_else(
                            || "trusted".into(),
                            |(t, r)| format!("REVOKED {} {}", t.local(), Name::from(r.as_str())),
                        );
                        output::line(format_args!(
                            "{}  {:<16}  enrolled {}  {state}",
                            w.id,
                            w.name,
                            w.enrolled.local()
                        ));
                    }
                }
            }
        }
        Writer::Revoke { writer, reason, identity } => {
            let identity = keyfile::needed(&identity, "revoking a machine")?;
            wiring::engine(config)?.revoke_writer(&writer, &reason, &identity)?;
            eprintln!("Revoked {writer}: its snapshots are refused from now on unless asked for by name.");
        }
    }
    Ok(Exit::Ok)
}
