//! `doctor`: a check-up.

use std::path::PathBuf;

use anyhow::Result;
use darkslide_engine::{Diagnosis, Health};
use serde_json::json;

use crate::output::{self, Exit};
use crate::wiring;

/// Looks at everything that a run will need, and says what to do about what it finds.
pub fn run(config: Option<PathBuf>, as_json: bool) -> Result<Exit> {
    let config = std::path::absolute(wiring::config_path(config))?;
    let engine = wiring::engine(Some(config.clone()))?;
    let mut found = engine.doctor()?;
    found.push(super::service::starts(&engine, &config));
    let worst = found.iter().map(|finding| finding.health).max().unwrap_or(Health::Good);
    if as_json {
        output::value(&json!({"health": worst, "findings": found}));
    } else {
        found.iter().for_each(tell);
        output::line(match worst {
            Health::Good => "All is well.",
            Health::Unknown => "All is well, as far as could be seen.",
            Health::Weak => "Nothing is broken. What is marked ! could be better.",
            Health::Bad => "What is marked !! needs a hand.",
        });
    }
    Ok(if worst == Health::Bad { Exit::Incomplete } else { Exit::Ok })
}

fn tell(finding: &Diagnosis) {
    let mark = match finding.health {
        Health::Good => "ok",
        Health::Unknown => "? ",
        Health::Weak => "! ",
        Health::Bad => "!!",
    };
    output::line(format!("{mark} {:<13} {}", finding.area, finding.text));
    if !finding.advice.is_empty() {
        output::line(format!("{:17}{}", "", finding.advice));
    }
}
