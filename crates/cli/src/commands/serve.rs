//! `serve`: the web page, and who may log in.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use darkslide_engine::words::Clock;
use darkslide_engine::{Engine, EngineError};
use darkslide_web::{Logins, Means, Role, Server};
use serde_json::Value;

use crate::args::{Login, RoleArg, Serve, ServeCommand};
use crate::output::{self, Exit};
use crate::{keyfile, wiring};

/// The login that is made where there is none yet.
const FIRST: &str = "operator";
/// How often it looks whether it is to end.
const TICK: Duration = Duration::from_millis(100);

/// Engines of a configuration, for the page.
struct Wired {
    config: PathBuf,
    clock: Arc<dyn Clock>,
}

impl Means for Wired {
    fn engine(&self) -> Result<Engine, EngineError> {
        wiring::engine(Some(self.config.clone()))
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    fn host(&self) -> String {
        wiring::host()
    }
}

/// Begins to serve the page of a configuration, and says where.
pub fn begin(config: PathBuf, listen: Option<std::net::SocketAddr>) -> Result<Server> {
    let engine = wiring::engine(Some(config.clone()))?;
    let first = first_login(&engine)?;
    let server = darkslide_web::start(Arc::new(Wired { config, clock: wiring::clock() }), listen)?;
    eprintln!("The page is at {}", server.url());
    if let Some(path) = first {
        eprintln!("Log in with the token in {}", path.display());
    }
    Ok(server)
}

/// Where nobody can log in yet, a token in a file of mode 0600.
fn first_login(engine: &Engine) -> Result<Option<PathBuf>> {
    let state = engine.settings().state_dir();
    let path = state.join("serve-token");
    let mut logins = Logins::load(&state)?;
    if !logins.list().is_empty() {
        return Ok(path.exists().then_some(path));
    }
    let token = logins.make_token(FIRST, Role::Operator)?;
    // One that is left over belongs to a login that is gone.
    let _ = std::fs::remove_file(&path);
    keyfile::write_private(&path, format!("{}\n", token.as_str()).as_bytes())?;
    Ok(Some(path))
}

/// `serve`.
pub fn serve(config: Option<PathBuf>, args: &Serve) -> Result<Exit> {
    let config = std::path::absolute(wiring::config_path(config))?;
    let Some(command) = &args.command else {
        let server = begin(config.clone(), args.listen)?;
        while !wiring::interrupted() {
            std::thread::sleep(TICK);
        }
        server.stop();
        // What did not come to a safe point in time goes on with the next run.
        wiring::engine(Some(config))?.abandon_runs("the page was told to stop")?;
        return Ok(Exit::Ok);
    };
    if matches!(command, ServeCommand::Openapi) {
        output::line(darkslide_web::openapi().trim_end());
        return Ok(Exit::Ok);
    }
    let engine = wiring::engine(Some(config))?;
    let mut logins = Logins::load(&engine.settings().state_dir())?;
    match command {
        ServeCommand::Logins(json) => list(&logins, json.json),
        ServeCommand::Password { login, password_file } => {
            let password = keyfile::new_password(password_file.as_deref())?;
            logins.set_password(&login.name, role(login), &password)?;
            output::line(format_args!("{} may log in, as {}", login.name, role(login).word()));
        }
        ServeCommand::Token(login) => output::line(logins.make_token(&login.name, role(login))?.as_str()),
        ServeCommand::Remove { name } => match logins.remove(name)? {
            true => output::line(format_args!(
                "{name} cannot log in any more; a page that runs ends open logins when it ends"
            )),
            false => bail!("there is no login `{name}`: `darkslide serve logins` lists them"),
        },
        ServeCommand::Openapi => {}
    }
    Ok(Exit::Ok)
}

fn role(login: &Login) -> Role {
    match login.role {
        RoleArg::Reader => Role::Reader,
        RoleArg::Operator => Role::Operator,
    }
}

fn list(logins: &Logins, as_json: bool) {
    let all = logins.list();
    if as_json {
        return output::value(&serde_json::to_value(&all).unwrap_or(Value::Null));
    }
    if all.is_empty() {
        output::line("Nobody can log in yet: `darkslide serve` makes a first token.");
    }
    for login in all {
        let what = if login.is_token { "token" } else { "password" };
        output::line(format_args!("{}: {}, by {what}", login.name, login.role.word()));
    }
}
