//! A program that gets the message as JSON on its standard input.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

use crate::channel::Letter;
use crate::failure::Failure;
use crate::process::{Call, Ended};
use crate::secret::{Blanks, MaybeSecret};

/// A program and what it gets besides the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Program and arguments; never through a shell.
    pub argv: Vec<String>,
    /// Further variables of its environment.
    pub env: BTreeMap<String, MaybeSecret>,
}

/// Variables of a program's environment.
pub(crate) type Environment = Vec<(String, Zeroizing<String>)>;

/// Reads what the settings put into a program's environment.
pub(crate) async fn environment(
    settings: &BTreeMap<String, MaybeSecret>,
    blanks: &mut Blanks,
) -> Result<Environment, Failure> {
    let mut env = Environment::new();
    for (name, value) in settings {
        let value = value.fetch().await?;
        blanks.hide(&value);
        env.push((name.clone(), Zeroizing::new(value.expose_secret().to_string())));
    }
    Ok(env)
}

impl Program {
    pub(crate) async fn send(
        &self,
        letter: &Letter<'_>,
        limit: Duration,
        blanks: &mut Blanks,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<(), Failure> {
        let mut env = environment(&self.env, blanks).await?;
        let message = letter.message;
        env.push(("DARKSLIDE_EVENT".into(), Zeroizing::new(message.kind.word().into())));
        env.push(("DARKSLIDE_JOB".into(), Zeroizing::new(message.job.clone().unwrap_or_default())));
        let input = letter.json();
        let call = Call { argv: &self.argv, input: &input, env: &env, limit, stdout_max: 0 };
        let done = call.run(stop).await;
        let last = done.stderr_lines(blanks).pop().map_or(String::new(), |line| format!("; it said `{line}`"));
        let program = self.argv.first().map_or("", String::as_str);
        match &done.ended {
            Ended::Exit(0) => Ok(()),
            // 75 is EX_TEMPFAIL: the program itself says that it may work later.
            Ended::Exit(75) => Err(Failure::passing(format!("{program} {}{last}", done.ended))),
            Ended::NotStarted(why) => Err(Failure::lasting(format!("it could not be started: {why}"))),
            ended => Err(Failure::lasting(format!("{program} {ended}{last}"))),
        }
    }
}
