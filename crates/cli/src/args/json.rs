//! Which commands were asked for JSON.

use super::{
    CardCommand, Cli, CloudCommand, Command, ConfigCommand, Key, NotifyCommand, PreviewsCommand, Quote, ServeCommand,
    StoreCommand, ThawCommand, Writer,
};

impl Cli {
    /// True if the user wants JSON.
    pub fn json(&self) -> bool {
        match &self.command {
            Command::Status(json) | Command::Doctor(json) => json.json,
            Command::Backup(a) => a.json.json,
            Command::Ingest(a) => a.json.json,
            Command::Card(CardCommand::Check { json, .. } | CardCommand::VerifyMhl { json, .. }) => json.json,
            Command::Card(CardCommand::List(json)) | Command::Catalogs(json) => json.json,
            Command::Mirror(a) => a.json.json,
            Command::Snapshots(a) => a.json.json,
            Command::Ls(a) => a.browse.json.json,
            Command::Find(a) => a.browse.json.json,
            Command::Diff(a) => a.browse.json.json,
            Command::Photos(a) => a.json.json,
            Command::Previews(PreviewsCommand::Status(json)) => json.json,
            Command::Previews(PreviewsCommand::Make { json, .. } | PreviewsCommand::Fetch { json, .. }) => json.json,
            Command::Restore(a) => a.json.json,
            Command::Quote(Quote::Restore { browse, .. }) => browse.json.json,
            Command::Quote(Quote::Backup { json, .. } | Quote::Prune(json)) => json.json,
            Command::Thaw(ThawCommand::List(json)) => json.json,
            Command::Thaw(ThawCommand::Wait { json, .. } | ThawCommand::Cancel { json, .. }) => json.json,
            Command::Thaw(ThawCommand::Packs { json, .. }) => json.json,
            Command::Thaw(ThawCommand::Upgrade { json, .. } | ThawCommand::Confirm { json, .. }) => json.json,
            Command::Drill(a) => a.json.json,
            Command::Cost(a) => a.json.json,
            Command::Store(StoreCommand::Check { json, .. }) => json.json,
            Command::Vault(a) => a.command.json(),
            Command::Audit(a) => a.json.json,
            Command::Scrub(a) => a.json.json,
            Command::Repair(a) => a.json.json,
            Command::Copies(a) => a.json.json,
            Command::Forget(a) => a.json.json,
            Command::Run(a) => a.json.json,
            Command::Schedule(a) => a.json.json,
            Command::Serve(a) => matches!(&a.command, Some(ServeCommand::Logins(json)) if json.json),
            Command::Logs(a) => a.json.json,
            Command::Prune(a) => a.json.json,
            Command::Key(Key::List(json)) | Command::Writer(Writer::List(json)) => json.json,
            Command::Config(ConfigCommand::Check(json) | ConfigCommand::Show(json)) => json.json,
            Command::Config(ConfigCommand::Explain(a)) => a.json.json,
            Command::Notify(NotifyCommand::Test(a)) => a.json.json,
            Command::Notify(NotifyCommand::List(json)) => json.json,
            Command::Cloud(CloudCommand::Plan(json) | CloudCommand::Verify(json)) => json.json,
            Command::Cloud(CloudCommand::Apply(a) | CloudCommand::Destroy(a)) => a.json.json,
            Command::Cloud(CloudCommand::Rotate(a)) => a.json.json,
            _ => false,
        }
    }
}
