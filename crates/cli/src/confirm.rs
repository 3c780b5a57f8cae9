//! Asking before money is spent, and before what cannot be undone.

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

/// Says what can never be undone, and has a name typed out; without a terminal the command has to carry it.
pub fn typed(what: &str, thing: &str, name: &str, given: Option<&str>) -> Result<bool> {
    eprintln!("{what}");
    let answer = match given {
        Some(given) => given.to_string(),
        None if !std::io::stdin().is_terminal() => {
            anyhow::bail!("nobody can be asked: give {thing} with --i-mean to go on")
        }
        None => {
            eprint!("Type {thing} to go on: ");
            std::io::stderr().flush()?;
            let mut answer = String::new();
            std::io::stdin().lock().read_line(&mut answer)?;
            answer
        }
    };
    // An empty line agrees to nothing.
    let same = !name.is_empty() && answer.trim() == name;
    if !same {
        eprintln!("`{}` is not {thing}: nothing was done", answer.trim());
    }
    Ok(same)
}
