//! Telling somebody: messages to people and programs, pings to a watcher outside, hooks around jobs.
//!
//! Level 2. **Invariant:** what cannot be delivered is an outcome for the caller to write down, never
//! a failure of the work that it tells of. Everything ends in bounded time. No secret leaves it but to
//! where it belongs; no name of a photograph leaves it unless a channel asks for details.
//!
//! - [`Message`] is what is told; [`compose`] words it for a photographer.
//! - [`Memory`] decides what is told: not the same thing again and again.
//! - [`Channel`] says where to and which; [`deliver`] and [`ping`] do it.
//! - [`Hook`] is a program that runs before or after jobs, or on events.
//! - [`SecretRef`] says where a secret lies.

mod channel;
mod deliver;
mod failure;
mod hook;
mod http;
mod memory;
mod message;
mod process;
mod runtime;
mod secret;
mod wording;

pub use channel::{Begins, Channel, Email, Encryption, Ntfy, Patience, Ping, Program, Signal, Sns, Way, Webhook};
pub use deliver::{Delivery, Surroundings, deliver, ping};
pub use hook::{Hook, HookPoint, HookRun, Weight};
pub use memory::{Memory, REPEAT};
pub use message::{Details, KINDS_DEFAULT, Kind, Message, Severity};
pub use process::Ended;
pub use secret::{MaybeSecret, SecretError, SecretRef};
pub use wording::{Happening, compose};

/// The beginning of a text, ending with a whole character.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

/// One line of a stranger's text, harmless to show.
pub(crate) fn tidy(text: &str, bytes_max: usize) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    // Enough to have `bytes_max` left after the white space has gone.
    let plain: String = cut(text, bytes_max.saturating_mul(8)).chars().map(plain).collect();
    let words: Vec<&str> = plain.split_whitespace().collect();
    let line = words.join(" ");
    match line.len() > bytes_max {
        true => format!("{}…", cut(&line, bytes_max)),
        false => line,
    }
}
