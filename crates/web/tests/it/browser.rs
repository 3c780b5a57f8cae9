//! The page in a real browser: the whole story of a restore out of the cold, by `tests/browser`.
//!
//! The script and this test speak in lines: the script asks for the clock to be turned or the page to
//! be started anew, and hears when it is done.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use darkslide_web::Role;

use crate::world::World;

/// Photographs of the library. `DARKSLIDE_BROWSER_PHOTOGRAPHS` makes it smaller, to try things out.
const PHOTOGRAPHS: usize = 5000;

fn photographs() -> usize {
    std::env::var("DARKSLIDE_BROWSER_PHOTOGRAPHS").ok().and_then(|text| text.parse().ok()).unwrap_or(PHOTOGRAPHS)
}

#[test]
fn the_story_in_a_browser() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    assert!(
        folder.join("node_modules/playwright-core").is_dir(),
        "`npm ci` in {} first: ci.sh does it",
        folder.display()
    );
    let world = World::new(photographs());
    let (operator, reader) = (world.token("anna", Role::Operator), world.token("guest", Role::Reader));
    let mut server = Some(world.serve());
    let shots = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("screenshots");
    std::fs::create_dir_all(&shots).unwrap();
    let mut script = Command::new("node")
        .arg(folder.join("story.mjs"))
        .env("PAGE", server.as_ref().unwrap().url())
        .env("OPERATOR", operator)
        .env("READER", reader)
        .env("IDENTITY", world.path("identity.txt"))
        .env("RESTORED", world.path("restored"))
        .env("SHOTS", &shots)
        .env("PHOTOGRAPHS", photographs().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node is there: ci.sh installs it");
    let mut answers = script.stdin.take().unwrap();
    for line in BufReader::new(script.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let answer = match line.split_once(' ').unwrap_or((line.as_str(), "")) {
            ("turn", hours) => {
                world.sim.advance(Duration::from_secs(3600 * hours.parse::<u64>().unwrap()));
                "turned".to_string()
            }
            ("restart", _) => {
                server.take().unwrap().stop();
                server = Some(world.serve());
                server.as_ref().unwrap().url()
            }
            ("account", _) => {
                world.set_up_account();
                "it is set up".to_string()
            }
            ("surprise", _) => {
                world.open_up();
                "somebody may more".to_string()
            }
            _ => {
                writeln!(std::io::stdout(), "{line}").unwrap();
                continue;
            }
        };
        writeln!(answers, "{answer}").unwrap();
    }
    assert!(script.wait().unwrap().success(), "the story did not come to its end");
    let restored = walk(&world.path("restored"));
    assert_eq!(restored.len(), 40);
    for file in restored {
        let inside = file.strip_prefix(world.path("restored")).unwrap();
        let original = std::fs::read(world.path("library").join(inside)).unwrap();
        assert!(std::fs::read(&file).unwrap() == original, "{} differs", inside.display());
    }
    assert!(world.sim.bill().total.usd() > 0.0);
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.path().is_dir() {
            true => all.extend(walk(&entry.path())),
            false => all.push(entry.path()),
        }
    }
    all
}
