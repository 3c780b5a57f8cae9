//! Asking before money is spent.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use anyhow::Result;

/// Says what would be spent and asks; without a terminal `--yes` has to have said
/// so before.
pub fn spend(what: &str, yes: bool) -> Result<bool> {
    eprintln!("{what}");
    if yes {
        return Ok(true);
    }
    if !std::io::stdin().is_terminal() {
        anyhow::bail!("nothing was asked for yet: say --yes to go on (and --max-cost to bound it)");
    }
    eprint!("Go on? [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
